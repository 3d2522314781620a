"""All transactions of one DLC revision, unsigned. Both parties derive byte-identical ones from the same facts."""

import hashlib
from fractions import Fraction
from functools import cached_property

from attrs import define, field, frozen

from cfd_core import payouts
from cfd_core.bitcoin import scripts
from cfd_core.bitcoin.midstate import OneInputDigest
from cfd_core.bitcoin.transaction import Transaction, TxIn, TxOut
from cfd_core.contract.costs import SharedCosts, commit_transaction, exit_transaction, shared_costs
from cfd_core.contract.funding import Funder, build_lock
from cfd_core.contract.scripts import RevisionPoints, commit_script, lock_script
from cfd_core.contract.terms import ContractTerms, RevisionTerms
from cfd_core.crypto.secp import Point
from cfd_core.oracle import Announcement, adaptor_points
from cfd_core.payouts import Schedule, ScheduleEntry
from cfd_core.values import EventId, OutPoint, Position, Role, Sats

LOCK_VOUT = 0
COMMIT_VOUT = 0
ANCHOR_VOUT = 1


@frozen
class Party:
    """What one side contributes to a revision."""

    funder: Funder
    points: RevisionPoints


@frozen
class EventCets:
    """The CETs of one oracle event, in price order."""

    announcement: Announcement
    entries: tuple[ScheduleEntry, ...] = field(repr=False)
    first: int
    """Position of the first of them among all CETs of the revision."""

    def find(self, outcome: int) -> tuple[int, ScheduleEntry] | None:
        """Position among all CETs, and the entry that pays this outcome; None where no CET covers it."""
        found = payouts.find(self.entries, outcome, self.announcement.digits)
        return None if found is None else (self.first + found[0], found[1])


