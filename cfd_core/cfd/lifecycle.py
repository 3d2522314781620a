"""Which event is legal in which phase, on one screen."""

from typing import Final

from cfd_core.cfd import events as e
from cfd_core.cfd import phases as p

_LOCK_UNSETTLED = (p.LockPending, p.Open)
_COMMITTED = (p.CommitPending, p.CommitConfirmed)
_EXITING = (p.ExitPending, p.ExitConfirmed)

LIFECYCLE: Final[dict[tuple[type, type], tuple[type, ...]]] = {
    (p.SettingUp, e.OrderRejected): (p.Rejected,),
    (p.SettingUp, e.ContractSetupFailed): (p.SetupFailed,),
    (p.SettingUp, e.LockSigned): (p.LockSignedUnseen,),
    (p.LockSignedUnseen, e.LockCompleted): (p.LockPending,),
    (p.LockSignedUnseen, e.LockSeen): _LOCK_UNSETTLED,
    (p.LockPending, e.LockCompleted): (p.LockPending,),
    (p.LockPending, e.LockSeen): _LOCK_UNSETTLED,
    (p.LockPending, e.LockGone): (p.LockPending,),
    (p.LockPending, e.ForceCloseStarted): (p.CommitPending,),
    (p.LockPending, e.CommitSeen): _COMMITTED,
    (p.Open, e.LockCompleted): (p.Open,),
    (p.Open, e.LockSeen): _LOCK_UNSETTLED,
    (p.Open, e.LockGone): (p.LockPending,),
    (p.Open, e.ForceCloseStarted): (p.CommitPending,),
    (p.Open, e.CommitSeen): _COMMITTED,
    (p.CommitPending, e.LockCompleted): (p.CommitPending,),
    (p.CommitPending, e.CommitSeen): _COMMITTED,
    (p.CommitPending, e.CommitGone): (p.CommitPending,),
    (p.CommitConfirmed, e.LockCompleted): (p.CommitConfirmed,),
    (p.CommitConfirmed, e.CommitSeen): _COMMITTED,
    (p.CommitConfirmed, e.CommitGone): (p.CommitPending,),
    (p.CommitConfirmed, e.ExitSeen): _EXITING,
    (p.ExitPending, e.LockCompleted): (p.ExitPending,),
    (p.ExitPending, e.CommitSeen): (p.CommitPending, p.ExitPending),
    (p.ExitPending, e.CommitGone): (p.CommitPending,),
    (p.ExitPending, e.ExitSeen): _EXITING,
    (p.ExitPending, e.ExitGone): (p.CommitConfirmed,),
    (p.ExitConfirmed, e.LockCompleted): (p.ExitConfirmed,),
    (p.ExitConfirmed, e.CommitSeen): (p.CommitPending, p.ExitConfirmed),
    (p.ExitConfirmed, e.CommitGone): (p.CommitPending,),
    (p.ExitConfirmed, e.ExitSeen): _EXITING,
    (p.ExitConfirmed, e.ExitGone): (p.CommitConfirmed,),
    (p.ExitConfirmed, e.CfdClosed): (p.Closed,),
}
"""(phase, event) -> the phases that may follow."""

HELD: Final = (p.LockSignedUnseen, *_LOCK_UNSETTLED, *_COMMITTED, *_EXITING)
ANYTIME: Final = (e.OracleAttested, e.CetSigned)
"""Legal in each phase of `HELD`; they change the outcome, not the phase."""


def legal(phase: p.Phase, event: e.CfdEvent) -> bool:
    """Whether the table allows this event now."""
    if isinstance(event, ANYTIME):
        return isinstance(phase, HELD)
    return (type(phase), type(event)) in LIFECYCLE
