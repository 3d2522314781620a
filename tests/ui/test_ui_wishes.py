"""What a person chooses for a browser, and what a first visit shows; on a fake desk, in Chromium."""

from decimal import Decimal

import pytest
from cfd_web import models as m
from cfd_web.testing import FakeDesk, samples
from playwright.async_api import Browser, expect

from tests.ui.house import PATIENCE, House, Visitor

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_the_first_visit_is_shown_around_once(visitor: Visitor) -> None:
    await visitor.sees("How the node is (1 of 5)")
    for title in ("Where the money is", "What you can lose", "How the money comes back", "When you are needed"):
        await visitor.press("Next")
        await visitor.sees(f"{title} (")
    await visitor.press("Done")
    await visitor.misses("When you are needed")
    await visitor.go("/")
    await visitor.sees("Market: ")
    await expect(visitor.page.get_by_role("region", name="Tour")).to_have_count(0, timeout=PATIENCE)
    await visitor.go("/settings")
    await visitor.press("Show the tour again")
    await visitor.sees("How the node is (1 of 5)")
    await visitor.press("Skip the tour")
    await visitor.misses("How the node is")


async def test_units_figures_and_an_explorer_are_chosen_for_this_browser(visitor: Visitor, desk: FakeDesk) -> None:
    await desk.wallet.send(m.Send(address=samples.ADDRESS, sats=5_000))
    txid = desk.wallet.sent[0].txid
    await visitor.go("/wallet")
    await visitor.sees("9,994,718 sats")
    await visitor.sees(txid)
    await expect(visitor.page.get_by_role("link", name=txid)).to_have_count(0, timeout=PATIENCE)
    await visitor.go("/settings")
    await _choose(visitor, "Amounts in", "BTC")
    await _choose(visitor, "Figures like", "1.234,5 (de-DE)")
    await visitor.page.get_by_label("Explorer").fill("https://explorer.example/tx/")
    await visitor.press("Save")
    await visitor.sees("write {txid} once")
    await visitor.page.get_by_label("Explorer").fill("https://explorer.example/tx/{txid}")
    async with visitor.page.expect_navigation(timeout=PATIENCE):
        await visitor.press("Save")
    await visitor.go("/wallet")
    await visitor.sees("0,09994718 BTC")
    link = visitor.page.get_by_role("link", name=txid)
    await expect(link).to_have_attribute("href", f"https://explorer.example/tx/{txid}", timeout=PATIENCE)
    await expect(link).to_have_attribute("target", "_blank")
    await expect(link).to_have_attribute("rel", "noreferrer noopener")
    await visitor.page.set_viewport_size({"width": 390, "height": 844})
    await expect(visitor.page.locator(".q-table__grid-item").get_by_role("link", name=txid)).to_have_attribute(
        "href", f"https://explorer.example/tx/{txid}", timeout=PATIENCE
    )
    await visitor.page.get_by_label("Address", exact=True).fill(samples.ADDRESS)
    await visitor.page.get_by_label("Amount, BTC").fill("0.00005")
    await visitor.press("Preview")
    await visitor.sees("numbers are written like 1.234,5 here")
    await visitor.page.get_by_label("Amount, BTC").fill("0,00005")
    await visitor.press("Preview")
    await visitor.sees("Fee 0,00000282 BTC (2 sat/vB); 0,09989436 BTC stay in the wallet.")
    await visitor.press("No")
    assert desk.moved == ["send 5000"]
    assert visitor.strangers() == []


async def _choose(visitor: Visitor, field: str, option: str) -> None:
    await visitor.page.get_by_label(field).click()
    await visitor.page.get_by_role("option", name=option, exact=True).click()


async def test_figures_are_as_the_browser_asks_for(browser: Browser, house: House) -> None:
    async with Visitor.arriving(browser, house.url, locale="fr-FR") as visitor:
        await visitor.sign_in(house.token)
        await visitor.sees("Market: 49\u202f990,0 USD / 50\u202f010,0 USD")


async def test_the_price_is_drawn_while_it_moves(visitor: Visitor, desk: FakeDesk) -> None:
    lines = visitor.page.locator(".nicegui-echart").first.locator("svg path[stroke='#0f766e']")
    await visitor.sees("Market: 49,990.0 USD")
    for step in range(50):
        tell_price(desk, samples.NOW + 5 * step, 49_990 + step)
    await expect(lines.first).to_be_visible(timeout=PATIENCE)
    before = await lines.first.get_attribute("d")
    tell_price(desk, samples.NOW + 5 * 50, 51_000)
    await expect(lines.first).not_to_have_attribute("d", before or "", timeout=PATIENCE)


async def test_a_services_own_log_is_shown(visitor: Visitor, desk: FakeDesk) -> None:
    desk.node.say("the oracle does not answer", service="oracle")
    desk.node.say("a block came", service="chain")
    await visitor.go("/health")
    card = visitor.page.get_by_role("region", name="Oracle")
    await card.get_by_role("button", name="Show log").click()
    dialog = visitor.page.get_by_role("dialog")
    await expect(dialog.get_by_text("the oracle does not answer")).to_be_visible(timeout=PATIENCE)
    await expect(dialog.get_by_text("a block came")).to_have_count(0)
    await dialog.get_by_role("button", name="Close").click()


async def test_the_title_counts_what_waits(visitor: Visitor, desk: FakeDesk) -> None:
    await expect(visitor.page).to_have_title("CFD node", timeout=PATIENCE)
    desk.trading.ask()
    await expect(visitor.page).to_have_title("(1) CFD node", timeout=PATIENCE)
    desk.trading.change(desk.trading.begin(samples.order()), warning="It expires soon.")
    await expect(visitor.page).to_have_title("(2) CFD node", timeout=PATIENCE)


def tell_price(desk: FakeDesk, at: int, bid: int) -> None:
    """As a price feed would."""
    price = m.MarketPrice(bid=Decimal(bid), ask=Decimal(bid + 20), at=at, stale=False)
    desk.tell(m.PriceChanged(price=price))
