"""A node's process in Chromium: nothing that it needs is there at first, then all is, and then it is killed."""

import asyncio
import os
import re
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
import pytest_asyncio
from attrs import define, field
from cfd_oracle import OracleServer
from cfd_regtest import EmbeddedControl
from cfd_web.testing import samples
from playwright.async_api import Browser, Locator, expect

from cfd_core.oracle import OracleSecrets
from cfd_core.values import Secret
from tests.faults.wires import Wire
from tests.ui.house import Visitor
from tests.ui.measure import free_port

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

MINUTES = 5 * 60
"""Seconds for what a process and its services take part in."""
CFD = str(Path(sys.executable).with_name("cfd"))


@define
class Home:
    """A user's files, and the node that runs on them."""

    folder: Path
    environment: dict[str, str]
    node: Process | None = field(default=None)

    async def start(self) -> str:
        """Where its pages are."""
        made = (CFD, "taker", "--set", f"peers.makers={samples.MAKER}@127.0.0.1:1")
        self.node = await asyncio.create_subprocess_exec(*made, env=self.environment, stdout=PIPE, stderr=DEVNULL)
        assert self.node.stdout is not None
        async with asyncio.timeout(MINUTES):
            return (await self.node.stdout.readline()).decode().split()[-1]

    async def end(self, how: signal.Signals) -> None:
        """Of the process."""
        node, self.node = self.node, None
        if node is not None:
            with suppress(ProcessLookupError):
                node.send_signal(how)
            await node.communicate()

    @property
    def token(self) -> str:
        return (self.folder / "cfd/regtest/api-token").read_text().strip()


@pytest_asyncio.fixture(loop_scope="session")
async def wires() -> AsyncIterator[tuple[Wire, Wire]]:
    """To a chain and to an oracle; cut."""
    secrets = OracleSecrets(Secret(b"\x01" * 32), Secret(b"\x02" * 32))
    async with EmbeddedControl() as control, OracleServer(secrets=secrets, clock=control_time) as oracle:
        host, _, port = oracle.url.removeprefix("http://").rpartition(":")
        async with Wire(control.electrum) as electrum, Wire((host, int(port))) as heard:
            await electrum.cut()
            await heard.cut()
            yield electrum, heard


def control_time() -> int:
    return samples.NOW


@pytest_asyncio.fixture(loop_scope="session")
async def home(tmp_path: Path, wires: tuple[Wire, Wire]) -> AsyncIterator[Home]:
    electrum, oracle = wires
    secret = tmp_path / "passphrase"
    secret.write_text("correct horse battery\n")
    secret.chmod(0o600)
    home = Home(
        tmp_path,
        {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "XDG_CONFIG_HOME": str(tmp_path),
            "XDG_DATA_HOME": str(tmp_path),
            "CFD_API_LISTEN": f"127.0.0.1:{free_port()}",
            "CFD_ELECTRUM_SERVERS": f"tcp://127.0.0.1:{electrum.port}",
            "CFD_ORACLE_URL": f"http://127.0.0.1:{oracle.port}",
            "CFD_WALLET_PASSPHRASE_FILE": str(secret),
        },
    )
    made = await asyncio.create_subprocess_exec(
        CFD, "init", "--unconfirmed", env=home.environment, stdout=DEVNULL, stderr=DEVNULL
    )
    assert await made.wait() == 0
    yield home
    await home.end(signal.SIGKILL)


async def test_a_process_that_starts_into_nothing_heals_and_is_killed(
    browser: Browser, home: Home, wires: tuple[Wire, Wire]
) -> None:
    url = await home.start()
    async with Visitor.arriving(browser, url) as visitor:
        await visitor.sign_in(home.token)
        await visitor.page.wait_for_url(re.compile("/$"))
        await visitor.sees("Nothing can be traded: see Health")
        await visitor.sees("No maker offers anything now.")
        await visitor.go("/health")
        chain, oracle = card(visitor, "Bitcoin network (Electrum)"), card(visitor, "Oracle")
        for service in (chain, oracle):
            await stands_in(service, "backoff, for")
        await stands_in(chain, "Connect call failed")
        await stands_in(oracle, "the oracle cannot be reached")
        await mend(wires)
        await stands_in(chain, "running, for")
        await stands_in(chain, "Last known: block 1")
        await visitor.sees("Something does not run: see Health")  # its maker is not there
        await home.end(signal.SIGKILL)
        for wire in wires:
            await wire.cut()
        assert await home.start() == url
        await stands_in(chain, "backoff, for")  # the page is the new process's, and nobody loaded it anew
        await mend(wires)
        await stands_in(chain, "running, for")
        await home.end(signal.SIGTERM)
        assert await home.start() == url
        await stands_in(card(visitor, "Pages and API"), "running, for")
        assert visitor.strangers() == []


async def mend(wires: tuple[Wire, Wire]) -> None:
    for wire in wires:
        await wire.mend()


def card(visitor: Visitor, title: str) -> Locator:
    """A service's."""
    return visitor.page.get_by_role("region", name=title, exact=True)


async def stands_in(place: Locator, text: str) -> None:
    """It shows there, however often the page is drawn anew until then."""
    await expect(place.get_by_text(text).first).to_be_visible(timeout=MINUTES * 1000)
