"""What keeps an event loop: a probe that notes how late it wakes, and a watch on the pump's turns by their kind."""

import asyncio
import gc
import resource
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from cfd_node.pump import Pump

from cfd_core.cfd.commands import Command
from cfd_core.cfd.events import Recorded
from cfd_core.engine import Step
from cfd_core.inputs import Input, MessageReceived
from tests.load.child import Order
from tests.load.figures import spread

PROBE: Final = 0.005
"""Seconds between two wake-ups of the probe."""


class Watch:
    """How late the loop is, and what kept it."""

    def __init__(self) -> None:
        self.late: list[float] = []
        """Seconds by which each wake-up of the probe was late, for whatever reason."""
        self.busy: list[float] = []
        """Seconds of processor time that the loop's thread took between two wake-ups: what it would be alone."""
        self.turns: dict[str, list[tuple[float, float]]] = defaultdict(list)
        """By kind: seconds from begin to end, and of processor time. `storing` is part of others."""
        self._cpu = self._loop_cpu = 0.0

    def begin(self) -> None:
        """Forget what was noted."""
        for noted in (self.late, self.busy, self.turns):
            noted.clear()
        self._cpu, self._loop_cpu = time.process_time(), time.thread_time()

    def figures(self) -> Order:
        """Since `begin`; times in milliseconds, processor time in seconds."""
        slowest = sorted(self.turns.items(), key=lambda item: -sum(took for took, _ in item[1]))[:10]
        return {
            "loop lag": spread(self.late),
            "loop busy": spread(self.busy),
            "turns": {name: _kind(times) for name, times in slowest},
            "cpu": round(time.process_time() - self._cpu, 2),
            "cpu of the loop": round(time.thread_time() - self._loop_cpu, 2),
            "resident MB": resident(),
            "peak MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        }

    async def probe(self) -> None:
        while True:
            asleep, used = time.perf_counter(), time.thread_time()
            await asyncio.sleep(PROBE)
            self.late.append(max(0.0, time.perf_counter() - asleep - PROBE))
            self.busy.append(time.thread_time() - used)

    def watch_turns(self) -> None:
        """The node has this process for itself, so this reaches the pumps of all its lives."""
        give, keep = Pump.give, Pump._keep

        def given(pump: Pump, happened: Input | Command) -> Step:
            told = happened.message if isinstance(happened, MessageReceived) else happened
            with self._timed(f"{type(told).__module__.split('.')[-2]}.{type(told).__name__}"):
                return give(pump, happened)

        def kept(pump: Pump, events: Sequence[Recorded]) -> None:
            with self._timed("storing"):
                keep(pump, events)

        setattr(Pump, "give", given)  # noqa: B010 - the type of a method cannot be spelled
        setattr(Pump, "_keep", kept)  # noqa: B010 - see above

    def watch_garbage(self) -> None:
        """Collecting garbage stops everything; what matters is how long."""
        begun = (0.0, 0.0)

        def told(phase: str, info: dict[str, int]) -> None:
            nonlocal begun
            now = (time.perf_counter(), time.thread_time())
            if phase == "start":
                begun = now
            elif info["generation"] == 2:
                self.turns["garbage, the whole heap"].append((now[0] - begun[0], now[1] - begun[1]))

        gc.callbacks.append(told)

    @contextmanager
    def _timed(self, kind: str) -> Iterator[None]:
        begun, used = time.perf_counter(), time.thread_time()
        try:
            yield
        finally:
            self.turns[kind].append((time.perf_counter() - begun, time.thread_time() - used))


def _kind(times: list[tuple[float, float]]) -> Order:
    took, used = zip(*times, strict=True)
    return {**spread(took), "mean cpu": round(1000 * sum(used) / len(used), 2), "max cpu": round(1000 * max(used), 1)}


def resident() -> int:
    """MB of memory that this process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() // 2**20
