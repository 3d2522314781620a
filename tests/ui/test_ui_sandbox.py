"""Walks on real nodes over an embedded chain: what the sandbox's taker can live through."""

import re
from pathlib import Path

import pytest
from cfd_node.clock import ShiftableClock
from cfd_web.pages.wording import utc
from cfd_web.testing import samples
from playwright.async_api import Browser, expect

from cfd_core.values import HOUR, Timestamp
from tests.ui.house import Visitor
from tests.ui.market import MINUTES, Market, shown, shown_times

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

SPREAD = 15 * 60
"""Seconds after an hour within which every rollover is due."""
FALLEN = 20_000
"""USD; nobody who is long with leverage has anything left there."""


async def test_a_position_is_rolled_over_and_settled_and_the_money_sent_away(browser: Browser, tmp_path: Path) -> None:
    async with Market(tmp_path, early_in_an_hour()) as market, market.arriving(browser) as visitor:
        await take(visitor, market, hours=12)
        await do(visitor, "Roll over", "The new expiry is")
        await shown_times(visitor, "revision revoked", 1)
        await market.turn(Timestamp(market.next_hour() + SPREAD))
        await shown_times(visitor, "revision revoked", 2)  # by itself, while one looks
        await settle(visitor)
        await withdraw(visitor)
        assert (visitor.complaints, visitor.strangers()) == ([], [])


async def test_a_position_is_closed_by_force_until_the_money_is_back(browser: Browser, tmp_path: Path) -> None:
    async with Market(tmp_path, early_in_an_hour()) as market, market.arriving(browser) as visitor:
        expiry = await take(visitor, market, hours=4)
        await force_close(visitor)
        market.attest(expiry, 51_000)
        await market.turn(Timestamp(expiry + 5))
        await shown(visitor, "^closed: Ended by CET")
        await shown(visitor, r"^\+[0-9,]+ sats \(\+")
        assert (visitor.complaints, visitor.strangers()) == ([], [])


async def test_a_liquidation_is_seen(browser: Browser, tmp_path: Path) -> None:
    """The counterparty is out of reach, so nothing is rolled over or settled; the price falls at an hour."""
    async with Market(tmp_path, early_in_an_hour()) as market, market.arriving(browser) as visitor:
        await take(visitor, market, hours=12)
        position = visitor.page.url.removeprefix(visitor.url)
        await visitor.go("/health")
        maker = visitor.page.get_by_role("region", name=re.compile("Connection to"))
        await maker.get_by_role("button", name="Stop").click()
        await expect(maker.get_by_text("stopped, for")).to_be_visible(timeout=MINUTES)
        await visitor.go(position)
        await shown(visitor, "^open: ")
        hour = Timestamp(market.next_hour() + 2 * HOUR)  # the sandbox itself has fixed the prices of the two before
        market.attest(hour, FALLEN)
        await market.turn(Timestamp(hour + 5))
        await shown(visitor, "^closed: Ended by liquidation")
        await shown(visitor, r"\(-100\.0 %\)")
        assert (visitor.complaints, visitor.strangers()) == ([], [])


def early_in_an_hour() -> ShiftableClock:
    """Nothing that is due at full hours comes in between by itself. Two days ago: the walks turn the clock on, and the
    chain's engine refuses blocks from the future.
    """
    return ShiftableClock(Timestamp(ShiftableClock().now() // HOUR * HOUR - 48 * HOUR + 300))


async def take(visitor: Visitor, market: Market, *, hours: int) -> Timestamp:
    """An offer that expires then, until it is open; the expiry."""
    expiry = await market.offer(hours)
    offered = visitor.page.get_by_role("row").filter(has_text=utc(expiry))
    await offered.get_by_role("checkbox").click(timeout=MINUTES)
    await visitor.sees("This is what it would mean:")
    await visitor.page.get_by_label("Leverage", exact=True).click()
    await visitor.page.get_by_role("option", name="2", exact=True).click()
    await visitor.sees("This is what it would mean:")
    await visitor.press("Take the offer")
    await visitor.press("Take it")
    await shown(visitor, "^open: ")
    await market.quote_by_itself()
    return expiry


async def do(visitor: Visitor, action: str, what_it_means: str) -> None:
    """Press until it can be done (right after the clock was turned, no quote is fresh), read what it means, agree."""
    refused, asked = visitor.page.locator(".q-notification"), visitor.page.get_by_role("dialog")
    while True:
        await visitor.press(action)
        await expect(asked.or_(refused).first).to_be_visible(timeout=MINUTES)
        if await asked.is_visible():
            break
        await expect(refused).to_have_count(0, timeout=MINUTES)
    await visitor.sees(what_it_means)
    await visitor.press("Go on")


async def settle(visitor: Visitor) -> None:
    await do(visitor, "Settle", "The money is back about")
    await shown(visitor, "^closed: Ended by close")


async def withdraw(visitor: Visitor) -> None:
    await visitor.go("/wallet")
    await visitor.page.get_by_label("Address", exact=True).fill(samples.ADDRESS)
    await visitor.page.get_by_label("Amount, sats").fill("123,456")
    await visitor.press("Preview")
    await visitor.sees("123,456 sats to")
    await visitor.press("Send")
    await shown(visitor, "^Sent: ")
    await shown(visitor, "^-12[34],[0-9]{3} sats$")


async def force_close(visitor: Visitor) -> None:
    await do(visitor, "Force close", "The money is back about")
    await shown(visitor, "^closing: The commit is on the chain; the oracle has not spoken yet")
    await shown(visitor, "because you asked for it")
    await shown(visitor, "^lock, block ")
    await shown(visitor, "^commit, block ")
