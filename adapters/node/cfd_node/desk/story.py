"""What happened to a CFD, for people: its life, and its transactions."""

from collections.abc import Iterable, Sequence
from typing import Final

from cfd_web import models as m

from cfd_core.bitcoin.transaction import Transaction
from cfd_core.cfd import events as e
from cfd_core.cfd import phases as p
from cfd_core.cfd.aggregate import Cfd
from cfd_core.values import Timestamp, words_of

REASONS: Final = {
    e.CloseReason.COMMAND: "because you asked for it",
    e.CloseReason.LIQUIDATION: "because an hour's price liquidates one side",
    e.CloseReason.EXPIRED: "because it expired and was not settled together",
    e.CloseReason.UNREVOKED: "because the counterparty left a rollover open",
}
LOCK_NEWS: Final = (e.LockSeen, e.LockGone, e.LockConflictSeen)


def moment_of(event: e.Event) -> m.Moment:
    """One entry of a CFD's life."""
    at: Timestamp | None = getattr(event, "at", None)
    raw = getattr(event, "transaction", None) or getattr(event, "commit", None) or getattr(event, "lock", None)
    txid = Transaction.parse(raw).txid if isinstance(raw, bytes) and raw else None
    return m.Moment(at=at, title=words_of(event), meaning=_meaning(event), txid=txid)


def _meaning(event: e.Event) -> str:
    match event:
        case e.ForceCloseStarted():
            return REASONS[event.reason]
        case e.LockSeen() | e.CommitSeen() | e.ExitSeen() | e.CloseSeen():
            return f"in block {event.height}" if event.height else "not in a block yet"
        case _:
            return str(getattr(event, "reason", ""))


def transactions_of(cfd: Cfd, history: Sequence[e.Event], tip: int) -> Iterable[m.ContractTx]:
    """What this node has sent or the chain has shown of a CFD with this history, in the order of its life."""
    held, phase = cfd.held, cfd.phase
    if held is not None and held.lock and not isinstance(phase, p.CONFLICTS):
        yield _tx("lock", held.lock, _lock_height(history), tip)
    if held is not None and held.cancel:
        yield _tx("cancel", held.cancel, None, tip)
    if isinstance(phase, p.ClosePending):
        yield _tx("close", phase.close, None, tip)
    if isinstance(phase, p.CloseConfirmed):
        yield _tx("close", phase.close, phase.height, tip)
    if isinstance(phase, p.COMMITTED):
        height = None if isinstance(phase, p.CommitPending) else phase.commit_height
        yield _tx("commit", phase.commit.transaction, height, tip)
    if isinstance(phase, p.EXITING):
        exit_height = phase.exit_height if isinstance(phase, p.ExitConfirmed) else None
        yield _tx(phase.exit.kind.value, phase.exit.transaction, exit_height, tip)


def _lock_height(history: Sequence[e.Event]) -> int | None:
    """Of the block that it was last seen in; most phases do not keep that."""
    said = [event.height if isinstance(event, e.LockSeen) else 0 for event in history if isinstance(event, LOCK_NEWS)]
    return said[-1] or None if said else None


def _tx(kind: str, raw: bytes, height: int | None, tip: int) -> m.ContractTx:
    confirmations = max(0, tip + 1 - height) if height else 0
    return m.ContractTx(kind=kind, txid=Transaction.parse(raw).txid, height=height or None, confirmations=confirmations)
