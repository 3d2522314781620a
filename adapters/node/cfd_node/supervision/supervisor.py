"""Keeps services going: each in its own task, none of which can end another or the node."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog
from cfd_network import Backoff

from cfd_core.values import Timestamp
from cfd_node.supervision.health import Health, Level
from cfd_node.supervision.service import Service, ServiceFailed, Tell

log = structlog.get_logger()
OnChange = Callable[[str, Health], None]

STOP_SECONDS: Final = 10.0
"""How long a service may take to let go of what it holds before it is left behind."""


class _Kept:
    """One service and how it is."""

    def __init__(self, service: Service, health: Health) -> None:
        self.service, self.health = service, health
        self.keeper: asyncio.Task[None] | None = None
        self.life = 0
        """Counts its runs, so that who needs it sees that it is not the same one any more."""
        self.worked = False
        """Whether this run has said that it works."""
        self.alive = False
        """Whether a run is under way, or letting go of what it holds."""
        self.leaving = False
        """Whether its run is over, but for letting go: what it tells now comes too late."""

    @property
    def up(self) -> bool:
        return self.alive and self.worked and not self.leaving


class Supervisor:
    """Starts, stops and restarts services, and begins those again that end, after a jittered pause.

    Time, chance and waiting are arguments. `start`, `start_all` and what services do never raise here.
    """

    def __init__(
        self,
        services: Sequence[Service],
        *,
        now: Callable[[], Timestamp],
        jitter: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        backoff: Backoff | None = None,
        stop_seconds: float = STOP_SECONDS,
    ) -> None:
        """`jitter` gives numbers in [0, 1). Services come after those they need; `ValueError` otherwise."""
        self._now, self._jitter, self._sleep = now, jitter, sleep
        self._backoff = backoff or Backoff()
        self._stop_seconds = stop_seconds
        self._kept: dict[str, _Kept] = {}
        for service in services:
            self.add(service)
        self._listeners: list[OnChange] = []
        self._changed = asyncio.Event()

    def add(self, service: Service) -> None:
        """One more service, not started yet; `ValueError` if its name is taken or what it needs is missing."""
        _check(service, self._kept)
        self._kept[service.name] = _Kept(service, Health(Level.STOPPED, "not started", self._now(), None))

    # --- from outside --------------------------------------------------------------------------------------------

    def start_all(self) -> None:
        """Begin to bring everything up; returns at once."""
        for name in self._kept:
            self.start(name)

    async def stop_all(self) -> None:
        """Stop everything, those first who need others."""
        for name in reversed(self._kept):
            await self.stop(name)

    def start(self, name: str) -> None:
        """Begin to bring a service up; nothing happens if that is so already. `KeyError` for an unknown name."""
        kept = self._kept[name]
        if kept.keeper is None:
            self._set(kept, Level.LOADING, "")
            kept.keeper = asyncio.create_task(self._keep(kept), name=f"keeper of {name}")

    async def stop(self, name: str) -> None:
        """Stop a service and leave it stopped; those that need it wait for it. Call it twice."""
        kept = self._kept[name]
        keeper, kept.keeper = kept.keeper, None
        if keeper is not None:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)
            if kept.keeper is None:  # nobody started it meanwhile
                self._set(kept, Level.STOPPED, "as asked")

    async def restart(self, name: str) -> None:
        """Stop it and begin anew at once, without waiting for a pause to end."""
        await self.stop(name)
        self.start(name)

    def health(self) -> dict[str, Health]:
        """Every service, in the order of starting."""
        now = self._now()
        return {name: kept.health.at(now) for name, kept in self._kept.items()}

    def subscribe(self, listener: OnChange) -> None:
        """Hear of each change of a level or a reason, at once and in order. A listener must not wait."""
        self._listeners.append(listener)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Return once `condition`, asked at each change of any service, holds."""
        while not condition():
            await self._changed.wait()

    # --- one keeper per service ----------------------------------------------------------------------------------

    async def _keep(self, kept: _Kept) -> None:
        failures = 0
        while True:
            needed = await self._needed(kept)
            begun = self._now()
            reason = await self._one_life(kept, needed)
            if reason is None:
                continue
            failures = 1 if self._now() - begun >= self._backoff.healthy else failures + 1
            pause = self._backoff.pause(failures, self._jitter())
            self._set(kept, Level.FAILED, reason, next_try=Timestamp(int(self._now() + pause)))
            log.warning("a service ended", service=kept.service.name, reason=reason, failures=failures)
            await self._sleep(pause)

    async def _needed(self, kept: _Kept) -> list[tuple[_Kept, int]]:
        """Wait for the services it needs: them, and which of their lives it will rest on."""
        needs = [self._kept[name] for name in kept.service.needs]
        self._set(kept, Level.LOADING, "")
        while missing := next((need for need in needs if not need.up), None):
            self._set(kept, Level.LOADING, _waits_for(missing), waits_for=missing.service.name)
            await self._changed.wait()
        return [(need, need.life) for need in needs]

    async def _one_life(self, kept: _Kept, needed: list[tuple[_Kept, int]]) -> str | None:
        """Run it once. Why it ended; None when what it needs was gone first."""
        kept.life, kept.alive, kept.worked, kept.leaving = kept.life + 1, True, False, False
        life = asyncio.create_task(kept.service.run(self._teller(kept, kept.life)), name=kept.service.name)
        gone = asyncio.create_task(self.until(lambda: any(not n.up or n.life != number for n, number in needed)))
        try:
            await asyncio.wait({life, gone}, return_when=asyncio.FIRST_COMPLETED)
            ended = life.done()
        finally:
            gone.cancel()
            await self._leave(kept)
            await self._let_go(kept.service.name, life)
            await asyncio.gather(gone, return_exceptions=True)
            kept.alive = False
            self._notify()
        return _reason(kept.service.name, life) if ended else None

    async def _leave(self, kept: _Kept) -> None:
        """Let those who need it end before it does: they may have something to write to it."""
        kept.leaving = True
        self._notify()
        rest_on_it = [other for other in self._kept.values() if kept.service.name in other.service.needs]
        await self.until(lambda: not any(other.alive for other in rest_on_it))

    async def _let_go(self, name: str, life: "asyncio.Task[None]") -> None:
        life.cancel()
        await asyncio.wait({life}, timeout=self._stop_seconds)
        if not life.done():
            log.error("a service does not stop and is left behind", service=name)

    # --- health --------------------------------------------------------------------------------------------------

    def _teller(self, kept: _Kept, life: int) -> Tell:
        def tell(level: Level, reason: str = "", /) -> None:
            if kept.life == life and kept.alive and not kept.leaving:  # else it is one that was left behind
                kept.worked = kept.worked or level.up
                self._set(kept, level, reason)

        return tell

    def _set(
        self, kept: _Kept, level: Level, reason: str, *, next_try: Timestamp | None = None, waits_for: str = ""
    ) -> None:
        before = kept.health
        kept.health = before.moved(level, reason, self._now(), next_try=next_try, waits_for=waits_for)
        if (before.level, before.reason) == (level, reason):
            return
        log.info("a service changed", service=kept.service.name, state=level.value, reason=reason)
        for listener in self._listeners:
            try:
                listener(kept.service.name, kept.health)
            except Exception:
                log.exception("a listener to health failed", service=kept.service.name)
        self._notify()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def _check(service: Service, before: dict[str, _Kept]) -> None:
    if service.name in before:
        raise ValueError(f"two services are called {service.name}")
    unknown = [name for name in service.needs if name not in before]
    if unknown:
        raise ValueError(f"{service.name} needs {', '.join(unknown)}, which must come before it")


def _waits_for(missing: _Kept) -> str:
    if missing.health.waits_for:
        return missing.health.reason  # what all of them wait for
    why = f": {missing.health.reason}" if missing.health.reason else ""
    how = "stopping" if missing.leaving and missing.alive else f"{missing.health.level.value}{why}"
    return f"waits for the {missing.service.name} ({how})"


def _reason(name: str, life: "asyncio.Task[None]") -> str:
    error = None if life.cancelled() else life.exception()
    if error is None:
        return "ended for no reason"
    if isinstance(error, ServiceFailed):
        return str(error)
    log.error("a bug ended a service", service=name, exc_info=error)
    return f"an error of our own ({type(error).__name__}: {error})"
