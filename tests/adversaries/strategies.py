"""The liars: each a small class that says what it sends, what it lets its own shell do, and what it does by itself.

A strategy is honest until its moment. From then on `sends` replaces each message, `permits` filters what its engine
wants done, `strikes` happens once and `ticks` with every block.
"""
# ruff: noqa: ARG002 - the hooks have one signature, whether a strategy looks at all of it or not

from collections.abc import Iterator, Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Any, ClassVar

from attrs import evolve, frozen

from cfd_core import effects as f
from cfd_core import inputs as i
from cfd_core.bitcoin.transaction import Transaction, TxIn, TxOut
from cfd_core.cfd import commands as c
from cfd_core.crypto.secp import ORDER
from cfd_core.errors import CfdError
from cfd_core.inputs import Message
from cfd_core.protocols.contract_setup import messages as m
from cfd_core.protocols.rollover import messages as r
from cfd_core.protocols.settlement import messages as t
from cfd_core.values import Sats


class Strategy:
    """The honest one."""

    chooses_late: ClassVar[bool] = False
    """It waits for prices before it picks a revision."""

    @property
    def name(self) -> str:
        return type(self).__name__

    def sends(self, arena: Any, message: Message) -> Sequence[Message | bytes]:
        return (message,)

    def permits(self, arena: Any, effect: f.Effect) -> bool:
        return True

    def strikes(self, arena: Any) -> None:
        """At the moment."""

    def ticks(self, arena: Any) -> None:
        """With every block after the moment."""


# --- silence -------------------------------------------------------------------------------------------------------


class Vanish(Strategy):
    """Gone for ever, chain and all."""

    def sends(self, arena: Any, message: Message) -> Sequence[Message | bytes]:
        return ()

    def permits(self, arena: Any, effect: f.Effect) -> bool:
        return False


class GoSilent(Strategy):
    """Says nothing more, but looks after its money."""

    def sends(self, arena: Any, message: Message) -> Sequence[Message | bytes]:
        return ()


@frozen
class Withhold(Strategy):
    """Keeps every message of one kind to itself."""

    kind: type

    @property
    def name(self) -> str:
        return f"Withhold {self.kind.__module__.split('.')[-2]} {self.kind.__name__}"

    def sends(self, arena: Any, message: Message) -> Sequence[Message | bytes]:
        return () if isinstance(message, self.kind) else (message,)


class CutAndResume(Strategy):
    """Breaks the link with every block, and comes back."""

    def ticks(self, arena: Any) -> None:
        arena.cut()
        arena.reconnect()


# --- lies ----------------------------------------------------------------------------------------------------------


class Garble(Strategy):
    def sends(self, arena: Any, message: Message) -> Sequence[Message | bytes]:
        return (b'{"type":"revocation","v":1}', b"\xff\x00", b"[" * 5_000)


class Repeat(Strategy):
    """Each message three times, then all earlier ones once more."""

    def sends(self, arena: Any, message: Message) -> Sequence[Message | bytes]:
        return (message, message, message, *arena.said)


class BadSignatures(Strategy):
    """One bit of each signature, secret and point is wrong."""

    def sends(self, arena: Any, message: Message) -> Sequence[Message | bytes]:
        return (_flipped(message),)


def _flipped(message: Message) -> Message:
    for name in ("cets", "commit", "refund", "signature", "secret", "fingerprint", "publish"):
        value = getattr(message, name, None)
        if isinstance(value, bytes) and value:
            changed: Any = {name: value[:-1] + bytes([value[-1] ^ 1])}
            return evolve(message, **changed)
    return message


class LieInResume(Strategy):
    """With every block a resume that claims other revisions, other secrets, other signatures."""

    def ticks(self, arena: Any) -> None:
        for cfd in arena.liar.engine.cfds.values():
            for number in (0, 1, 2, 7, 2**31):
                arena.talk(r.RESUME_PROTOCOL, (r.CommitSignature(cfd.id, number, b"\x02" * 162),))
                arena.talk(r.RESUME_PROTOCOL, (r.Revocation(cfd.id, number, b"\x01" * 32),))
            arena.talk(r.RESUME_PROTOCOL, (r.Revocation(cfd.id, 5, _revocation(arena, 5)),))
            arena.talk(r.RESUME_PROTOCOL, (m.Accept(cfd.id), t.Accept(cfd.id)))
        arena.run()


