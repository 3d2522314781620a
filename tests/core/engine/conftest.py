"""Conversations without sockets: two engines, a toy chain, wallets that sign for real, and nothing else."""

import hashlib
from collections import deque
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
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
from cfd_core.oracle import Announcement, Dialect, OracleKeys, read_announcement, read_recorded_event
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
from embit.psbt import PSBT
from embit.script import Witness

VECTOR = Path(__file__).parents[2] / "vectors" / "olivia_bxbt_2021-10-04T22.json"
OLIVIA = OracleKeys(bytes.fromhex("ddd4636845a90185991826be5a494cde9f4a6947b1727217afedc6292fa4caf7"), None)
NOW = Timestamp(1633298400)  # 2021-10-03T22:00:00Z, a day before the recorded event
MAKER, TAKER = PeerId("SHA256:maker"), PeerId("SHA256:taker")


def recorded_event() -> tuple[Announcement, bytes]:
    announcement, attestation = read_recorded_event(VECTOR.read_bytes())
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
        step = self.engine.handle(happened, now)
        for recorded in step.events:
            self.log.append(recorded)
            revision = stored.to_revision(recorded)
            if revision is not None:
                self.revisions[revision.cfd_id, revision.revision] = revision.data
        self.engine = step.engine
        self.todo.extend(step.effects)

    def restart(self) -> None:
        """Forget everything but the stored bytes."""
        events = [(r.stream, stored.from_stored(stored.to_stored(r))) for r in self.log]
        self.engine = Engine.load(self.settings, events)
        self.todo.clear()
        self.give(i.NodeStarted())
        self.todo.extend(self.engine.resume(NOW))

    @property
    def cfd(self) -> Cfd:
        (cfd,) = self.engine.cfds.values()
        return cfd

    def event_names(self) -> list[str]:
        return [type(r.event).__name__ for r in self.log]


class Pair:
    """A maker and a taker and the wire between them. Messages travel as encoded bytes."""

    def __init__(self, maker_policy: Policy | None = None, **offer: Any) -> None:
        self.announcement, self.attestation = recorded_event()
        self.maker, self.taker = Node(Role.MAKER, maker_policy), Node(Role.TAKER)
        self.streams: dict[tuple[PeerId, RunId], tuple[Node, RunId]] = {}
        self.wire: deque[tuple[Node, RunId, bytes]] = deque()
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
            altered = self.tamper(to, raw)
            if altered is not None:
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

    def both(self, happened: Any, now: Timestamp = NOW) -> None:
        self.maker.give(happened, now)
        self.taker.give(happened, now)
        self.run()

    def confirm_lock(self, height: int = 110) -> None:
        self.both(i.TipChanged(height))
        self.both(i.OutpointReport(self.draft.lock_outpoint, height, None))

    @property
    def draft(self) -> Any:
        held = self.taker.cfd.held
        assert held is not None
        return held.dlc.draft


@pytest.fixture
def pair() -> Pair:
    return Pair()


@pytest.fixture
def make_pair() -> type[Pair]:
    return Pair


@pytest.fixture
def open_pair() -> Pair:
    """A pair whose lock is confirmed at height 110."""
    made = Pair()
    made.take()
    made.run()
    made.confirm_lock()
    return made
