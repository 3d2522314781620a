"""Conversations without sockets: two engines, a toy chain, wallets that sign for real, and nothing else."""

import hashlib
from collections import deque
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from embit.psbt import PSBT
from embit.script import Witness

from cfd_core import effects as f
from cfd_core import inputs as i
from cfd_core.bitcoin import scripts
from cfd_core.bitcoin.transaction import Transaction, TxIn, TxOut
from cfd_core.cfd import commands as c
from cfd_core.cfd.aggregate import Cfd
from cfd_core.cfd.events import Recorded
from cfd_core.cfd.offer import Offer
from cfd_core.contract import jobs
from cfd_core.crypto import secp
from cfd_core.crypto.keys import Keychain
from cfd_core.crypto.secp import public_key
from cfd_core.engine import Engine, Policy, Settings
from cfd_core.oracle import (
    Announcement,
    Dialect,
    OracleKeys,
    read_announcement,
    read_attestation,
    read_recorded_event,
)
from cfd_core.protocols.contract_setup import messages as m
from cfd_core.serial import stored, wire
from cfd_core.values import (
    FeeRate,
    Network,
    OfferId,
    OutPoint,
    PeerId,
    Position,
    Role,
    RunId,
    Sats,
    Secret,
    Timestamp,
    Txid,
)

VECTOR = Path(__file__).parents[2] / "vectors" / "olivia_bxbt_2021-10-04T22.json"
OLIVIA = OracleKeys(bytes.fromhex("ddd4636845a90185991826be5a494cde9f4a6947b1727217afedc6292fa4caf7"), None)
NOW = Timestamp(1633298400)  # 2021-10-03T22:00:00Z, a day before the recorded event
MAKER, TAKER = PeerId("SHA256:maker"), PeerId("SHA256:taker")


def recorded_event() -> tuple[Announcement, bytes]:
    announcement, attestation = read_recorded_event(VECTOR.read_bytes())
    assert attestation is not None
    return read_announcement(Dialect.OLIVIA_V1, announcement, OLIVIA), attestation


def make_offer(announcement: Announcement, **changes: Any) -> Offer:
    fields: dict[str, Any] = {
        "id": OfferId("0f" * 16),
        "network": Network.REGTEST,
        "product": "BTCUSD-inverse",
        "bid": Decimal(50_000),
        "ask": Decimal(50_000),
        "min_quantity": 100,
        "max_quantity": 10_000,
        "lot": 100,
        "leverages": (1, 2, 5),
        "maker_leverage": 1,
        "opening_fee": Sats(0),
        "funding_rate": Decimal(0),
        "fee_rate": FeeRate(2),
        "tolerance": Decimal("0.0025"),
        "event": announcement.event_id,
        "digits": announcement.digits,
        "expiry": announcement.maturity,
        "published_at": NOW,
    }
    return Offer(**{**fields, **changes})