def _revocation(arena: Any, number: int) -> bytes:
    keys = arena.liar.settings.keychain.cfd_keys(arena.liar.cfd.key_id, number)
    secret: bytes = keys.revocation.reveal()
    return secret


class Flood(Strategy):
    """Forty streams with every block for a while, and proposals on all."""

    def strikes(self, arena: Any) -> None:
        arena.flood_until = arena.chain.height + 10

    def ticks(self, arena: Any) -> None:
        if arena.chain.height > arena.flood_until:
            return
        for cfd in arena.liar.engine.cfds.values():
            for protocol in (r.PROTOCOL, t.PROTOCOL, m.PROTOCOL, r.RESUME_PROTOCOL):
                for _ in range(10):
                    arena.talk(protocol, (t.Propose(cfd.id, Decimal(1), bytes(32)), t.Accept(cfd.id)))
        arena.run()


# --- commits -------------------------------------------------------------------------------------------------------


@frozen
class Publish(Strategy):
    """One of the commits that it holds: the newest (-1), the oldest (0), the one before the newest (-2)."""

    which: int
    then_silent: bool = False
    revokes_after: bool = False

    @property
    def name(self) -> str:
        return f"Publish {self.which}{' and vanish' if self.then_silent else ''}{' then revoke' * self.revokes_after}"

    def strikes(self, arena: Any) -> None:
        numbers = sorted(arena.hand.commits)
        if numbers and -len(numbers) <= self.which < len(numbers):
            number = numbers[self.which]
            arena.publish(arena.hand.lock)
            arena.publish(arena.hand.commits[number])
            if self.revokes_after:
                revocation = r.Revocation(arena.liar.cfd.id, number, _revocation(arena, number))
                arena.talk(r.RESUME_PROTOCOL, (revocation,))

    def sends(self, arena: Any, message: Message) -> Sequence[Message | bytes]:
        return () if self.then_silent else (message,)

    def permits(self, arena: Any, effect: f.Effect) -> bool:
        return not self.then_silent


class PublishEach(Strategy):
    """Tries every commit with every block, the oldest first, and every exit."""

    def ticks(self, arena: Any) -> None:
        for number in sorted(arena.hand.commits):
            arena.publish(arena.hand.commits[number])
        race(arena)


def race(arena: Any) -> None:
    for tx in arena.hand.exits(arena.liar, arena.oracle.said) if arena.liar.engine.cfds else ():
        arena.publish(tx)


@frozen
class OldCommitAndBribe(Strategy):
    """The oldest commit, its CET as soon as that may be, and miners who leave the others out for so many blocks."""

    blocks: int

    @property
    def name(self) -> str:
        return f"OldCommitAndBribe {self.blocks}"

    def strikes(self, arena: Any) -> None:
        if arena.hand.commits:
            arena.publish(arena.hand.commits[min(arena.hand.commits)])
        arena.bribed_until = arena.chain.height + self.blocks

    def ticks(self, arena: Any) -> None:
        ours = {arena.hand.commits[min(arena.hand.commits)].txid} if arena.hand.commits else set()
        bribed = arena.chain.height < arena.bribed_until
        arena.chain.held_back = set(arena.chain.waiting) - ours if bribed else set()
        race(arena)


@frozen
class PublishAt(Strategy):
    """Silent until the clock stands so many seconds from its first expiry; then the oldest commit."""

    seconds: int

    @property
    def name(self) -> str:
        return f"PublishAt {self.seconds:+}"

    def sends(self, arena: Any, message: Message) -> Sequence[Message | bytes]:
        return ()

    def permits(self, arena: Any, effect: f.Effect) -> bool:
        return not isinstance(effect, f.BroadcastTx) or effect.kind == "lock"

    def ticks(self, arena: Any) -> None:
        if arena.now >= arena.offer.expiry + self.seconds and arena.hand.commits:
            arena.publish(arena.hand.commits[min(arena.hand.commits)])
            race(arena)


