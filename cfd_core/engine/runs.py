"""Live protocol runs: what moves them, what they leave, and how they end."""

from typing import Any

from attrs import evolve

from cfd_core import effects as f
from cfd_core import inputs as i
from cfd_core.cfd import events as e
from cfd_core.cfd import phases as p
from cfd_core.cfd.aggregate import Cfd
from cfd_core.cfd.lifecycle import legal
from cfd_core.crypto.signer import SignerRefused
from cfd_core.engine.machines import PROTOCOLS, RESUME, Protocol, events_of, packed_of
from cfd_core.engine.tries import Tries
from cfd_core.engine.turn import Run, Turn
from cfd_core.errors import DecodeError, PeerViolation, RuleViolation
from cfd_core.inputs import for_people
from cfd_core.protocols.rollover import states as rollover_states
from cfd_core.protocols.settlement import messages as settlement_messages
from cfd_core.values import CfdId, PeerId, Role, RunId, Timestamp


def open_run(
    turn: Turn, key: RunId, peer: PeerId, protocol: str, entropy: bytes, *, cfd_id: CfdId | None = None, ours: bool
) -> Run:
    if len(entropy) != 32:
        raise RuleViolation("a run needs 32 bytes of entropy")
    run = Run(
        id=key,
        peer=peer,
        protocol=protocol,
        cfd_id=cfd_id,
        ours=ours,
        deadline=next_deadline(turn),
        entropy=entropy,
    )
    turn.runs[key] = run
    return run


def fresh(turn: Turn, what: str) -> RunId:
    """An id that no run of this process had: late news of an ended run must not hit another."""
    turn.runs_begun += 1
    return RunId(f"{what}:{turn.now}:{turn.runs_begun}")


def of_cfd(turn: Turn, key: CfdId) -> Run | None:
    """The live run about this CFD, if any."""
    return next((run for run in turn.runs.values() if run.cfd_id == key and run.state is not None), None)


def waiting(turn: Turn, key: CfdId, what: str) -> Run:
    """The live run about this CFD; `RuleViolation` when nothing of the kind waits for a decision."""
    run = of_cfd(turn, key)
    if run is None:
        raise RuleViolation(f"no {what} of CFD {key} waits for a decision")
    return run


def with_peer(turn: Turn, run: Run, key: CfdId) -> Cfd:
    """The CFD that a run's peer speaks about; `PeerViolation` if it is not one with that peer."""
    cfd = turn.cfds.get(key)
    if cfd is None or cfd.peer != run.peer:
        raise PeerViolation("there is no such CFD with you")
    return cfd


def next_deadline(turn: Turn) -> Timestamp:
    return Timestamp(turn.now + turn.policy.step_seconds)


def parts(run: Run) -> Protocol:
    return PROTOCOLS[run.protocol]


def busy(run: Run) -> bool:
    """Whether the run waits for our own side."""
    return isinstance(run.state, parts(run).states.BUSY)


def queue(turn: Turn, run: Run, message: i.Message) -> None:
    """Keep a message that came while the run waits for our own side."""
    if len(run.queue) >= turn.policy.max_queued:
        give_up(turn, run.id, "more messages than are due", tell=True)
    else:
        turn.runs[run.id] = evolve(run, queue=(*run.queue, message))


def advance(turn: Turn, run: Run, message: i.Message) -> None:
    """Let the machine have a message."""
    try:
        step = parts(run).machine.on_message(run.state, message)
    except SignerRefused as refusal:
        _not_signed(turn, run, refusal)
    except (PeerViolation, DecodeError, RuleViolation) as error:
        give_up(turn, run.id, str(error), tell=True)
    else:
        follow(turn, run, step)


def _not_signed(turn: Turn, run: Run, refusal: SignerRefused) -> None:
    """Our own signer ends the run. The rules that it goes by are for our user, and not for the counterparty."""
    if run.cfd_id is not None:
        turn.put_off(run.cfd_id, refusal)
    give_up(turn, run.id, str(refusal), tell=True, told="our signer refuses")


def answer(turn: Turn, cfd_id: CfdId, answered: Any) -> None:
    """Let the run that waits for this answer have it; late and replayed ones have no addressee."""
    run = of_cfd(turn, cfd_id)
    if run is not None and (type(run.state), type(answered)) in parts(run).states.TRANSITIONS:
        if isinstance(answered, i.CetsSigned | i.CetsVerified) and answered.run != run.id:
            return  # of an earlier run: its signatures are other ones
        answer_run(turn, run, answered)
    elif run is None and isinstance(answered, i.CoinsReserved):
        _give_back(turn, cfd_id)


def _give_back(turn: Turn, key: CfdId) -> None:
    """Coins that were set aside while their setup ended: `ReleaseCoins` may have run before there were any."""
    cfd = turn.cfds.get(key)
    if cfd is not None and isinstance(cfd.phase, p.Rejected | p.SetupFailed):
        turn.effects.append(f.ReleaseCoins(key))


