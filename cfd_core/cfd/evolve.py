"""The fold: a CFD and one of its events make the next CFD. It never refuses; `decide` did that before."""

from typing import assert_never

from attrs import evolve as replace

from cfd_core.bitcoin.transaction import Transaction
from cfd_core.cfd import events as e
from cfd_core.cfd import phases as p
from cfd_core.cfd.aggregate import AgreedClose, Bump, Cfd, Equivocation, Held, Prepared, ReadyExit
from cfd_core.cfd.standing import Standing
from cfd_core.contract.dlc import Dlc, Settleable
from cfd_core.contract.draft import Draft, Party
from cfd_core.contract.punish import Revoked
from cfd_core.values import Secret


def begin(event: e.OrderPlaced) -> Cfd:
    """The first event of every CFD."""
    return Cfd(
        id=event.cfd_id,
        role=event.role,
        peer=event.peer,
        offer=event.offer,
        terms=event.terms,
        announcements=event.announcements,
        opened_at=event.at,
        key_id=event.key_id,
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
    match event:
        case e.LockSigned():
            return replace(cfd, held=Held(live=_first(cfd, event)), phase=p.LockSignedUnseen(event.at))
        case e.LockCompleted(lock):
            phase = p.LockPending() if isinstance(cfd.phase, p.LockSignedUnseen) else cfd.phase
            return replace(cfd, held=replace(held_of(cfd), lock=lock), phase=phase)
        case e.CancelSigned(cancel):
            return replace(cfd, held=replace(held_of(cfd), cancel=cancel))
        case e.RestoredFromBackup():
            return replace(cfd, standing=Standing.UNSURE)
        case e.StandingLearned():
            return replace(cfd, standing=_standing(cfd, event))
        case e.BackupTrusted():
            return replace(cfd, standing=Standing.TRUSTED)
        case e.RolloverQuoted(funding_rate):
            return replace(cfd, quoted=funding_rate)
        case e.RolloverFailed(reason, _):
            return replace(cfd, rollover_trouble=reason)
        case e.RolloverPrepared():
            held = held_of(cfd)
            since = held.rolling_since if held.next is not None else event.at
            return replace(cfd, held=replace(held, next=_prepared(cfd, event), rolling_since=since))
        case e.RolloverSigned(their_commit):
            return _rolled(cfd, their_commit)
        case e.RevisionRevoked():
            return replace(cfd, held=_revoked(held_of(cfd), event))
        case e.CloseSigned():
            return replace(cfd, held=_close_signed(held_of(cfd), event))
        case e.FeeBumped(parent, child, rate):
            bumped = cfd.bumped if parent in cfd.bumped else (*cfd.bumped, parent)
            return replace(cfd, bump=Bump(parent, child, rate), bumped=bumped)
        case e.OracleAttested(attestation):
            return replace(cfd, attestations=(*cfd.attestations, attestation))
        case e.OutcomeNoted(outcome):
            return replace(cfd, noted=(*cfd.noted, outcome))
        case e.OracleEquivocated(first, second):
            return _doubted(replace(cfd, equivocations=(*cfd.equivocations, Equivocation(first, second))))
        case e.OutcomeChosen(outcome):
            return _doubted(replace(cfd, equivocations=tuple(_chosen(doubt, outcome) for doubt in cfd.equivocations)))
        case e.ExitSigned():
            ready = ReadyExit(kind=event.kind, number=event.number, transaction=event.transaction)
            others = tuple(x for x in cfd.exits if (x.kind, x.number) != (ready.kind, ready.number))
            return replace(cfd, exits=(*others, ready))
        case e.ForceCloseStarted():
            forced = p.Commit(held_of(cfd).live.number, event.commit, event.tip)
            after = replace(cfd, close_reason=event.reason, forced=forced)
            return replace(after, phase=_next_phase(after, event))
        case _:
            return replace(cfd, phase=_next_phase(cfd, event))


def _chosen(doubt: Equivocation, outcome: int) -> Equivocation:
    return replace(doubt, chosen=outcome) if outcome in (doubt.first.outcome, doubt.second.outcome) else doubt


def _standing(cfd: Cfd, event: e.StandingLearned) -> Standing:
    if event.secret or cfd.standing is Standing.REVOKED:
        return Standing.REVOKED
    return Standing.CURRENT if event.number <= held_of(cfd).live.number else Standing.BEHIND


def _doubted(cfd: Cfd) -> Cfd:
    """Without the exits that were signed on another belief."""
    kept = tuple(ready for ready in cfd.exits if ready.kind not in (e.ExitKind.CET, e.ExitKind.LIQUIDATION))
    return replace(cfd, exits=kept)


def _close_signed(held: Held, event: e.CloseSigned) -> Held:
    if held.close is not None and held.close.complete and not event.complete:
        return held  # proposed once more: what we have is better
    return replace(held, close=AgreedClose(event.price, event.close, event.complete))


_PhaseEvent = (
    e.OrderPlaced
    | e.OrderRejected
    | e.ContractSetupFailed
    | e.LockSeen
    | e.LockGone
    | e.LockConflictSeen
    | e.LockConflictGone
    | e.ForceCloseStarted
    | e.CommitSeen
    | e.CommitGone
    | e.ExitSeen
    | e.ExitGone
    | e.CloseSeen
    | e.CloseGone
    | e.CfdClosed
)


def _next_phase(cfd: Cfd, event: _PhaseEvent) -> p.Phase:
    match event:
        case e.OrderRejected(reason):
            return p.Rejected(reason)
        case e.ContractSetupFailed(reason):
            return p.SetupFailed(reason)
        case e.LockSeen(height):
            return p.Open(height) if height else p.LockPending()
        case e.LockGone():
            return p.LockPending()
        case e.CloseGone():
            return p.CommitPending(cfd.forced) if cfd.forced is not None else p.LockPending()
        case e.LockConflictGone():
            # without their witnesses only the cancellation leads on
            return p.LockPending() if held_of(cfd).lock else p.LockSignedUnseen(cfd.opened_at)
        case e.LockConflictSeen(transaction, height):
            ours = _spends_ours(cfd, transaction)
            return p.LockConflict(transaction, height) if ours else p.LockDoubleSpent(transaction, height)
        case e.ForceCloseStarted():
            commit = cfd.forced
            if commit is None:
                raise AssertionError("told by the caller")
            return cfd.phase if isinstance(cfd.phase, p.ClosePending) else p.CommitPending(commit)
        case e.CommitSeen():
            return _commit_seen(cfd.phase, event)
        case e.CommitGone():
            return p.CommitPending(_waiting_again(cfd.phase))
        case e.ExitSeen():
            return _exit_seen(cfd.phase, event)
        case e.ExitGone():
            return _without_exit(cfd.phase)
        case e.CloseSeen(close, maker, taker, height, tip):
            if height:
                return p.CloseConfirmed(close, maker, taker, height)
            known = cfd.phase.tip if isinstance(cfd.phase, p.ClosePending) else 0
            return p.ClosePending(close, known or tip)
        case e.CfdClosed(kind, maker, taker, height):
            return p.Closed(kind, maker, taker, height)
        case e.OrderPlaced():
            raise AssertionError("folded elsewhere")
        case _:
            assert_never(event)


def _spends_ours(cfd: Cfd, raw: bytes) -> bool:
    coins = {coin.outpoint for coin in held_of(cfd).live.draft.party(cfd.role).funder.inputs}
    return any(tx_in.outpoint in coins for tx_in in Transaction.parse(raw).inputs)


# --- revisions -----------------------------------------------------------------------------------------------------


def _first(cfd: Cfd, event: e.LockSigned) -> Dlc:
    draft = Draft(
        terms=cfd.terms,
        revision=cfd.terms.first_revision,
        announcements=cfd.announcements,
        maker=event.maker,
        taker=event.taker,
    )
    return Dlc(
        role=cfd.role,
        draft=draft,
        their_refund=event.their_refund,
        cets_sha256=event.cets_sha256,
        own_commit=event.own_commit,
        their_commit=event.their_commit,
    )


def _prepared(cfd: Cfd, event: e.RolloverPrepared) -> Prepared:
    live = held_of(cfd).live.draft
    draft = Draft(
        terms=cfd.terms,
        revision=event.revision,
        announcements=event.announcements,
        maker=Party(live.maker.funder, event.maker),
        taker=Party(live.taker.funder, event.taker),
    )
    dlc = Settleable(role=cfd.role, draft=draft, their_refund=event.their_refund, cets_sha256=event.cets_sha256)
    return Prepared(dlc, event.own_commit)


def _rolled(cfd: Cfd, their_commit: bytes) -> Cfd:
    held = held_of(cfd)
    if held.next is None:
        raise AssertionError("a rollover is prepared before it is signed")
    prepared = held.next.dlc
    live = Dlc(
        role=cfd.role,
        draft=prepared.draft,
        their_refund=prepared.their_refund,
        cets_sha256=prepared.cets_sha256,
        own_commit=held.next.own_commit,
        their_commit=their_commit,
    )
    rolled = replace(held, live=live, old=held.live, next=None)
    standing = None if cfd.standing is None else Standing.UNSURE  # what was said of it, was said of the old revision
    return replace(
        cfd,
        held=rolled,
        announcements=live.draft.announcements,
        quoted=None,
        rollover_trouble="",
        standing=standing,
    )


def _revoked(held: Held, event: e.RevisionRevoked) -> Held:
    if held.old is None or held.old.number != event.number:
        raise AssertionError("only the old revision is revoked")
    draft = held.old.draft
    revoked = Revoked(
        number=event.number,
        maker_points=draft.maker.points,
        taker_points=draft.taker.points,
        own_commit=held.old.own_commit,
        secret=Secret(event.secret),
        tip=event.tip,
    )
    return replace(held, old=None, rolling_since=None, revoked=(*held.revoked, revoked))


# --- phases --------------------------------------------------------------------------------------------------------


def _commit_seen(phase: p.Phase, event: e.CommitSeen) -> p.Phase:
    known = phase.commit if isinstance(phase, p.COMMITTED) else None
    if known is not None and not event.height:
        known = _waiting_again(phase)
    same = known is not None and known.number == event.number
    commit = p.Commit(event.number, event.commit, known.tip if same and known else event.tip)
    if not event.height:
        return p.CommitPending(commit)
    if isinstance(phase, p.ExitPending | p.ExitConfirmed) and same:
        # news of the commit may come after news of its spend, which then still holds
        return replace(phase, commit=commit, commit_height=event.height)
    return p.CommitConfirmed(commit, event.height)


def _exit_seen(phase: p.Phase, event: e.ExitSeen) -> p.Phase:
    tip = phase.exit.tip if isinstance(phase, p.EXITING) and phase.exit.kind is event.kind else event.tip
    found = p.Exit(event.kind, event.transaction, event.maker, event.taker, tip)
    commit, height = commit_of(phase), commit_height(phase)
    if event.height:
        return p.ExitConfirmed(commit, height, found, event.height)
    return p.ExitPending(commit, height, found)


def _without_exit(phase: p.Phase) -> p.Phase:
    height = commit_height(phase)
    return p.CommitConfirmed(commit_of(phase), height) if height else p.CommitPending(commit_of(phase))


def _waiting_again(phase: p.Phase) -> p.Commit:
    """The commit, whose waiting counts from the block that it was in, if it was."""
    commit = commit_of(phase)
    return replace(commit, tip=max(commit.tip, commit_height(phase)))


def held_of(cfd: Cfd) -> Held:
    if cfd.held is None:
        raise AssertionError("this needs a signed contract")
    return cfd.held


def commit_of(phase: p.Phase) -> p.Commit:
    if not isinstance(phase, p.COMMITTED):
        raise AssertionError("this needs a commit")
    return phase.commit


def commit_height(phase: p.Phase) -> int:
    """0 while the commit is not in a block."""
    return phase.commit_height if isinstance(phase, p.CommitConfirmed | p.ExitPending | p.ExitConfirmed) else 0
