"""The phases of a CFD's life, each with exactly what is known then."""

from typing import Final

from attrs import field, frozen

from cfd_core.cfd.events import ExitKind
from cfd_core.values import Sats, Timestamp


@frozen
class SettingUp:
    """The contract is being negotiated and signed; nothing is at stake yet."""


@frozen
class Rejected:
    """The order was not taken."""

    reason: str


@frozen
class SetupFailed:
    """Setup broke off before anything was at stake."""

    reason: str


@frozen
class LockSignedUnseen:
    """Our lock signature is out; the lock may appear at any time."""

    since: Timestamp


@frozen
class LockPending:
    """The lock is complete or seen, and not confirmed."""


@frozen
class Open:
    """The lock is confirmed."""

    lock_height: int


@frozen
class LockConflict:
    """Another transaction spends an input of ours of the lock and is not final: our cancellation."""

    transaction: bytes = field(repr=False)
    height: int


@frozen
class LockDoubleSpent:
    """The counterparty spends an input of its own of the lock elsewhere, and that is not final."""

    transaction: bytes = field(repr=False)
    height: int


@frozen
class ClosePending:
    """The agreed close is published, and not confirmed."""

    close: bytes = field(repr=False)
    tip: int
    """The height we knew when it was published: how long it has waited. 0: not known."""


@frozen
class CloseConfirmed:
    """The agreed close is in a block, and not final."""

    close: bytes = field(repr=False)
    maker: Sats
    taker: Sats
    height: int


@frozen
class Commit:
    """A commit that somebody published."""

    number: int
    transaction: bytes = field(repr=False)
    tip: int
    """The height we knew when it was published: how long it has waited."""


@frozen
class CommitPending:
    """A commit is published, or ours is offered, and it is not confirmed."""

    commit: Commit


@frozen
class CommitConfirmed:
    """The commit is in a block; the timelocks run."""

    commit: Commit
    commit_height: int


@frozen
class Exit:
    """What spent the commit output."""

    kind: ExitKind
    transaction: bytes = field(repr=False)
    maker: Sats
    taker: Sats
    tip: int


@frozen
class ExitPending:
    """The commit output is spent, and that is not confirmed."""

    commit: Commit
    commit_height: int
    exit: Exit


@frozen
class ExitConfirmed:
    """The spend of the commit output is in a block, and not final."""

    commit: Commit
    commit_height: int
    exit: Exit
    exit_height: int


@frozen
class Closed:
    """Final."""

    kind: ExitKind
    maker: Sats
    taker: Sats
    height: int


Committed = CommitPending | CommitConfirmed | ExitPending | ExitConfirmed
Phase = (
    SettingUp
    | Rejected
    | SetupFailed
    | LockSignedUnseen
    | LockPending
    | Open
    | LockConflict
    | LockDoubleSpent
    | ClosePending
    | CloseConfirmed
    | Committed
    | Closed
)
CONFLICTS: Final = (LockConflict, LockDoubleSpent)
"""An input of the lock is spent by another transaction."""
ENDED: Final = (Rejected, SetupFailed, Closed)
COMMITTED: Final = (CommitPending, CommitConfirmed, ExitPending, ExitConfirmed)
EXITING: Final = (ExitPending, ExitConfirmed)
"""The commit output is spent."""
