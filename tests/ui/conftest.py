"""A node's pages on a fake desk behind a real server, and somebody who looks at them in Chromium (`nox -s ui`)."""

import os
import shutil
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from cfd_web.testing import FakeDesk
from playwright.async_api import Browser, async_playwright

from tests.ui.house import House, Visitor

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Debian's; Playwright's own is not downloaded."""
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if chromium is None:
        pytest.skip("there is no Chromium here")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        await browser.close()


@pytest.fixture
def desk() -> FakeDesk:
    return FakeDesk()


@pytest_asyncio.fixture(loop_scope="session")
async def house(desk: FakeDesk) -> AsyncIterator[House]:
    """The desk's pages, served."""
    async with House(desk) as house:
        yield house


@pytest_asyncio.fixture(loop_scope="session")
async def stranger(browser: Browser, house: House) -> AsyncIterator[Visitor]:
    """Somebody who has not shown the token."""
    async with Visitor.arriving(browser, house.url) as visitor:
        yield visitor


@pytest_asyncio.fixture(loop_scope="session")
async def visitor(stranger: Visitor, house: House) -> Visitor:
    """Somebody who has."""
    await stranger.sign_in(house.token)
    return stranger
