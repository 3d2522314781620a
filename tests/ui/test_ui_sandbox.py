"""A walk on real nodes over an embedded chain: the sandbox's taker, from a first offer to a liquidation."""

import re
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from cfd_node.clock import ShiftableClock
from cfd_node.daemon.quotes import DIGITS
from cfd_node.logs import LogBook
from cfd_node.sandbox import Sandbox, SandboxPlan
from cfd_web.testing import samples
from nicegui.testing.general import nicegui_reset_globals
from playwright.async_api import Browser, expect

from cfd_core.oracle import hourly_event_id
from cfd_core.values import HOUR, Timestamp
from tests.ui.house import Visitor

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

MINUTES = 5 * 60_000
"""Milliseconds for what several nodes and some blocks take part in."""
FALLEN = 20_000
"""USD; nobody who is long with leverage has anything left there."""


async def test_a_traders_life_on_real_nodes(browser: Browser, tmp_path: Path) -> None:
    plan, clock = SandboxPlan(folder=tmp_path, maker_port=0, taker_port=0, block_seconds=1), ShiftableClock()
    with nicegui_reset_globals():
        async with Sandbox(plan, clock, LogBook()) as world, arriving(browser, world) as visitor:
            await visitor.sign_in(world.taker.token.reveal().decode())
            await visitor.page.wait_for_url(re.compile("/$"))
            await visitor.sees("Sandbox (regtest)")
            await take(visitor)
            await turn(world, clock, Timestamp(clock.now() + HOUR))
            await roll_over(visitor)
            await settle(visitor)
            await withdraw(visitor)
            await take(visitor)
            await force_close(visitor)
            await take(visitor, leverage=5)
            await be_liquidated(visitor, world, clock)
            assert visitor.complaints == []
            assert visitor.strangers() == []


def arriving(browser: Browser, world: Sandbox) -> AbstractAsyncContextManager[Visitor]:
    """At the taker's pages."""
    return Visitor.arriving(browser, world.taker.service.url)


async def turn(world: Sandbox, clock: ShiftableClock, at: Timestamp) -> None:
    """Chain and clocks go on to a time."""
    await world.control.turn_to(at)
    clock.turn_to(at)


async def shown(visitor: Visitor, text: str) -> None:
    """It shows, though several nodes and some blocks come before it."""
    found = visitor.page.get_by_text(re.compile(text)).filter(visible=True)
    await expect(found.first).to_be_visible(timeout=MINUTES)


async def take(visitor: Visitor, leverage: int = 2) -> None:
    """Until it is open. Another offer may take the place of one that is looked at: then look again."""
    for _ in range(10):
        await visitor.go("/")
        await visitor.page.get_by_role("checkbox").first.click()
        await visitor.sees("This is what it would mean:")
        await visitor.page.get_by_label("Leverage", exact=True).click()
        await visitor.page.get_by_role("option", name=str(leverage), exact=True).click()
        await visitor.sees("This is what it would mean:")
        await visitor.press("Take the offer")
        asked = visitor.button("Take it").or_(visitor.page.locator(".q-notification"))
        await expect(asked.first).to_be_visible(timeout=MINUTES)
        if not await visitor.button("Take it").is_visible():
            continue
        await visitor.press("Take it")
        answered = "location.pathname.startsWith('/positions/') || !!document.querySelector('.q-notification')"
        await visitor.page.wait_for_function(answered, timeout=MINUTES)
        if "/positions/" in visitor.page.url:
            return await shown(visitor, "^open: ")
    raise AssertionError("the quotes go too fast")


async def roll_over(visitor: Visitor) -> None:
    await visitor.press("Roll over")
    await visitor.sees("The new expiry is")
    await visitor.press("Go on")
    await shown(visitor, "(?i)rollover completed")


async def settle(visitor: Visitor) -> None:
    await visitor.press("Settle")
    await visitor.sees("The money is back about")
    await visitor.press("Go on")
    await shown(visitor, "^closed: Ended by close")


async def withdraw(visitor: Visitor) -> None:
    await visitor.go("/wallet")
    await visitor.page.get_by_label("Address", exact=True).fill(samples.ADDRESS)
    await visitor.page.get_by_label("Amount, sats").fill("123,456")
    await visitor.press("Preview")
    await visitor.sees("123,456 sats to")
    await visitor.press("Send")
    await shown(visitor, "^Sent: ")
    await shown(visitor, "^-123,[0-9]{3} sats$")


async def force_close(visitor: Visitor) -> None:
    await visitor.press("Force close")
    await visitor.sees("The money is back about")
    await visitor.press("Go on")
    await shown(visitor, "^closing: The commit is on the chain; the oracle has not spoken yet")
    await shown(visitor, "^commit, block ")


async def be_liquidated(visitor: Visitor, world: Sandbox, clock: ShiftableClock) -> None:
    """The counterparty is out of reach, so nothing is rolled over; the price falls at an hour."""
    position = visitor.page.url.removeprefix(visitor.url)
    await visitor.go("/health")
    maker = visitor.page.get_by_role("region", name=re.compile("Connection to"))
    await maker.get_by_role("button", name="Stop").click()
    await expect(maker.get_by_text("stopped, for")).to_be_visible(timeout=MINUTES)
    await visitor.go(position)
    hour = Timestamp((clock.now() // HOUR + 3) * HOUR)  # the sandbox's own oracle speaks of the two before
    world.oracle.attest(hourly_event_id(hour, DIGITS), FALLEN)
    await turn(world, clock, Timestamp(hour + 5))
    await shown(visitor, "^closed: Ended by liquidation")
    await shown(visitor, r"\(-100\.0 %\)")
