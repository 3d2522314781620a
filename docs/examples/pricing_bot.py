"""A maker's pricing, outside of the node: follows the market's price and keeps one two-sided offer on the node.

    python pricing_bot.py FOLDER        # the data folder of a running `cfd maker`

The quote lies around the market's middle, `HALF_SPREAD` to each side, and is moved against what the maker holds
already: who is long much buys for less and sells for less. It is published anew when it has moved enough, before it
goes stale, and at each full hour; when the market's price cannot be relied on, or the bot stops, all the node's offers
are withdrawn.
"""

import asyncio
import sys
from contextlib import aclosing
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from pathlib import Path

from cfd_web import models as m
from cfd_web.client import AccessRefused, AsyncClient, ClientError, NotRunning, calls, find_access, new_key

HALF_SPREAD = Decimal("0.002")
SKEW_PER_CONTRACT = Decimal("0.0000005")
"""How far the quote moves, as a fraction of the price, for each contract that the maker is long."""
WORTH_MOVING = Decimal("0.0005")
"""A quote that would move by less stays."""
REFRESH_SECONDS = 300
"""An offer is taken for ten minutes; it is renewed after half of that."""
HOUR_SECONDS = 3600
"""At each full hour the oracle speaks, and an offer from before it can no longer be taken."""
RETRY_SECONDS = 5.0


def quote(price: m.MarketPrice, net_quantity: int) -> m.NewOffer | None:
    """What to offer at this market price; None: nothing."""
    if price.stale:
        return None
    middle = (price.bid + price.ask) / 2 * (1 - SKEW_PER_CONTRACT * net_quantity)
    return m.NewOffer(
        bid=(middle * (1 - HALF_SPREAD)).to_integral_value(ROUND_FLOOR),
        ask=(middle * (1 + HALF_SPREAD)).to_integral_value(ROUND_CEILING),
        min_quantity=100,
        max_quantity=10_000,
        lot=100,
        leverages=(1, 2, 5),
        maker_leverage=1,
        funding_rate=Decimal("0.0001"),
    )


def worth_publishing(new: m.NewOffer, old: m.Offer | None, now: int) -> bool:
    """Whether the offer that is out should be replaced."""
    if old is None or old.bid is None or new.bid is None or now - old.published_at >= REFRESH_SECONDS:
        return True
    if now // HOUR_SECONDS > old.published_at // HOUR_SECONDS:
        return True
    return abs(new.bid - old.bid) >= old.bid * WORTH_MOVING


class Bot:
    """One offer, kept up to date."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client
        self._out: m.Offer | None = None

    async def run(self) -> None:
        """Until the node goes away or the bot is stopped; then the offer is withdrawn, if the node still answers."""
        try:
            await self._requote()
            async with aclosing(self._client.events({"price", "cfd"})) as told:
                async for _ in told:
                    await self._requote()
        finally:
            await self._withdraw()

    async def _requote(self) -> None:
        wanted = await self._wanted()
        if wanted is None:
            await self._withdraw()
        elif worth_publishing(wanted, self._out, (await self._client.ask(calls.health())).at):
            await self._publish(wanted)

    async def _wanted(self) -> m.NewOffer | None:
        try:
            price = await self._client.ask(calls.price())
        except NotRunning:
            raise
        except ClientError:
            return None  # the node has no price now
        return quote(price, (await self._client.ask(calls.exposure())).net_quantity)

    async def _publish(self, wanted: m.NewOffer) -> None:
        key = new_key()
        try:
            self._out = await self._client.ask(calls.publish(wanted), key=key)
        except NotRunning:  # nobody knows whether it was published: ask again, with the same key
            self._out = await self._client.ask(calls.publish(wanted), key=key)
        except ClientError as error:
            print(f"not published: {error}", file=sys.stderr)
        else:
            print(f"bid {self._out.bid}, ask {self._out.ask}")

    async def _withdraw(self) -> None:
        self._out = None
        try:  # what is out is what the node says: a publication may have been under way when we were stopped
            for offer in (await self._client.ask(calls.own_offers())).offers:
                await self._client.ask(calls.withdraw(offer.id))
        except ClientError as error:
            print(f"not withdrawn, it ends by itself: {error}", file=sys.stderr)


async def keep_quoting(folder: Path) -> None:
    """Through restarts of the node, for ever."""
    while True:
        try:
            async with AsyncClient(find_access(folder)) as client:
                await Bot(client).run()
        except (AccessRefused, ClientError) as error:
            print(f"waiting for the node: {error}", file=sys.stderr)
        await asyncio.sleep(RETRY_SECONDS)


if __name__ == "__main__":
    asyncio.run(keep_quoting(Path(sys.argv[1])))
