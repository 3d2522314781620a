"""What has happened. Events are stored before anything is done about them, and kept for ever.

Their stored names are literals in `cfd_core.serial.stored`; the classes here may be renamed, the literals may not.
"""

from decimal import Decimal
from enum import Enum

from attrs import field, frozen

from cfd_core.cfd.offer import Offer
from cfd_core.contract.draft import Party
from cfd_core.contract.scripts import RevisionPoints
from cfd_core.contract.terms import ContractTerms, RevisionTerms
from cfd_core.oracle import Announcement, Attestation, AttestedOutcome
from cfd_core.values import CfdId, OfferId, PeerId, Role, Sats, Timestamp

# --- the node ------------------------------------------------------------------------------------------------------


@frozen
class OfferPublished:
    """The maker's offer can be taken."""

    offer: Offer


@frozen
class OfferWithdrawn:
    """The offer cannot be taken any more."""

    offer: OfferId


@frozen
class AnnouncementKept:
    """A contract relies on this announcement; it is kept once, however many contracts and revisions do."""

    announcement: Announcement = field(repr=False)


NodeEvent = OfferPublished | OfferWithdrawn | AnnouncementKept

# --- opening -------------------------------------------------------------------------------------------------------


@frozen(kw_only=True)
class OrderPlaced:
    """An order was sent (taker) or came in (maker), and contract setup began."""

    cfd_id: CfdId
    role: Role
    """Ours."""
    peer: PeerId
    offer: OfferId
    terms: ContractTerms
    announcements: tuple[Announcement, ...] = field(repr=False)
    """Of the settlement and the liquidations. Stored by reference to `AnnouncementKept`."""
    at: Timestamp
    key_id: CfdId
    """What our keys are derived from. A taker's CFD id is its own randomness; a maker is told the id and adds its own,
    or one that was restored to before this CFD could be made to use its keys again."""


@frozen
class OrderRejected:
    """The maker did not take the order."""

    reason: str


@frozen
class ContractSetupFailed:
    """Setup ended before our lock signature was made; nothing is at stake."""

    reason: str


@frozen(kw_only=True)
class LockSigned:
    """Point of no return: our lock signature exists. All of the counterparty's other signatures are verified."""

    maker: Party = field(repr=False)
    taker: Party = field(repr=False)
    own_commit: bytes = field(repr=False)
    their_commit: bytes = field(repr=False)
    their_refund: bytes = field(repr=False)
    cets_sha256: bytes = field(repr=lambda digest: digest.hex())
    at: Timestamp


@frozen
class LockCompleted:
    """Both parties' witnesses are in the lock: we can broadcast it."""

    lock: bytes = field(repr=False)


# --- the lock on the chain -----------------------------------------------------------------------------------------


@frozen
class LockSeen:
    """The lock is in the mempool (height 0) or in the block at `height`."""

    height: int


@frozen
class LockGone:
    """The lock is neither in the chain nor in the mempool any more: a reorg, an eviction."""


@frozen
class CancelSigned:
    """The lock never came: this transaction spends one of our inputs back to us. Replaced by a later one."""

    cancel: bytes = field(repr=False)


@frozen
class LockConflictSeen:
    """An input of the lock was spent by another transaction, in the mempool (height 0) or in a block."""

    transaction: bytes = field(repr=False)
    height: int


@frozen
class LockConflictGone:
    """That other transaction has disappeared again."""


# --- rollover ------------------------------------------------------------------------------------------------------


@frozen(kw_only=True)
class RolloverPrepared:
    """Point of no return: our commit signature for the next revision may leave. Its exits are verified."""

    revision: RevisionTerms
    announcements: tuple[Announcement, ...] = field(repr=False)
    maker: RevisionPoints
    taker: RevisionPoints
    own_commit: bytes = field(repr=False)
    their_refund: bytes = field(repr=False)
    cets_sha256: bytes = field(repr=lambda digest: digest.hex())
    at: Timestamp
    """0 where it was stored before this was."""


@frozen
class RolloverSigned:
    """The prepared revision is ours to enforce: it is the live one, and our secret of the old one may leave."""

    their_commit: bytes = field(repr=False)


@frozen
class RevisionRevoked:
    """The counterparty's revocation secret of the old revision is here: publishing that commit is punished."""

    number: int
    secret: bytes = field(repr=False)
    tip: int
    """The height we knew then: a punishment does not pay for waiting that was before."""


@frozen
class RolloverQuoted:
    """Maker: our exits of the next revision may leave at this funding rate, which we stand by until it is replaced."""

    funding_rate: Decimal


@frozen
class RolloverFailed:
    """A rollover that we proposed came to nothing; kept once per reason."""

    reason: str
    at: Timestamp


# --- after a restore from a backup ---------------------------------------------------------------------------------


@frozen
class RestoredFromBackup:
    """The books were put back from a backup: revisions made since then are not in them, and ours may be revoked."""

    at: Timestamp


