"""The pages, as a person without a browser sees them: what stands there, and what pressing a button does."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from cfd_web import models as m
from cfd_web.app import Api
from cfd_web.pages import mount_pages
from cfd_web.pages.asking import agreed
from cfd_web.server import ApiServer, Listening
from cfd_web.testing import FakeDesk, samples
from nicegui import ui
from nicegui.testing import User
from nicegui.testing.general import nicegui_reset_globals
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from cfd_core.values import Secret

SECONDS = 60 / 0.1
"""Tries of a tenth of a second that a page gets to show something."""


@pytest.fixture
async def person(api: Api, token: str, bearer: dict[str, str]) -> AsyncIterator[User]:
    with nicegui_reset_globals():
        mount_pages(api, Secret(token.encode()))
        transport = httpx.ASGITransport(app=api.app)
        async with (
            api.lifespan(),
            httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=bearer) as http,
        ):
            yield User(http)


async def sees(person: User, text: str) -> None:
    await person.should_see(text, retries=int(SECONDS))


@pytest.mark.usefixtures("person")
async def test_strangers_are_led_to_the_sign_in_page(stranger: httpx.AsyncClient) -> None:
    for path in ("/", "/wallet", "/nothing", "/_nicegui/x"):
        response = await stranger.get(path)
        assert (response.status_code, response.headers["location"]) == (303, "/sign-in")
    page = await stranger.get("/sign-in")
    assert page.status_code == 200
    assert "https://" not in page.text


@pytest.mark.usefixtures("person")
async def test_a_page_loads_nothing_from_elsewhere(owner: httpx.AsyncClient) -> None:
    page = await owner.get("/")
    assert page.status_code == 200
    assert 'src="http' not in page.text
    assert "default-src 'self'" in page.headers["content-security-policy"]


@pytest.mark.usefixtures("person")
async def test_the_apis_errors_stay_the_apis(owner: httpx.AsyncClient) -> None:
    for method, path, status in (
        ("GET", "/api/v1/nothing", 404),
        ("GET", "/api/", 404),
        ("PUT", "/api/v1/about", 405),
        ("TRACE", "/api/v1/cfds", 405),
    ):
        response = await owner.request(method, path)
        assert response.status_code == status
        assert "json" in response.headers["content-type"], (method, path)
    assert (await owner.put("/api/v1/cfds")).headers["allow"] == "GET, POST"


async def test_a_browser_that_goes_away_has_not_agreed(person: User) -> None:
    await person.open("/health")
    page = person.client
    assert page is not None
    asked = asyncio.Event()

    async def ask() -> bool:
        with page:
            return await agreed("Do it", asked.set)

    answer = asyncio.create_task(ask())
    await asked.wait()
    page.delete()
    async with asyncio.timeout(60):
        assert await answer is False


async def test_everything_is_down_and_the_page_says_so(person: User, desk: FakeDesk) -> None:
    desk.down |= {"chain", "wallet", "oracle", "maker", "price"}
    await person.open("/health")
    await sees(person, "Bitcoin network (Electrum)")
    await sees(person, "stopped by the user")
    await sees(person, "Nothing can be traded: see Health")
    await sees(person, "Sandbox (regtest): this money is worth nothing.")
    person.find("Start").click()
    await sees(person, "running, for")
    await person.open("/")
    await sees(person, "No market price: ")


async def test_a_position_from_the_offer_to_the_settlement(person: User, desk: FakeDesk) -> None:
    await person.open("/")
    await sees(person, "Market: 49,990.0 USD / 50,010.0 USD")
    (table,) = person.find(ui.table).elements
    assert table.rows[0]["ask"] == "50,050.0 USD"
    person.find(ui.table).trigger("selection", {"added": True, "rows": [table.rows[0]], "keys": [table.rows[0]["id"]]})
    await sees(person, "This is what it would mean:")
    (quantity,) = person.find(ui.number).elements
    quantity.value = 1_000
    await sees(person, "1,998,002 sats")
    person.find("Take the offer").click()
    await sees(person, "Go long 1,000 USD with 1x?")
    assert desk.moved == []
    person.find("Take it").click()
    await sees(person, "setting up: The contract is being signed")
    assert desk.moved == ["take 1000"]
    (row,) = desk.trading.rows.values()
    desk.trading.make_open(row.id)
    await sees(person, "open: The position is open")
    person.find("Settle").click()
    await sees(person, "The counterparty is asked.")
    person.find("Go on").click()
    await sees(person, "settling: ")
    assert desk.moved == ["take 1000", "settle 1"]


async def test_one_of_two_prices_is_chosen(person: User, desk: FakeDesk) -> None:
    row = desk.trading.begin(samples.order())
    desk.trading.change(row, actions=(m.CfdAction.CHOOSE,))
    await person.open(f"/positions/{row.id}")
    await sees(person, "Choose a price")
    person.find("Choose a price").click()
    await sees(person, "Which price counts?")
    await sees(person, "48,935: you are paid 499,500 sats (-499,501 sats)")
    person.find("60,000: you are paid").click()
    await sees(person, "It settles at 60000.")
    assert desk.moved == ["choose 1"]


async def test_positions_show_what_needs_a_person(person: User, desk: FakeDesk) -> None:
    row = desk.trading.begin(samples.order())
    desk.trading.change(row, warning="expires in less than 3 h and is not rolled over")
    await person.open(f"/positions/{row.id}")
    await sees(person, "expires in less than 3 h and is not rolled over")
    await person.open("/positions")
    (table,) = person.find(ui.table).elements
    async with asyncio.timeout(60):
        while not table.rows:  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0.01)
    assert (table.rows[0]["state"], table.rows[0]["margin"]) == ("setting up", "999,001 sats")
    await person.open("/positions/" + "f" * 32)
    await sees(person, "there is no CFD")


async def test_sending_is_previewed(person: User, desk: FakeDesk) -> None:
    await person.open("/wallet")
    await sees(person, "10,000,000 sats")
    person.find("Preview").click()
    await sees(person, "String should match pattern")
    person.find("Address").type(samples.ADDRESS)
    person.find("Amount, sats").type("5000")
    person.find("Preview").click()
    await sees(person, "Fee 282 sats (2 sat/vB); 9,994,718 sats stay in the wallet.")
    assert desk.moved == []
    person.find(kind=ui.button, content="Send").click()
    await sees(person, "Sent: ")
    assert desk.moved == ["send 5000"]
    await sees(person, "9,994,718 sats")


# --- over real sockets -----------------------------------------------------------------------------------------------

SOCKET = "/_nicegui_ws/socket.io/?EIO=4&transport=websocket"


async def test_the_pages_own_socket_is_behind_the_gate(api: Api, token: str, bearer: dict[str, str]) -> None:
    with nicegui_reset_globals():
        mount_pages(api, Secret(token.encode()))
        server = ApiServer(api)
        for _ in range(2):
            state = await server.start()
            assert isinstance(state, Listening)
            address = state.url.replace("http", "ws") + SOCKET
            async with asyncio.timeout(60), connect(address, additional_headers=bearer, proxy=None) as socket:
                assert str(await socket.recv()).startswith('0{"sid"')
            for headers in ({}, {**bearer, "Origin": "http://evil.example"}):
                with pytest.raises(InvalidStatus, match="403"):
                    async with connect(address, additional_headers=headers, proxy=None):
                        pass
            async with httpx.AsyncClient(headers=bearer, trust_env=False, timeout=60) as http:
                assert (await http.get(state.url)).status_code == 200
            await server.stop()
