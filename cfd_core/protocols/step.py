"""What all machines have in common: a step is a value, and the table is the law."""

from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from attrs import frozen

from cfd_core.effects import Effect
from cfd_core.errors import PeerViolation, RuleViolation
from cfd_core.inputs import Message
from cfd_core.values import words_of

State = TypeVar("State")
Outcome = TypeVar("Outcome")
Transitions = Mapping[tuple[type, type], tuple[type, ...]]
Handlers = Mapping[tuple[type, type], Callable[[Any, Any], Any]]


@frozen
class Step(Generic[State, Outcome]):
    """What follows: the next phase, what to store (in order), what to do once that is stored."""

    state: State
    effects: tuple[Effect, ...] = ()
    outcomes: tuple[Outcome, ...] = ()


def take(handlers: Handlers, law: Transitions, state: Any, arrived: Any) -> Any:
    """The step that the table allows for what arrived.

    `PeerViolation` for a message that is not due, `RuleViolation` for an answer that nothing waits for.
    """
    handler = handlers.get((type(state), type(arrived)))
    if handler is None:
        words = f"{type(arrived).__name__} is not due while {words_of(state)}"
        raise PeerViolation(words) if isinstance(arrived, Message) else RuleViolation(words)
    step = handler(state, arrived)
    if type(step.state) not in law[type(state), type(arrived)]:
        raise AssertionError(f"{type(state).__name__} may not lead to {type(step.state).__name__}")
    return step
