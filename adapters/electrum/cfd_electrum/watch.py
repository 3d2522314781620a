"""Other servers, asked now and then whether they see the same chain as ours."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from cfd_core.values import Network
from cfd_electrum import answers
from cfd_electrum.address import ServerAddress
from cfd_electrum.errors import Disconnected, ElectrumError, ServerRefused
from cfd_electrum.greeting import greet
from cfd_electrum.road import Road
from cfd_electrum.server import ServerConnection

MAX_LAG: Final = 2
"""Blocks by which two tips may differ before it is told: news takes its time."""
COMMON_DEPTH: Final = 3
"""Blocks below the lower tip, where no honest servers differ any more."""
MAX_MESSAGE: Final = 1_000_000
_log = logging.getLogger(__name__)

Tip = tuple[int, bytes]
"""Height, and the 80-byte header there."""


class Witnesses:
    """Compares our server with others. `problems`: server -> sentence; empty when all that answer agree."""

    def __init__(
        self,
        others: tuple[ServerAddress, ...],
        road: Road,
        network: Network,
        ours: Callable[[], Awaitable[Tip]],
        header: Callable[[int], Awaitable[bytes]],
        *,
        every: float = 120.0,
        timeout: float = 30.0,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        """`ours` and `header` ask our own server: its tip, and its header at a height; they raise `ElectrumError`."""
        self._others, self._road, self._network = others, road, network
        self._ours, self._header = ours, header
        self._every, self._timeout, self._on_change = every, timeout, on_change
        self.problems: dict[ServerAddress, str] = {}
        self.silent: dict[ServerAddress, str] = {}
        """Servers that could not be asked, and why: no reason for doubt."""

    async def run(self) -> None:
        """Look, wait, look again, until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(self._every)

    async def look(self) -> None:
        """Ask all of them once; never raises."""
        before = dict(self.problems)
        await asyncio.gather(*(self._ask(server) for server in self._others))
        if self.problems != before:
            self._on_change()

    async def _ask(self, server: ServerAddress) -> None:
        try:
            problem = await self._compare(server)
        except (Disconnected, ServerRefused) as error:
            self.silent[server] = str(error)
            return
        except ElectrumError as error:  # another network, another certificate
            problem = str(error)
        except Exception as error:
            _log.exception("asking %s failed", server)
            self.silent[server] = type(error).__name__
            return
        self.silent.pop(server, None)
        if problem:
            self.problems[server] = problem
        else:
            self.problems.pop(server, None)

    async def _compare(self, server: ServerAddress) -> str:
        connection = await ServerConnection.open(
            server, self._road, timeout=self._timeout, max_message=MAX_MESSAGE, on_notification=lambda *_: None
        )
        try:
            await greet(connection, self._network)
            theirs = await connection.ask(answers.tip, "blockchain.headers.subscribe")
            height, _ = await self._ours()
            if abs(theirs.height - height) > MAX_LAG:
                return f"{server} is at block {theirs.height:,}, our server at {height:,}"
            common = max(0, min(theirs.height, height) - COMMON_DEPTH)
            told = await connection.ask(answers.header, "blockchain.block.header", common)
            if told != await self._header(common):
                return f"{server} has another block {common:,} than our server: one of them shows a false chain"
            return ""
        finally:
            await connection.close()
