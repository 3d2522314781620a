"""A stream over one SSH channel: a session with a subsystem, or a forwarded connection that never sees a port."""

import asyncio
from typing import TYPE_CHECKING, Any, Final

import asyncssh
from asyncssh.channel import SSHChannel

from cfd_network.errors import Disconnected
from cfd_network.stream import FrameStream

if TYPE_CHECKING:
    from cfd_network.ssh_link import SshLink

SMALLEST_PACKET: Final = 1024
"""A peer that asks for smaller packets would make one frame thousands of them, in one go of the event loop."""


class SshStream(FrameStream):
    """A `Stream` on a channel of `link`."""

    def __init__(self, link: "SshLink", protocol: str, channel: SSHChannel[bytes]) -> None:
        super().__init__(link.peer, protocol, link.board.limits)
        self._channel = channel
        channel.set_write_buffer_limits(self._limits.high_water)

    def _write(self, data: bytes) -> None:
        try:
            self._channel.write(data)
        except OSError as error:
            raise Disconnected("the peer closed the stream") from error

    def _pause_reading(self) -> None:
        self._channel.pause_reading()

    def _resume_reading(self) -> None:
        self._channel.resume_reading()

    def _finish(self, failed: bool) -> None:
        if isinstance(self._channel, asyncssh.SSHServerChannel):
            self._channel.exit(1 if failed else 0)
        self._channel.close()

    def _drop(self) -> None:
        self._channel.abort()


class StreamSession(asyncssh.SSHServerSession[bytes], asyncssh.SSHClientSession[bytes], asyncssh.SSHTCPSession[bytes]):
    """AsyncSSH's view of one channel, whoever opened it. Refuses everything but a protocol we serve.

    `protocol` is known from the start, except for a session the peer opens: it names the subsystem later. Its slot is
    given back when AsyncSSH forgets the channel, not before: a peer that never confirms a close cannot pile them up.
    """

    channel: SSHChannel[bytes]

    def __init__(self, link: "SshLink", protocol: str | None, *, inbound: bool) -> None:
        self._link = link
        self._protocol = protocol
        self._inbound = inbound
        self._stingy = False
        self.stream: SshStream | None = None
        link.count(inbound, +1)

    def connection_made(self, chan: Any) -> None:
        self.channel = chan
        # AsyncSSH keeps any number of environment variables for a channel: keep none.
        setattr(chan, "_process_env_request", lambda _packet: False)  # noqa: B010
        self._stingy = getattr(chan, "_send_pktsize", SMALLEST_PACKET) < SMALLEST_PACKET
        if self._stingy:
            self._hang_up_soon()
        elif self._protocol is not None:
            self._begin(self._protocol)

    def subsystem_requested(self, subsystem: str) -> bool:
        if self._stingy or self._link.board.handler(subsystem) is None:
            self._hang_up_soon()
            return False
        self._begin(subsystem)
        return True

    def shell_requested(self) -> bool:
        self._hang_up_soon()
        return False

    def exec_requested(self, command: str) -> bool:  # noqa: ARG002
        self._hang_up_soon()
        return False

    def session_started(self) -> None:
        if not self._inbound or self.stream is None:
            return
        handler = self._link.board.handler(self.stream.protocol)
        if handler is None:
            self._hang_up_soon()
        else:
            self._link.board.serve(self.stream, handler)

    def data_received(self, data: bytes, datatype: int | None) -> None:
        if self.stream is not None and datatype is None:
            self.stream.feed(data)

    def eof_received(self) -> bool:
        """A peer that says no more may still listen: stock clients do, so the channel stays open for our answers."""
        if self.stream is not None:
            self.stream.end_input("the peer sends no more")
        return True

    def pause_writing(self) -> None:
        if self.stream is not None:
            self.stream.hold("channel")

    def resume_writing(self) -> None:
        if self.stream is not None:
            self.stream.release("channel")

    def connection_lost(self, exc: Exception | None) -> None:
        self._link.count(self._inbound, -1)
        if self.stream is not None:
            self._link.streams.discard(self.stream)
            self.stream.lost(self._link.why(exc, "the peer closed the stream"))

    def _begin(self, protocol: str) -> None:
        self.stream = SshStream(self._link, protocol, self.channel)
        self._link.adopt(self.stream)

    def _hang_up_soon(self) -> None:
        """Close once the answer that is being given now is out."""
        asyncio.get_running_loop().call_soon(self.channel.close)
