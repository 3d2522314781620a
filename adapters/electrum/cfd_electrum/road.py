"""The way to a server: plain or TLS with a pinned certificate, straight or through sockets that somebody else opens."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

from cfd_electrum.address import ServerAddress
from cfd_electrum.errors import Disconnected, ElectrumError
from cfd_electrum.pins import Pins, fingerprint

OpenSocket = Callable[[str, int], Awaitable[Any]]
"""(host, port) -> a connected, non-blocking `socket.socket`, for example through a proxy; raises `OSError`."""


class Road:
    """Opens connections to servers. A TLS server is known by its certificate, whoever signed it: most sign their own.

    Nothing is sent to a server, and nothing taken from it, before its certificate is found to be the pinned one.
    """

    def __init__(self, pins: Pins | None = None, open_socket: OpenSocket | None = None) -> None:
        """Without `open_socket` the system's own resolver and routes are used."""
        self.pins = pins if pins is not None else Pins()
        self._open_socket = open_socket

    @property
    def straight(self) -> bool:
        """No proxy is between: answers come quickly or not at all."""
        return self._open_socket is None

    async def connect(self, server: ServerAddress, factory: Callable[[], Any]) -> tuple[Any, Any]:
        """As `loop.create_connection`: transport and protocol. `PinChanged`, or `OSError` with the reason."""
        gate = _Gate(server, self.pins, factory)
        loop = asyncio.get_running_loop()
        options: dict[str, Any] = {}
        if server.tls:
            options = {"ssl": _context(), "server_hostname": server.host}
        if self._open_socket is None:
            transport, _ = await loop.create_connection(lambda: gate, server.host, server.port, **options)
        else:
            opened = await self._open_socket(server.host, server.port)
            try:
                transport, _ = await loop.create_connection(lambda: gate, sock=opened, **options)
            except BaseException:
                opened.close()
                raise
        if gate.refused is not None:
            transport.abort()
            raise gate.refused
        return transport, gate.real


class Lane:
    """A road to one server, in the shape in which aiorpcX takes a proxy."""

    def __init__(self, road: Road, server: ServerAddress) -> None:
        self._road, self._server = road, server

    async def create_connection(self, factory: Callable[[], Any], _host: str, _port: int) -> tuple[Any, Any]:
        return await self._road.connect(self._server, factory)


class _Gate(asyncio.Protocol):
    """Looks at the certificate before the real protocol hears of the connection."""

    def __init__(self, server: ServerAddress, pins: Pins, factory: Callable[[], Any]) -> None:
        self._server, self._pins, self._factory = server, pins, factory
        self.real: Any = None
        self.refused: ElectrumError | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        try:
            if self._server.tls:
                self._pins.check(self._server, _shown(transport))
        except ElectrumError as error:
            self.refused = error
            return
        self.real = self._factory()
        transport.set_protocol(self.real)
        self.real.connection_made(transport)


def _shown(transport: asyncio.BaseTransport) -> str:
    secured = transport.get_extra_info("ssl_object")
    certificate = secured.getpeercert(binary_form=True) if secured is not None else None
    if not certificate:
        raise Disconnected("the server showed no certificate")
    return fingerprint(certificate)


def _context() -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE  # the pin is the proof: see `Road`
    return made
