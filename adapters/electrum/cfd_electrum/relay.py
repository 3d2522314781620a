"""A door on this machine that leads to the present Electrum server, for programs that know no pins and no proxies."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

from cfd_electrum.address import ServerAddress
from cfd_electrum.errors import ElectrumError
from cfd_electrum.road import Road

CHUNK: Final = 64 * 1024
TURNS: Final = 20
"""Turns of the loop until a connection that was accepted while the door closed has come in, to be ended as well."""
MAX_GUESTS: Final = 16
"""Connections at a time; the wallet needs one."""


class Relay:
    """Listens on loopback, and passes bytes on to the server that `server()` names at that moment, over `road`."""

    def __init__(self, server: Callable[[], ServerAddress], road: Road, *, timeout: float = 30.0) -> None:
        self._server, self._road, self._timeout = server, road, timeout
        self._door: asyncio.Server | None = None
        self._guests: set[asyncio.Task[None]] = set()
        self.trouble = ""
        """Why the last connection could not be made; empty: it could."""

    async def start(self) -> tuple[str, int]:
        """Open the door; its host and port."""
        if self._door is None:
            self._door = await asyncio.start_server(self._enter, "127.0.0.1", 0)
        host, port = self._door.sockets[0].getsockname()[:2]
        return host, port

    async def stop(self) -> None:
        """Close the door and end what goes through it. Call it twice."""
        door, self._door = self._door, None
        if door is None:
            return
        door.close()
        for _ in range(TURNS):
            await asyncio.sleep(0)
        for guest in tuple(self._guests):
            guest.cancel()
        await asyncio.gather(*self._guests, return_exceptions=True)
        await door.wait_closed()

    async def _enter(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or self._door is None or len(self._guests) >= MAX_GUESTS:
            await _close(writer)
            return
        self._guests.add(task)
        try:
            await self._guide(reader, writer)
        finally:
            self._guests.discard(task)
            await _close(writer)

    async def _guide(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        beyond = asyncio.StreamReader(limit=CHUNK)
        try:
            async with asyncio.timeout(self._timeout):
                transport, protocol = await self._road.connect(
                    self._server(), lambda: asyncio.StreamReaderProtocol(beyond)
                )
        except (OSError, ElectrumError) as error:
            self.trouble = str(error) or type(error).__name__
            return
        self.trouble = ""
        there = asyncio.StreamWriter(transport, protocol, beyond, asyncio.get_running_loop())
        ways = [asyncio.ensure_future(_carry(reader, there)), asyncio.ensure_future(_carry(beyond, writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            await _close(there)


async def _carry(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while piece := await source.read(CHUNK):
        target.write(piece)
        await target.drain()


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
