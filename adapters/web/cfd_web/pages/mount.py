"""Hanging the pages on the API's application."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

import httpx
import structlog
from fastapi import FastAPI
from nicegui import Client, core, ui
from starlette.requests import Request
from starlette.responses import HTMLResponse

from cfd_core.values import Secret
from cfd_web.access import Access
from cfd_web.app import Api
from cfd_web.client import AsyncClient
from cfd_web.gate import SIGN_IN_PAGE
from cfd_web.pages.health import health_page
from cfd_web.pages.making import making_page
from cfd_web.pages.place import STATE, Place
from cfd_web.pages.position import position_page
from cfd_web.pages.positions import positions_page
from cfd_web.pages.settings import settings_page
from cfd_web.pages.sign_in import SIGN_IN_HTML
from cfd_web.pages.trade import trade_page
from cfd_web.pages.wallet import wallet_page

log = structlog.get_logger()

RECONNECT_SECONDS: Final = 60.0
"""How long a page that lost its connection keeps what it showed."""
_BINDINGS_SECONDS: Final = 0.5


def mount_pages(api: Api, token: Secret) -> None:
    """Serve the pages beside the API. Call it once for each API, before its server starts."""
    transport = httpx.ASGITransport(app=api.app)
    client = AsyncClient(Access("http://127.0.0.1", token), transport=transport)
    api.state[STATE] = Place(client, api.feed, _wishes_of(api))
    api.inner.add_route(SIGN_IN_PAGE, _sign_in, methods=["GET"])
    api.lifespan = _MACHINERY.runs
    if not core.app.config.has_run_config:
        _register()
        _MACHINERY.host = api.inner
        ui.run_with(
            api.inner,
            title="CFD node",
            dark=None,
            language="en-US",
            reconnect_timeout=RECONNECT_SECONDS,
            binding_refresh_interval=_BINDINGS_SECONDS,
            show_welcome_message=False,
        )
    else:
        api.inner.mount("/", core.app)


def _wishes_of(api: Api) -> str:
    """The name of the cookie that keeps what a browser's person chose, for this node only."""
    return api.doorkeeper.cookie.replace("session", "wishes", 1)


class _Machinery:
    """NiceGUI's own life: one for all APIs of a process, from the first that serves to the last. No API needs it."""

    def __init__(self) -> None:
        self._users = 0
        self._stack = AsyncExitStack()
        self.host: FastAPI | None = None
        """The application that it was first mounted on, whose lifespan is its own."""

    @asynccontextmanager
    async def runs(self) -> AsyncIterator[None]:
        """While an API serves."""
        self._users += 1
        try:
            if self._users == 1:
                await self._start()
            yield
        finally:
            self._users -= 1
            if not self._users:
                await self._stack.aclose()
                _forget_visitors()

    async def _start(self) -> None:
        assert self.host is not None  # noqa: S101 - pages are mounted before they are served
        try:
            await self._stack.enter_async_context(self.host.router.lifespan_context(self.host))
        except Exception:
            log.exception("the pages cannot start")


def _forget_visitors() -> None:
    """Their pages' timers are dead. Whoever comes back with such a page gets it anew, by itself."""
    for visitor in list(Client.instances.values()):
        visitor.delete()


_MACHINERY: Final = _Machinery()


def _register() -> None:
    ui.page("/")(trade_page)
    ui.page("/positions")(positions_page)
    ui.page("/positions/{cfd_id}")(position_page)
    ui.page("/wallet")(wallet_page)
    ui.page("/making")(making_page)
    ui.page("/health")(health_page)
    ui.page("/settings")(settings_page)


async def _sign_in(_request: Request) -> HTMLResponse:
    return HTMLResponse(SIGN_IN_HTML)