class Wallet:
    """One P2WPKH key and some coins of it; signs what is its own."""

    def __init__(self, label: str, coins: int = 2, sats: int = 5_000_000) -> None:
        self.key = Secret(hashlib.sha256(label.encode()).digest())
        self.pubkey = public_key(self.key).encode()
        self.script = b"\x00\x14" + scripts.hash160(self.pubkey)
        self.payout_script = b"\x00\x14" + scripts.hash160(self.pubkey + b"payout")
        self.change_script = b"\x00\x14" + scripts.hash160(self.pubkey + b"change")
        self.previous = [self._fund(label, index, sats) for index in range(coins)]
        self.reserved: set[str] = set()

    def _fund(self, label: str, index: int, sats: int) -> Transaction:
        source = OutPoint(Txid(hashlib.sha256(f"{label}{index}".encode()).hexdigest()), 0)
        return Transaction((TxIn(source),), (TxOut(Sats(sats), self.script),))

    def reserve(self, effect: f.ReserveCoins) -> i.Input:
        coins: list[i.Coin] = []
        total = 0
        for tx in self.previous:
            coins.append(i.Coin(tx.outpoint(0), tx.serialize()))
            total += tx.outputs[0].sats
            if total >= effect.amount + 1000 * effect.fee_rate * len(coins):
                self.reserved.add(effect.cfd_id)
                return i.CoinsReserved(effect.cfd_id, tuple(coins), self.change_script, self.payout_script)
        return i.CoinsRefused(effect.cfd_id, "not enough coins")

    def sign(self, effect: f.SignLock) -> i.Input:
        psbt = PSBT.parse(effect.psbt)
        tx = Transaction.parse(psbt.tx.serialize())
        for index, scope in enumerate(psbt.inputs):
            if scope.witness_utxo.script_pubkey.data != self.script:
                continue
            code = b"\x76\xa9" + self.script[1:] + b"\x88\xac"
            digest = tx.sighash_v0(index, code, Sats(scope.witness_utxo.value))
            scope.final_scriptwitness = Witness([secp.ecdsa_sign(self.key, digest) + b"\x01", self.pubkey])
        return i.LockInputsSigned(effect.cfd_id, psbt.serialize())


def contents(engine: Engine) -> list[Any]:
    """Everything an engine holds, in containers of its own."""
    maps = (engine.cfds, engine.offers, engine.market, engine.announcements, engine.runs)
    return [*(tuple(x.items()) for x in maps), engine.offers_version, engine.tip]


class Node:
    """An engine with a store of its own and a list of what it wants done."""

    def __init__(self, role: Role, policy: Policy | None = None) -> None:
        self.role = role
        self.peer = MAKER if role is Role.MAKER else TAKER
        keychain = Keychain.from_seed(Secret(role.value.encode() * 8), Network.REGTEST)
        self.settings = Settings(network=Network.REGTEST, keychain=keychain, policy=policy or Policy())
        self.engine = Engine(settings=self.settings)
        self.wallet = Wallet(role.value)
        self.log: list[Recorded] = []
        self.revisions: dict[tuple[str, int], bytes] = {}
        self.todo: deque[f.Effect] = deque()
        self.done: list[f.Effect] = []
        self.input_problems: tuple[str, ...] = ()

    def give(self, happened: Any, now: Timestamp = NOW) -> None:
        """One turn: store, then queue what is to be done. What no turn may do is checked at each."""
        before = contents(self.engine)
        step = self.engine.handle(happened, now)
        assert contents(self.engine) == before, "the engine itself never changes"
        for recorded in step.events:
            self.log.append(recorded)
            assert recorded.version == sum(r.stream == recorded.stream for r in self.log), "no gap in a stream"
            revision = stored.to_revision(recorded)
            if revision is not None:
                self.revisions[revision.cfd_id, revision.revision] = revision.data
        self.engine = step.engine
        for effect in step.effects:
            if isinstance(effect, f.SendMessage) and isinstance(effect.message, m.LockSignatures):
                assert "LockSigned" in self.event_names(), "stored before it is sent"
        self.todo.extend(step.effects)

    def restart(self) -> None:
        """Forget everything but the stored bytes."""
        events = [(r.stream, stored.from_stored(stored.to_stored(r))) for r in self.log]
        self.engine = Engine.load(self.settings, events)
        self.todo.clear()
        self.give(i.AnnouncementReceived(recorded_event()[0]))
        self.give(i.NodeStarted())
        self.todo.extend(self.engine.resume(NOW))

    @property
    def cfd(self) -> Cfd:
        (cfd,) = self.engine.cfds.values()
        return cfd

    @property
    def phase(self) -> Any:
        return self.cfd.phase

    def event_names(self) -> list[str]:
        return [type(r.event).__name__ for r in self.log]

    def sent(self, kind: type) -> bool:
        """Whether a message of this kind has left."""
        return any(isinstance(x, f.SendMessage) and isinstance(x.message, kind) for x in self.done)


