"""What is still owed to the world: a pure function of the CFD, the tip and the time.

This is the whole of crash safety: after a restart, a lost connection, a new block, the engine asks again.
"""

from collections.abc import Iterator

from attrs import frozen

from cfd_core import effects as f
from cfd_core.bitcoin.psbt import unsigned_psbt
from cfd_core.bitcoin.transaction import Transaction, TxIn, TxOut
from cfd_core.cfd import phases as p
from cfd_core.cfd.aggregate import Cfd, Held
from cfd_core.cfd.events import ExitKind
from cfd_core.cfd.fees import scheduled_rate
from cfd_core.cfd.react import Deadlines
from cfd_core.cfd.revisions import draft_of, revoked_of
from cfd_core.contract.costs import fee_of
from cfd_core.contract.draft import ANCHOR_VOUT, COMMIT_VOUT, LOCK_VOUT
from cfd_core.values import EventId, FeeRate, Sats, Timestamp

BLOCK_SECONDS = 600


@frozen(kw_only=True)
class Now:
    """What is owed depends on this besides the CFD."""

    tip: int
    now: Timestamp
    deadlines: Deadlines
    max_fee_rate: FeeRate


def owed(cfd: Cfd, at: Now) -> tuple[f.Effect, ...]:
    """Everything to be done for this CFD now; safe to do twice."""
    if cfd.held is None or cfd.ended:
        return ()
    held = cfd.held
    return (
        *_watches(cfd, held),
        *_broadcasts(cfd, held, at),
        *_cancel(cfd, held, at),
        *_bumps(cfd, held, at),
        *_oracle(cfd, held),
    )


def _watches(cfd: Cfd, held: Held) -> Iterator[f.Effect]:
    live = held.live.draft
    yield f.WatchOutpoint(live.lock_outpoint, live.lock_output_script)
    # a commit that waits may have lost its lock to a reorg, and the lock an input to somebody else
    if not held.lock or isinstance(cfd.phase, (p.LockSignedUnseen, p.LockPending, *p.CONFLICTS, p.CommitPending)):
        for coin in live.maker.funder.inputs + live.taker.funder.inputs:
            yield f.WatchOutpoint(coin.outpoint, coin.output.script)
    if isinstance(cfd.phase, p.COMMITTED):
        draft = draft_of(held, cfd.phase.commit.number)
        if draft is not None:
            yield f.WatchOutpoint(draft.commit_outpoint, draft.commit_output_script)


# --- what is to be on the chain ------------------------------------------------------------------------------------


def _broadcasts(cfd: Cfd, held: Held, at: Now) -> Iterator[f.Effect]:
    phase = cfd.phase
    if isinstance(phase, p.LockPending | p.CommitPending | p.ClosePending) and held.lock:
        yield _broadcast(cfd, "lock", held.lock)
    if held.cancel and isinstance(phase, (p.LockSignedUnseen, *p.CONFLICTS)):
        yield _broadcast(cfd, "cancellation", held.cancel)
    if held.close is not None and held.close.complete and cfd.forced is None and isinstance(phase, _LOCK_UNSPENT):
        # not after we force-closed: once nodes have let go of it, the commit is to get in
        yield _broadcast(cfd, "close", held.close.transaction)
    if isinstance(phase, p.CommitPending):
        yield _broadcast(cfd, "commit", _best_version(cfd, phase.commit))
    if isinstance(phase, p.ClosePending) and cfd.forced is not None:
        yield _broadcast(cfd, "commit", cfd.forced.transaction)
    if isinstance(phase, p.COMMITTED) and not isinstance(phase, p.ExitConfirmed):
        yield from _exits(cfd, phase, at)
    if cfd.bump is not None and (parent := waiting(cfd)) is not None and parent.txid == cfd.bump.parent:
        yield _broadcast(cfd, "fee bump", cfd.bump.child)


def _best_version(cfd: Cfd, commit: p.Commit) -> bytes:
    """Our own where we published it: the witness of what a chain server shows may have been changed on the way."""
    forced = cfd.forced
    return forced.transaction if forced is not None and forced.number == commit.number else commit.transaction


