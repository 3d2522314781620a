"""The pump: take an input, let the engine decide, store, tell, act. Nothing else changes a CFD.

`give` is one synchronous act, so no two inputs ever interleave: events are stored before the next engine is taken
and before any effect runs; when storing fails, nothing has happened.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from itertools import groupby
from typing import Any

import structlog
from cfd_store import Batch, EventStore

from cfd_core.cfd.commands import Command
from cfd_core.cfd.events import Event, Recorded
from cfd_core.effects import Effect
from cfd_core.engine import Engine, Settings, Step
from cfd_core.inputs import Input, NodeStarted, TimerFired
from cfd_core.serial.stored import from_stored, to_revision, to_stored
from cfd_node.clock import Clock

log = structlog.get_logger()
Subscriber = Callable[[Recorded], None]
RunEffect = Callable[[Effect], None]


class Pump:
    """One engine, its store, and those who listen."""

    def __init__(self, settings: Settings, store: EventStore, clock: Clock) -> None:
        """Loads the engine from the store: `DecodeError` for an event of a later release, or the store's own errors."""
        self._store, self._clock = store, clock
        self.engine = Engine.load(settings, ((s.stream, from_stored(s)) for s in store.load_all()))
        self._run_effect: RunEffect = lambda _effect: None
        self._subscribers: list[Subscriber] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()

    def start(self, run_effect: RunEffect) -> None:
        """Take up what the last process left: end its protocol runs, and do what is still owed."""
        self._run_effect = run_effect
        self.give(NodeStarted())
        self.resume()

    def resume(self) -> None:
        """Do again whatever is owed: after a start, or when a shell came back."""
        for effect in self.engine.resume(self._clock.now()):
            self._run_effect(effect)

    async def stop(self) -> None:
        """Stop the timer and the effects under way."""
        for task in (*self._tasks, *([self._timer] if self._timer else [])):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._timer = None

    def subscribe(self, subscriber: Subscriber) -> None:
        """Hear of each event after it is stored."""
        self._subscribers.append(subscriber)

    def give(self, happened: Input | Command) -> Step:
        """One turn. `RuleViolation` when a command of ours is refused; the store's errors when it cannot store."""
        step = self.engine.handle(happened, self._clock.now())
        if step.events:
            self._store.append_all(_batches(step.events))
        self.engine = step.engine
        for recorded in step.events:
            for subscriber in self._subscribers:
                subscriber(recorded)
        for effect in step.effects:
            self._run_effect(effect)
        self._arm_timer()
        self._changed.set()
        self._changed = asyncio.Event()
        return step

    def history(self, stream: str) -> list[Event]:
        """A stream's events so far."""
        return [from_stored(stored) for stored in self._store.load(stream)]

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run an effect's work in the background; a bug in it is logged and ends only this work."""
        task = asyncio.create_task(self._guard(work, name), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def until(self, condition: Callable[[Engine], bool]) -> None:
        """Return once the engine satisfies `condition`."""
        while not condition(self.engine):
            await self._changed.wait()

    async def _guard(self, work: Coroutine[Any, Any, None], name: str) -> None:
        try:
            await work
        except Exception:
            log.exception("effect failed", effect=name)

    def _arm_timer(self) -> None:
        if self._timer is not None and not self._timer.done() and self._timer is not asyncio.current_task():
            self._timer.cancel()
        self._timer = None
        deadline = self.engine.deadline
        if deadline is not None:
            self._timer = asyncio.create_task(self._fire_at(deadline), name="engine timer")

    async def _fire_at(self, deadline: float) -> None:
        await self._clock.sleep_until(deadline)
        self.give(TimerFired())


def _batches(events: Sequence[Recorded]) -> list[Batch]:
    by_stream = groupby(sorted(events, key=lambda r: (r.stream, r.version)), key=lambda r: r.stream)
    return [_batch(stream, list(recorded)) for stream, recorded in by_stream]


def _batch(stream: str, events: list[Recorded]) -> Batch:
    revisions = [revision for recorded in events if (revision := to_revision(recorded)) is not None]
    return Batch(stream, events[0].version - 1, tuple(map(to_stored, events)), tuple(revisions))
