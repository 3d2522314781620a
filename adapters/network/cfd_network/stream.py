"""What every stream does alike: cut lines, bound buffers, wait with a deadline, end once."""

import asyncio
from abc import ABC, abstractmethod

from cfd_core.errors import RuleViolation
from cfd_core.values import PeerId
from cfd_network.errors import Disconnected, FrameTooLarge, TransportError
from cfd_network.frames import FrameBuffer
from cfd_network.limits import Limits


class FrameStream(ABC):
    """A `Stream` over some wire. The wire calls `feed`, `end_input`, `lost`, `hold` and `release`."""

    def __init__(self, peer: PeerId, protocol: str, limits: Limits) -> None:
        self._peer = peer
        self._protocol = protocol
        self._limits = limits
        self._inbox = FrameBuffer(limits.max_frame)
        self._reading_paused = False
        self._arrival: asyncio.Future[None] | None = None
        self._turn = asyncio.Lock()
        self._holds: set[str] = set()
        self._free = asyncio.Event()
        self._free.set()
        self._no_more_input: TransportError | None = None
        self._end: str | None = None
        self._gone = asyncio.Event()

    @property
    def peer(self) -> PeerId:
        return self._peer

    @property
    def protocol(self) -> str:
        return self._protocol

    async def send(self, frame: bytes) -> None:
        self._check(frame)
        async with self._turn:
            await self._drain()
            self._write(frame + b"\n")
            await self._drain()

    async def receive(self) -> bytes:
        if self._arrival is not None:
            raise RuleViolation("two receives at once on one stream")
        while (frame := self._next_frame()) is None:
            if self._no_more_input is not None:
                raise self._input_error(self._no_more_input)
            await self._wait_for_arrival()
        if self._reading_paused and not self._crowded():
            self._reading_paused = False
            self._resume_reading()
        return frame

    async def close(self, *, failed: bool = False) -> None:
        """As `Stream.close`; `failed` tells the far side so where the wire has a word for it."""
        if self._end is None:
            self._finish_up("closed by us")
            self._inbox.clear()
            self._finish(failed)
        try:
            async with asyncio.timeout(self._limits.close):
                await self._gone.wait()
        except TimeoutError:
            self._gone.set()
            self._drop()

    def abort(self, reason: str = "dropped by us") -> None:
        if self._gone.is_set():
            return
        self._finish_up(reason)
        self._inbox.clear()
        self._gone.set()
        self._drop()

    async def wait_closed(self) -> str:
        await self._gone.wait()
        return self._end or "closed"

    # What the wire tells us.

    def feed(self, data: bytes) -> None:
        """Bytes arrived."""
        if self._end is not None:
            return
        self._inbox.feed(data)
        try:
            ready = self._inbox.ready
        except FrameTooLarge as error:
            self._refuse_frame(error)
            return
        if ready:
            self._wake()
            self._pause_when_crowded()

    def end_input(self, reason: str) -> None:
        """The peer sends no more, but may still read."""
        if self._no_more_input is None:
            self._no_more_input = Disconnected(reason)
            self._wake()

    def lost(self, reason: str) -> None:
        """The stream is gone. Frames that arrived whole can still be received."""
        self.end_input(reason)
        self._finish_up(reason)
        self._gone.set()

    def hold(self, why: str) -> None:
        """Sending must wait, until `release` for the same `why`."""
        self._holds.add(why)
        if self._end is None:
            self._free.clear()

    def release(self, why: str) -> None:
        self._holds.discard(why)
        if not self._holds:
            self._free.set()

    # What we tell the wire.

    @abstractmethod
    def _write(self, data: bytes) -> None:
        """Take `data` whole, now; `Disconnected` if that cannot be."""

    @abstractmethod
    def _pause_reading(self) -> None:
        """Feed us no more (what is on its way may still come)."""

    @abstractmethod
    def _resume_reading(self) -> None:
        """Feed us again."""

    @abstractmethod
    def _finish(self, failed: bool) -> None:
        """Send what was written, end the stream, then call `lost`."""

    @abstractmethod
    def _drop(self) -> None:
        """End the stream now."""

    def _check(self, frame: bytes) -> None:
        if len(frame) > self._limits.max_frame:
            raise RuleViolation(f"a frame of {len(frame):,} bytes; at most {self._limits.max_frame:,} are allowed")
        if b"\n" in frame:
            raise RuleViolation("a frame must not contain a newline")

    async def _drain(self) -> None:
        try:
            if not self._free.is_set():
                async with asyncio.timeout(self._limits.send):
                    await self._free.wait()
        except TimeoutError:
            self.abort(f"the peer read nothing for {self._limits.send:g} s")
        if self._end is not None:
            raise Disconnected(self._end)

    def _next_frame(self) -> bytes | None:
        try:
            return self._inbox.pop()
        except FrameTooLarge as error:
            self._refuse_frame(error)
            return None

    def _refuse_frame(self, error: FrameTooLarge) -> None:
        self._no_more_input = error
        self._inbox.clear()
        self.abort(str(error))

    async def _wait_for_arrival(self) -> None:
        self._arrival = asyncio.get_running_loop().create_future()
        try:
            await self._arrival
        finally:
            self._arrival = None

    def _wake(self) -> None:
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)

    def _pause_when_crowded(self) -> None:
        if not self._reading_paused and self._crowded():
            self._reading_paused = True
            self._pause_reading()

    def _crowded(self) -> bool:
        """Whether the reader has enough to do. A line that is not whole yet must be let in, up to the frame limit."""
        try:
            return len(self._inbox) >= self._limits.high_water and self._inbox.ready
        except FrameTooLarge:
            return True

    def _finish_up(self, reason: str) -> None:
        if self._end is None:
            self._end = reason
        self._no_more_input = self._no_more_input or Disconnected(reason)
        self._wake()
        self._free.set()

    def _input_error(self, why: TransportError) -> TransportError:
        """A new error each time, for a raised one collects tracebacks."""
        return type(why)(f"{why}, inside a frame" if len(self._inbox) else str(why))