class Pair:
    """A maker and a taker and the wire between them. Messages travel as encoded bytes."""

    def __init__(self, maker_policy: Policy | None = None, **offer: Any) -> None:
        self.announcement, self.attestation = recorded_event()
        self.maker, self.taker = Node(Role.MAKER, maker_policy), Node(Role.TAKER)
        self.streams: dict[tuple[PeerId, RunId], tuple[Node, RunId]] = {}
        self.wire: deque[tuple[Node, RunId, bytes | None]] = deque()
        """What is on its way; None is the end of the stream."""
        self.broadcasts: dict[str, Transaction] = {}
        self.watched: dict[OutPoint, bytes] = {}
        self.tamper: Callable[[Node, bytes], bytes | None] = lambda _to, raw: raw
        for node in (self.maker, self.taker):
            node.give(i.AnnouncementReceived(self.announcement))
        self.offer = make_offer(self.announcement, **offer)
        self.maker.give(c.PublishOffer(self.offer))
        self.taker.give(c.LearnOffers(MAKER, (self.offer,)))

    def take(self, position: Position = Position.LONG, quantity: int = 1000, leverage: int = 2) -> None:
        entropy = hashlib.sha256(b"order").digest()
        self.taker.give(c.TakeOffer(MAKER, self.offer.id, position, quantity, leverage, entropy))

    def run(self, steps: int = 10_000) -> None:
        """Work until nobody has anything to do; `steps` bounds how far."""
        for _ in range(steps):
            if not self.step():
                return

    def step(self) -> bool:
        for node in (self.taker, self.maker):
            if node.todo:
                effect = node.todo.popleft()
                node.done.append(effect)
                self.act(node, effect)
                return True
        if self.wire:
            to, run, raw = self.wire.popleft()
            if raw is None:
                self.streams.pop((to.peer, run), None)
                to.give(i.StreamClosed(run, "the stream was closed"))
            elif (altered := self.tamper(to, raw)) is not None:
                self.deliver(to, run, altered)
            return True
        return False

    def deliver(self, to: Node, run: RunId, raw: bytes) -> None:
        try:
            message = wire.decode_message(raw)
        except Exception as error:
            to.give(i.MessageUndecodable(run, str(error)))
        else:
            to.give(i.MessageReceived(run, message))

    def act(self, node: Node, effect: f.Effect) -> None:
        other = self.maker if node is self.taker else self.taker
        match effect:
            case f.OpenStream(run, _, protocol):
                theirs = RunId(f"in:{run}")
                self.streams[node.peer, run] = (other, theirs)
                self.streams[other.peer, theirs] = (node, run)
                other.give(i.StreamOpened(theirs, node.peer, protocol, hashlib.sha256(b"in").digest()))
            case f.SendMessage(run, message):
                if (node.peer, run) in self.streams:
                    self.wire.append((*self.streams[node.peer, run], wire.encode_message(message)))
            case f.CloseStream(run):
                self.close(node, run)
            case f.ReserveCoins():
                node.give(node.wallet.reserve(effect))
            case f.ReleaseCoins(key):
                node.wallet.reserved.discard(key)
            case f.SignLock():
                node.give(node.wallet.sign(effect))
            case f.CheckInputs(key, _):
                node.give(i.InputsChecked(key, node.input_problems))
            case f.SignCets(key, job):
                node.give(i.CetsSigned(key, jobs.sign_cets(job)))
            case f.VerifyCets(key, job):
                node.give(i.CetsVerified(key, jobs.verify_cets(job)))
            case f.BroadcastTx(_, _, txid, raw):
                self.broadcasts[txid] = Transaction.parse(raw)
            case f.WatchOutpoint(outpoint, script):
                self.watched[outpoint] = script
            case f.LoadRevision(key, revision):
                node.give(i.RevisionLoaded(key, revision, node.revisions[key, revision]))
            case _:
                pass

    def close(self, node: Node, run: RunId) -> None:
        if (far := self.streams.pop((node.peer, run), None)) is not None:
            self.wire.append((*far, None))

    def restart(self, node: Node) -> None:
        """The node's process dies and comes back; its streams are cut, and what was on its way to it is lost."""
        self.wire = deque(item for item in self.wire if item[0] is not node)
        for peer, run in list(self.streams):
            if peer == node.peer:
                self.close(node, run)
        node.restart()

    def fire_timers(self, after: int = 60) -> None:
        for node in (self.maker, self.taker):
            node.give(i.TimerFired(), Timestamp(NOW + after))
        self.run()

    def alter(self, to: Node, kind: type[Any], change: Callable[[Any], Any]) -> None:
        """Change messages of a kind on their way to `to`; a change to None loses them."""

        def tamper(receiver: Node, raw: bytes) -> bytes | None:
            message = wire.decode_message(raw)
            if receiver is not to or not isinstance(message, kind):
                return raw
            changed = change(message)
            return changed if changed is None or isinstance(changed, bytes) else wire.encode_message(changed)

        self.tamper = tamper

    def both(self, happened: Any, now: Timestamp = NOW) -> None:
        self.maker.give(happened, now)
        self.taker.give(happened, now)
        self.run()

    def confirm_lock(self, height: int = 110) -> None:
        self.both(i.TipChanged(height))
        self.both(i.OutpointReport(self.draft.lock_outpoint, height, None))

    @property
    def draft(self) -> Any:
        return self.draft_of(self.taker)

    def draft_of(self, node: Node) -> Any:
        held = node.cfd.held
        assert held is not None
        return held.dlc.draft


