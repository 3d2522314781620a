"""The pump: take an input, let the engine decide, store, tell, act. Nothing else changes a CFD.

`give` is one synchronous act, so no two inputs ever interleave: events are stored before the next engine is taken
and before any effect runs; when storing fails, nothing has happened. What the lost input would have led to is asked for
again once the store works (`Engine.resume`), and a protocol run that waited for it ends by its deadline.

A signer that is away is much the same: the engine has put off what follows by itself, a command is refused, and what
peers and our own side say waits in `deliver`. `wake` takes all of that up again.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from itertools import groupby
from typing import Any, Final

import structlog
from cfd_store import Batch, EventStore, StoreError

from cfd_core.cfd.commands import Command
from cfd_core.cfd.events import Event, Recorded
from cfd_core.crypto.signer import SignerUnavailable
from cfd_core.effects import Effect
from cfd_core.engine import NODE_STREAM, Engine, Settings, Step
from cfd_core.inputs import Input, NodeStarted, TimerFired
from cfd_core.serial.stored import read_events, to_revision, to_stored
from cfd_core.values import Timestamp
from cfd_node.clock import Clock
from cfd_node.loading import Progress, load_engine, no_progress

log = structlog.get_logger()
Subscriber = Callable[[Recorded], None]
RunEffect = Callable[[Effect], None]

RETRY_SECONDS: Final = 5.0
"""Between two tries of what failed for a reason that may pass."""


class Pump:
    """One engine, its store, and those who listen."""

    def __init__(self, settings: Settings, store: EventStore, clock: Clock, progress: Progress = no_progress) -> None:
        """Loads the engine from the store: `DecodeError` for an event of a later release, or the store's own errors."""
        self._store, self._clock = store, clock
        loaded = load_engine(settings, store, progress)
        self.engine: Engine = loaded.engine
        self.snapshots = loaded.snapshots
        """The versions of which the store had snapshots when this was made."""
        self._run_effect: RunEffect = lambda _effect: None
        self._subscribers: list[Subscriber] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.Task[None] | None = None
        self._armed = Timestamp(0)
        """When the timer fires."""
        self._recovery: asyncio.Task[None] | None = None
        self._stopped = False
        self._changed = asyncio.Event()
        self._woken = asyncio.Event()
        self.store_problem = ""
        """Why the store did not take the last events; empty when all is well."""
        self.on_store_problem: Callable[[str], None] = lambda _reason: None
        """Told when the store did not take events."""
        self.on_turn: Callable[[Step], None] = lambda _step: None
        """Told after each turn, whatever it changed. Must neither wait nor raise."""

    def start(self, run_effect: RunEffect) -> None:
        """Take up what the last process left: end its protocol runs, and do what is still owed."""
        self._run_effect = run_effect
        self.give(NodeStarted())
        self.resume()

    def resume(self) -> None:
        """Do again whatever is owed: after a start, or when a shell came back."""
        self._act(self.owed())

    def owed(self) -> tuple[Effect, ...]:
        """What is owed to the world now."""
        return self.engine.resume(self._clock.now())

    def wake(self) -> None:
        """The signer is back: take up what waits for it, and do again whatever is owed."""
        self._woken.set()
        self._woken = asyncio.Event()
        self._fire_soon()
        self.resume()

    async def pause(self) -> None:
        """Wait until the signer is back, or for as long as one waits before trying anyway."""
        try:
            async with asyncio.timeout(RETRY_SECONDS):
                await self._woken.wait()
        except TimeoutError:
            return

    async def stop(self) -> None:
        """Stop the timer and the effects under way, and begin no more."""
        self._stopped = True
        tasks = {*self._tasks, *(task for task in (self._timer, self._recovery) if task is not None)}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def subscribe(self, subscriber: Subscriber) -> None:
        """Hear of each event after it is stored."""
        self._subscribers.append(subscriber)

    def give(self, happened: Input | Command) -> Step:
        """One turn. `RuleViolation` when a command of ours is refused; the store's errors when it cannot store, and
        `SignerUnavailable` when nobody signs: then it has not happened.
        """
        step = self.engine.handle(happened, self._clock.now())
        if step.events:
            self._keep(step.events)
        self.engine = step.engine
        for recorded in step.events:
            self._tell(recorded)
        self._act(step.effects)
        self._arm_timer()
        self._changed.set()
        self._changed = asyncio.Event()
        self.on_turn(step)
        return step

    async def deliver(self, happened: Input) -> None:
        """`give` what a peer or our own side says; while nobody signs what it asks for, it waits.

        Who says several things says the next one after this.
        """
        told = False
        while True:
            try:
                self.give(happened)
            except SignerUnavailable as error:
                if not told:
                    log.warning("waits for the signer", what=type(happened).__name__, reason=str(error))
                told = True
                await self.pause()
            else:
                return

    def history(self, stream: str) -> list[Event]:
        """A stream's events so far."""
        streams = dict.fromkeys((NODE_STREAM, stream))  # the node's own first: the others refer to it
        stored = (record for name in streams for record in self._store.load(name))
        return [event for name, event in read_events(stored) if name == stream]

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run an effect's work in the background; a bug in it is logged and ends only this work."""
        if self._stopped:
            work.close()
            return
        task = asyncio.create_task(self._guard(work, name), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def until(self, condition: Callable[[Engine], bool]) -> None:
        """Return once the engine satisfies `condition`."""
        while not condition(self.engine):
            await self._changed.wait()

    # --- one turn ------------------------------------------------------------------------------------------------

    def _keep(self, events: Sequence[Recorded]) -> None:
        try:
            self._store.append_all(_batches(events))
        except StoreError as error:
            log.error("the store failed", reason=str(error))
            self.store_problem = str(error)
            self.on_store_problem(str(error))
            if not self._stopped and (self._recovery is None or self._recovery.done()):
                self._recovery = asyncio.create_task(self._recover(), name="store recovery")
            raise
        self.store_problem = ""

    def _tell(self, recorded: Recorded) -> None:
        for subscriber in self._subscribers:
            try:
                subscriber(recorded)
            except Exception:
                log.exception("a subscriber failed", stored_event=type(recorded.event).__name__)

    def _act(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            try:
                self._run_effect(effect)
            except Exception:
                log.exception("an effect did not start", effect=type(effect).__name__)

    # --- in the background ---------------------------------------------------------------------------------------

    async def _guard(self, work: Coroutine[Any, Any, None], name: str) -> None:
        try:
            await work
        except (StoreError, SignerUnavailable) as error:
            log.error("effect without result", effect=name, reason=str(error))
        except Exception:
            log.exception("effect failed", effect=name)

    async def _recover(self) -> None:
        """Wait until the store can be written, then ask again for all that is owed."""
        while self.store_problem:
            await asyncio.sleep(RETRY_SECONDS)
            try:
                self._store.append_all(())
            except StoreError as error:
                self.store_problem = str(error)
            else:
                self.store_problem = ""
        self._recovery = None
        self.resume()

    def _fire_soon(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if not self._stopped:
            self._armed = self._clock.now()
            self._timer = asyncio.create_task(self._fire_at(self._armed), name="engine timer")

    def _arm_timer(self) -> None:
        if self._timer is not None and not self._timer.done() and self._timer is not asyncio.current_task():
            if self._armed <= self._clock.now():
                return  # it is about to fire, and `deadline` names only what comes later: what it is for would be lost
            self._timer.cancel()
        self._timer = None
        deadline = self.engine.deadline
        if deadline is not None and not self._stopped:
            self._armed = deadline
            self._timer = asyncio.create_task(self._fire_at(deadline), name="engine timer")

    async def _fire_at(self, deadline: float) -> None:
        await self._clock.sleep_until(deadline)
        while True:
            try:
                self.give(TimerFired())
            except Exception:
                log.exception("the timer's turn failed")
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return


def _batches(events: Sequence[Recorded]) -> list[Batch]:
    # the node's own stream first: the others refer to the announcements it keeps
    in_order = sorted(events, key=lambda r: (r.stream != NODE_STREAM, r.stream, r.version))
    by_stream = groupby(in_order, key=lambda r: r.stream)
    return [_batch(stream, list(recorded)) for stream, recorded in by_stream]


def _batch(stream: str, events: list[Recorded]) -> Batch:
    revisions = [revision for recorded in events if (revision := to_revision(recorded)) is not None]
    return Batch(stream, events[0].version - 1, tuple(map(to_stored, events)), tuple(revisions))
