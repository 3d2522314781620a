"""The example of a maker's pricing does what it says."""

import asyncio
import importlib.util
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from types import ModuleType

import pytest
from cfd_web import models as m
from cfd_web.access import own_token, publish_address
from cfd_web.answers import MemoryAnswers
from cfd_web.app import Api, ApiSettings
from cfd_web.server import ApiServer, Listening
from cfd_web.testing import FakeDesk, samples

FILE = Path(__file__).parents[3] / "docs" / "examples" / "pricing_bot.py"


@pytest.fixture(scope="module")
def bot() -> ModuleType:
    spec = importlib.util.spec_from_file_location("pricing_bot", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def price(bid: int, *, stale: bool = False) -> m.MarketPrice:
    return m.MarketPrice(bid=Decimal(bid), ask=Decimal(bid + 20), at=0, stale=stale)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)


def test_a_quote_lies_around_the_market_and_against_what_is_held(bot: ModuleType) -> None:
    flat, long = bot.quote(price(49_990), 0), bot.quote(price(49_990), 20_000)
    assert (flat.bid, flat.ask) == (Decimal(49_900), Decimal(50_100))
    assert (long.bid, long.ask) == (Decimal(49_401), Decimal(49_599))
    assert bot.quote(price(49_990, stale=True), 0) is None


def test_an_offer_is_renewed_at_the_full_hour(bot: ModuleType) -> None:
    new, out = bot.quote(price(49_990), 0), samples.offer(at=3_600 - 60)
    same = out.model_copy(update={"bid": new.bid})
    assert not bot.worth_publishing(new, same, 3_599)
    assert bot.worth_publishing(new, same, 3_600)


async def test_one_offer_is_kept_up_to_date(
    bot: ModuleType, desk: FakeDesk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bot, "RETRY_SECONDS", 0.01)
    now = price(49_990)

    async def present() -> m.MarketPrice:
        desk.need("price")
        return now

    monkeypatch.setattr(desk.trading, "price", present)

    def bids() -> list[Decimal | None]:
        return [offer.bid for offer in desk.making.offers.values()]

    def tick() -> bool:
        desk.tell(m.PriceChanged(price=now))
        return True

    server = ApiServer(Api(desk, MemoryAnswers(), ApiSettings(token=own_token(tmp_path))), or_any_port=False)
    running = asyncio.create_task(bot.keep_quoting(tmp_path))
    state = await server.start()
    assert isinstance(state, Listening)
    publish_address(tmp_path, state.url, "regtest")
    await until(lambda: bids() == [Decimal(49_900)])
    now = price(49_995)
    tick()
    now = price(51_000)
    await until(lambda: tick() and bids() == [Decimal(50_907)])
    desk.at += bot.REFRESH_SECONDS
    await until(lambda: tick() and len(desk.moved) == 3)
    desk.down.add("price")
    await until(lambda: tick() and bids() == [])
    desk.down.clear()
    await until(lambda: tick() and bids() == [Decimal(50_907)])
    await server.stop()
    again = await server.start()
    assert isinstance(again, Listening)
    publish_address(tmp_path, again.url, "regtest")
    await until(lambda: len(desk.moved) == 5)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    assert bids() == []
    await server.stop()