@define(frozen=True, slots=False, kw_only=True)
class Draft:
    """One revision's lock, commit, CETs and refund."""

    terms: ContractTerms
    revision: RevisionTerms
    announcements: tuple[Announcement, ...] = field(repr=False)
    """Of `revision.events`, in that order."""
    maker: Party
    taker: Party

    def party(self, role: Role) -> Party:
        return self.maker if role is Role.MAKER else self.taker

    # --- scripts -----------------------------------------------------------------------------------------------

    @cached_property
    def lock_script(self) -> bytes:
        return lock_script(self.maker.funder.identity, self.taker.funder.identity)

    @cached_property
    def commit_script(self) -> bytes:
        return commit_script(
            self.maker.funder.identity, self.taker.funder.identity, self.maker.points, self.taker.points
        )

    @property
    def lock_output_script(self) -> bytes:
        return scripts.p2wsh(self.lock_script)

    @property
    def commit_output_script(self) -> bytes:
        return scripts.p2wsh(self.commit_script)

    # --- transactions ------------------------------------------------------------------------------------------

    @cached_property
    def costs(self) -> SharedCosts:
        return shared_costs(self.terms.fee_rate, self.maker.funder.payout_script, self.taker.funder.payout_script)

    @cached_property
    def lock(self) -> Transaction:
        return build_lock(self.terms, self.maker.funder, self.taker.funder, self.lock_output_script, self.costs)

    @property
    def lock_outpoint(self) -> OutPoint:
        return self.lock.outpoint(LOCK_VOUT)

    @property
    def lock_spent(self) -> tuple[TxOut, ...]:
        """The outputs that the lock's inputs spend, in order."""
        return tuple(coin.output for coin in self.maker.funder.inputs + self.taker.funder.inputs)

    @cached_property
    def commit(self) -> Transaction:
        sats = Sats(self.terms.pool + self.costs.exit_fee)
        return commit_transaction(self.lock_outpoint, sats, self.commit_output_script)

    @property
    def commit_outpoint(self) -> OutPoint:
        return self.commit.outpoint(COMMIT_VOUT)

    @cached_property
    def commit_digest(self) -> bytes:
        return self.commit.sighash_v0(0, self.lock_script, self.lock.outputs[LOCK_VOUT].sats)

    @cached_property
    def refund(self) -> Transaction:
        outputs = self.payments(self.terms.margin(Role.MAKER), self.terms.margin(Role.TAKER))
        return exit_transaction(self.commit_outpoint, outputs, self.terms.refund_timelock)

    @cached_property
    def refund_digest(self) -> bytes:
        return self.refund.sighash_v0(0, self.commit_script, self.commit.outputs[COMMIT_VOUT].sats)

    @cached_property
    def schedule(self) -> Schedule:
        """The payouts at settlement."""
        return self.terms.schedule_of(self.revision)

    @cached_property
    def liquidation_entries(self) -> tuple[ScheduleEntry, ...]:
        """The payouts of each liquidation event; none without such events."""
        if not self.revision.liquidations:
            return ()
        curve, slack = self.terms.curve_of(self.revision), Fraction(self.terms.liquidation_slack)
        return payouts.liquidation_entries(curve, self.terms.digits, slack)

    def covers(self, event: EventId, outcome: int) -> bool:
        """Whether some CET pays this outcome of this event. Spares the settlement's schedule, which covers them all."""
        at = next((n for n, known in enumerate(self.announcements) if known.event_id == event), None)
        if at is None:
            return False
        digits = self.announcements[at].digits
        if at == 0:
            return 0 <= outcome < 1 << digits
        return payouts.find(self.liquidation_entries, outcome, digits) is not None

    @cached_property
    def events(self) -> tuple[EventCets, ...]:
        """The settlement's CETs, then each liquidation's."""
        found: list[EventCets] = []
        first = 0
        for index, announcement in enumerate(self.announcements):
            entries = self.liquidation_entries if index else self.schedule.entries
            found.append(EventCets(announcement, entries, first))
            first += len(entries)
        return tuple(found)

    def event(self, event: EventId) -> EventCets | None:
        """The CETs of one event; None when this revision has none."""
        return next((cets for cets in self.events if cets.announcement.event_id == event), None)

    @property
    def entries(self) -> tuple[ScheduleEntry, ...]:
        """What each CET pays, in the order of their signatures."""
        return tuple(entry for cets in self.events for entry in cets.entries)

    def payouts(self, entry: ScheduleEntry) -> tuple[Sats, Sats]:
        """What (maker, taker) get in this CET, after dust has gone to the other side."""
        maker, taker = self._split(entry)
        first, *second = self.payments(maker, taker)
        if second:
            return maker, taker
        none = Sats(0)
        return (first.sats, none) if first.script == self.maker.funder.payout_script else (none, first.sats)

    def cet(self, entry: ScheduleEntry) -> Transaction:
        return exit_transaction(self.commit_outpoint, self.payments(*self._split(entry)), self.terms.cet_timelock)

    def cet_digest(self, entry: ScheduleEntry) -> bytes:
        return self._cet_midstate.digest(self.payments(*self._split(entry)))

    @cached_property
    def cet_digests(self) -> bytes:
        """32 bytes per CET, in the order of `entries`."""
        liquidations = self.events[1].entries if len(self.events) > 1 else ()
        once = b"".join(self.cet_digest(entry) for entry in liquidations)
        settlement = b"".join(self.cet_digest(entry) for entry in self.schedule.entries)
        # all liquidation events pay alike, so their CETs are the same transactions under other points
        return settlement + once * (len(self.events) - 1)

    @cached_property
    def cet_points(self) -> tuple[Point, ...]:
        """The oracle point each CET's adaptor signatures are encrypted to."""
        return tuple(
            point
            for cets in self.events
            for point in adaptor_points(cets.announcement, [entry.prefix for entry in cets.entries])
        )

    @property
    def packed_points(self) -> bytes:
        """33 bytes per CET, in the order of `entries`."""
        return b"".join(point.encode() for point in self.cet_points)

    @cached_property
    def fingerprint(self) -> bytes:
        """32 bytes that differ whenever any transaction or oracle point differs."""
        # inputs do not appear in the digests of later transactions except through the lock's id
        parts = (bytes.fromhex(self.lock.txid), self.commit_digest, self.refund_digest)
        return hashlib.sha256(b"".join((*parts, self.cet_digests, self.packed_points))).digest()

    # --- pieces ------------------------------------------------------------------------------------------------

    @cached_property
    def _cet_midstate(self) -> OneInputDigest:
        spent = TxIn(self.commit_outpoint, self.terms.cet_timelock)
        return OneInputDigest.of(spent, self.commit_script, self.commit.outputs[COMMIT_VOUT].sats)

    @cached_property
    def _dust_limits(self) -> tuple[Sats, Sats]:
        """Of the maker's and of the taker's payout script."""
        return scripts.dust_limit(self.maker.funder.payout_script), scripts.dust_limit(self.taker.funder.payout_script)

    def _split(self, entry: ScheduleEntry) -> tuple[Sats, Sats]:
        if self.terms.position(Role.MAKER) is Position.LONG:
            return entry.long, entry.short
        return entry.short, entry.long

    def payments(self, maker: Sats, taker: Sats, *, with_both: bool = False) -> tuple[TxOut, ...]:
        """Maker's output, then taker's; a share that would be dust goes to the other side (not `with_both`)."""
        maker_script, taker_script = self.maker.funder.payout_script, self.taker.funder.payout_script
        if with_both:
            return TxOut(maker, maker_script), TxOut(taker, taker_script)
        maker_dust, taker_dust = self._dust_limits
        if maker < maker_dust:
            return (TxOut(Sats(maker + taker), taker_script),)
        if taker < taker_dust:
            return (TxOut(Sats(maker + taker), maker_script),)
        return TxOut(maker, maker_script), TxOut(taker, taker_script)
