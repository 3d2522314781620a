"""The clock as a service: held against the time of blocks, which no single miner can move by much."""

import asyncio
from collections.abc import Callable
from typing import Final

from attrs import frozen

from cfd_core.values import HOUR, Network, Timestamp
from cfd_node.supervision import Level, Tell

LOOK_SECONDS: Final = 2.0


@frozen
class ClockLimits:
    """Seconds between our clock and the newest block's time that are still believed."""

    behind: int = 15 * 60
    """A block from further ahead of us: our clock is behind."""
    ahead: int | None = HOUR
    """A newest block older than this: our clock is ahead, or blocks are late. None: blocks come when somebody wants."""

    @classmethod
    def of(cls, network: Network) -> "ClockLimits":
        """What fits the network."""
        return cls(ahead=None) if network is Network.REGTEST else cls()


class ClockService:
    """Says when our clock and the chain's disagree: offers, expiries and deadlines hang on it."""

    name = "clock"
    needs = ()

    def __init__(
        self,
        now: Callable[[], Timestamp],
        block_time: Callable[[], Timestamp | None],
        limits: ClockLimits,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        """`block_time` is that of the newest block; None: not known yet."""
        self._now, self._block_time, self._limits = now, block_time, limits
        self._look_seconds = look_seconds

    async def run(self, tell: Tell) -> None:
        while True:
            tell(*self._look())
            await asyncio.sleep(self._look_seconds)

    def _look(self) -> tuple[Level, str]:
        block = self._block_time()
        if block is None:
            return Level.LOADING, "no block to compare with yet"
        ahead = self._now() - block
        if -ahead > self._limits.behind:
            return Level.FAILED, f"this machine's clock is wrong: it is {-ahead // 60} minutes behind the newest block"
        if self._limits.ahead is not None and ahead > self._limits.ahead:
            return (
                Level.DEGRADED,
                f"by this machine's clock the newest block is {ahead // 60} minutes old: the clock is ahead, "
                "or the chain or its server is late",
            )
        return Level.RUNNING, ""
