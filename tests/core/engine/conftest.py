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
from cfd_core.cfd import events as e
from cfd_core.cfd import phases as p
from cfd_core.cfd.aggregate import Cfd
from cfd_core.cfd.events import Recorded
from cfd_core.cfd.evolve import evolve as fold
from cfd_core.cfd.lifecycle import FACTS, LIFECYCLE, legal
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
    read_attestation,
    read_price_event,
    read_recorded_event,
    sign_announcement,
)
from cfd_core.protocols.contract_setup import messages as m
from cfd_core.protocols.rollover import messages as r
from cfd_core.protocols.settlement import messages as t
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
        self.height = 109
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
        conflicts: set[str] = {c.txid for i in tx.inputs if (c := self.spender(i.outpoint)) is not None}
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
                if not place and self._may_be_mined(txid):
                    self.places[txid] = self.height

    def _may_be_mined(self, txid: str) -> bool:
        parents = [tx_in.outpoint.txid for tx_in in self.transactions[txid].inputs]
        return txid not in self.held_back and all(self.places.get(parent, 1) for parent in parents)

    def reorg(self, depth: int) -> None:
        """Undo blocks; their transactions wait in the mempool again."""
        self.height -= depth
        for txid, place in self.places.items():
            if place > self.height:
                self.places[txid] = 0
        for tx in list(self.transactions.values()):
            if tx.txid in self.places and not self.places[tx.txid] and not all(map(self._mature, tx.inputs)):
                self.drop(tx.txid)

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


def contents(engine: Engine) -> list[Any]:
    """Everything an engine holds, in containers of its own."""
    maps = (engine.cfds, engine.offers, engine.market, engine.announcements, engine.runs, engine.rollover_tries)
    return [*(tuple(x.items()) for x in maps), engine.node_version, engine.kept, engine.tip, engine.clock]


class Conscience:
    """What must hold after every turn of a node, whatever the other side, chain and oracle do."""

    def __init__(self) -> None:
        self.cfds: dict[str, Cfd] = {}
        self.versions: dict[str, int] = {}
        self.force_closed: set[tuple[str, int]] = set()
        self.commit_signatures: dict[tuple[str, int], bytes] = {}
        self.closes: dict[str, str] = {}
        self.may_punish = False
        """The counterparty cheats in this test."""
        self.chain_lies = False
        """The test makes transactions up that no rule allows."""

    def stored(self, recorded: Recorded) -> None:
        key, event = recorded.stream, recorded.event
        self.versions[key] = self.versions.get(key, 0) + 1
        assert recorded.version == self.versions[key], "no gap in a stream"
        if isinstance(event, e.NodeEvent):
            return
        before = self.cfds.get(key)
        after = self.cfds[key] = fold(before, event)
        if before is not None:
            self._lawful(before.phase, event, after.phase)
            self._harmless(before, event)
        if isinstance(event, e.CfdClosed) and not self.chain_lies:
            conserved(after, after.phase)

    def _lawful(self, before: Any, event: Any, after: Any) -> None:
        assert legal(before, event)
        table = LIFECYCLE.get((type(before), type(event)), ())
        unchanged = isinstance(before, FACTS.get(type(event), ())) and type(after) is type(before)
        assert type(after) in table or unchanged, f"{type(event).__name__}: {before!r:.60} to {after!r:.60}"

    def _harmless(self, before: Cfd, event: Any) -> None:
        match event:
            case e.RolloverSigned():
                assert not isinstance(before.phase, p.COMMITTED), "no rollover while a commit is out"
            case e.ForceCloseStarted():
                assert before.held is not None
                self.force_closed.add((before.id, before.held.live.number))
            case e.CloseSigned(close=close):
                txid = Transaction.parse(close).txid
                assert self.closes.setdefault(before.id, txid) == txid, "never two prices signed"
            case e.ExitSigned(kind=e.ExitKind.PUNISH):
                assert self.may_punish, "an honest party is never punishable"
            case _:
                pass

    def sent(self, message: Any) -> None:
        """Called when a message of ours is about to leave."""
        cfd = self.cfds.get(message.cfd_id)
        match message:
            case m.LockSignatures():
                assert cfd is not None, "stored before it is sent"
                assert cfd.held is not None, "stored before it is sent"
            case r.CommitSignature(key, number, signature):
                assert cfd is not None
                assert cfd.held is not None
                assert cfd.held.settleable(number) is not None, "its exits are stored before it is sent"
                assert self.commit_signatures.setdefault((key, number), signature) == signature, "one signature only"
            case r.Revocation(key, number, _):
                assert cfd is not None
                assert cfd.held is not None
                assert cfd.held.live.number > number, "the next revision is stored as signed"
                assert (key, number) not in self.force_closed, "we published that commit"
            case t.CloseSignature(key, _):
                assert key in self.closes, "stored before it is sent"
            case _:
                pass


