"""A conversation in a storm: messages are changed on their way, and each shell says what it should not.

Everything follows from one seed. Whatever comes, the engine answers or refuses by the three error families, and a
refusal leaves it as it was (`SimNode.give` and `dare` look at each turn).
"""

import hashlib
from collections.abc import Callable
from decimal import Decimal
from random import Random
from typing import Any, Final

from attrs import evolve

from cfd_core import inputs as i
from cfd_core.bitcoin.transaction import Transaction, TxIn, TxOut
from cfd_core.cfd import commands as c
from cfd_core.errors import DecodeError, PeerViolation, RuleViolation
from cfd_core.serial import wire
from cfd_core.testing import Pair, announced, attestation, contents, hours
from cfd_core.values import HOUR, CfdId, EventId, OutPoint, PeerId, Position, RunId, Sats, Timestamp, Txid
from tests.fuzz.doors import lines
from tests.fuzz.mutation import Mutator

FAMILIES: Final = (RuleViolation, PeerViolation, DecodeError)
PROTOCOLS: Final = ("cfd-setup@1", "cfd-rollover@1", "cfd-settle@1", "cfd-resume@1", "cfd-setup@2", "", "\ud800")
HEIGHTS: Final = (0, 1, 100, 110, 111, 112, 125, 400, -1, 2**31, 10**30)
PRICES: Final = (Decimal(50_000), Decimal(47_000), Decimal("0.00000001"), Decimal(10**12), Decimal(-1), Decimal("NaN"))


