"""The fold: a CFD and one of its events make the next CFD. It never refuses; `decide` did that before."""

from typing import assert_never

from attrs import evolve as replace

from cfd_core.cfd import events as e
from cfd_core.cfd import phases as p
from cfd_core.cfd.aggregate import Attested, CetReady, Cfd
from cfd_core.contract.dlc import Dlc
from cfd_core.contract.draft import Draft
from cfd_core.oracle import Attestation


def begin(event: e.OrderPlaced) -> Cfd:
    """The first event of every CFD."""
    return Cfd(
        id=event.cfd_id,
        role=event.role,
        peer=event.peer,
        offer=event.offer,
        terms=event.terms,
        announcement=event.announcement,
        opened_at=event.at,
        phase=p.SettingUp(),
        version=1,
    )


def evolve(cfd: Cfd | None, event: e.CfdEvent) -> Cfd:
    """What the CFD is after `event`."""
    if isinstance(event, e.OrderPlaced):
        return begin(event)
    if cfd is None:
        raise AssertionError("the first event of a CFD is OrderPlaced")
    return replace(_fold(cfd, event), version=cfd.version + 1)


def _fold(cfd: Cfd, event: e.CfdEvent) -> Cfd:
    if isinstance(event, e.OracleAttested):
        return replace(cfd, outcome=Attested(event.attestation))
    if isinstance(event, e.CetSigned):
        return replace(cfd, outcome=CetReady(_attestation(cfd), event.cet, event.maker, event.taker))
    return replace(cfd, phase=_next_phase(cfd, event))


def _attestation(cfd: Cfd) -> Attestation:
    if not isinstance(cfd.outcome, Attested | CetReady):
        raise AssertionError("a CET is signed after the attestation")
    return cfd.outcome.attestation


def _next_phase(cfd: Cfd, event: e.CfdEvent) -> p.Phase:
    match event:
        case e.OrderRejected(reason):
            return p.Rejected(reason)
        case e.ContractSetupFailed(reason):
            return p.SetupFailed(reason)
        case e.LockSigned():
            return p.LockSignedUnseen(p.Held(_dlc(cfd, event)))
        case e.LockCompleted(lock):
            return _lock_completed(cfd, lock)
        case e.LockSeen(height):
            return p.Open(_held(cfd), height) if height else p.LockPending(_held(cfd))
        case e.LockGone():
            return p.LockPending(_held(cfd))
        case e.ForceCloseStarted(commit):
            return p.CommitPending(_held(cfd), commit)
        case e.CommitSeen(commit, height):
            return _commit_seen(cfd, commit, height)
        case e.CommitGone():
            return p.CommitPending(_held(cfd), _commit(cfd.phase))
        case e.ExitSeen():
            return _exit_seen(cfd, event)
        case e.ExitGone():
            return p.CommitConfirmed(_held(cfd), _commit(cfd.phase), _commit_height(cfd.phase))
        case e.CfdClosed(kind, maker, taker, height):
            return p.Closed(kind, maker, taker, height)
        case e.OrderPlaced() | e.OracleAttested() | e.CetSigned():
            raise AssertionError("folded elsewhere")
        case _:
            assert_never(event)


def _dlc(cfd: Cfd, event: e.LockSigned) -> Dlc:
    draft = Draft(terms=cfd.terms, announcement=cfd.announcement, maker=event.maker, taker=event.taker)
    return Dlc(
        revision=event.revision,
        role=cfd.role,
        draft=draft,
        ours=event.ours,
        theirs=event.theirs,
        cets_sha256=event.cets_sha256,
    )


def _lock_completed(cfd: Cfd, lock: bytes) -> p.Phase:
    held = p.Held(_held(cfd).dlc, lock)
    if isinstance(cfd.phase, (p.Open, *p.ON_CHAIN)):
        return replace(cfd.phase, held=held)
    return p.LockPending(held)


def _commit_seen(cfd: Cfd, commit: bytes, height: int) -> p.Phase:
    if not height:
        return p.CommitPending(_held(cfd), commit)
    if isinstance(cfd.phase, p.ExitPending | p.ExitConfirmed):
        # news of the commit may come after news of its spend, which then still holds
        return replace(cfd.phase, commit=commit, commit_height=height)
    return p.CommitConfirmed(_held(cfd), commit, height)


def _exit_seen(cfd: Cfd, event: e.ExitSeen) -> p.Phase:
    found = p.Exit(event.kind, event.transaction, event.maker, event.taker)
    commit, commit_height = _commit(cfd.phase), _commit_height(cfd.phase)
    if event.height:
        return p.ExitConfirmed(_held(cfd), commit, commit_height, found, event.height)
    return p.ExitPending(_held(cfd), commit, commit_height, found)


def _held(cfd: Cfd) -> p.Held:
    if cfd.held is None:
        raise AssertionError("this event needs a signed contract")
    return cfd.held


def _commit(phase: p.Phase) -> bytes:
    if not isinstance(phase, p.ON_CHAIN):
        raise AssertionError("this event needs a commit")
    return phase.commit


def _commit_height(phase: p.Phase) -> int:
    if not isinstance(phase, p.CommitConfirmed | p.ExitPending | p.ExitConfirmed):
        raise AssertionError("this event needs a confirmed commit")
    return phase.commit_height
