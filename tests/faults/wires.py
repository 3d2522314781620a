"""A wire between a node and something it depends on, which can be cut or held still."""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress

TURNS = 20


class Wire:
    """Passes bytes on from a loopback port of its own to `target`. `async with`."""

    def __init__(self, target: tuple[str, int], host: str = "127.0.0.1") -> None:
        """`host` is how its users name it."""
        self._target, self.host, self.port = target, host, 0
        self._server: asyncio.Server | None = None
        self._moving = asyncio.Event()
        self._moving.set()
        self._calls: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "Wire":
        await self.mend()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.cut()

    async def cut(self) -> None:
        """End all connections and refuse new ones."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
            for _ in range(TURNS):
                await asyncio.sleep(0)
        for call in tuple(self._calls):
            call.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)

    def freeze(self) -> None:
        """Keep all connections, take new ones, and pass nothing on."""
        self._moving.clear()

    async def mend(self) -> None:
        """As if nothing had been; what was held back flows on."""
        self._moving.set()
        if self._server is None:
            self._server = await asyncio.start_server(self._call, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def _call(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or self._server is None:
            writer.transport.abort()
            return
        self._calls.add(task)
        far: asyncio.StreamWriter | None = None
        try:
            await self._moving.wait()
            far_reader, far = await asyncio.open_connection(*self._target)
            await _first(self._pass(reader, far), self._pass(far_reader, writer))
        except OSError:
            pass
        except asyncio.CancelledError:
            pass  # cut
        finally:
            self._calls.discard(task)
            for one in (writer, far):
                if one is not None:
                    one.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                await self._moving.wait()
                writer.write(data)
                await writer.drain()


async def _first(*works: Awaitable[None]) -> None:
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