def enforceable(node: Node, cfd: Cfd, accepts: Callable[..., bool]) -> None:
    """From the stored bytes alone, this side can publish, settle and refund under Core's rules."""
    assert cfd.held is not None
    dlc, keys = cfd.held.dlc, node.settings.keychain.cfd_keys(cfd.id, 0)
    draft = dlc.draft
    announcement, raw = recorded_event()
    packed = node.revisions[cfd.id, dlc.revision]
    cet, _ = dlc.sign_cet(keys, read_attestation(announcement, raw), packed)
    assert accepts(dlc.sign_commit(keys), draft.lock.outputs[:1])
    assert accepts(cet, draft.commit.outputs[:1])
    assert accepts(dlc.sign_refund(keys), draft.commit.outputs[:1])
    if cfd.held.lock:
        assert accepts(Transaction.parse(cfd.held.lock), draft.lock_spent)


@pytest.fixture(scope="session")
def audit(accepts: Callable[..., bool]) -> Callable[[Pair], None]:
    """What must hold on both sides once nobody has anything to say any more."""

    def check(pair: Pair) -> None:
        for node in (pair.maker, pair.taker):
            assert not node.engine.runs, "every run has ended"
            events = [(r.stream, stored.from_stored(stored.to_stored(r))) for r in node.log]
            assert Engine.load(node.settings, events).cfds == node.engine.cfds, "the log says the same"
            for cfd in node.engine.cfds.values():
                if cfd.held is None:
                    assert cfd.ended
                    assert not node.sent(m.LockSignatures), "no lock signature of ours is out"
                    assert cfd.id not in node.wallet.reserved, "the coins are free"
                else:
                    enforceable(node, cfd, accepts)

    return check


@pytest.fixture
def pair() -> Pair:
    return Pair()


@pytest.fixture(scope="session")
def make_pair() -> type[Pair]:
    return Pair


@pytest.fixture
def quick() -> Pair:
    """A pair whose contracts have few CETs, for tests that set up many."""
    return Pair(tolerance=Decimal("0.05"))


@pytest.fixture
def open_pair() -> Pair:
    """A pair whose lock is confirmed at height 110."""
    made = Pair()
    made.take()
    made.run()
    made.confirm_lock()
    return made
