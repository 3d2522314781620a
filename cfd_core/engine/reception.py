"""The reception: streams and messages from peers, led to the desk they are for."""

from cfd_core import effects as f
from cfd_core import inputs as i
from cfd_core.engine import opening, resuming, rolling, runs, settling
from cfd_core.engine.machines import PROTOCOLS, RESUME
from cfd_core.engine.turn import Run, Turn
from cfd_core.errors import RuleViolation
from cfd_core.protocols.contract_setup import messages as setup_messages
from cfd_core.protocols.rollover import messages as rollover_messages
from cfd_core.protocols.rollover import states as rollover_states
from cfd_core.protocols.settlement import messages as settlement_messages
from cfd_core.values import RunId


def stream_opened(turn: Turn, opened: i.StreamOpened) -> None:
    """A peer begins a run."""
    if opened.run in turn.runs:
        raise RuleViolation(f"run {opened.run} exists already")
    busy = sum(run.peer == opened.peer for run in turn.runs.values())
    known = opened.protocol in PROTOCOLS or opened.protocol == RESUME
    if not known or busy >= turn.policy.max_runs_per_peer:
        turn.effects.append(f.CloseStream(opened.run))
        return
    runs.open_run(turn, opened.run, opened.peer, opened.protocol, opened.entropy, ours=False)


def message(turn: Turn, key: RunId, received: i.Message) -> None:
    """A message came in on a run's stream."""
    run = turn.runs.get(key)
    if run is None:
        return  # the run has ended; what is still on the wire has no addressee
    if run.protocol == RESUME:
        resuming.resumed(turn, run, received)
    elif run.state is None:
        _first(turn, run, received)
    elif received.cfd_id != run.cfd_id:
        runs.give_up(turn, key, "a message about another CFD", tell=True)
    elif runs.busy(run) and not isinstance(received, runs.parts(run).messages.Reject):
        runs.queue(turn, run, received)
    else:
        runs.advance(turn, run, received)
        _look_at_answer(turn, key)


def _first(turn: Turn, run: Run, received: i.Message) -> None:
    match run.protocol, received:
        case setup_messages.PROTOCOL, setup_messages.Order():
            opening.ordered(turn, run, received)
        case rollover_messages.PROTOCOL, rollover_messages.Propose():
            rolling.proposed(turn, run, received)
        case settlement_messages.PROTOCOL, settlement_messages.Propose():
            settling.proposed(turn, run, received)
        case _:
            runs.refuse(turn, run, received.cfd_id, "that is not how this protocol begins")


def _look_at_answer(turn: Turn, key: RunId) -> None:
    run = turn.runs.get(key)
    if run is not None and isinstance(run.state, rollover_states.CheckingAnswer):
        rolling.decide_terms(turn, key)
