"""Live protocol runs: what moves them, what they leave, and how they end."""

from typing import assert_never

from attrs import evolve

from cfd_core import effects as f
from cfd_core import inputs as i
from cfd_core.cfd import events as e
from cfd_core.cfd import phases as p
from cfd_core.engine.turn import Run, Turn
from cfd_core.errors import DecodeError, PeerViolation, RuleViolation
from cfd_core.protocols.contract_setup import machine as setup_machine
from cfd_core.protocols.contract_setup import messages as m
from cfd_core.protocols.contract_setup import states as s
from cfd_core.values import CfdId, PeerId, RunId, Timestamp


def open_run(turn: Turn, key: RunId, peer: PeerId, entropy: bytes) -> Run:
    if len(entropy) != 32:
        raise RuleViolation("a run needs 32 bytes of entropy")
    run = Run(id=key, peer=peer, state=None, deadline=next_deadline(turn), entropy=entropy)
    turn.runs[key] = run
    return run


def run_of(turn: Turn, key: CfdId) -> Run:
    for run in turn.runs.values():
        if run.state is not None and run.state.setup.cfd_id == key:
            return run
    raise RuleViolation(f"no order of CFD {key} waits for a decision")


def next_deadline(turn: Turn) -> Timestamp:
    return Timestamp(turn.now + turn.policy.step_seconds)


def queue(turn: Turn, run: Run, message: i.Message) -> None:
    if len(run.queue) >= turn.policy.max_queued:
        give_up(turn, run.id, "more messages than are due", tell=True)
    else:
        turn.runs[run.id] = evolve(run, queue=(*run.queue, message))


def advance(turn: Turn, run: Run, message: i.Message) -> None:
    if run.state is None:
        return
    try:
        step = setup_machine.on_message(run.state, message)
    except (PeerViolation, DecodeError, RuleViolation) as error:
        give_up(turn, run.id, str(error), tell=True)
    else:
        follow(turn, run, step)


def answer(turn: Turn, answered: i.SetupInput) -> None:
    run = next((r for r in turn.runs.values() if r.state and r.state.setup.cfd_id == answered.cfd_id), None)
    if run is not None and run.state is not None and (type(run.state), type(answered)) in s.TRANSITIONS:
        answer_run(turn, run, answered)
    elif run is None and isinstance(answered, i.CoinsReserved):
        _give_back(turn, answered.cfd_id)


def _give_back(turn: Turn, key: CfdId) -> None:
    """Coins that were set aside while their setup ended: `ReleaseCoins` may have run before there were any."""
    cfd = turn.cfds.get(key)
    if cfd is not None and isinstance(cfd.phase, p.Rejected | p.SetupFailed):
        turn.effects.append(f.ReleaseCoins(key))


def answer_run(turn: Turn, run: Run, answer: s.Answer) -> None:
    if run.state is None:
        raise RuleViolation("no order has come in")
    try:
        step = setup_machine.on_answer(run.state, answer)
    except (PeerViolation, DecodeError) as error:
        give_up(turn, run.id, str(error), tell=True)
    else:
        follow(turn, run, step)


def follow(turn: Turn, run: Run, step: setup_machine.Step) -> None:
    key = step.state.setup.cfd_id
    for outcome in step.outcomes:
        turn.record(key, *_events(outcome), packed=_packed(outcome))
    turn.effects.extend(step.effects)
    if isinstance(step.state, s.ENDED):
        turn.runs.pop(run.id, None)
        return
    current = evolve(run, state=step.state, deadline=next_deadline(turn))
    turn.runs[run.id] = current
    if current.queue and not isinstance(step.state, s.BUSY):
        turn.runs[run.id] = evolve(current, queue=current.queue[1:])
        advance(turn, turn.runs[run.id], current.queue[0])


def give_up(turn: Turn, key: RunId, reason: str, *, tell: bool) -> None:
    run = turn.runs.get(key)
    if run is None:
        return
    if run.state is None:
        turn.effects.append(f.CloseStream(key))
        del turn.runs[key]
        return
    if tell:
        turn.effects.append(f.SendMessage(key, m.Reject(run.state.setup.cfd_id, reason)))
    follow(turn, run, setup_machine.on_lost(run.state, reason))


def expire_runs(turn: Turn) -> None:
    for run in list(turn.runs.values()):
        if run.deadline <= turn.now:
            give_up(turn, run.id, "timed out", tell=True)


def refuse(turn: Turn, run: Run, key: CfdId, reason: str) -> None:
    turn.effects += [f.SendMessage(run.id, m.Reject(key, reason)), f.CloseStream(run.id)]
    turn.runs.pop(run.id, None)


def _events(outcome: setup_machine.Outcome) -> tuple[e.CfdEvent, ...]:
    match outcome:
        case setup_machine.LockSigned(dlc, _, lock):
            return (
                e.LockSigned(
                    revision=dlc.revision,
                    maker=dlc.draft.maker,
                    taker=dlc.draft.taker,
                    ours=dlc.ours,
                    theirs=dlc.theirs,
                    cets_sha256=dlc.cets_sha256,
                    lock=lock.serialize(),
                ),
            )
        case setup_machine.LockCompleted(lock):
            return (e.LockCompleted(lock.serialize()),)
        case setup_machine.SetupFailed(reason):
            return (e.ContractSetupFailed(reason),)
        case setup_machine.SetupRejected(reason):
            return (e.OrderRejected(reason),)
        case _:
            assert_never(outcome)


def _packed(outcome: setup_machine.Outcome) -> bytes | None:
    return outcome.cets if isinstance(outcome, setup_machine.LockSigned) else None
