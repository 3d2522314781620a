"""What a report about an outpoint says that we did not know: every spend is classified."""

from collections.abc import Iterator

from cfd_core.bitcoin.transaction import Transaction
from cfd_core.cfd import events as e
from cfd_core.cfd import phases as p
from cfd_core.cfd.aggregate import Cfd, Held
from cfd_core.cfd.evolve import commit_height, held_of
from cfd_core.cfd.revisions import draft_of, numbers
from cfd_core.contract.close import build_close, close_of_unknown_price
from cfd_core.contract.draft import Draft
from cfd_core.inputs import OutpointReport, Spend
from cfd_core.values import OutPoint, Role, Sats, price


def observed(cfd: Cfd) -> frozenset[OutPoint]:
    """The outpoints that a report may be about for it to tell this CFD anything: what `observe` looks at."""
    held = cfd.held
    if held is None or cfd.ended:
        return frozenset()
    live = held.live.draft
    inputs = (coin.outpoint for coin in live.maker.funder.inputs + live.taker.funder.inputs)
    draft = draft_of(held, cfd.phase.commit.number) if isinstance(cfd.phase, p.COMMITTED) else None
    return frozenset((live.lock_outpoint, *inputs, *(() if draft is None else (draft.commit_outpoint,))))


def observe(cfd: Cfd, report: OutpointReport, tip: int) -> tuple[e.CfdEvent, ...]:
    """The events that a report about one of this CFD's outpoints makes; none for outpoints of others."""
    held = cfd.held
    if held is None or cfd.ended:
        return ()
    live = held.live.draft
    if report.outpoint == live.lock_outpoint:
        return tuple(_lock(cfd, held, report, tip))
    if report.outpoint in {coin.outpoint for coin in live.maker.funder.inputs + live.taker.funder.inputs}:
        return tuple(_lock_input(cfd, held, report))
    if isinstance(cfd.phase, p.COMMITTED):
        draft = draft_of(held, cfd.phase.commit.number)
        if draft is not None and report.outpoint == draft.commit_outpoint:
            return tuple(_commit(cfd, held, draft, report, tip))
    return ()


def _lock(cfd: Cfd, held: Held, report: OutpointReport, tip: int) -> Iterator[e.CfdEvent]:
    phase = cfd.phase
    if report.spend is not None:
        yield from _lock_spent(cfd, held, report, report.spend, tip)
    elif isinstance(phase, p.COMMITTED):
        # our own commit may be on its way: until it was in a block, its absence is no news
        if not isinstance(phase, p.CommitPending):
            yield e.CommitGone()
    elif isinstance(phase, p.ClosePending | p.CloseConfirmed):
        yield e.CloseGone()
    elif report.created is None:
        if isinstance(phase, p.Open):
            yield e.LockGone()
    elif _lock_height(phase) != report.created:
        yield e.LockSeen(report.created)


def _lock_spent(cfd: Cfd, held: Held, report: OutpointReport, spend: Spend, tip: int) -> Iterator[e.CfdEvent]:
    phase, tx = cfd.phase, Transaction.parse(spend.transaction)
    if isinstance(phase, (p.LockSignedUnseen, *p.CONFLICTS)):
        yield e.LockSeen(report.created or 0)
    if held.close is not None and tx.txid == Transaction.parse(held.close.transaction).txid:
        if _close_known(phase) != spend.height:
            yield _close_seen(held, spend, tip)
        return
    for number in numbers(held):
        draft = draft_of(held, number)
        if draft is not None and draft.commit.txid == tx.txid:
            if _commit_known(phase) != (spend.transaction, spend.height):
                yield e.CommitSeen(number, spend.transaction, spend.height, tip)
            return
    # books from a backup may lack a close that was signed after it
    paid = None if cfd.standing is None else close_of_unknown_price(held.live.draft, cfd.role, tx)
    if paid is not None and _close_known(phase) != spend.height:
        yield e.CloseSeen(spend.transaction, *paid, spend.height, tip)


def _close_seen(held: Held, spend: Spend, tip: int) -> e.CloseSeen:
    if held.close is None:
        raise AssertionError("told by the caller")
    close = build_close(held.live.draft, price(held.close.price))
    return e.CloseSeen(spend.transaction, close.maker, close.taker, spend.height, tip)


