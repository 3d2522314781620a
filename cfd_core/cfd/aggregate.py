"""The aggregate: one CFD as its events have made it."""

from decimal import Decimal

from attrs import field, frozen

from cfd_core.cfd.events import CloseReason, ExitKind
from cfd_core.cfd.phases import ENDED, Commit, Phase
from cfd_core.cfd.standing import DOUBTS, RELIABLE, Standing
from cfd_core.contract.dlc import Dlc, Settleable
from cfd_core.contract.punish import Revoked
from cfd_core.contract.terms import ContractTerms
from cfd_core.oracle import Announcement, Attestation, AttestedOutcome
from cfd_core.values import CfdId, EventId, OfferId, PeerId, Position, Role, Timestamp


@frozen
class Prepared:
    """The next revision: its exits are verified and our commit signature may be out; theirs is not here."""

    dlc: Settleable
    own_commit: bytes = field(repr=False)


@frozen
class AgreedClose:
    """A collaborative settlement that we signed."""

    price: str
    transaction: bytes = field(repr=False)
    complete: bool


@frozen(kw_only=True)
class Held:
    """What makes a position enforceable."""

    live: Dlc
    """The newest revision that is ours to enforce."""
    lock: bytes = field(repr=False, default=b"")
    """The complete lock; empty while we lack the counterparty's witnesses."""
    next: Prepared | None = None
    """A rollover that is not complete on our side."""
    old: Dlc | None = None
    """The revision before the live one, until the counterparty has revoked it: it may still be published lawfully."""
    rolling_since: Timestamp | None = None
    """When the rollover that is not complete got our commit signature; None when none is open."""
    revoked: tuple[Revoked, ...] = field(default=(), repr=False)
    close: AgreedClose | None = None
    cancel: bytes = field(repr=False, default=b"")
    """Our latest transaction that spends an input of the lock back to us; empty while there is none."""

    @property
    def rolling(self) -> bool:
        """A rollover has passed a point of no return and is not complete: we lack a message of the counterparty's."""
        return self.next is not None or self.old is not None

    def settleable(self, number: int) -> Settleable | None:
        """The unrevoked revision of this number."""
        found = (self.live, self.old, self.next.dlc if self.next else None)
        return next((dlc for dlc in found if dlc is not None and dlc.number == number), None)

    @property
    def unrevoked(self) -> tuple[Settleable, ...]:
        found = (self.live, self.old, self.next.dlc if self.next else None)
        return tuple(dlc for dlc in found if dlc is not None)


@frozen(kw_only=True)
class ReadyExit:
    """A signed transaction that takes our money out of the published commit."""

    kind: ExitKind
    number: int
    transaction: bytes = field(repr=False)


@frozen
class Equivocation:
    """Two outcomes of one event, both signed by the oracle."""

    first: AttestedOutcome
    second: Attestation
    chosen: int | None = None
    """What the user decided to settle on."""


@frozen
class Bump:
    """A child that pays for its parent."""

    parent: str
    child: bytes = field(repr=False)
    rate: int


@frozen(kw_only=True)
class Cfd:
    """One contract for difference, from our side."""

    id: CfdId
    role: Role
    peer: PeerId
    offer: OfferId
    terms: ContractTerms
    announcements: tuple[Announcement, ...] = field(repr=False)
    """Of the live revision."""
    opened_at: Timestamp
    key_id: CfdId = field(repr=False)
    """What our keys are derived from."""
    phase: Phase
    held: Held | None = None
    """None until our lock signature exists."""
    attestations: tuple[Attestation, ...] = ()
    """Outcomes that a CET pays, as they came."""
    noted: tuple[AttestedOutcome, ...] = ()
    """Outcomes that none paid when they came."""
    equivocations: tuple[Equivocation, ...] = ()
    exits: tuple[ReadyExit, ...] = ()
    """The newest for each revision and kind is what we broadcast."""
    bump: Bump | None = None
    """The last."""
    bumped: tuple[str, ...] = ()
    """Ids of all transactions that got a child of ours."""
    quoted: Decimal | None = None
    """Maker: the funding rate that we signed exits for, of the revision after the live one; we stand by it."""
    rollover_trouble: str = ""
    """Why the last rollover that we proposed came to nothing; empty when it did not."""
    standing: Standing | None = None
    """How far the books can be relied on since a restore from a backup; None: they were never restored."""
    close_reason: CloseReason | None = None
    """Why we force-closed, if we did."""
    forced: Commit | None = None
    """The commit that we force-closed with, if we did."""
    version: int
    """Number of events so far."""

    @property
    def position(self) -> Position:
        return self.terms.position(self.role)

    @property
    def ended(self) -> bool:
        return isinstance(self.phase, ENDED)

    @property
    def doubt(self) -> str:
        """Why our live revision must not be published; empty when it may."""
        return "" if self.standing in RELIABLE or self.standing is None else DOUBTS[self.standing]

    @property
    def hearsay(self) -> bool:
        """Only the counterparty says that our live revision may be published: nothing goes out by itself on that.

        An honest one publishes its own commit when it is due, which pays us too. One that lies may wait for ours.
        """
        return self.standing is Standing.CURRENT

    @property
    def settlement(self) -> Announcement:
        """The event at which the live revision settles."""
        return self.announcements[0]

    @property
    def oracle(self) -> bytes:
        """The key of the oracle that all of this CFD's events are of."""
        return self.settlement.oracle_key

    @property
    def expiry(self) -> Timestamp:
        return self.settlement.maturity

    @property
    def balance(self) -> int:
        """Sats that long owes short for all fees of the live revision."""
        if self.held is None:
            return self.terms.first_revision.long_pays_short
        return self.held.live.draft.revision.long_pays_short

    def exit_for(self, number: int, *kinds: ExitKind) -> ReadyExit | None:
        """The newest signed exit of these kinds for a revision."""
        fitting = [ready for ready in self.exits if ready.number == number and ready.kind in kinds]
        return fitting[-1] if fitting else None

    def attestation_for(self, number: int) -> Attestation | None:
        """The earliest attested outcome that pays in this revision; None while the oracle contradicts itself."""
        dlc = self.held.settleable(number) if self.held else None
        if dlc is None:
            return None
        due = {a.event_id: a.maturity for a in dlc.draft.announcements}
        covered = [attestation for attestation in self.believed if dlc.covers(attestation)]
        return min(covered, key=lambda attestation: due[attestation.event_id], default=None)

    @property
    def signed(self) -> tuple[Attestation, ...]:
        """Whatever the oracle signed of outcomes that a CET may pay, contradictions included."""
        return (*self.attestations, *(doubt.second for doubt in self.equivocations))

    @property
    def believed(self) -> tuple[Attestation, ...]:
        """What may be acted on: of an event with two outcomes only the chosen one, once one is."""
        doubted = {doubt.first.event_id: doubt for doubt in self.equivocations}
        return tuple(a for a in self.signed if a.event_id not in doubted or a.outcome == doubted[a.event_id].chosen)

    def outcome_of(self, event: EventId) -> AttestedOutcome | None:
        """What the oracle signed first for this event, as far as we were told."""
        paying = next((attestation.brief for attestation in self.attestations if attestation.event_id == event), None)
        return paying or next((outcome for outcome in self.noted if outcome.event_id == event), None)
