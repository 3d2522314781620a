"""Walks on real nodes over an embedded chain: what the sandbox's taker can live through."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from cfd_node.clock import ShiftableClock
from cfd_node.logs import LogBook
from cfd_node.sandbox import Sandbox, SandboxPlan
from cfd_web.testing import samples
from nicegui.testing.general import nicegui_reset_globals
from playwright.async_api import Browser, expect

from cfd_core.values import HOUR, Timestamp
from tests.ui.house import Visitor

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

MINUTES = 5 * 60_000
"""Milliseconds for what several nodes and some blocks take part in."""


async def test_a_position_rolls_over_and_is_settled_and_the_money_sent_away(browser: Browser, tmp_path: Path) -> None:
    clock = ShiftableClock()
    async with market(tmp_path, clock) as world, arriving(browser, world) as visitor:
        await take(visitor)
        await turn(world, clock, Timestamp(clock.now() + HOUR))
        await be_rolled_over(visitor)
        await settle(visitor)
        await withdraw(visitor)
        assert (visitor.complaints, visitor.strangers()) == ([], [])


@asynccontextmanager
async def market(folder: Path, clock: ShiftableClock) -> AsyncIterator[Sandbox]:
    """A chain, an oracle, a maker and a taker."""
    plan = SandboxPlan(folder=folder, maker_port=0, taker_port=0, block_seconds=1)
    with nicegui_reset_globals():
        async with Sandbox(plan, clock, LogBook()) as world:
            yield world


@asynccontextmanager
async def arriving(browser: Browser, world: Sandbox) -> AsyncIterator[Visitor]:
    """Signed in at the taker's pages."""
    async with Visitor.arriving(browser, world.taker.service.url) as visitor:
        await visitor.sign_in(world.taker.token.reveal().decode())
        await visitor.page.wait_for_url(re.compile("/$"))
        await visitor.sees("Sandbox (regtest)")
        yield visitor


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


async def be_rolled_over(visitor: Visitor) -> None:
    """By itself, while one looks."""
    await shown(visitor, "^rollover prepared$")
    await shown(visitor, "^revision revoked$")


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
    await shown(visitor, "^-12[34],[0-9]{3} sats$")
