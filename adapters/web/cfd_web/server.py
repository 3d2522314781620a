"""The API's server: starts and stops like any service, and never takes the process with it."""

import asyncio
import socket
from collections.abc import Callable, Generator
from contextlib import AsyncExitStack, contextmanager
from typing import Final

import structlog
import uvicorn
from attrs import frozen

from cfd_web.app import Api

log = structlog.get_logger()

GRACE_SECONDS: Final = 5
"""What requests under way get to end, once the server is to stop."""


EarlySocket = Callable[[], socket.socket | None]
"""Gives up a socket that listens already, once; after that, and where there is none, None."""


def no_socket() -> None:
    """There is none."""


@frozen
class Listening:
    """Where the API answers."""

    url: str
    """Without a trailing slash."""
    note: str
    """What is not as it was asked for (another port); empty: all is."""


@frozen
class NotListening:
    """Why it does not."""

    reason: str


class ApiServer:
    """Serves an API on one address. `start` and `stop` may be called again and again."""

    def __init__(
        self,
        api: Api,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        or_any_port: bool = True,
        early: EarlySocket = no_socket,
    ) -> None:
        """`port` 0 takes a free one; `or_any_port`: so does a port that is taken, and the answer says so.

        `early`: a socket on that address, on which something else answered until now.
        """
        self._early = early
        self._api, self._host, self._port, self._or_any_port = api, host, port, or_any_port
        self._running: tuple[_InProcess, asyncio.Task[None], AsyncExitStack] | None = None
        self.state: Listening | NotListening = NotListening("not started")

    async def start(self) -> Listening | NotListening:
        """Listen. Whatever goes wrong is in the answer, and in `state`."""
        if self._running is None:
            try:
                listener, note = self._bind()
            except OSError as error:
                self.state = NotListening(f"cannot listen on {self._host}:{self._port}: {error.strerror or error}")
            else:
                self.state = await self._serve(listener, note)
        if isinstance(self.state, NotListening) or self.state.note:
            log.warning("the API", state=self.state)
        return self.state

    async def stop(self) -> None:
        """Accept no more, let requests that move money end, and close every connection."""
        if self._running is None:
            return
        server, task, beside = self._running
        self._running = None
        self.state = NotListening("stopped")
        await server.accept_no_more()
        await self._api.close()
        server.should_exit = True
        await task
        await server.drop_what_is_left()
        await beside.aclose()

    async def _serve(self, listener: socket.socket, note: str) -> Listening | NotListening:
        self._api.open()
        beside = AsyncExitStack()
        await beside.enter_async_context(self._api.lifespan())
        config = uvicorn.Config(
            self._api.app,
            http="h11",
            ws="websockets-sansio",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            h11_max_incomplete_event_size=32 * 1024,
            limit_concurrency=512,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        config.load()  # here, not in the task: what looks for servers finds whole ones only
        server = _InProcess(config)
        task = asyncio.create_task(server.serve(sockets=[listener]), name="api-server")
        ready = asyncio.create_task(server.ready.wait())
        await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if task.done():
            listener.close()
            await self._api.close()
            await beside.aclose()
            return NotListening(f"the server ended while it started: {task.exception() or 'without a word'}")
        self._running = (server, task, beside)
        host, port = listener.getsockname()[:2]
        return Listening(f"http://{f'[{host}]' if ':' in host else host}:{port}", note)

    def _bind(self) -> tuple[socket.socket, str]:
        given = self._early()
        if given is not None:
            return given, ""
        try:
            return _listener(self._host, self._port), ""
        except OSError as error:
            if not self._or_any_port or self._port == 0:
                raise
            listener = _listener(self._host, 0)
            taken = f"port {self._port} cannot be had ({error.strerror or error})"
            return listener, f"{taken}; listening on {listener.getsockname()[1]} instead"


def _listener(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family)


class _InProcess(uvicorn.Server):
    """Leaves the process's signals alone, says when it listens, and can stop to accept before it stops."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    async def accept_no_more(self) -> None:
        """A connection that is accepted while the server closes would be lost open: let the last ones come first."""
        for server in self.servers:
            loop = server.get_loop()
            for sock in server.sockets:
                loop.remove_reader(sock.fileno())
        await _turn_the_loop()

    async def drop_what_is_left(self) -> None:
        """Connections that did not end within the grace."""
        for connection in list(self.server_state.connections):
            transport = getattr(connection, "transport", None)
            if isinstance(transport, asyncio.Transport):
                transport.abort()
        await _turn_the_loop()


async def _turn_the_loop() -> None:
    for _ in range(5):
        await asyncio.sleep(0)
