"""Walks through the pages in Chromium, on a fake desk."""

import re

import pytest
from cfd_web.testing import FakeDesk, samples
from playwright.async_api import Browser, expect

from tests.ui.house import PATIENCE, House, Visitor

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_everything_is_down_at_start_and_heals(stranger: Visitor, house: House, desk: FakeDesk) -> None:
    desk.down |= {"chain", "wallet", "oracle", "maker", "price"}
    await stranger.sign_in(house.token)
    await stranger.sees("Nothing can be traded: see Health")
    await stranger.sees("No market price: the price is not running")
    await stranger.page.get_by_role("link", name="Nothing can be traded").click()
    card = stranger.page.get_by_role("region", name="Bitcoin network (Electrum)")
    await expect(card.get_by_text("stopped by the user")).to_be_visible(timeout=PATIENCE)
    await card.get_by_role("button", name="Start").click()
    await expect(card.get_by_text("running, for")).to_be_visible(timeout=PATIENCE)
    await stranger.sees("Something does not run: see Health")
    assert "chain" not in desk.down


async def test_only_the_token_opens(stranger: Visitor, house: House) -> None:
    await stranger.go("/wallet")
    assert stranger.page.url == house.url + "/sign-in"
    await stranger.sign_in("w" * 43)
    await stranger.sees("This is not the node's token.")
    await stranger.go("/wallet")
    assert stranger.page.url == house.url + "/sign-in"
    await stranger.sign_in(house.token)
    assert not any(house.token in url for url in stranger.asked)
    await stranger.press("Sign out")
    await stranger.page.wait_for_url(re.compile("/sign-in$"))
    await stranger.go("/")
    assert stranger.page.url == house.url + "/sign-in"


async def test_a_position_from_the_ticket_to_the_settlement(visitor: Visitor, desk: FakeDesk) -> None:
    await visitor.sees("Market: 49,990.0 USD / 50,010.0 USD")
    await visitor.page.get_by_role("checkbox").first.click()
    await visitor.sees("This is what it would mean:")
    await expect(visitor.page.locator(".nicegui-echart svg path").first).to_be_attached(timeout=PATIENCE)
    await visitor.page.get_by_label("Quantity, USD").fill("1000")
    await visitor.sees("1,998,002 sats")
    await visitor.press("Sell (short)")
    await visitor.sees("2,002,002 sats")
    await visitor.press("Take the offer")
    await visitor.sees("Go short 1,000 USD with 1x?")
    assert desk.moved == []
    await visitor.press("Take it")
    await visitor.sees("setting up: The contract is being signed")
    assert desk.moved == ["take 1000"]
    (row,) = desk.trading.rows.values()
    desk.trading.make_open(row.id)
    await visitor.sees("open: The position is open")
    await visitor.press("Roll over")
    await visitor.sees("The new expiry is")
    await visitor.press("Go on")
    await visitor.press("Settle")
    await visitor.sees("The counterparty is asked.")
    desk.trading.change(desk.trading.rows[row.id], unrealised=77_777)  # a price comes; the question stays
    await visitor.sees("+77,777 sats")
    await visitor.sees("about 300 sats of transaction fees")
    await visitor.sees("The money is back about")
    await visitor.press("No")
    assert desk.moved == ["take 1000", "rollover 1"]
    await visitor.press("Settle")
    await visitor.press("Go on")
    await visitor.sees("settling: ")
    assert desk.moved == ["take 1000", "rollover 1", "settle 1"]


async def test_a_force_close_says_what_it_means(visitor: Visitor, desk: FakeDesk) -> None:
    row = desk.trading.make_open(desk.trading.begin(samples.order()).id)
    await visitor.go("/positions")
    await visitor.page.get_by_role("link", name=row.id[:8]).click()
    await visitor.press("Force close")
    await visitor.sees("about 300 sats of transaction fees")
    await visitor.sees("The money is back about")
    await visitor.press("Go on")
    await visitor.sees("closing: ")
    assert desk.moved == ["close 1"]


async def test_a_liquidation_is_seen_while_one_looks(visitor: Visitor, desk: FakeDesk) -> None:
    row = desk.trading.make_open(desk.trading.begin(samples.order()).id)
    await visitor.go(f"/positions/{row.id}")
    await visitor.sees("open: The position is open")
    meaning = "The price reached the liquidation price; the margin is gone."
    desk.trading.change(row, state="liquidated", meaning=meaning, over=True, realised=-row.margin, actions=())
    await visitor.sees(f"liquidated: {meaning}")
    await visitor.sees("-999,001 sats")
    await expect(visitor.button("Settle")).to_have_count(0, timeout=PATIENCE)


