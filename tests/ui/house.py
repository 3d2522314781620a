"""What the walks have in common: a served desk, and a visitor who sees, presses and types."""

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Self
from urllib.parse import urlsplit

from cfd_web.answers import MemoryAnswers
from cfd_web.app import Api, ApiSettings
from cfd_web.desk import Desk
from cfd_web.pages import mount_pages
from cfd_web.server import ApiServer, Listening
from nicegui.testing.general import nicegui_reset_globals
from playwright.async_api import Browser, Locator, Page, Request, expect

from cfd_core.values import Secret

TOKEN = "t" * 43
PATIENCE = 60_000
"""Milliseconds that something may take to show."""


class House:
    """A desk behind a real server, which can be stopped and started again on the same port."""

    def __init__(self, desk: Desk) -> None:
        self.token = TOKEN
        self.url = ""
        self._desk, self._port = desk, 0
        self._answers = MemoryAnswers()
        self._stack = AsyncExitStack()
        self._server: ApiServer

    async def __aenter__(self) -> Self:
        self._stack.enter_context(nicegui_reset_globals())
        api = Api(self._desk, self._answers, ApiSettings(token=Secret(TOKEN.encode())))
        mount_pages(api, Secret(TOKEN.encode()))
        self._server = ApiServer(api, port=self._port)
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()
        await self._stack.aclose()

    async def start(self) -> None:
        """Serve, on the port of the last time."""
        state = await self._server.start()
        assert isinstance(state, Listening), state
        if self.url:
            assert state.url == self.url
        self.url = state.url
        self._server._port = urlsplit(state.url).port or 0

    async def stop(self) -> None:
        """Answer no more."""
        await self._server.stop()


class Visitor:
    """A browser's page, and all that it asked for."""

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url = page, url
        self.asked: list[str] = []
        """URLs of all requests and websockets."""
        self.complaints: list[str] = []
        """Errors of the page's scripts."""
        page.on("request", self._note)
        page.on("websocket", lambda socket: self.asked.append(socket.url))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _note(self, request: Request) -> None:
        self.asked.append(request.url)

    @classmethod
    @asynccontextmanager
    async def arriving(cls, browser: Browser, url: str, **context: Any) -> AsyncIterator[Self]:
        """In a browser of their own; `context` as Playwright has it."""
        held = await browser.new_context(**context)
        try:
            held.set_default_timeout(PATIENCE)
            yield cls(await held.new_page(), url)
        finally:
            await held.close()

    async def go(self, path: str) -> None:
        """Open a page."""
        await self.page.goto(self.url + path, wait_until="domcontentloaded")

    async def sign_in(self, token: str) -> None:
        """Show a token."""
        await self.go("/sign-in")
        await self.page.get_by_label("Token").fill(token)
        await self.page.get_by_role("button", name="Sign in").click()
        if token == TOKEN:
            await self.page.wait_for_url(re.compile(r"/$"))

    async def sees(self, text: str | re.Pattern[str]) -> None:
        """The text becomes visible."""
        await expect(self.page.get_by_text(text).filter(visible=True).first).to_be_visible(timeout=PATIENCE)

    async def misses(self, text: str | re.Pattern[str]) -> None:
        """The text goes away."""
        await expect(self.page.get_by_text(text).filter(visible=True)).to_have_count(0, timeout=PATIENCE)

    def button(self, name: str) -> Locator:
        """By its exact name."""
        return self.page.get_by_role("button", name=name, exact=True)

    async def press(self, name: str) -> None:
        """A button, once it can be pressed."""
        await self.button(name).first.click()

    def strangers(self) -> list[str]:
        """What was asked of anybody but this node."""
        host = urlsplit(self.url).netloc
        return [
            url for url in self.asked if urlsplit(url).scheme not in ("data", "blob") and urlsplit(url).netloc != host
        ]
