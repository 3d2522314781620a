"""How fast the pages are and what they cost, in figures (a program, not a test): `python -m tests.ui.measure`.

A desk with 200 open positions and a new price every second is served by another process, and looked at in Chromium:
how long it takes to see something after opening a page, after typing and after pressing, how much memory the server and
the pages hold over time, and how long a real node takes from its start to its first page with everything down.
"""

import argparse
import asyncio
import json
import os
import re
import shutil
import socket
import statistics
import sys
import tempfile
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Awaitable, Callable
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

from cfd_web import models as m
from cfd_web.testing import FakeDesk, samples
from playwright.async_api import Browser, Error, Page, async_playwright, expect

from cfd_core.values import Position
from tests.ui.conftest import FLAGS
from tests.ui.house import PATIENCE, TOKEN, House, Visitor

POSITIONS = 200
TRIES = 15
Step = Callable[[], Awaitable[None]]


async def serve() -> None:
    """The desk, its prices and its pages, until killed. Prints where."""
    desk = FakeDesk()
    for number in range(POSITIONS):
        side = Position.LONG if number % 2 else Position.SHORT
        row = desk.trading.begin(samples.order(100 * (1 + number % 50), side, (1, 2, 5)[number % 3]))
        desk.trading.change(desk.trading.make_open(row.id), mark_price=Decimal(50_000), unrealised=number)
    async with House(desk) as house:
        print(house.url, flush=True)
        while True:
            await asyncio.sleep(1)
            desk.at += 1
            quote = Decimal(50_000 + desk.at % 97 - desk.at % 13)
            desk.trading.rows = {
                key: row.model_copy(update={"mark_price": quote, "unrealised": int(quote) % 1_000})
                for key, row in desk.trading.rows.items()
            }
            desk.tell(m.PriceChanged(price=m.MarketPrice(bid=quote, ask=quote + 1, at=desk.at, stale=False)))


def busy(pid: int) -> float:
    """Milliseconds of processor time that a process has had: what a busy machine does not falsify."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")


async def nothing() -> None:
    """There is nothing to undo."""


async def timed(server: int, step: Step, times: int = TRIES, *, undo: Step = nothing) -> dict[str, float]:
    """Median, ninth decile and worst of some tries, and the server's processor time for one, in milliseconds; `undo`
    after each is not counted.
    """
    taken, spent = [], 0.0
    for _ in range(times):
        begun, before = time.perf_counter(), busy(server)
        await step()
        taken.append((time.perf_counter() - begun) * 1000)
        spent += (busy(server) - before) / times
        await undo()
    taken.sort()
    return {
        "median": round(statistics.median(taken)),
        "p90": round(taken[len(taken) * 9 // 10 - 1]),
        "worst": round(taken[-1]),
        "server's processor time": round(spent),
    }


async def interactions(visitor: Visitor, server: int) -> dict[str, Any]:
    """What a person waits for."""
    page, found = visitor.page, {}

    async def open_positions() -> None:
        await visitor.go("/positions")
        await expect(page.get_by_role("link", name=re.compile("^0{8}")).first).to_be_visible(timeout=PATIENCE)

    found["open the positions page"] = await timed(server, open_positions, 5)
    await visitor.go("/")
    await page.get_by_role("checkbox").first.click()
    await visitor.sees("This is what it would mean:")
    amounts = iter(range(100, 10_000, 100))

    async def type_quantity() -> None:
        wanted = samples.preview(samples.offer(1), samples.order(amount := next(amounts), leverage=1), None)
        await page.get_by_label("Quantity, USD").fill(str(amount))
        await expect(page.get_by_text(f"{wanted.margin:,} sats").first).to_be_visible(timeout=PATIENCE)

    found["type a quantity, see the margin"] = await timed(server, type_quantity)

    async def ask() -> None:
        await visitor.press("Take the offer")
        await expect(page.get_by_role("dialog")).to_be_visible(timeout=PATIENCE)

    async def leave() -> None:
        await visitor.press("No")
        await expect(page.get_by_role("dialog")).to_have_count(0, timeout=PATIENCE)

    found["press, see the question"] = await timed(server, ask, undo=leave)
    return found


def resident(pid: int) -> int:
    """Kilobytes that a process holds in memory."""
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) if found else 0


async def memory(server: Process, browser: Browser, url: str, minutes: float) -> list[dict[str, Any]]:
    """Server and pages, once a minute, while three pages follow the price."""
    found = []
    async with Visitor.arriving(browser, url) as visitor:
        await visitor.sign_in(TOKEN)
        pages = [visitor.page]
        for path in ("/positions", f"/positions/{1:032x}"):
            pages.append(await visitor.page.context.new_page())
            await pages[-1].goto(url + path)
        begun = time.monotonic()
        while True:
            passed = (time.monotonic() - begun) / 60
            held = [await weight(page) for page in pages]
            found.append({"minute": round(passed, 1), "server": resident(server.pid), "heaps and elements": held})
            print(f"  {json.dumps(found[-1])}", file=sys.stderr, flush=True)
            if passed >= minutes:
                return found
            await asyncio.sleep(60)


async def weight(page: Page) -> tuple[int, int]:
    """Kilobytes of the page's heap, and its elements; zeros for one that is just being loaded anew."""
    try:
        await page.wait_for_load_state()
        heap = await page.evaluate("performance.memory.usedJSHeapSize")
        return heap // 1024, await page.evaluate("document.getElementsByTagName('*').length")
    except Error:
        return 0, 0