class Storm:
    """A pair, a seed, and what goes wrong. `lines` are real messages to throw in."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.lines = lines()
        self.mutator = Mutator(self.random, self.lines)
        self.pair = Pair(tolerance=Decimal("0.1"), liquidations=hours(1, 2))
        self.chance = 0.0
        """Of a message to be changed on its way."""
        self.refused = 0
        self.thrown = 0
        self.pair.tamper = self._tamper

    def _tamper(self, _to: Any, raw: bytes) -> bytes | None:
        if self.random.random() >= self.chance:
            return raw
        self.thrown += 1
        return self.random.choice((self.mutator.line, self.mutator.line, self.mutator.line, self._other))(raw)

    def _other(self, raw: bytes) -> bytes:
        """A whole message of another kind, with this conversation's CFD."""
        try:
            other, cfd_id = wire.decode_message(self.random.choice(self.lines)), wire.decode_message(raw).cfd_id
        except DecodeError:
            return raw
        return wire.encode_message(evolve(other, cfd_id=cfd_id))

    # --- what the shells say ---------------------------------------------------------------------------------------

    def dare(self, node: Any, happened: Any) -> None:
        """One turn; a refusal must leave the engine as it was."""
        engine, before = node.engine, contents(node.engine)
        try:
            node.give(happened)
        except FAMILIES:
            self.refused += 1
            assert node.engine is engine
            assert contents(engine) == before, "a refusal changed the engine"

    def throw(self) -> None:
        """Something that nobody asked for, at one of the two."""
        self.thrown += 1
        node = self.random.choice(self.pair.nodes)
        for one in self.pair.nodes:
            one.conscience.may_punish = one.conscience.chain_lies = True
        self.dare(node, self.random.choice(self.missiles)(node))

    @property
    def missiles(self) -> tuple[Callable[[Any], Any], ...]:
        streams = (self._stream_opened, self._message, self._message, self._closed, self._connected)
        wallet = (self._coins, self._lock_signed, self._cancel_signed, self._bump_signed)
        executor = (self._cets_signed, self._cets_verified, self._loaded, self._checked)
        world = (self._report, self._report, self._report, self._tip, self._announced, self._attested, self._attested)
        return (*streams, *wallet, *executor, *world, self._timer, self._command, self._command)

    def _key(self, node: Any) -> CfdId:
        found: CfdId = self.random.choice([*node.engine.cfds, CfdId("ee" * 16)])
        return found

    def _run(self, node: Any) -> RunId:
        found: RunId = self.random.choice([*node.engine.runs, RunId("none")])
        return found

    def _peer(self) -> PeerId:
        return self.random.choice((self.pair.maker.peer, self.pair.taker.peer, PeerId("SHA256:other")))

    def _bytes(self, raw: bytes = b"") -> bytes:
        return self.mutator.blob(raw) if self.random.random() < 0.8 else raw

    def _stream_opened(self, _node: Any) -> Any:
        run = RunId(f"in:{self.random.randrange(30)}")
        entropy = bytes(self.random.choice((32, 32, 32, 0, 33)))
        return i.StreamOpened(run, self._peer(), self.random.choice(PROTOCOLS), entropy)

    def _message(self, node: Any) -> Any:
        line = self.random.choice(self.lines)
        try:
            message = wire.decode_message(self.mutator.line(line) if self.random.random() < 0.5 else line)
        except DecodeError as error:
            return i.MessageUndecodable(self._run(node), str(error))
        return i.MessageReceived(self._run(node), evolve(message, cfd_id=self._key(node)))

    def _closed(self, node: Any) -> Any:
        return i.StreamClosed(self._run(node), "\ud800 gone")

    def _connected(self, _node: Any) -> Any:
        return i.PeerConnected(self._peer(), bytes(self.random.choice((32, 32, 5))))

    def _coins(self, node: Any) -> Any:
        raw = node.wallet.coins[0].serialize()
        coin = i.Coin(self._outpoint(node), self._bytes(raw))
        scripts = (self._bytes(node.wallet.change_script), self._bytes(node.wallet.payout_script))
        coins = (coin,) * self.random.choice((0, 1, 2, 60))
        return i.CoinsReserved(self._key(node), coins, *scripts)

    def _psbt(self, node: Any) -> bytes:
        asked = [effect.psbt for effect in node.done if hasattr(effect, "psbt")]
        return self._bytes(node.wallet.sign(self.random.choice(asked)) if asked else b"psbt\xff")

    def _lock_signed(self, node: Any) -> Any:
        return i.LockInputsSigned(self._key(node), self._psbt(node))

    def _cancel_signed(self, node: Any) -> Any:
        return i.CancelInputSigned(self._key(node), self._psbt(node))

    def _bump_signed(self, node: Any) -> Any:
        parent = self._transaction(node)
        child = Transaction((TxIn(parent.outpoint(0)),), (TxOut(Sats(5), b"\x51"),)).serialize()
        return i.FeeBumpSigned(self._key(node), parent.txid, self._bytes(child), self.random.choice((0, -1, 5, 10**30)))

    def _cets_signed(self, node: Any) -> Any:
        return i.CetsSigned(self._key(node), self._run(node), self._bytes(bytes(324)))

    def _cets_verified(self, node: Any) -> Any:
        return i.CetsVerified(self._key(node), self._run(node), self.random.choice((None, 0, -1, 10**9)))

    def _loaded(self, node: Any) -> Any:
        known = self.random.choice([*node.revisions.values(), b""])
        return i.RevisionLoaded(self._key(node), self.random.choice((0, 1, -1, 2**31)), self._bytes(known))

    def _checked(self, node: Any) -> Any:
        return i.InputsChecked(self._key(node), self.random.choice(((), ("\ud800",), ("a", "b"))))

    def _transaction(self, node: Any) -> Transaction:
        known: list[Transaction] = [*self.pair.chain.transactions.values(), *node.wallet.coins]
        for held in (cfd.held for one in self.pair.nodes for cfd in one.engine.cfds.values()):
            if held is not None:
                draft = held.live.draft
                known += [draft.lock, draft.commit, draft.refund, draft.cet(draft.entries[0])]
        return self.random.choice(known)

    def _outpoint(self, node: Any) -> OutPoint:
        made_up = (OutPoint(Txid("11" * 32), 0), self._transaction(node).outpoint(self.random.choice((0, 1, 7))))
        found: OutPoint = self.random.choice([*node.watched, *node.watched, *made_up])
        return found

    def _spend(self, node: Any, outpoint: OutPoint) -> i.Spend:
        """A transaction of this contract or a foreign one, which spends what is asked about or does not."""
        tx = self._transaction(node)
        if self.random.random() < 0.4:
            tx = evolve(
                tx, inputs=(TxIn(outpoint, self.random.choice((12, 216, 0)), (b"x",) * self.random.randrange(6)),)
            )
        raw = tx.serialize()
        return i.Spend(self._bytes(raw) if self.random.random() < 0.3 else raw, self.random.choice(HEIGHTS))

    def _report(self, node: Any) -> Any:
        outpoint = self._outpoint(node)
        spend = self._spend(node, outpoint) if self.random.random() < 0.6 else None
        return i.OutpointReport(outpoint, self.random.choice((None, *HEIGHTS)), spend)

    def _tip(self, _node: Any) -> Any:
        return i.TipChanged(self.random.choice(HEIGHTS))

    def _event(self) -> EventId:
        known: list[EventId] = [*self.pair.offer.liquidations, self.pair.offer.event, EventId("\ud800")]
        return self.random.choice(known)

    def _announced(self, _node: Any) -> Any:
        event = self.random.choice((*self.pair.offer.liquidations, self.pair.offer.event))
        return i.AnnouncementReceived(announced(event))

    def _attested(self, _node: Any) -> Any:
        event = self._event()
        price = self.random.choice((48_935, 20_000, 0, 2**20 - 1))
        known = event if event != "\ud800" else self.pair.offer.event
        raw = attestation(known, price)
        return i.AttestationReceived(event, self.mutator.line(raw) if self.random.random() < 0.7 else raw)

    def _timer(self, node: Any) -> Any:
        node.now = Timestamp(node.now + self.random.choice((1, 61, 901, HOUR, 30 * HOUR)))
        return i.TimerFired()

    def _command(self, node: Any) -> Any:
        key, price = self._key(node), self.random.choice(PRICES)
        entropy = hashlib.sha256(self.random.randbytes(4)).digest()[: self.random.choice((32, 32, 32, 31))]
        order = self.random.choice(((1000, 2), (0, 2), (10**40, 2), (1000, 0), (1000, -(10**40))))
        position = self.random.choice(list(Position))
        return self.random.choice(
            (
                c.ForceClose(key),
                c.RollOver(key, entropy),
                c.ProposeSettlement(key, price),
                c.AcceptSettlement(key),
                c.RejectSettlement(key, "\ud800"),
                c.AcceptOrder(key),
                c.RejectOrder(key, "no"),
                c.ChooseOutcome(key, self.random.choice((48_935, 20_000, -1, 10**40))),
                c.TakeOffer(self._peer(), self.pair.offer.id, position, *order, entropy),
                c.WithdrawOffer(self.pair.offer.id),
                c.PublishOffer(self.pair.offer),
                c.LearnOffers(self._peer(), (self.pair.offer,)),
            )
        )
