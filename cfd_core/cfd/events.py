"""What has happened. Events are stored before anything is done about them, and kept for ever.

Their stored names are literals in `cfd_core.serial.stored`; the classes here may be renamed, the literals may not.
"""

from enum import Enum

from attrs import field, frozen

from cfd_core.cfd.offer import Offer
from cfd_core.contract.dlc import CommitAndRefund
from cfd_core.contract.draft import Party
from cfd_core.contract.terms import ContractTerms
from cfd_core.oracle import Announcement, Attestation
from cfd_core.values import CfdId, OfferId, PeerId, Role, Sats, Timestamp

# --- offers --------------------------------------------------------------------------------------------------------


@frozen
class OfferPublished:
    """The maker's offer can be taken."""

    offer: Offer


@frozen
class OfferWithdrawn:
    """The offer cannot be taken any more."""

    offer: OfferId


OfferEvent = OfferPublished | OfferWithdrawn

# --- one CFD -------------------------------------------------------------------------------------------------------


@frozen(kw_only=True)
class OrderPlaced:
    """An order was sent (taker) or came in (maker), and contract setup began."""

    cfd_id: CfdId
    role: Role
    """Ours."""
    peer: PeerId
    offer: OfferId
    terms: ContractTerms
    announcement: Announcement = field(repr=False)
    at: Timestamp


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

    revision: int
    maker: Party = field(repr=False)
    taker: Party = field(repr=False)
    ours: CommitAndRefund = field(repr=False)
    theirs: CommitAndRefund = field(repr=False)
    cets_sha256: bytes = field(repr=lambda digest: digest.hex())
    lock: bytes = field(repr=False)
    """The lock with our witnesses."""


@frozen
class LockCompleted:
    """Both parties' witnesses are in the lock: we can broadcast it."""

    lock: bytes = field(repr=False)


@frozen
class LockSeen:
    """The lock is in the mempool (height 0) or in the block at `height`."""

    height: int


@frozen
class LockGone:
    """The lock is neither in the chain nor in the mempool any more: a reorg, an eviction."""


@frozen
class ForceCloseStarted:
    """We decided to publish the commit; it reveals our publish secret."""

    commit: bytes = field(repr=False)
    at: Timestamp


@frozen
class CommitSeen:
    """A commit, ours or the counterparty's, is in the mempool (height 0) or in a block."""

    commit: bytes = field(repr=False)
    height: int


@frozen
class CommitGone:
    """The commit is neither in the chain nor in the mempool any more."""


@frozen
class OracleAttested:
    """The oracle has signed the outcome of the CFD's event, and we have checked it."""

    attestation: Attestation = field(repr=False)


@frozen
class CetSigned:
    """The CET of the attested outcome is ready to broadcast."""

    cet: bytes = field(repr=False)
    maker: Sats
    taker: Sats


class ExitKind(Enum):
    """How a commit output was spent."""

    CET = "CET"
    REFUND = "refund"
    UNKNOWN = "unknown"


@frozen
class ExitSeen:
    """The commit output was spent, in the mempool (height 0) or in a block."""

    kind: ExitKind
    transaction: bytes = field(repr=False)
    maker: Sats
    taker: Sats
    height: int


@frozen
class ExitGone:
    """The spend of the commit output has disappeared again."""


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
    | ForceCloseStarted
    | CommitSeen
    | CommitGone
    | OracleAttested
    | CetSigned
    | ExitSeen
    | ExitGone
    | CfdClosed
)
Event = OfferEvent | CfdEvent


@frozen
class Recorded:
    """One event to be stored: position `version` of `stream`, with the packed CET signatures it brings, if any."""

    stream: str
    version: int
    event: Event
    packed: bytes | None = field(default=None, repr=False)