_LOCK_UNSPENT = (p.LockPending, p.Open, p.ClosePending, p.CommitPending)


def _exits(cfd: Cfd, phase: p.CommitPending | p.CommitConfirmed | p.ExitPending, at: Now) -> Iterator[f.Effect]:
    number = phase.commit.number
    punish = cfd.exit_for(number, ExitKind.PUNISH)
    if punish is not None:
        yield _broadcast(cfd, punish.kind.value, punish.transaction)
        return
    seen = phase.exit.transaction if isinstance(phase, p.ExitPending) else None
    if isinstance(phase, p.ExitPending):
        yield _broadcast(cfd, phase.exit.kind.value, phase.exit.transaction)
    if isinstance(phase, p.CommitPending):
        return
    for kinds, timelock in _timelocked(cfd):
        ready = cfd.exit_for(number, *kinds)
        if ready is not None and at.tip + 1 >= phase.commit_height + timelock:
            if ready.transaction == seen:
                return
            yield _broadcast(cfd, ready.kind.value, ready.transaction)
            return


def _timelocked(cfd: Cfd) -> tuple[tuple[tuple[ExitKind, ...], int], ...]:
    return (
        ((ExitKind.CET, ExitKind.LIQUIDATION), cfd.terms.cet_timelock),
        ((ExitKind.REFUND,), cfd.terms.refund_timelock),
    )


def _broadcast(cfd: Cfd, kind: str, raw: bytes) -> f.BroadcastTx:
    return f.BroadcastTx(cfd.id, kind, Transaction.parse(raw).txid, raw)


# --- what must not wait --------------------------------------------------------------------------------------------


def _cancel(cfd: Cfd, held: Held, at: Now) -> Iterator[f.Effect]:
    """The lock never came: spend one of our inputs back, at a rate that rises until one of the two confirms."""
    cancel = cancel_transaction(cfd, at)
    if cancel is None or (held.cancel and Transaction.parse(held.cancel).txid == cancel.txid):
        return
    coin = held.live.draft.party(cfd.role).funder.inputs[0]
    yield f.SignCancel(cfd.id, unsigned_psbt(cancel, [coin.output], {}))