async def test_receiving_and_sending(visitor: Visitor, desk: FakeDesk) -> None:
    await visitor.go("/wallet")
    await visitor.sees("10,000,000 sats")
    await visitor.press("New address")
    await visitor.sees(samples.ADDRESS)
    await expect(visitor.page.get_by_role("img", name="QR code of the address")).to_be_visible(timeout=PATIENCE)
    await visitor.page.get_by_label("Address", exact=True).fill(samples.ADDRESS)
    await visitor.page.get_by_label("Amount, sats").fill("5000")
    await visitor.press("Preview")
    await visitor.sees("Fee 282 sats (2 sat/vB); 9,994,718 sats stay in the wallet.")
    assert desk.moved == []
    await visitor.press("Send")
    await visitor.sees("9,994,718 sats")
    assert desk.moved == ["send 5000"]
    async with visitor.page.expect_download(timeout=PATIENCE) as download:
        await visitor.press("Save as CSV")
    text = (await (await download.value).path()).read_text()
    assert text.splitlines()[0] == "at,label,net,fee,height,txid,cfd"
    assert ",sent,-5282,282,," in text


async def test_the_backup_words_are_checked(visitor: Visitor, desk: FakeDesk) -> None:
    await visitor.go("/wallet")
    await visitor.press("Check the backup words")
    for number, word in {3: "abandon", 7: "zebra", 11: "abouts"}.items():
        await visitor.page.get_by_label(f"Word {number}", exact=True).fill(word)
    await visitor.press("Check")
    await visitor.sees("At least one word is wrong.")
    await visitor.page.get_by_label("Word 11", exact=True).fill("about")
    await visitor.press("Check")
    await visitor.sees("All are right: you can restore this wallet.")
    assert desk.wallet.confirmed_at == desk.at


async def test_a_maker_answers_and_offers(visitor: Visitor, desk: FakeDesk) -> None:
    await visitor.go("/making")
    await visitor.sees("You offer nothing now.")
    desk.trading.ask()
    await visitor.sees("Go long 1,000 USD at 50,050.0 USD with 2x")
    await visitor.press("Accept")
    await visitor.sees("Accept this?")
    assert desk.moved == []
    await visitor.press("Go on")
    await visitor.misses("Accept this?")
    await visitor.press("Publish an offer")
    await visitor.page.get_by_label("Bid, USD").fill("50000")
    await visitor.page.get_by_label("Ask, USD").fill("49000")
    await visitor.press("Publish")
    await visitor.sees("the bid is above the ask")
    await visitor.page.get_by_label("Ask, USD").fill("500100")
    await visitor.press("Publish")
    await visitor.sees("That is +900.2 % from the market's price.")
    await visitor.page.get_by_label("Ask, USD").fill("50100")
    await visitor.press("Publish")
    await visitor.sees("50,100.0 USD")
    assert desk.moved == ["accept", "publish 50000 50100"]


async def test_a_page_goes_on_after_the_node_was_restarted(visitor: Visitor, house: House, desk: FakeDesk) -> None:
    """Its person does nothing for it."""
    row = desk.trading.begin(samples.order())
    await visitor.go(f"/positions/{row.id}")
    await visitor.sees("setting up: ")
    await house.stop()
    desk.trading.make_open(row.id)
    await house.start()
    await visitor.sees("open: The position is open")


async def test_the_keyboard_is_enough(visitor: Visitor, desk: FakeDesk) -> None:
    row = desk.trading.make_open(desk.trading.begin(samples.order()).id)
    await visitor.go("/positions")
    await visitor.sees(row.id[:8])
    await _tab_to(visitor, row.id[:8])
    await visitor.page.keyboard.press("Enter")
    await visitor.sees("open: The position is open")
    await _tab_to(visitor, "Force close")
    await visitor.page.keyboard.press("Enter")
    await visitor.sees("The counterparty is asked.")
    await visitor.page.keyboard.press("Escape")
    await visitor.misses("The counterparty is asked.")
    assert desk.moved == []


async def _tab_to(visitor: Visitor, text: str) -> None:
    """Press Tab until what has the focus reads `text`."""
    for _ in range(60):
        await visitor.page.keyboard.press("Tab")
        found = await visitor.page.evaluate("document.activeElement.innerText || ''")
        if found.strip().lower() == text.lower():
            return
    raise AssertionError(f"the keyboard does not reach {text!r}")


async def test_foreign_names_and_pages_are_refused(browser: Browser, house: House) -> None:
    async with Visitor.arriving(browser, house.url) as visitor:
        await visitor.sign_in(house.token)
        request = visitor.page.context.request
        foreign = await request.get(house.url + "/api/v1/about", headers={"Host": "evil.example"})
        assert foreign.status == 421
        evil = {"Origin": "http://evil.example"}
        assert (await request.post(house.url + "/api/v1/wallet/address", headers=evil)).status == 403
        await visitor.page.goto(house.url.replace("127.0.0.1", "localhost") + "/sign-in")
        opened = await visitor.page.evaluate(
            """url => new Promise(told => {
                const socket = new WebSocket(url);
                socket.onopen = () => told("open");
                socket.onerror = () => told("refused");
            })""",
            house.url.replace("http", "ws") + "/_nicegui_ws/socket.io/?EIO=4&transport=websocket",
        )
        assert opened == "refused"
