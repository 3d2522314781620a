"""The one place where a node reads a clock; demos and tests put one in that they can turn."""

import asyncio
import time
from typing import Protocol

from cfd_core.values import Timestamp


class Clock(Protocol):
    """Time of day, and waiting for it."""

    def now(self) -> Timestamp: ...

    async def sleep_until(self, when: float) -> None:
        """Return once `now()` has reached `when`."""
        ...


class ShiftableClock:
    """Runs at the pace of the real clock from wherever it was set; without `start` it is the real clock."""

    def __init__(self, start: Timestamp | None = None) -> None:
        self._offset = 0.0 if start is None else start - time.time()  # noqa: TID251 - this is the clock
        self._turned = asyncio.Event()

    def now(self) -> Timestamp:
        return Timestamp(int(self._exact()))

    def turn_to(self, when: Timestamp) -> None:
        """Jump ahead; sleepers whose time has come wake up."""
        self._offset += max(0.0, when - self._exact())
        self._turned.set()
        self._turned = asyncio.Event()

    async def sleep_until(self, when: float) -> None:
        while (left := when - self._exact()) > 0:
            turned = self._turned
            try:
                async with asyncio.timeout(left):
                    await turned.wait()
            except TimeoutError:
                continue

    def _exact(self) -> float:
        return time.time() + self._offset  # noqa: TID251 - this is the clock
