"""A small oracle over HTTP, in this process, for regtest, demos and tests. `paths` documents what it serves."""

import asyncio
import socket
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from types import TracebackType
from typing import Self

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from cfd_core.errors import DecodeError
from cfd_core.oracle import KNOWN_ORACLES, Dialect, OracleKeys, OracleSecrets, write_recorded_event
from cfd_core.values import EventId
from cfd_oracle.book import EventBook, ServedEvent
from cfd_oracle.paths import ANNOUNCEMENT, ATTESTATION


def oracle_app(book: EventBook) -> Starlette:
    """The web application over a book of events."""

    async def olivia(request: Request) -> Response:
        query = request.scope["query_string"].decode("latin-1")
        event_id = request.scope["path"] + (f"?{query}" if query else "")
        return _answer(book, Dialect.OLIVIA_V1, event_id, _whole_event)

    def record(dialect: Dialect, message: str) -> Route:
        async def endpoint(request: Request) -> Response:
            pick = _announcement_record if message == ANNOUNCEMENT else _attestation_record
            return _answer(book, dialect, request.path_params["event"], pick)

        return Route(f"/{dialect.value}/{message}/{{event:path}}", endpoint, methods=["GET"])

    tlv = [d for d in Dialect if d is not Dialect.OLIVIA_V1]
    records = [record(dialect, message) for dialect in tlv for message in (ANNOUNCEMENT, ATTESTATION)]
    return Starlette(routes=[*records, Route("/{event:path}", olivia, methods=["GET"])])


def _answer(book: EventBook, dialect: Dialect, event_id: str, render: Callable[[ServedEvent], Response]) -> Response:
    try:
        event = book.find(dialect, EventId(event_id))
    except DecodeError as error:
        return _refuse(400, str(error))
    return render(event) if event else _refuse(404, "Not Found")


def _whole_event(event: ServedEvent) -> Response:
    return Response(write_recorded_event(event.announcement, event.attestation), media_type="application/json")


def _announcement_record(event: ServedEvent) -> Response:
    return Response(event.announcement, media_type="application/octet-stream")


def _attestation_record(event: ServedEvent) -> Response:
    if event.attestation is None:
        return Response(status_code=204)
    return Response(event.attestation, media_type="application/octet-stream")


def _refuse(status: int, reason: str) -> Response:
    return JSONResponse({"code": status, "error": reason}, status_code=status)


class _InProcess(uvicorn.Server):
    """Leaves the process's signals alone and says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


class OracleServer:
    """`async with OracleServer(secrets=..., clock=...) as server:` serves at `server.url` on a free loopback port.

    Its own events are every full hour of `/x/BitMEX/BXBT`, in all three dialects, signed with `secrets`. Recorded
    events are in olivia-v1 and keep their oracle's signatures. `clock` gives seconds since 1970: nothing is attested
    before its time. Prices are held in memory, so do not use one key for two runs.
    """

    def __init__(
        self,
        *,
        secrets: OracleSecrets,
        clock: Callable[[], int],
        recorded: Iterable[bytes] = (),
        recorded_keys: OracleKeys = KNOWN_ORACLES["olivia"],
        port: int = 0,
    ) -> None:
        """`port` 0 takes a free one. Core errors for a recorded event that is not genuine."""
        self.book = EventBook(secrets, clock, recorded, recorded_keys)
        self._port = port
        self._running: tuple[_InProcess, asyncio.Task[None], socket.socket] | None = None

    @property
    def keys(self) -> OracleKeys:
        """The public keys of its own events; the TLV dialects use only `attestation`."""
        return self.book.keys

    @property
    def url(self) -> str:
        """Where it listens, without a trailing slash; RuntimeError while it does not."""
        if self._running is None:
            raise RuntimeError("the oracle server is not running")
        return f"http://127.0.0.1:{self._running[2].getsockname()[1]}"

    def attest(self, event_id: EventId, price: int) -> None:
        """Fix the price of an own event, once; see `EventBook.attest`."""
        self.book.attest(event_id, price)

    async def start(self) -> None:
        """Listen; returns when requests are served. OSError when the port is taken, RuntimeError when running."""
        if self._running is not None:
            raise RuntimeError("the oracle server is running already")
        listener = socket.create_server(("127.0.0.1", self._port))
        config = uvicorn.Config(
            oracle_app(self.book),
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=2,
        )
        server = _InProcess(config)
        task = asyncio.create_task(server.serve(sockets=[listener]), name="oracle-server")
        self._running = (server, task, listener)
        ready = asyncio.create_task(server.ready.wait())
        await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if task.done():
            await self.stop()
            raise RuntimeError("the oracle server ended while it started")

    async def stop(self) -> None:
        """Stop listening and end open connections; safe to call twice."""
        if self._running is None:
            return
        server, task, listener = self._running
        self._running = None
        server.should_exit = True
        await task
        listener.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