def answer_run(turn: Turn, run: Run, answered: Any) -> None:
    """Let the machine have an answer of our own side."""
    try:
        step = parts(run).machine.on_answer(run.state, answered)
    except SignerRefused as refusal:
        _not_signed(turn, run, refusal)
    except (PeerViolation, DecodeError) as error:
        give_up(turn, run.id, str(error), tell=True)
    else:
        follow(turn, run, step)


def follow(turn: Turn, run: Run, step: Any) -> None:
    """Record a step's outcomes, then have its effects run; go on with what is queued."""
    if run.cfd_id is None:
        raise AssertionError("a machine runs for a CFD")
    if _overtaken(turn, run.cfd_id, step):
        give_up(turn, run.id, "the CFD is being closed", tell=True)
        return
    for outcome in step.outcomes:
        turn.record(run.cfd_id, *events_of(outcome, turn.now, turn.tip), packed=packed_of(outcome))
    turn.effects.extend(step.effects)
    if isinstance(step.state, parts(run).states.ENDED):
        turn.runs.pop(run.id, None)
        _ended(turn, run, step.state)
        return
    current = evolve(run, state=step.state, deadline=next_deadline(turn))
    turn.runs[run.id] = current
    if current.queue and not busy(current):
        turn.runs[run.id] = evolve(current, queue=current.queue[1:])
        advance(turn, turn.runs[run.id], current.queue[0])


def _ended(turn: Turn, run: Run, state: Any) -> None:
    """What is left open is taken up again later; a rollover of ours that failed is told to the user."""
    cfd = turn.cfds[run.cfd_id] if run.cfd_id is not None else None
    if cfd is None or cfd.held is None:
        return
    if isinstance(state, rollover_states.Failed) and run.ours:
        note_rollover_failure(turn, cfd.id, state.reason)
    if cfd.held.rolling:
        turn.resume_tries.setdefault(cfd.peer, Tries(turn.now))


def note_rollover_failure(turn: Turn, key: CfdId, reason: str) -> None:
    """Keep why the position is not rolled over, once: the same again is no news."""
    cfd, failed = turn.cfds[key], e.RolloverFailed(for_people(reason), turn.now)
    if legal(cfd.phase, failed) and cfd.rollover_trouble != failed.reason:
        turn.record(key, failed)


def make_way(turn: Turn, run: Run, cfd: Cfd) -> None:
    """One protocol for a CFD at a time. When both sides propose at once, both let the same proposal go on.

    A settlement goes before a rollover, and otherwise the taker's proposal before the maker's. Ours gives way only
    while nothing but the proposal itself has left.
    """
    ours = of_cfd(turn, cfd.id)
    if ours is None:
        return
    if not ours.ours or not isinstance(ours.state, parts(ours).states.AwaitingAnswer):
        raise PeerViolation("another protocol for this CFD is in flight")
    if _rank(run.protocol, cfd.role.other) < _rank(ours.protocol, cfd.role):
        raise PeerViolation("our own proposal is on its way, and goes first")
    turn.effects.append(f.CloseStream(ours.id))
    del turn.runs[ours.id]


def _rank(protocol: str, proposer: Role) -> tuple[bool, bool]:
    return protocol == settlement_messages.PROTOCOL, proposer is Role.TAKER


def _overtaken(turn: Turn, key: CfdId, step: Any) -> bool:
    """Whether the chain (or our own user) was faster: then nothing of this step may be stored or sent."""
    events = [event for outcome in step.outcomes for event in events_of(outcome, turn.now, turn.tip)]
    return bool(events) and not legal(turn.cfds[key].phase, events[0])


def give_up(turn: Turn, key: RunId, reason: str, *, tell: bool, told: str = "") -> None:
    """End a run early; the counterparty is told why if there is a way to, or `told` instead."""
    run = turn.runs.get(key)
    if run is None:
        return
    if run.state is None or run.protocol == RESUME or run.cfd_id is None:
        turn.effects.append(f.CloseStream(key))
        del turn.runs[key]
        return
    if tell:
        turn.effects.append(f.SendMessage(key, parts(run).messages.Reject(run.cfd_id, told or reason)))
    follow(turn, run, parts(run).machine.on_lost(run.state, reason))


def refuse(turn: Turn, run: Run, key: CfdId, reason: str) -> None:
    """Answer a first message that we do not go along with."""
    if run.protocol in PROTOCOLS:
        turn.effects.append(f.SendMessage(run.id, parts(run).messages.Reject(key, reason)))
    turn.effects.append(f.CloseStream(run.id))
    turn.runs.pop(run.id, None)


def expire_runs(turn: Turn) -> None:
    for run in list(turn.runs.values()):
        if run.deadline <= turn.now:
            give_up(turn, run.id, "timed out", tell=True)
