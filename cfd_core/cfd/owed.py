"""What is still owed to the world: a pure function of the CFD and the tip.

This is the whole of crash safety: after a restart, a lost connection, a new block, the engine asks again.
"""

from collections.abc import Iterator

from cfd_core import effects as f
from cfd_core.bitcoin.transaction import Transaction
from cfd_core.cfd import phases as p
from cfd_core.cfd.aggregate import Attested, CetReady, Cfd, NotAttested


def owed(cfd: Cfd, tip: int) -> tuple[f.Effect, ...]:
    """Everything to be done for this CFD now; safe to do twice."""
    if cfd.held is None:
        return ()
    return (*_watches(cfd.held, cfd.phase), *_broadcasts(cfd, cfd.held, tip), *_oracle(cfd))


def _watches(held: p.Held, phase: p.Phase) -> Iterator[f.Effect]:
    draft = held.dlc.draft
    yield f.WatchOutpoint(draft.lock_outpoint, draft.lock_output_script)
    if isinstance(phase, p.ON_CHAIN):
        yield f.WatchOutpoint(draft.commit_outpoint, draft.commit_output_script)


def _broadcasts(cfd: Cfd, held: p.Held, tip: int) -> Iterator[f.Effect]:
    phase = cfd.phase
    if isinstance(phase, p.LockPending | p.CommitPending) and held.lock:
        yield _broadcast(cfd, "lock", held.lock)
    if isinstance(phase, p.CommitPending):
        yield _broadcast(cfd, "commit", phase.commit)
    if isinstance(phase, p.CommitConfirmed) and isinstance(cfd.outcome, CetReady) and _mature(cfd, phase, tip):
        yield _broadcast(cfd, "CET", cfd.outcome.cet)
    if isinstance(phase, p.ExitPending):
        yield _broadcast(cfd, phase.exit.kind.value, phase.exit.transaction)


def _mature(cfd: Cfd, phase: p.CommitConfirmed, tip: int) -> bool:
    """Whether a CET may stand in the block after the tip."""
    return tip + 1 >= phase.commit_height + cfd.terms.cet_timelock


def _broadcast(cfd: Cfd, kind: str, raw: bytes) -> f.BroadcastTx:
    return f.BroadcastTx(cfd.id, kind, Transaction.parse(raw).txid, raw)


def _oracle(cfd: Cfd) -> Iterator[f.Effect]:
    match cfd.outcome:
        case NotAttested():
            yield f.FetchAttestation(cfd.announcement.event_id, cfd.announcement.maturity)
        case Attested() if cfd.held is not None:
            yield f.LoadRevision(cfd.id, cfd.held.dlc.revision)
