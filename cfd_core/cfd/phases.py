"""The phases of a CFD's life, each with exactly what is known then."""

from attrs import field, frozen

from cfd_core.cfd.events import ExitKind
from cfd_core.contract.dlc import Dlc
from cfd_core.values import Sats


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
class Held:
    """What makes a position enforceable."""

    dlc: Dlc = field(repr=False)
    lock: bytes = field(repr=False, default=b"")
    """The complete lock; empty while we lack the counterparty's witnesses."""


@frozen
class LockSignedUnseen:
    """Our lock signature is out; the lock may appear at any time."""

    held: Held


@frozen
class LockPending:
    """The lock is complete or seen, and not confirmed."""

    held: Held


@frozen
class Open:
    """The lock is confirmed."""

    held: Held
    lock_height: int


@frozen
class CommitPending:
    """A commit is published, and not confirmed."""

    held: Held
    commit: bytes = field(repr=False)


@frozen
class CommitConfirmed:
    """The commit is in a block; the timelocks run."""

    held: Held
    commit: bytes = field(repr=False)
    commit_height: int


@frozen
class Exit:
    """What spent the commit output."""

    kind: ExitKind
    transaction: bytes = field(repr=False)
    maker: Sats
    taker: Sats


@frozen
class ExitPending:
    """The commit output is spent, and that is not confirmed."""

    held: Held
    commit: bytes = field(repr=False)
    commit_height: int
    exit: Exit


@frozen
class ExitConfirmed:
    """The spend of the commit output is in a block, and not final."""

    held: Held
    commit: bytes = field(repr=False)
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


Enforceable = LockSignedUnseen | LockPending | Open | CommitPending | CommitConfirmed | ExitPending | ExitConfirmed
Phase = SettingUp | Rejected | SetupFailed | Enforceable | Closed
ENDED = (Rejected, SetupFailed, Closed)
ON_CHAIN = (CommitPending, CommitConfirmed, ExitPending, ExitConfirmed)