@frozen
class StandingLearned:
    """What the counterparty says of a restored CFD: the number of its live revision.

    `secret`: our revocation secret of our live revision, which only we could have given away; empty if it has none.
    """

    number: int
    secret: bytes = field(repr=False)


@frozen
class BackupTrusted:
    """The user says that nothing happened since the backup."""


# --- closing -------------------------------------------------------------------------------------------------------


@frozen(kw_only=True)
class CloseSigned:
    """Point of no return: our signature on the close at this price exists."""

    price: str
    close: bytes = field(repr=False)
    """Complete where we hold the counterparty's signature, bare where we signed first."""
    complete: bool


class CloseReason(Enum):
    """Why we took a position to the chain."""

    COMMAND = "command"
    LIQUIDATION = "liquidation"
    EXPIRED = "expired"
    UNREVOKED = "unrevoked"
    """A rollover stayed open, and the counterparty could soon have chosen between two revisions."""


@frozen
class ForceCloseStarted:
    """We decided to publish the live commit; it reveals our publish secret of that revision.

    It may have to wait behind a close that is in the mempool.
    """

    commit: bytes = field(repr=False)
    reason: CloseReason
    tip: int


@frozen
class CommitSeen:
    """A commit of revision `number` is in the mempool (height 0) or in a block; `tip` is the height we knew then."""

    number: int
    commit: bytes = field(repr=False)
    height: int
    tip: int


@frozen
class CommitGone:
    """The commit is neither in the chain nor in the mempool any more."""


@frozen
class FeeBumped:
    """A child pays for its parent: broadcast it with the parent until that confirms. Replaced by a later one."""

    parent: str
    """Transaction id."""
    child: bytes = field(repr=False)
    rate: int


@frozen
class OracleAttested:
    """The oracle has signed an outcome that this CFD has a CET for, and we have checked it."""

    attestation: Attestation = field(repr=False)


@frozen
class OutcomeNoted:
    """The oracle has signed an outcome that no CET pays: kept to know a second, different one when it comes."""

    outcome: AttestedOutcome = field(repr=False)


@frozen
class OracleEquivocated:
    """The oracle signed two outcomes for one event: proof of its fault. Neither is acted on until someone chooses."""

    first: AttestedOutcome = field(repr=False)
    second: Attestation = field(repr=False)


@frozen
class OutcomeChosen:
    """The user chose which of two attested outcomes to settle on."""

    outcome: int


class ExitKind(Enum):
    """How a CFD's money left it."""

    CET = "CET"
    LIQUIDATION = "liquidation"
    REFUND = "refund"
    PUNISH = "punishment"
    CLOSE = "close"
    CANCEL = "cancellation"
    DOUBLE_SPEND = "double spend"
    """The counterparty's, of a coin of its own: the lock can never confirm."""
    UNKNOWN = "unknown"


@frozen(kw_only=True)
class ExitSigned:
    """A transaction that takes our money out of the published commit is ready to broadcast."""

    kind: ExitKind
    number: int
    """The revision whose commit it spends."""
    transaction: bytes = field(repr=False)


@frozen
class ExitSeen:
    """The commit output was spent, in the mempool (height 0) or in a block; `tip` is the height we knew then."""

    kind: ExitKind
    transaction: bytes = field(repr=False)
    maker: Sats
    taker: Sats
    height: int
    tip: int


@frozen
class ExitGone:
    """The spend of the commit output has disappeared again."""


@frozen
class CloseSeen:
    """The lock was spent by the agreed close, in the mempool (height 0) or in a block."""

    close: bytes = field(repr=False)
    maker: Sats
    taker: Sats
    height: int
    tip: int
    """The height we knew then; 0 where it was stored before this was."""


@frozen
class CloseGone:
    """The close has disappeared again."""


@frozen
class CfdClosed:
    """The last transaction is final: nothing is owed any more."""

    kind: ExitKind
    maker: Sats
    taker: Sats
    height: int


CfdEvent = (
    OrderPlaced
    | OrderRejected
    | ContractSetupFailed
    | LockSigned
    | LockCompleted
    | LockSeen
    | LockGone
    | CancelSigned
    | LockConflictSeen
    | LockConflictGone
    | RolloverPrepared
    | RolloverSigned
    | RevisionRevoked
    | RestoredFromBackup
    | StandingLearned
    | BackupTrusted
    | RolloverQuoted
    | RolloverFailed
    | CloseSigned
    | ForceCloseStarted
    | CommitSeen
    | CommitGone
    | FeeBumped
    | OracleAttested
    | OutcomeNoted
    | OracleEquivocated
    | OutcomeChosen
    | ExitSigned
    | ExitSeen
    | ExitGone
    | CloseSeen
    | CloseGone
    | CfdClosed
)
Event = NodeEvent | CfdEvent


@frozen
class Recorded:
    """One event to be stored: position `version` of `stream`, with the packed CET signatures it brings, if any."""

    stream: str
    version: int
    event: Event
    packed: bytes | None = field(default=None, repr=False)