@frozen
class Choose(Strategy):
    """Waits until so many settlement prices are known, then publishes whichever commit pays it best."""

    prices: int
    chooses_late: ClassVar[bool] = True

    @property
    def name(self) -> str:
        return f"Choose after {self.prices} prices"

    def sends(self, arena: Any, message: Message) -> Sequence[Message | bytes]:
        return () if isinstance(message, r.Revocation | t.CloseSignature | m.LockSignatures) else (message,)

    def permits(self, arena: Any, effect: f.Effect) -> bool:
        return not isinstance(effect, f.BroadcastTx) or effect.kind == "lock"

    def ticks(self, arena: Any) -> None:
        known = {number: pay for number, pay in self._payouts(arena) if number in arena.hand.commits}
        if len(known) >= self.prices:
            best = max(known, key=lambda number: known[number])
            arena.publish(arena.hand.commits[best])
            race(arena)

    def _payouts(self, arena: Any) -> Iterator[tuple[int, int]]:
        for number, dlc in arena.hand.dlcs.items():
            said = arena.oracle.said.get(dlc.draft.revision.settlement, ())
            if said:
                _, entry = dlc.draft.schedule.lookup(said[0])
                maker, taker = dlc.draft.payouts(entry)
                yield number, maker if arena.liar is arena.maker else taker


class ReorgAfter(Strategy):
    """The oldest commit; two blocks later both are undone and forgotten, and it publishes the newest instead."""

    def strikes(self, arena: Any) -> None:
        if arena.hand.commits:
            arena.publish(arena.hand.commits[min(arena.hand.commits)])
        arena.undo_at = arena.chain.height + 2

    def ticks(self, arena: Any) -> None:
        if arena.chain.height == arena.undo_at:
            arena.undo_at = 0
            arena.chain.reorg(2, forget=True)
            if arena.hand.commits:
                arena.publish(arena.hand.commits[max(arena.hand.commits)])
            arena.both(i.TipChanged(arena.chain.height))


class Evict(Strategy):
    """Mempools forget the honest side's transactions every second block, for a day of blocks."""

    def strikes(self, arena: Any) -> None:
        arena.evict_until = arena.chain.height + 30

    def ticks(self, arena: Any) -> None:
        if arena.chain.height % 2 and arena.chain.height < arena.evict_until:
            for txid in arena.chain.waiting:
                arena.chain.drop(txid)


@frozen
class LateRevocation(Strategy):
    """Publishes the revision before the newest while that is lawful, and revokes it so many blocks later."""

    blocks: int

    @property
    def name(self) -> str:
        return f"LateRevocation {self.blocks}"

    def sends(self, arena: Any, message: Message) -> Sequence[Message | bytes]:
        return () if isinstance(message, r.Revocation) else (message,)

    def ticks(self, arena: Any) -> None:
        if len(arena.hand.commits) < 2:
            return
        number = sorted(arena.hand.commits)[-2]
        commit = arena.hand.commits[number]
        arena.publish(commit)
        race(arena)
        place = arena.chain.places.get(commit.txid)
        if place and arena.chain.height == place + self.blocks:
            secret = _revocation(arena, number)
            arena.talk(r.RESUME_PROTOCOL, (r.Revocation(arena.liar.cfd.id, number, secret),))
            arena.run()


class HighS(Strategy):
    """The oldest commit with the honest side's signature negated, as miners may take it: nodes do not relay it."""

    def strikes(self, arena: Any) -> None:
        if arena.hand.commits:
            commit = arena.hand.commits[min(arena.hand.commits)]
            witness = list(commit.inputs[0].witness)
            place = 1 if arena.honest is arena.maker else 0  # the taker's comes first
            witness[place] = _negated(witness[place])
            arena.publish(commit.with_witness(0, witness))

    def ticks(self, arena: Any) -> None:
        race(arena)


