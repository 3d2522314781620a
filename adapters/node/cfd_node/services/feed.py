"""The price feed as a service: the last quote, and since when there is no new one."""

import asyncio
from collections.abc import Callable
from typing import Final

from cfd_pricefeed import Feed, FeedFailed, Quote

from cfd_core.values import Timestamp
from cfd_node.supervision import Level, ServiceFailed, Tell

LOOK_SECONDS: Final = 2.0
STALE_SECONDS: Final = 8
"""A quote older than this is shown as old."""


class FeedService:
    """Keeps the last quote over all lives of the feed."""

    name = "price feed"
    needs = ()

    def __init__(self, feed: Feed, now: Callable[[], Timestamp]) -> None:
        self._feed, self._now = feed, now
        self.quote: Quote | None = None
        """The last one heard; None: none yet."""
        self.on_quote: list[Callable[[Quote], None]] = []
        """Told of each; must neither wait nor raise."""

    @property
    def stale(self) -> bool:
        """Whether the last quote is too old to be relied on."""
        return self.quote is None or self._now() - self.quote.at > STALE_SECONDS

    async def run(self, tell: Tell) -> None:
        tell(Level.LOADING, f"waits for a price from {self._feed.name}")
        async with asyncio.TaskGroup() as tasks:
            looking = tasks.create_task(self._keep_looking(tell))
            try:
                await self._feed.run(lambda quote: self._heard(quote, tell))
            except FeedFailed as error:
                reason = str(error)
            else:
                reason = f"{self._feed.name} has no more prices"
            finally:
                looking.cancel()
        raise ServiceFailed(reason)

    def _heard(self, quote: Quote, tell: Tell) -> None:
        self.quote = quote
        tell(Level.RUNNING)
        for listener in self.on_quote:
            listener(quote)

    async def _keep_looking(self, tell: Tell) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if self.quote is not None and self.stale:
                tell(Level.DEGRADED, f"no new price for {self._now() - self.quote.at} s")