def cancel_transaction(cfd: Cfd, at: Now) -> Transaction | None:
    """The unsigned cancellation that is due now, if one is."""
    since = cancellable_since(cfd, at.deadlines)
    if cfd.held is None or since is None or at.now < since + at.deadlines.cancel_after:
        return None
    late = at.now - since - at.deadlines.cancel_after
    funder = cfd.held.live.draft.party(cfd.role).funder
    coin = funder.inputs[0]
    rate = scheduled_rate(cfd.terms.fee_rate, late // BLOCK_SECONDS, at.max_fee_rate)
    fee = min(fee_of(_CANCEL_WEIGHT, rate), coin.output.sats // 2)
    return Transaction((TxIn(coin.outpoint),), (TxOut(Sats(coin.output.sats - fee), funder.change_script),))


def cancellable_since(cfd: Cfd, limits: Deadlines) -> Timestamp | None:
    """From when the patience of `Deadlines.cancel_after` counts; None while there is nothing to cancel."""
    match cfd.phase:
        case p.LockSignedUnseen(since):
            return since
        case p.LockDoubleSpent(_, 0):
            # left in the mempool it could be replaced by the lock later: theirs to choose, but for our cancellation;
            # twice the patience, because an honest cancellation of theirs is soon in a block and ours would be wasted
            return Timestamp(cfd.opened_at + limits.cancel_after)
        case p.LockConflict(raw, 0) if cfd.held is not None and cfd.held.cancel:
            # ours waits for its block: what is paid rises
            coin = cfd.held.live.draft.party(cfd.role).funder.inputs[0].outpoint
            ours = any(tx_in.outpoint == coin for tx_in in Transaction.parse(raw).inputs)
            return cfd.opened_at if ours else None
        case _:
            return None


_CANCEL_WEIGHT = 4 * (10 + 43) + 2 + 272
"""One P2WPKH input (the heavier kind), one output of the longest kind."""


def _bumps(cfd: Cfd, held: Held, at: Now) -> Iterator[f.Effect]:
    """A child for what has waited too long. Punishments and cancellations are replaced instead."""
    phase, parent = cfd.phase, waiting(cfd)
    if parent is None or (isinstance(phase, p.COMMITTED) and revoked_of(held, phase.commit.number) is not None):
        return
    rate = scheduled_rate(cfd.terms.fee_rate, at.tip - _since(cfd, parent), at.max_fee_rate)
    # without an output of ours there is nothing of ours in it: whoever has one pays
    vout = ANCHOR_VOUT if isinstance(phase, p.CommitPending) else _own_output(cfd, parent)
    if rate <= cfd.terms.fee_rate or vout is None or _bumped(cfd, parent, rate):
        return
    fee = Sats(_spent(cfd, held).sats - sum(out.sats for out in parent.outputs))
    yield f.BumpFee(cfd.id, parent.serialize(), vout, fee, rate)


def waiting(cfd: Cfd) -> Transaction | None:
    """What is to confirm next of the commit, the exit or the close; None when none of them waits."""
    match cfd.phase:
        case p.CommitPending(commit):
            return Transaction.parse(commit.transaction)
        case p.ExitPending(_, _, spend):
            return Transaction.parse(spend.transaction)
        case p.ClosePending(close):
            return Transaction.parse(close)
        case _:
            return None


def _since(cfd: Cfd, parent: Transaction) -> int:
    """The height from which our waiting counts.

    One side leaves the other two blocks' start, so that they do not outbid each other: who did not publish the commit,
    who gets less out of the close.
    """
    phase = cfd.phase
    if isinstance(phase, p.ClosePending):
        own = _own_output(cfd, parent)
        first = own is not None and parent.outputs[own].sats == max(out.sats for out in parent.outputs)
        return phase.tip + (0 if first else _SECOND_WAITS)
    if not isinstance(phase, p.CommitPending | p.ExitPending):
        raise AssertionError("nothing waits")
    tip = phase.commit.tip if isinstance(phase, p.CommitPending) else phase.exit.tip
    return tip + (0 if cfd.close_reason is not None else _SECOND_WAITS)


_SECOND_WAITS = 2


def _own_output(cfd: Cfd, tx: Transaction) -> int | None:
    held = cfd.held
    script = held.live.draft.party(cfd.role).funder.payout_script if held is not None else b""
    return next((vout for vout, out in enumerate(tx.outputs) if out.script == script), None)


def _spent(cfd: Cfd, held: Held) -> TxOut:
    """The output that the waiting transaction spends: of the lock, or of the commit."""
    draft = held.live.draft
    return draft.commit.outputs[COMMIT_VOUT] if isinstance(cfd.phase, p.ExitPending) else draft.lock.outputs[LOCK_VOUT]


def _bumped(cfd: Cfd, tx: Transaction, rate: FeeRate) -> bool:
    return cfd.bump is not None and cfd.bump.parent == tx.txid and cfd.bump.rate >= rate


# --- what the oracle and the store are asked -----------------------------------------------------------------------


def _oracle(cfd: Cfd, held: Held) -> Iterator[f.Effect]:
    known = {known.event_id for known in cfd.attestations} | {known.event_id for known in cfd.noted}
    for dlc in held.unrevoked:
        for announcement in dlc.draft.announcements:
            if announcement.event_id not in known:
                yield f.FetchAttestation(announcement.event_id, announcement.maturity)
    if isinstance(cfd.phase, p.CommitPending | p.CommitConfirmed):
        number = cfd.phase.commit.number
        attested = cfd.attestation_for(number)
        if attested is not None and cfd.exit_for(number, ExitKind.CET, ExitKind.LIQUIDATION) is None:
            yield f.LoadRevision(cfd.id, number)
        if attested is not None and isinstance(cfd.phase, p.CommitConfirmed):
            # once more, while the timelock runs: an oracle that says something else by now is found out in time
            yield f.FetchAttestation(attested.event_id, _maturity(held, number, attested.event_id))


def _maturity(held: Held, number: int, event: EventId) -> Timestamp:
    dlc = held.settleable(number)
    due = [a.maturity for a in dlc.draft.announcements if a.event_id == event] if dlc is not None else []
    return max(due, default=Timestamp(0))
