"""What every connection does alike: count its streams, end once, tell the switchboard."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable

from cfd_core.values import PeerId
from cfd_network.errors import Disconnected, StreamRefused
from cfd_network.limits import Limits
from cfd_network.stream import FrameStream
from cfd_network.transport import check_protocol


class Link(ABC):
    """A `Connection` over some wire. `inbound` and `outbound` count the streams each side opened and still holds."""

    def __init__(self, peer: PeerId, limits: Limits, on_lost: Callable[["Link", str], None]) -> None:
        self._peer = peer
        self._limits = limits
        self._on_lost = on_lost
        self._end: str | None = None
        self._gone = asyncio.Event()
        self.streams: set[FrameStream] = set()
        self.inbound = 0
        self.outbound = 0
        self.announced = False
        """Whether `on_connect` has told of it; the switchboard's."""

    @property
    def peer(self) -> PeerId:
        return self._peer

    @property
    def closed(self) -> bool:
        return self._end is not None

    async def open_stream(self, protocol: str) -> FrameStream:
        check_protocol(protocol)
        if self._end is not None:
            raise Disconnected(self._end)
        if self.outbound >= self._limits.streams:
            raise StreamRefused(f"{self.outbound} streams are open towards this peer already")
        return await self._open(protocol)

    async def close(self) -> None:
        if self._end is None:
            self._end = "closed by us"
            self._hang_up()
        try:
            async with asyncio.timeout(self._limits.close):
                await self._gone.wait()
        except TimeoutError:
            self.abort()

    def abort(self, reason: str = "dropped by us") -> None:
        self._drop()
        self.lost(reason)

    async def wait_closed(self) -> str:
        await self._gone.wait()
        return self._end or "closed"

    def lost(self, reason: str) -> None:
        """The wire is gone: end every stream, once."""
        if self._gone.is_set():
            return
        self._end = self._end or reason
        self._gone.set()
        for stream in tuple(self.streams):
            stream.lost(self._end)
        self.streams.clear()
        self._on_lost(self, self._end)

    @abstractmethod
    async def _open(self, protocol: str) -> FrameStream:
        """Open a stream, add it to `streams` and count it in `outbound` for as long as the wire holds it."""

    @abstractmethod
    def _hang_up(self) -> None:
        """Say goodbye, then call `lost`."""

    @abstractmethod
    def _drop(self) -> None:
        """Cut the wire now. May be called again."""
