"""Which event is legal in which phase, on one screen."""

from typing import Final

from cfd_core.cfd import events as e
from cfd_core.cfd import phases as p

_LOCKED = (p.LockPending, p.Open)
_COMMITTING = (p.CommitPending, p.CommitConfirmed)
_CLOSING = (p.ClosePending, p.CloseConfirmed)
_SPENT = (*_COMMITTING, *p.EXITING)
_LOCK_UNSURE = (p.LockSignedUnseen, *_LOCKED, *p.CONFLICTS, p.CommitPending)
"""A reorg may have undone the lock, under a commit that waits too."""

HELD: Final = (p.LockSignedUnseen, *_LOCKED, *p.CONFLICTS, *_CLOSING, *_SPENT)
"""Phases in which a signed contract is ours."""

LIFECYCLE: Final[dict[tuple[type, type], tuple[type, ...]]] = {
    (p.SettingUp, e.OrderRejected): (p.Rejected,),
    (p.SettingUp, e.ContractSetupFailed): (p.SetupFailed,),
    (p.SettingUp, e.LockSigned): (p.LockSignedUnseen,),
    (p.LockSignedUnseen, e.LockCompleted): (p.LockPending,),
    (p.LockSignedUnseen, e.LockSeen): _LOCKED,
    **{(phase, e.LockSeen): _LOCKED for phase in (*_LOCKED, *p.CONFLICTS)},
    **{(phase, e.LockGone): (p.LockPending,) for phase in _LOCKED},
    **{(phase, e.LockConflictSeen): p.CONFLICTS for phase in _LOCK_UNSURE},
    **{(phase, e.LockConflictGone): (p.LockPending, p.LockSignedUnseen) for phase in p.CONFLICTS},
    **{(phase, e.CfdClosed): (p.Closed,) for phase in p.CONFLICTS},
    **{(phase, e.ForceCloseStarted): (p.CommitPending,) for phase in _LOCKED},
    # nodes keep the close, which pays more: our commit is offered until either is in a block
    (p.ClosePending, e.ForceCloseStarted): (p.ClosePending,),
    **{(phase, e.CommitSeen): _COMMITTING for phase in (*_LOCKED, *_CLOSING, *_COMMITTING)},
    (p.ExitPending, e.CommitSeen): (*_COMMITTING, p.ExitPending),
    (p.ExitConfirmed, e.CommitSeen): (*_COMMITTING, p.ExitConfirmed),
    **{(phase, e.CommitGone): (p.CommitPending,) for phase in _SPENT},
    **{(phase, e.ExitSeen): p.EXITING for phase in (p.CommitConfirmed, p.CommitPending, *p.EXITING)},
    **{(phase, e.ExitGone): _COMMITTING for phase in p.EXITING},
    (p.ExitConfirmed, e.CfdClosed): (p.Closed,),
    **{(phase, e.CloseSeen): _CLOSING for phase in (*_LOCKED, *_CLOSING, *_SPENT)},
    **{(phase, e.CloseGone): (p.LockPending, p.CommitPending) for phase in _CLOSING},
    (p.CloseConfirmed, e.CfdClosed): (p.Closed,),
}
"""(phase, event) -> the phases that may follow."""

FACTS: Final[dict[type, tuple[type, ...]]] = {
    e.LockCompleted: HELD,
    e.CancelSigned: (p.LockSignedUnseen, *p.CONFLICTS),
    e.RestoredFromBackup: HELD,
    e.StandingLearned: HELD,
    e.BackupTrusted: HELD,
    e.RolloverQuoted: (p.Open,),
    e.RolloverFailed: (p.Open,),
    e.RolloverPrepared: (p.Open,),
    # later, our secret of the old revision would leave while a commit of it is on its way
    e.RolloverSigned: _LOCKED,
    e.RevisionRevoked: HELD,
    # once a commit is out, that is how the CFD ends: an older price must not race it
    e.CloseSigned: (*_LOCKED, *_CLOSING),
    e.FeeBumped: HELD,
    e.OracleAttested: HELD,
    e.OutcomeNoted: HELD,
    e.OracleEquivocated: HELD,
    e.OutcomeChosen: HELD,
    e.ExitSigned: _SPENT,
}
"""Events that leave the phase as it is (but for the first LockCompleted), and where they are legal."""


def legal(phase: p.Phase, event: e.CfdEvent) -> bool:
    """Whether the tables allow this event now."""
    return (type(phase), type(event)) in LIFECYCLE or isinstance(phase, FACTS.get(type(event), ()))
