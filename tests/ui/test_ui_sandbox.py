"""A walk on real nodes: the sandbox's taker opens a position with the sandbox's maker, and settles it."""

import re
from pathlib import Path

import pytest
from cfd_node.clock import ShiftableClock
from cfd_node.logs import LogBook
from cfd_node.sandbox import Sandbox, SandboxPlan
from nicegui.testing.general import nicegui_reset_globals
from playwright.async_api import Browser, expect

from tests.ui.house import Visitor

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

MINUTES = 5 * 60_000
"""Milliseconds for what several nodes and some blocks take part in."""


async def test_a_position_on_real_nodes(browser: Browser, tmp_path: Path) -> None:
    plan = SandboxPlan(folder=tmp_path, maker_port=0, taker_port=0, block_seconds=1)
    with nicegui_reset_globals():
        async with Sandbox(plan, ShiftableClock(), LogBook()) as world:
            taker = world.taker
            async with Visitor.arriving(browser, taker.service.url) as visitor:
                await visitor.sign_in(taker.token.reveal().decode())
                await visitor.page.wait_for_url(re.compile("/$"))
                await visitor.sees("Sandbox (regtest)")
                await visitor.page.get_by_role("checkbox").first.click()
                await visitor.sees("This is what it would mean:")
                await visitor.press("Take the offer")
                await visitor.press("Take it")
                open_now = visitor.page.get_by_text(re.compile("^open: "))
                await expect(open_now).to_be_visible(timeout=MINUTES)
                await visitor.press("Settle")
                await visitor.sees("The money is back about")
                await visitor.press("Go on")
                over = visitor.page.get_by_text(re.compile("^closed: "))
                await expect(over).to_be_visible(timeout=MINUTES)
                assert visitor.complaints == []
                assert visitor.strangers() == []