async def knock(page: Page, url: str) -> None:
    """Open it as soon as anything listens there."""
    while True:
        try:
            await page.goto(url)
        except Error:
            await asyncio.sleep(0.02)
        else:
            return


async def first_page(browser: Browser) -> dict[str, float]:
    """Milliseconds from the start of a real node, with everything down, to what is seen of it."""
    cfd = str(Path(sys.executable).with_name("cfd"))
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        (home / "passphrase").write_text("correct horse battery\n")
        (home / "passphrase").chmod(0o600)
        environment = {"PATH": os.environ["PATH"], "HOME": name, "XDG_CONFIG_HOME": name, "XDG_DATA_HOME": name}
        environment |= {"CFD_WALLET_PASSPHRASE_FILE": str(home / "passphrase"), "CFD_ORACLE_URL": "http://127.0.0.1:1"}
        address = f"127.0.0.1:{free_port()}"
        environment |= {"CFD_ELECTRUM_SERVERS": "tcp://127.0.0.1:1", "CFD_API_LISTEN": address}
        made = await asyncio.create_subprocess_exec(cfd, "init", "--unconfirmed", env=environment, stdout=DEVNULL)
        assert await made.wait() == 0
        begun = time.perf_counter()
        maker = ("--set", "peers.makers=" + samples.MAKER + "@127.0.0.1:1")
        node = await asyncio.create_subprocess_exec(cfd, "taker", *maker, env=environment, stdout=PIPE, stderr=DEVNULL)
        try:
            async with Visitor.arriving(browser, f"http://{address}") as visitor:
                await knock(visitor.page, f"http://{address}/")
                starting = visitor.page.get_by_text("This node is starting")
                asked = visitor.page.get_by_text("This node is yours?")
                await expect(starting.or_(asked).first).to_be_visible(timeout=PATIENCE)
                first = (time.perf_counter() - begun) * 1000
                await expect(asked).to_be_visible(timeout=PATIENCE)
                whole = (time.perf_counter() - begun) * 1000
                await visitor.page.get_by_label("Token").fill((home / "cfd/regtest/api-token").read_text().strip())
                await visitor.press("Sign in")
                await visitor.sees("Nothing can be traded: see Health")
            seen = (time.perf_counter() - begun) * 1000
            return {"its first page": first, "the page to sign in": whole, "signed in, all that is down": seen}
        finally:
            with suppress(ProcessLookupError):
                node.terminate()
            await node.wait()


def free_port() -> int:
    """One that nobody uses now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


async def main(minutes: float) -> dict[str, Any]:
    """All figures."""
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    server = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.ui.measure", "--serve", stdout=PIPE)
    assert server.stdout is not None
    url = (await server.stdout.readline()).decode().strip()
    found: dict[str, Any] = {"positions": POSITIONS, "load average": os.getloadavg()[0], "cores": os.cpu_count()}
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=[*FLAGS])
        try:
            found["a node's start"] = await first_page(browser)
            async with Visitor.arriving(browser, url) as visitor:
                await visitor.sign_in(TOKEN)
                found |= await interactions(visitor, server.pid)
            print(json.dumps(found, indent=1), file=sys.stderr, flush=True)
            found["memory in kB"] = await memory(server, browser, url, minutes)
        finally:
            server.kill()
            await server.wait()
            await browser.close()
    return found


if __name__ == "__main__":
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--minutes", type=float, default=5, help="How long memory is watched.")
    asked.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    arguments = asked.parse_args()
    if arguments.serve:
        asyncio.run(serve())
    else:
        print(json.dumps(asyncio.run(main(arguments.minutes)), indent=1))