def _lock_input(cfd: Cfd, held: Held, report: OutpointReport) -> Iterator[e.CfdEvent]:
    """Only one transaction can spend an input: the lock, or what makes it impossible."""
    phase, lock = cfd.phase, held.live.draft.lock
    if report.spend is None:
        if isinstance(phase, p.CONFLICTS) and _spends(phase.transaction, report):
            yield e.LockConflictGone()
        return
    tx = Transaction.parse(report.spend.transaction)
    if tx.txid != lock.txid:
        if isinstance(phase, _LOCK_UNSURE) and _conflict_news(cfd, report, report.spend):
            yield e.LockConflictSeen(report.spend.transaction, report.spend.height)
        return
    if not held.lock and all(tx_in.witness for tx_in in tx.inputs):
        yield e.LockCompleted(report.spend.transaction)
    if isinstance(phase, (p.LockSignedUnseen, *p.CONFLICTS)):
        yield e.LockSeen(report.spend.height)


_LOCK_UNSURE = (p.LockSignedUnseen, p.LockPending, *p.CONFLICTS, p.CommitPending)
"""Phases in which the lock is not known to be confirmed: a reorg may have undone it under a commit that waits."""


def _conflict_news(cfd: Cfd, report: OutpointReport, spend: Spend) -> bool:
    """Whether this spend tells more than the conflict that is known: a block decides, before that ours counts."""
    phase = cfd.phase
    if not isinstance(phase, p.CONFLICTS):
        return True
    if phase.transaction == spend.transaction:
        return phase.height != spend.height
    if phase.height or spend.height:
        return not phase.height or 0 < spend.height < phase.height
    ours = {coin.outpoint for coin in held_of(cfd).live.draft.party(cfd.role).funder.inputs}
    return report.outpoint in ours or isinstance(phase, p.LockDoubleSpent)


def _spends(raw: bytes, report: OutpointReport) -> bool:
    return any(tx_in.outpoint == report.outpoint for tx_in in Transaction.parse(raw).inputs)


def _commit(cfd: Cfd, held: Held, draft: Draft, report: OutpointReport, tip: int) -> Iterator[e.CfdEvent]:
    phase = cfd.phase
    if report.created is None or not isinstance(phase, p.COMMITTED):
        return
    if report.created and commit_height(phase) != report.created:
        # reports come in any order: this one tells of the commit's block before the lock's spend was reported
        yield e.CommitSeen(phase.commit.number, phase.commit.transaction, report.created, tip)
    if report.spend is None:
        if isinstance(phase, p.EXITING):
            yield e.ExitGone()
    elif _exit_known(phase) != (_txid(report.spend.transaction), report.spend.height):
        yield _classify(cfd, held, draft, report.spend, tip)


def _classify(cfd: Cfd, held: Held, draft: Draft, spend: Spend, tip: int) -> e.ExitSeen:
    tx = Transaction.parse(spend.transaction)
    paid = {
        role: Sats(sum(out.sats for out in tx.outputs if out.script == draft.party(role).funder.payout_script))
        for role in Role
    }
    kind = _kind(cfd, held, draft, tx)
    return e.ExitSeen(kind, spend.transaction, paid[Role.MAKER], paid[Role.TAKER], spend.height, tip)


def _kind(cfd: Cfd, held: Held, draft: Draft, tx: Transaction) -> e.ExitKind:
    if tx.txid == draft.refund.txid:
        return e.ExitKind.REFUND
    if held.settleable(draft.revision.number) is None:
        return e.ExitKind.PUNISH if len(tx.inputs[0].witness) > 3 else e.ExitKind.UNKNOWN
    if tx.inputs[0].sequence != draft.terms.cet_timelock:
        return e.ExitKind.UNKNOWN
    if all(draft.cet(entry).outputs != tx.outputs for entry in draft.entries):
        return e.ExitKind.UNKNOWN
    # a liquidation and the far ends of the settlement pay alike: which one it is, the oracle's word tells
    attested = cfd.attestation_for(draft.revision.number)
    liquidated = attested is not None and attested.event_id != draft.revision.settlement
    return e.ExitKind.LIQUIDATION if liquidated else e.ExitKind.CET


def _lock_height(phase: p.Phase) -> int | None:
    match phase:
        case p.Open():
            return phase.lock_height
        case p.LockPending():
            return 0
        case _:
            return None


def _close_known(phase: p.Phase) -> int | None:
    match phase:
        case p.CloseConfirmed():
            return phase.height
        case p.ClosePending() if phase.tip:
            return 0
        case _:
            return None


def _commit_known(phase: p.Phase) -> tuple[bytes, int] | None:
    """The witness counts: ours and the counterparty's commit have one txid, but reveal different secrets."""
    return (phase.commit.transaction, commit_height(phase)) if isinstance(phase, p.COMMITTED) else None


def _exit_known(phase: p.Phase) -> tuple[str, int] | None:
    match phase:
        case p.ExitConfirmed():
            return _txid(phase.exit.transaction), phase.exit_height
        case p.ExitPending():
            return _txid(phase.exit.transaction), 0
        case _:
            return None


def _txid(raw: bytes) -> str:
    return Transaction.parse(raw).txid
