"""Conversations without sockets: two engines, a toy chain, wallets that sign for real, and nothing else."""

import hashlib
from collections import deque
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
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
from cfd_core.errors import DecodeError
from cfd_core.oracle import (
    Announcement,
    Dialect,
    IssuedEvent,
    OracleKeys,
    OracleSecrets,
    attest,
    hourly_event_id,
    read_announcement,
    read_price_event,
    read_recorded_event,
    sign_announcement,
)
from cfd_core.serial import stored, wire
from cfd_core.values import (
    HOUR,
    EventId,
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


def recorded_event() -> tuple[Announcement, bytes | None]:
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


SECRETS = OracleSecrets(Secret(b"oracle" + bytes(26)), Secret(b"announce" + bytes(24)))


@lru_cache(maxsize=1000)
def announced(event: EventId) -> Announcement:
    """What the tests' own oracle announces."""
    issued = IssuedEvent.price(Dialect.OLIVIA_V1, event)
    return read_announcement(Dialect.OLIVIA_V1, sign_announcement(SECRETS, issued), SECRETS.public)


@lru_cache(maxsize=1000)
def attestation(event: EventId, price: int) -> bytes:
    """What it attests."""
    issued = IssuedEvent.price(Dialect.OLIVIA_V1, event)
    return attest(SECRETS, issued, price, issued.maturity)


def hours(first: int, last: int) -> tuple[EventId, ...]:
    """The tests' oracle's events at these hours after NOW, both included."""
    return tuple(hourly_event_id(Timestamp(NOW + hour * HOUR)) for hour in range(first, last + 1))


class ToyChain:
    """Blocks of transactions under the rules that matter here: spends, conflicts, relative timelocks."""

    def __init__(self) -> None:
        self.height = 100
        self.places: dict[str, int] = {}
        self.transactions: dict[str, Transaction] = {}
        self.held_back: set[str] = set()
        """Kept out of blocks, as in a fee spike."""

    def spender(self, outpoint: OutPoint) -> Transaction | None:
        found = (tx for tx in self.transactions.values() if any(i.outpoint == outpoint for i in tx.inputs))
        return next(found, None)

    def submit(self, tx: Transaction) -> bool:
        """Into the mempool, in the place of unconfirmed conflicts; False if it may not stand in the next block."""
        if tx.txid in self.transactions:
            return True
        conflicts = {c.txid for i in tx.inputs if (c := self.spender(i.outpoint)) is not None}
        if any(self.places[txid] for txid in conflicts) or any(not self._mature(i) for i in tx.inputs):
            return False
        if conflicts and not self._pays_more(tx, conflicts):
            return False
        for txid in conflicts:
            self.drop(txid)
        self.transactions[tx.txid], self.places[tx.txid] = tx, 0
        return True

    def _pays_more(self, tx: Transaction, conflicts: set[str]) -> bool:
        kept = sum(out.sats for txid in conflicts for out in self.transactions[txid].outputs)
        same = all(
            {i.outpoint for i in self.transactions[t].inputs} == {i.outpoint for i in tx.inputs} for t in conflicts
        )
        return same and sum(out.sats for out in tx.outputs) < kept

    def _mature(self, tx_in: TxIn) -> bool:
        if tx_in.sequence >= 1 << 22:
            return True
        place = self.places.get(tx_in.outpoint.txid, 0)
        return place > 0 and self.height + 1 >= place + tx_in.sequence

    def drop(self, txid: str) -> None:
        """Out of the mempool, with everything that spends it."""
        self.places.pop(txid, None)
        tx = self.transactions.pop(txid, None)
        for vout in range(len(tx.outputs) if tx else 0):
            child = self.spender(OutPoint(Txid(txid), vout))
            if child is not None:
                self.drop(child.txid)

    def mine(self, count: int = 1) -> None:
        for _ in range(count):
            self.height += 1
            for txid, place in self.places.items():
                if not place and txid not in self.held_back:
                    self.places[txid] = self.height

    def reorg(self, depth: int) -> None:
        """Undo blocks; their transactions wait in the mempool again."""
        self.height -= depth
        for txid, place in self.places.items():
            if place > self.height:
                self.places[txid] = 0

    def report(self, outpoint: OutPoint) -> i.OutpointReport:
        spender = self.spender(outpoint)
        spend = i.Spend(spender.serialize(), self.places[spender.txid]) if spender else None
        created = self.places.get(outpoint.txid)
        return i.OutpointReport(outpoint, created, spend)


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

    def sign(self, raw: bytes) -> bytes:
        psbt = PSBT.parse(raw)
        tx = Transaction.parse(psbt.tx.serialize())
        for index, scope in enumerate(psbt.inputs):
            if scope.witness_utxo.script_pubkey.data != self.script:
                continue
            code = b"\x76\xa9" + self.script[1:] + b"\x88\xac"
            digest = tx.sighash_v0(index, code, Sats(scope.witness_utxo.value))
            scope.final_scriptwitness = Witness([secp.ecdsa_sign(self.key, digest) + b"\x01", self.pubkey])
        return bytes(psbt.serialize())


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
        self.watched: dict[OutPoint, bytes] = {}
        self.reported: dict[OutPoint, i.OutpointReport] = {}
        self.input_problems: tuple[str, ...] = ()
        self.now = NOW

    def give(self, happened: Any, now: Timestamp | None = None) -> None:
        step = self.engine.handle(happened, self.now if now is None else now)
        for recorded in step.events:
            self.log.append(recorded)
            revision = stored.to_revision(recorded)
            if revision is not None:
                self.revisions[revision.cfd_id, revision.revision] = revision.data
        self.engine = step.engine
        self.todo.extend(step.effects)

    def restart(self) -> None:
        """Forget everything but the stored bytes."""
        tip = self.engine.tip
        self.engine = Engine.load(self.settings, stored.read_events(stored.to_stored(r) for r in self.log))
        self.todo.clear()
        self.reported.clear()
        self.give(i.NodeStarted())
        self.give(i.TipChanged(tip))
        self.todo.extend(self.engine.resume(self.now))

    @property
    def cfd(self) -> Cfd:
        (cfd,) = self.engine.cfds.values()
        return cfd

    def event_names(self) -> list[str]:
        return [type(r.event).__name__ for r in self.log]


class Pair:
    """A maker and a taker, the wire between them, and a chain. Messages travel as encoded bytes.

    `own_oracle`: settle on the tests' own oracle's events, with hourly liquidations, instead of the recorded one.
    """

    def __init__(
        self,
        maker_policy: Policy | None = None,
        taker_policy: Policy | None = None,
        *,
        own_oracle: bool = False,
        **offer: Any,
    ) -> None:
        if own_oracle:
            self.announcement, self.attestation = announced(hours(24, 24)[0]), attestation(hours(24, 24)[0], 48_935)
            offer = {"liquidations": hours(1, 23), **offer}
        else:
            self.announcement, recorded = recorded_event()
            self.attestation = recorded or b""
        self.maker, self.taker = Node(Role.MAKER, maker_policy), Node(Role.TAKER, taker_policy)
        self.chain = ToyChain()
        self.streams: dict[tuple[PeerId, RunId], tuple[Node, RunId]] = {}
        self.wire: deque[tuple[Node, RunId, bytes]] = deque()
        self.broadcasts: dict[str, Transaction] = {}
        self.refused: list[Transaction] = []
        self.tamper: Callable[[Node, bytes], bytes | None] = lambda _to, raw: raw
        self.offer = make_offer(self.announcement, **offer)
        for node in (self.maker, self.taker):
            node.give(i.AnnouncementReceived(self.announcement))
            for event in self.offer.liquidations:
                node.give(i.AnnouncementReceived(announced(event)))
        self.maker.give(c.PublishOffer(self.offer))
        self.taker.give(c.LearnOffers(MAKER, (self.offer,)))

    @property
    def nodes(self) -> tuple[Node, Node]:
        return self.taker, self.maker

    def take(self, position: Position = Position.LONG, quantity: int = 1000, leverage: int = 2) -> None:
        entropy = hashlib.sha256(b"order").digest()
        self.taker.give(c.TakeOffer(MAKER, self.offer.id, position, quantity, leverage, entropy))

    def run(self, steps: int = 10_000) -> None:
        """Work until nobody has anything to do; `steps` bounds how far."""
        for _ in range(steps):
            if not self.step():
                return

    def step(self) -> bool:
        for node in self.nodes:
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
        return self.report_news()

    def report_news(self) -> bool:
        for node in self.nodes:
            for outpoint in node.watched:
                report = self.chain.report(outpoint)
                if node.reported.get(outpoint) != report:
                    node.reported[outpoint] = report
                    node.give(report)
                    return True
        return False

    def deliver(self, to: Node, run: RunId, raw: bytes) -> None:
        try:
            message = wire.decode_message(raw)
        except DecodeError as error:
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
                other.give(i.StreamOpened(theirs, node.peer, protocol, hashlib.sha256(run.encode()).digest()))
            case f.SendMessage(run, message):
                if (node.peer, run) in self.streams:
                    self.wire.append((*self.streams[node.peer, run], wire.encode_message(message)))
            case f.ReserveCoins():
                node.give(node.wallet.reserve(effect))
            case f.ReleaseCoins(key):
                node.wallet.reserved.discard(key)
            case f.SignLock(key, psbt):
                node.give(i.LockInputsSigned(key, node.wallet.sign(psbt)))
            case f.SignCancel(key, psbt):
                node.give(i.CancelInputSigned(key, node.wallet.sign(psbt)))
            case f.BumpFee(key, parent, vout, _, rate):
                child = Transaction(
                    (TxIn(Transaction.parse(parent).outpoint(vout)),), (TxOut(Sats(10_000 - rate), node.wallet.script),)
                )
                node.give(i.FeeBumpSigned(key, Transaction.parse(parent).txid, child.serialize(), rate))
            case f.CheckInputs(key, _):
                node.give(i.InputsChecked(key, node.input_problems))
            case f.SignCets(key, run, job):
                node.give(i.CetsSigned(key, run, jobs.sign_cets(job)))
            case f.VerifyCets(key, run, job):
                node.give(i.CetsVerified(key, run, jobs.verify_cets(job)))
            case f.BroadcastTx(_, _, txid, raw):
                tx = Transaction.parse(raw)
                if self.chain.submit(tx):
                    self.broadcasts[txid] = tx
                else:
                    self.refused.append(tx)
            case f.WatchOutpoint(outpoint, script):
                node.watched[outpoint] = script
            case f.LoadRevision(key, revision):
                node.give(i.RevisionLoaded(key, revision, node.revisions[key, revision]))
            case f.DropRevision(key, revision):
                node.revisions.pop((key, revision), None)
            case f.FetchAnnouncement(event):
                read_price_event(event)
                node.give(i.AnnouncementReceived(announced(event)))
            case _:
                pass

    def both(self, happened: Any, now: Timestamp | None = None) -> None:
        for node in self.nodes:
            node.give(happened, now)
        self.run()

    def cut(self) -> None:
        """The link breaks: what is on the wire is lost, every run hears of it."""
        self.wire.clear()
        self.streams.clear()
        for node in self.nodes:
            for run in list(node.engine.runs):
                node.give(i.StreamClosed(run, "the link broke"))
        self.run()

    def reconnect(self) -> None:
        """The link is up again."""
        for node, other in ((self.taker, MAKER), (self.maker, TAKER)):
            node.give(i.PeerConnected(other, hashlib.sha256(node.peer.encode()).digest()))
        self.run()

    def mine(self, count: int = 1) -> None:
        """Blocks, one after the other, each told to both."""
        for _ in range(count):
            self.run()
            self.chain.mine()
            self.both(i.TipChanged(self.chain.height))

    def later(self, seconds: int) -> None:
        """Time passes for both."""
        for node in self.nodes:
            node.now = Timestamp(node.now + seconds)
        self.both(i.TimerFired())

    def confirm_lock(self) -> None:
        self.both(i.TipChanged(self.chain.height))
        self.mine()

    def attest(self, price: int, event: EventId | None = None) -> None:
        """The tests' own oracle speaks."""
        known = event or self.announcement.event_id
        self.both(i.AttestationReceived(known, attestation(known, price)))

    @property
    def draft(self) -> Any:
        held = self.taker.cfd.held
        assert held is not None
        return held.live.draft


@pytest.fixture
def pair() -> Pair:
    return Pair()


@pytest.fixture
def make_pair() -> type[Pair]:
    return Pair


@pytest.fixture
def open_pair() -> Pair:
    """A pair whose lock is confirmed."""
    return opened(Pair())


@pytest.fixture
def hourly_pair() -> Pair:
    """The same on the tests' own oracle, with hourly liquidations."""
    return opened(Pair(own_oracle=True))


def opened(made: Pair, **order: Any) -> Pair:
    made.take(**order)
    made.run()
    made.confirm_lock()
    return made
