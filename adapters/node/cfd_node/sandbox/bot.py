"""The sandbox maker's pricing bot: quotes around the market, as somebody's own bot would over the API."""

import asyncio
from decimal import Decimal
from typing import Final

from cfd_store import StoreError

from cfd_core.errors import RuleViolation
from cfd_core.values import HOUR, FeeRate, Timestamp
from cfd_node.daemon import Maker, Quote
from cfd_node.daemon.maker import OracleSilent
from cfd_node.services.feed import FeedService
from cfd_node.supervision import Level, ServiceFailed, Tell

LOOK_SECONDS: Final = 2.0
MOVED: Final = Decimal("0.001")
"""Quote anew when the price has moved by this fraction."""
OLD: Final = 240
"""Seconds after which a quote is renewed."""
SPREAD: Final = Decimal("0.0005")
"""Of each side, from the middle."""


def outdated(quoted_at: Timestamp, now: Timestamp) -> bool:
    """Whether a quote must be renewed, moved or not: it is old, or holds the oracle's event of an hour that is over."""
    return now - quoted_at >= OLD or now // HOUR > quoted_at // HOUR


class PricingBot:
    """A service of the maker's node."""

    name = "pricing bot"
    needs = ("protocols", "offers")

    def __init__(self, maker: Maker, feed: FeedService, *, max_quantity: int) -> None:
        self._maker, self._feed, self._max_quantity = maker, feed, max_quantity
        self._quoted: tuple[Decimal, Timestamp] | None = None

    async def run(self, tell: Tell) -> None:
        self._quoted = None
        while True:
            try:
                await self._look()
            except (OracleSilent, RuleViolation, StoreError, ServiceFailed) as error:
                tell(Level.DEGRADED, f"no new quote: {error}")
            else:
                tell(Level.RUNNING)
            await asyncio.sleep(LOOK_SECONDS)

    async def _look(self) -> None:
        now = self._maker.node.clock.now()
        if self._feed.quote is None or self._feed.stale:
            raise ServiceFailed("there is no fresh price")
        middle = self._feed.quote.middle
        if self._quoted is not None:
            price, at = self._quoted
            if abs(middle - price) <= price * MOVED and not outdated(at, now):
                return
        await self._maker.publish(self._quote(middle))
        self._quoted = (middle, now)

    def _quote(self, middle: Decimal) -> Quote:
        return Quote(
            bid=(middle * (1 - SPREAD)).quantize(Decimal("0.1")),
            ask=(middle * (1 + SPREAD)).quantize(Decimal("0.1")),
            min_quantity=100,
            max_quantity=self._max_quantity,
            lot=100,
            leverages=(1, 2, 3, 5),
            maker_leverage=1,
            funding_rate=Decimal("0.0001"),
            fee_rate=FeeRate(2),
        )