def _negated(signature: bytes) -> bytes:
    """The other s of a DER signature with its sighash byte."""
    r_length = signature[3]
    r, s = signature[4 : 4 + r_length], int.from_bytes(signature[6 + r_length : -1], "big")
    other = (ORDER - s).to_bytes(33, "big").lstrip(b"\0")
    other = b"\0" * (other[0] >> 7) + other
    body = b"\x02" + bytes([r_length]) + r + b"\x02" + bytes([len(other)]) + other
    return b"\x30" + bytes([len(body)]) + body + signature[-1:]


class CloseOverCommit(Strategy):
    """The oldest commit; a block later miners take the agreed close instead, if there is one."""

    def strikes(self, arena: Any) -> None:
        if arena.hand.commits:
            arena.publish(arena.hand.commits[min(arena.hand.commits)])
            arena.chain.held_back |= set(arena.chain.waiting)
            arena.run()

    def sends(self, arena: Any, message: Message) -> Sequence[Message | bytes]:
        return () if isinstance(message, t.CloseSignature) and arena.hand.closes else (message,)

    def permits(self, arena: Any, effect: f.Effect) -> bool:
        return not isinstance(effect, f.BroadcastTx)

    def ticks(self, arena: Any) -> None:
        for close in arena.hand.closes.values():
            for txid in arena.chain.waiting:
                arena.chain.drop(txid)
            arena.publish(close)
        arena.chain.held_back.clear()


@frozen
class ReorgAndDoubleSpend(Strategy):
    """A commit as soon as the lock stands; then blocks are undone, and an input of the lock goes elsewhere."""

    depth: int

    @property
    def name(self) -> str:
        return f"ReorgAndDoubleSpend {self.depth}"

    def strikes(self, arena: Any) -> None:
        if arena.hand.commits:
            arena.publish(arena.hand.commits[max(arena.hand.commits)])
        arena.undo_at = arena.chain.height + 1

    def ticks(self, arena: Any) -> None:
        if arena.chain.height == arena.undo_at:
            arena.undo_at = 0
            arena.chain.reorg(self.depth, forget=True)
            _double_spend(arena)
            arena.both(i.TipChanged(arena.chain.height))


# --- the lock ------------------------------------------------------------------------------------------------------


@frozen
class DoubleSpend(Strategy):
    """Spends its own input of the lock elsewhere, so many blocks after the moment, for a high fee."""

    blocks: int
    quiet: bool

    @property
    def name(self) -> str:
        return f"DoubleSpend after {self.blocks}{' quietly' if self.quiet else ''}"

    def sends(self, arena: Any, message: Message) -> Sequence[Message | bytes]:
        return () if self.quiet and isinstance(message, m.LockSignatures) else (message,)

    def permits(self, arena: Any, effect: f.Effect) -> bool:
        return not (self.quiet and isinstance(effect, f.BroadcastTx))

    def strikes(self, arena: Any) -> None:
        arena.spend_at = arena.chain.height + self.blocks
        self.ticks(arena)

    def ticks(self, arena: Any) -> None:
        if arena.chain.height >= arena.spend_at:
            _double_spend(arena)


def _double_spend(arena: Any) -> None:
    coin = arena.liar.wallet.coins[0]
    worth = Sats(coin.outputs[0].sats - 100_000)
    away = Transaction((TxIn(coin.outpoint(0)),), (TxOut(worth, b"\x00\x14" + bytes(20)),))
    arena.publish(away.with_witness(0, arena.liar.wallet._witness(away, 0, coin.outputs[0])))


