"""Feeds: quotes from a websocket server that may lie or fall silent, and a market that anybody can walk again."""

import asyncio
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Any

import pytest
from attrs import define, field
from cfd_pricefeed import BitmexFeed, FeedFailed, Quote, WalkingFeed
from websockets.asyncio.server import ServerConnection, serve

from cfd_core.errors import RuleViolation
from cfd_core.values import Timestamp

NOW = Timestamp(1_633_298_400)
GREETING = '{"info":"Welcome","version":"2.0"}'
QUOTE = '{"table":"quote","action":"insert","data":[{"symbol":"XBTUSD","bidPrice":49999.5,"askPrice":50000}]}'


@define(eq=False)
class Exchange:
    """A server that says what it is told to, then waits."""

    says: list[str] = field(factory=list)
    answers: bool = True
    heard: list[Any] = field(factory=list)
    url: str = ""

    async def serve(self, wire: ServerConnection) -> None:
        for line in self.says:
            await wire.send(line)
        if "bye" in self.says:
            return
        async for asked in wire:
            self.heard.append(asked)
            if asked == "ping" and self.answers:
                await wire.send("pong")


@pytest.fixture
async def exchange() -> AsyncIterator[Exchange]:
    made = Exchange()
    async with serve(made.serve, "127.0.0.1", 0) as server:
        made.url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        yield made


async def quotes(exchange: Exchange, count: int) -> list[Quote]:
    found: list[Quote] = []
    enough = asyncio.Event()

    def heard(quote: Quote) -> None:
        found.append(quote)
        if len(found) == count:
            enough.set()

    running = asyncio.create_task(BitmexFeed(lambda: NOW, exchange.url).run(heard))
    async with asyncio.timeout(60):
        await enough.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return found


async def ends(exchange: Exchange, silence: float = 30.0) -> str:
    with pytest.raises(FeedFailed) as caught:
        async with asyncio.timeout(60):
            await BitmexFeed(lambda: NOW, exchange.url, silence=silence).run(lambda _quote: None)
    return str(caught.value)


async def test_quotes_come_as_exact_decimals(exchange: Exchange) -> None:
    exchange.says = [GREETING, QUOTE, QUOTE]
    assert await quotes(exchange, 2) == [Quote(Decimal("49999.5"), Decimal(50_000), NOW)] * 2


@pytest.mark.parametrize(
    "nonsense",
    [
        "not json",
        "[]",
        "1",
        "[" * 20_000,
        '{"table":"quote"}',
        '{"table":"quote","data":[1]}',
        QUOTE.replace("50000", '"50000"'),
        QUOTE.replace("50000", "0"),
        QUOTE.replace("50000", "NaN"),
        QUOTE.replace("50000", "1e400"),
        QUOTE.replace("50000", "49999"),
        QUOTE.replace('"bidPrice":49999.5,', ""),
    ],
)
async def test_nonsense_ends_the_feed(exchange: Exchange, nonsense: str) -> None:
    exchange.says = [GREETING, nonsense]
    assert "no quote" in await ends(exchange)


async def test_more_than_a_quote_can_need_is_not_read(exchange: Exchange) -> None:
    exchange.says = ["x" * 100_000]
    assert "ended the connection" in await ends(exchange)


async def test_a_quiet_market_is_no_dead_one_but_a_silent_server_is(exchange: Exchange) -> None:
    exchange.says = [GREETING]
    exchange.answers = False
    assert "silent" in await ends(exchange, silence=0.2)
    assert exchange.heard == ["ping"]


async def test_a_server_that_goes_or_is_not_there(exchange: Exchange) -> None:
    exchange.says = [GREETING, '{"success":true}', "bye"]
    assert await ends(exchange)
    exchange.url = "ws://127.0.0.1:1"
    assert "cannot be reached" in await ends(exchange)


@pytest.mark.parametrize(("bid", "ask"), [("2", "1"), ("0", "1"), ("1", "NaN")])
def test_what_is_no_quote(bid: str, ask: str) -> None:
    with pytest.raises(RuleViolation):
        Quote(Decimal(bid), Decimal(ask), NOW)


def walk(now: Callable[[], Timestamp], seed: bytes = b"seed") -> WalkingFeed:
    return WalkingFeed(now, asyncio.sleep, seed=seed, every=0)


async def test_the_same_seed_walks_the_same_way() -> None:
    times = iter(range(NOW, NOW + 10_000, 30))
    found: list[Quote] = []
    running = asyncio.create_task(walk(lambda: Timestamp(next(times))).run(found.append))
    while len(found) < 300:  # noqa: ASYNC110
        await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    for quote in found:
        assert quote.middle == walk(lambda: NOW).price_at(quote.at)
        assert 47_900 < quote.middle < 52_100
        assert quote.ask - quote.bid == 1
    assert len({quote.middle for quote in found}) > 100
    assert walk(lambda: NOW, b"other").price_at(NOW) != walk(lambda: NOW).price_at(NOW)
