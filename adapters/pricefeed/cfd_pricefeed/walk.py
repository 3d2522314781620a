"""A made-up market for tests and the sandbox: the same seed gives the same prices at the same times."""

import hashlib
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Final

from cfd_core.values import Timestamp
from cfd_pricefeed.feed import Quote

STEPS_PER_HOUR: Final = 240
_STEP: Final = 3600 // STEPS_PER_HOUR
_HALF_SPREAD: Final = Decimal("0.5")


class WalkingFeed:
    """A `Feed` around `start` USD: each hour has its own level, and prices move evenly from one level to the next with
    a small tremble on top. So the price at any time is known without having walked there.
    """

    name = "made-up market"

    def __init__(
        self,
        now: Callable[[], Timestamp],
        sleep: Callable[[float], Awaitable[None]],
        *,
        seed: bytes,
        start: int = 50_000,
        every: float = 1.0,
    ) -> None:
        """`every`: seconds between two quotes."""
        self._now, self._sleep, self._seed, self._start, self._every = now, sleep, seed, start, every

    async def run(self, heard: Callable[[Quote], None]) -> None:
        while True:
            now = self._now()
            middle = self.price_at(now)
            heard(Quote(middle - _HALF_SPREAD, middle + _HALF_SPREAD, now))
            await self._sleep(self._every)

    def price_at(self, at: Timestamp) -> Decimal:
        """USD with one decimal."""
        hour, second = divmod(at, 3600)
        before, after = self._level(hour), self._level(hour + 1)
        level = before + (after - before) * second // 3600
        return Decimal(level * 10 + self._draw(f"tremble {at // _STEP}", 200) - 100) / 10

    def _level(self, hour: int) -> int:
        """Within 4 % of the start."""
        return self._start + self._draw(f"hour {hour}", self._start * 8 // 100 + 1) - self._start * 4 // 100

    def _draw(self, what: str, below: int) -> int:
        return int.from_bytes(hashlib.sha256(self._seed + what.encode()).digest()[:8]) % below