def conserved(cfd: Cfd, phase: Any) -> None:
    """Every sat of the pool went to one of the two, except where it never entered or a punishment paid fees."""
    paid = phase.maker + phase.taker
    if phase.kind is e.ExitKind.CANCEL:
        assert paid == 0
    elif phase.kind is e.ExitKind.PUNISH:
        assert cfd.held is not None
        assert cfd.terms.pool // 2 <= paid <= cfd.terms.pool + cfd.held.live.draft.costs.exit_fee
    else:
        assert phase.kind is not e.ExitKind.UNKNOWN
        assert paid == cfd.terms.pool


class Node:
    """An engine with a store of its own and a list of what it wants done."""

    def __init__(self, role: Role, policy: Policy | None = None) -> None:
        self.role = role
        self.peer = MAKER if role is Role.MAKER else TAKER
        keychain = Keychain.from_seed(Secret(role.value.encode() * 8), Network.REGTEST)
        self.settings = Settings(network=Network.REGTEST, keychain=keychain, policy=policy or Policy())
        self.engine = Engine(settings=self.settings)
        self.conscience = Conscience()
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
        """One turn: store, then queue what is to be done. What no turn may do is checked at each."""
        before = contents(self.engine)
        step = self.engine.handle(happened, self.now if now is None else now)
        assert contents(self.engine) == before, "the engine itself never changes"
        for recorded in step.events:
            self.log.append(recorded)
            self.conscience.stored(recorded)
            revision = stored.to_revision(recorded)
            if revision is not None:
                self.revisions[revision.cfd_id, revision.revision] = revision.data
        self.engine = step.engine
        for effect in step.effects:
            if isinstance(effect, f.SendMessage):
                self.conscience.sent(effect.message)
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

    @property
    def phase(self) -> Any:
        return self.cfd.phase

    @property
    def held(self) -> Any:
        return self.cfd.held

    def sent(self, kind: type) -> bool:
        """Whether a message of this kind has left."""
        return any(isinstance(x, f.SendMessage) and isinstance(x.message, kind) for x in self.done)

    def event_names(self) -> list[str]:
        return [type(r.event).__name__ for r in self.log]


class Pair:
    """A maker and a taker, the wire between them, and a chain. Messages travel as encoded bytes.

    `own_oracle`: settle on the tests' own oracle's events, with hourly liquidations, instead of the recorded one.
    """

    accepts: Callable[..., bool] = staticmethod(lambda *_: True)
    """Bitcoin Core's script engine, where the tests can have it."""

    def __init__(
        self,
        maker_policy: Policy | None = None,
        taker_policy: Policy | None = None,
        *,
        own_oracle: bool = False,
        **offer: Any,
    ) -> None:
        if own_oracle:
            event = offer.get("event", hours(24, 24)[0])
            self.announcement, self.attestation = announced(event), attestation(event, 48_935)
            offer = {"liquidations": hours(1, 23), **offer}
        else:
            self.announcement, recorded = recorded_event()
            self.attestation = recorded or b""
        self.maker, self.taker = Node(Role.MAKER, maker_policy), Node(Role.TAKER, taker_policy)
        self.chain = ToyChain()
        self.streams: dict[tuple[PeerId, RunId], tuple[Node, RunId]] = {}
        self.wire: deque[tuple[Node, RunId, bytes | None]] = deque()
        """What is on its way; None is the end of the stream."""
        self.chain_speaks = True
        """False: the test itself tells what the chain would."""
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
            if raw is None:
                self.streams.pop((to.peer, run), None)
                to.give(i.StreamClosed(run, "the stream was closed"))
            elif (altered := self.tamper(to, raw)) is not None:
                self.deliver(to, run, altered)
            return True
        return self.chain_speaks and self.report_news()

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
            case f.CloseStream(run):
                self.close(node, run)
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
                assert self.valid(tx), "only what Core's rules accept goes out"
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
                found = self.announcement if event == self.announcement.event_id else announced(event)
                node.give(i.AnnouncementReceived(found))
            case _:
                pass

    def valid(self, tx: Transaction) -> bool:
        """Under Core's rules, and paying no more than it spends; True where it spends what the tests do not know."""
        coins = {x.txid: x for node in self.nodes for x in node.wallet.previous} | self.chain.transactions
        known = [coins.get(tx_in.outpoint.txid) for tx_in in tx.inputs]
        if None in known or not tx.inputs[0].witness:
            return True
        spent = [x.outputs[i.outpoint.vout] for x, i in zip(known, tx.inputs, strict=True) if x is not None]
        return sum(o.sats for o in tx.outputs) <= sum(o.sats for o in spent) and self.accepts(tx, spent)

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
        """It is so many seconds after the beginning."""
        for node in self.nodes:
            node.now = Timestamp(NOW + after)
        self.both(i.TimerFired())

    def alter(self, to: Node, kind: type[Any], change: Callable[[Any], Any]) -> None:
        """Change messages of a kind on their way to `to`; a change to None loses them."""

        def tamper(receiver: Node, raw: bytes) -> bytes | None:
            message = wire.decode_message(raw)
            if receiver is not to or not isinstance(message, kind):
                return raw
            changed = change(message)
            return changed if changed is None or isinstance(changed, bytes) else wire.encode_message(changed)

        self.tamper = tamper

    def cheats(self, node: Node) -> None:
        """From here on this side does what the other may punish."""
        (self.maker if node is self.taker else self.taker).conscience.may_punish = True

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

    def oracle_says(self, event: EventId, price: int) -> bytes:
        """The tests' own oracle's attestation, for whoever wants to use it early."""
        return attestation(event, price)

    def attest(self, price: int, event: EventId | None = None) -> None:
        """The tests' own oracle speaks."""
        known = event or self.announcement.event_id
        self.both(i.AttestationReceived(known, attestation(known, price)))

    @property
    def draft(self) -> Any:
        return self.draft_of(self.taker)

    def draft_of(self, node: Node) -> Any:
        held = node.cfd.held
        assert held is not None
        return held.live.draft


