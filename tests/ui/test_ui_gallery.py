"""Pictures of every page in light, dark and at phone width, to be looked at; and what must hold of each of them."""

import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from cfd_web import models as m
from cfd_web.testing import FakeDesk, samples
from playwright.async_api import Browser

from cfd_core.values import HOUR, Position
from tests.ui.house import House, Visitor
from tests.ui.test_ui_wishes import tell_price

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

LOOKS: dict[str, dict[str, Any]] = {
    "light": {"viewport": {"width": 1200, "height": 800}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1200, "height": 800}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}, "color_scheme": "light", "has_touch": True},
}


@pytest.fixture(scope="session")
def pictures() -> Path:
    """Where they go."""
    folder = Path(os.environ.get("UI_PICTURES", "ui-pictures"))
    folder.mkdir(exist_ok=True)
    return folder


def furnish(desk: FakeDesk) -> m.CfdRow:
    """Something to see everywhere."""
    desk.down.add("oracle")
    first = desk.trading.begin(samples.order(1_000, Position.LONG, 2))
    first = desk.trading.make_open(first.id)
    first = desk.trading.change(
        first,
        unrealised=18_400,
        mark_price=Decimal(50_000),
        rollover_at=samples.NOW + HOUR,
        profit_percent=Decimal("1.8"),
    )
    second = desk.trading.make_open(desk.trading.begin(samples.order(2_500, Position.SHORT, 5)).id)
    desk.trading.change(second, warning="It expires in less than 3 h and is not rolled over by itself.")
    desk.trading.ask()
    desk.node.say("the oracle does not answer", m.LogLevel.WARNING)
    desk.making.blocked_peers.append(samples.MAKER)
    for minute in range(60):
        tell_price(desk, samples.NOW + 30 * minute, 49_900 + minute * 37 % 113 + minute)
    return first


async def choose_an_offer(visitor: Visitor) -> None:
    """So that the ticket is filled in."""
    await visitor.page.get_by_role("checkbox").first.click()
    await visitor.sees("This is what it would mean:")


@pytest.mark.parametrize("look", LOOKS)
async def test_each_page_is_drawn(browser: Browser, house: House, desk: FakeDesk, look: str, pictures: Path) -> None:
    """It fits, loads nothing from elsewhere, breaks nothing, and hinders nobody (axe-core's serious rules)."""
    first = furnish(desk)
    pages = {
        "trade": ("/", "Market: "),
        "positions": ("/positions", "short 5x"),
        "position": (f"/positions/{first.id}", "open: The position is open"),
        "wallet": ("/wallet", "10,000,000 sats"),
        "making": ("/making", "Let in again"),
        "health": ("/health", "stopped by the user"),
        "settings": ("/settings", "An explorer sees"),
    }
    async with Visitor.arriving(browser, house.url, **LOOKS[look]) as visitor:
        await visitor.go("/sign-in")
        faults = await looked_at(visitor, pictures / f"sign-in-{look}.png")
        await visitor.sign_in(house.token)
        for name, (path, shown) in pages.items():
            await visitor.go(path)
            await visitor.sees(shown)
            await visitor.sees("Sandbox")
            await visitor.sees("Requests that wait for you: 1")
            if name == "trade":
                await choose_an_offer(visitor)
            if name == "wallet":
                await visitor.press("New address")
                await visitor.sees(samples.ADDRESS)
            faults += await looked_at(visitor, pictures / f"{name}-{look}.png")
        assert not faults, "\n".join(faults)
        assert visitor.complaints == []
        assert visitor.strangers() == []


async def looked_at(visitor: Visitor, picture: Path) -> list[str]:
    """Take the picture; what is wrong with the page, in a line each."""
    page = visitor.page
    await page.evaluate("document.fonts.ready.then(() => true)")
    await page.evaluate("window.scrollTo(0, 0)")
    await page.screenshot(path=picture, full_page=True)
    width = await page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    faults = [f"{picture.stem}: {width} px too wide"] if width > 0 else []
    await page.evaluate(AXE_SCRIPT)
    found = await page.evaluate("axe.run({resultTypes: ['violations']})")
    for rule in found["violations"]:
        if rule["impact"] in ("serious", "critical"):
            faults += [f"{picture.stem}: {rule['id']}: {node['html'][:160]}" for node in rule["nodes"][:3]]
    return faults