@frozen
class LateLock(Strategy):
    """Keeps the complete lock for so many seconds, then publishes it, with a commit on top."""

    seconds: int
    commits: bool = False

    @property
    def name(self) -> str:
        return f"LateLock {self.seconds}{' and commit' if self.commits else ''}"

    def sends(self, arena: Any, message: Message) -> Sequence[Message | bytes]:
        return () if isinstance(message, m.LockSignatures) else (message,)

    def permits(self, arena: Any, effect: f.Effect) -> bool:
        return not isinstance(effect, f.BroadcastTx) or arena.now >= arena.late_from + self.seconds

    def strikes(self, arena: Any) -> None:
        arena.late_from = arena.now

    def ticks(self, arena: Any) -> None:
        if arena.now >= arena.late_from + self.seconds:
            arena.publish(arena.hand.lock)
            if self.commits and 0 in arena.hand.commits:
                arena.publish(arena.hand.commits[0])


# --- closes --------------------------------------------------------------------------------------------------------


@frozen
class HoldClose(Strategy):
    """Keeps the complete close for so many hours, then publishes it if the price by then makes it worth it."""

    hours: int

    @property
    def name(self) -> str:
        return f"HoldClose {self.hours}"

    def sends(self, arena: Any, message: Message) -> Sequence[Message | bytes]:
        return () if isinstance(message, t.CloseSignature) and arena.hand.closes else (message,)

    def permits(self, arena: Any, effect: f.Effect) -> bool:
        return not isinstance(effect, f.BroadcastTx) or effect.kind != "close"

    def strikes(self, arena: Any) -> None:
        arena.hold_until = arena.now + 3600 * self.hours

    def ticks(self, arena: Any) -> None:
        if arena.now >= arena.hold_until:
            for close in arena.hand.closes.values():
                arena.publish(close)


class CloseAndCommit(Strategy):
    """Everything it holds against the lock at once: the commit first, then the close, then the other commits."""

    def ticks(self, arena: Any) -> None:
        for tx in (*arena.hand.commits.values(), *arena.hand.closes.values()):
            arena.publish(tx)
        race(arena)


class TwoCloses(Strategy):
    """Wants one close after the other, at prices that suit it."""

    def ticks(self, arena: Any) -> None:
        price = (Decimal(49_999), Decimal(30_000), Decimal(90_000))[arena.chain.height % 3]
        for cfd in list(arena.liar.engine.cfds.values()):
            arena.talk(t.PROTOCOL, (t.Propose(cfd.id, price, bytes(32)), t.CloseSignature(cfd.id, bytes(70))))
            with suppress(CfdError):
                arena.liar.give(c.ProposeSettlement(cfd.id, price))
        arena.run()


MESSAGES = (
    *(m.Accept, m.Params, m.Agreement, m.Signatures, m.LockSignatures),
    *(r.Accept, r.Points, r.Agreement, r.Exits, r.CommitSignature, r.Revocation),
    *(t.Accept, t.CloseSignature),
)
STRATEGIES: tuple[Strategy, ...] = (
    *(Strategy(), Vanish(), GoSilent(), CutAndResume(), Garble(), Repeat(), BadSignatures(), LieInResume(), Flood()),
    *(Withhold(kind) for kind in MESSAGES),
    *(Publish(-1), Publish(0), Publish(-2), Publish(-1, True), Publish(0, True), Publish(-2, True)),
    *(Publish(0, False, True), Publish(-2, False, True), PublishEach(), ReorgAfter(), Evict()),
    *(LateRevocation(blocks) for blocks in (3, 11, 12, 13)),
    *(HighS(), CloseOverCommit(), ReorgAndDoubleSpend(2), ReorgAndDoubleSpend(4)),
    *(OldCommitAndBribe(blocks) for blocks in (1, 5, 10)),
    *(PublishAt(seconds) for seconds in (-7200, -600, 0, 1800, 7200)),
    *(Choose(1), Choose(2)),
    *(DoubleSpend(0, False), DoubleSpend(0, True), DoubleSpend(2, True), DoubleSpend(5, False)),
    *(LateLock(300), LateLock(900), LateLock(1500), LateLock(7200), LateLock(900, True)),
    *(HoldClose(1), HoldClose(23), HoldClose(30), CloseAndCommit(), TwoCloses()),
)