def enforceable(node: Node, cfd: Cfd, accepts: Callable[..., bool], word: bytes) -> None:
    """From the stored bytes alone, this side can publish, settle and refund under Core's rules."""
    assert cfd.held is not None
    live, draft = cfd.held.live, cfd.held.live.draft
    keys = node.settings.keychain.cfd_keys(cfd.id, live.number)
    assert accepts(live.sign_commit(keys), draft.lock.outputs[:1])
    for dlc in cfd.held.unrevoked:
        settlement, of_number = dlc.draft.announcements[0], node.settings.keychain.cfd_keys(cfd.id, dlc.number)
        own = settlement.oracle_key == SECRETS.public.attestation
        raw = attestation(settlement.event_id, 48_935) if own else word
        packed = node.revisions[cfd.id, dlc.number]
        cet = dlc.sign_cet(of_number, read_attestation(settlement, raw), packed).transaction
        assert accepts(cet, dlc.draft.commit.outputs[:1])
        assert accepts(dlc.sign_refund(of_number), dlc.draft.commit.outputs[:1])
    if cfd.held.lock:
        assert accepts(Transaction.parse(cfd.held.lock), draft.lock_spent)


@pytest.fixture(scope="session")
def audit(accepts: Callable[..., bool]) -> Callable[[Pair], None]:
    """What must hold on both sides once nobody has anything to say any more."""

    def check(pair: Pair) -> None:
        for node in (pair.maker, pair.taker):
            assert not node.engine.runs, "every run has ended"
            events = stored.read_events(stored.to_stored(recorded) for recorded in node.log)
            assert Engine.load(node.settings, events).cfds == node.engine.cfds, "the log says the same"
            for cfd in node.engine.cfds.values():
                if cfd.held is None:
                    assert cfd.ended
                    assert not node.sent(m.LockSignatures), "no lock signature of ours is out"
                    assert cfd.id not in node.wallet.reserved, "the coins are free"
                else:
                    enforceable(node, cfd, accepts, recorded_event()[1] or b"")

    return check


@pytest.fixture(autouse=True, scope="session")
def core_rules(accepts: Callable[..., bool]) -> None:
    """Whatever the conversations broadcast is held against Core's script engine."""
    Pair.accepts = staticmethod(accepts)


@pytest.fixture
def pair() -> Pair:
    return Pair()


@pytest.fixture(scope="session")
def make_pair() -> type[Pair]:
    return Pair


@pytest.fixture(scope="session")
def attested() -> Callable[[EventId, int], bytes]:
    """What the tests' own oracle signs for an event."""
    return attestation


@pytest.fixture(scope="session")
def hourly() -> Callable[[int, int], tuple[EventId, ...]]:
    """Its events at these hours after the beginning."""
    return hours


@pytest.fixture
def quick() -> Pair:
    """A pair whose contracts have few CETs, for tests that set up many."""
    return Pair(tolerance=Decimal("0.05"))


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
