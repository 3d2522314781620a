"""A sandbox of real nodes for the walks: its clock turns, its oracle says what it is told, its maker what is asked."""

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Self

from cfd_node.clock import ShiftableClock
from cfd_node.daemon.quotes import DIGITS
from cfd_node.logs import LogBook
from cfd_node.sandbox import Sandbox, SandboxPlan
from cfd_web import models as m
from cfd_web.access import Access
from cfd_web.client import AsyncClient, calls
from nicegui.testing.general import nicegui_reset_globals
from playwright.async_api import Browser, expect

from cfd_core.oracle import hourly_event_id
from cfd_core.values import HOUR, Timestamp
from tests.ui.house import Visitor

MINUTES = 5 * 60_000
"""Milliseconds for what several nodes and some blocks take part in."""
BOT = "pricing bot"


class Market:
    """A chain, an oracle, a maker and a taker."""

    def __init__(self, folder: Path, clock: ShiftableClock) -> None:
        self._clock = clock
        self._plan = SandboxPlan(folder=folder, maker_port=0, taker_port=0, block_seconds=1)
        self._stack = AsyncExitStack()
        self._world: Sandbox
        self._maker: AsyncClient

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            stack.enter_context(nicegui_reset_globals())
            self._world = await stack.enter_async_context(Sandbox(self._plan, self._clock, LogBook()))
            maker = self._world.maker
            access = Access(maker.service.url, maker.token)
            self._maker = await stack.enter_async_context(AsyncClient(access))
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @asynccontextmanager
    async def arriving(self, browser: Browser) -> AsyncIterator[Visitor]:
        """Signed in at the taker's pages."""
        taker = self._world.taker
        async with Visitor.arriving(browser, taker.service.url) as visitor:
            await visitor.sign_in(taker.token.reveal().decode())
            await visitor.page.wait_for_url(re.compile("/$"))
            await visitor.sees("Sandbox (regtest)")
            yield visitor

    async def offer(self, hours: int) -> Timestamp:
        """The maker's only one from now on, for ten minutes, at 50,000 USD: it does not move while one looks at it. Its
        expiry, so many full hours ahead.
        """
        await self._maker.ask(calls.act_on_service(BOT, m.ServiceAction.STOP))
        expiry = Timestamp(self.next_hour() + (hours - 1) * HOUR)
        wish = m.NewOffer(
            bid=Decimal(49_990),
            ask=Decimal(50_000),
            min_quantity=100,
            max_quantity=1_000,
            leverages=(1, 2),
            funding_rate=Decimal("0.0001"),
            fee_rate=2,
            expiry=expiry,
        )
        await self._maker.ask(calls.publish(wish))
        return expiry

    async def quote_by_itself(self) -> None:
        """The maker's bot goes on."""
        await self._maker.ask(calls.act_on_service(BOT, m.ServiceAction.START))

    def next_hour(self) -> Timestamp:
        """The full hour that comes next."""
        return Timestamp((self._clock.now() // HOUR + 1) * HOUR)

    async def turn(self, at: Timestamp) -> None:
        """Chain and clocks go on to a time."""
        await self._world.control.turn_to(at)
        self._clock.turn_to(at)

    def attest(self, hour: Timestamp, price: int) -> None:
        """What the oracle will say of an hour, once it has come."""
        self._world.oracle.attest(hourly_event_id(hour, DIGITS), price)


async def shown(visitor: Visitor, text: str) -> None:
    """It shows, though several nodes and some blocks come before it."""
    found = visitor.page.get_by_text(re.compile(text)).filter(visible=True)
    await expect(found.first).to_be_visible(timeout=MINUTES)


async def shown_times(visitor: Visitor, text: str, times: int) -> None:
    """It shows so many times."""
    await expect(visitor.page.get_by_text(text, exact=True)).to_have_count(times, timeout=MINUTES)
