"""One SSH connection as a link. The dialler opens sessions; the listener opens what the dialler announced.

SSH lets only the client open sessions. So a dialler announces each protocol that it serves as a *named reverse
forward*: a request to listen on host `<protocol>`, port 1. The listener grants it without listening anywhere, and opens
a forwarded connection "from" that name when it wants a stream. A last announcement, `READY`, says that these were all.
"""

import asyncio
from typing import Final

import asyncssh
from asyncssh.constants import OPEN_REQUEST_SESSION_FAILED, OPEN_RESOURCE_SHORTAGE

from cfd_core.values import PeerId
from cfd_network.errors import Disconnected, StreamRefused
from cfd_network.link import Link
from cfd_network.ssh_stream import SshStream, StreamSession
from cfd_network.stream import FrameStream
from cfd_network.switchboard import Switchboard
from cfd_network.transport import well_formed

READY: Final = "cfd-ready"
VIRTUAL_PORT: Final = 1
MOST_ANNOUNCEMENTS: Final = 64

Wire = asyncssh.SSHClientConnection | asyncssh.SSHServerConnection


class SshLink(Link):
    """A `Connection` over `wire`: a client connection if we dialled, a server connection if we accepted."""

    def __init__(self, board: Switchboard, peer: PeerId, wire: Wire) -> None:
        super().__init__(peer, board.limits, board.dismiss)
        self.board = board
        self._wire = wire
        self._spoken: set[str] = set()
        self._ready = asyncio.Event()
        self._choked: asyncio.TimerHandle | None = None
        # AsyncSSH ignores a full socket: without these, a peer that grants huge windows and does not read costs memory.
        setattr(wire, "pause_writing", self._choke)  # noqa: B010
        setattr(wire, "resume_writing", self._unchoke)  # noqa: B010

    # The dialler's side.

    async def announce_protocols(self) -> None:
        """Tell the listener which protocols we serve. `asyncssh.ChannelListenError` if it is not one of ours."""
        await asyncio.gather(*(self._announce(name) for name in self.board.protocols))
        await self._announce(READY)

    async def _announce(self, name: str) -> None:
        assert isinstance(self._wire, asyncssh.SSHClientConnection)  # noqa: S101
        await self._wire.create_server(
            lambda _host, _port: self.accept_stream(name),
            name,
            VIRTUAL_PORT,
            encoding=None,
            window=self._limits.window,
        )

    # The listener's side.

    def hear(self, name: str, port: int) -> bool:
        """The peer asks for a named reverse forward; whether we grant it."""
        if port != VIRTUAL_PORT or self._ready.is_set():
            return False
        if name == READY:
            self._ready.set()
            self.board.announce(self)
            return True
        if not well_formed(name) or len(self._spoken) >= MOST_ANNOUNCEMENTS:
            return False
        self._spoken.add(name)
        return True

    def accept_stream(self, protocol: str | None) -> StreamSession:
        """The peer opens a channel: a session (its protocol comes later), or one that we announced."""
        if protocol == READY or not self.board.may_open(self.peer):
            raise asyncssh.ChannelOpenError(OPEN_RESOURCE_SHORTAGE, "too many streams")
        return StreamSession(self, protocol, inbound=True)

    # Both.

    def count(self, inbound: bool, change: int) -> None:
        if inbound:
            self.inbound += change
        else:
            self.outbound += change

    def adopt(self, stream: FrameStream) -> None:
        self.streams.add(stream)
        if self._choked is not None:
            stream.hold("link")

    def went_down(self, error: Exception | None) -> None:
        self._unchoke()
        self.lost(self.why(error, "the peer closed the link"))

    def why(self, error: Exception | None, otherwise: str) -> str:
        """A reason in our words for an end that AsyncSSH reports (None: the peer ended it properly)."""
        if self._end is not None:
            return self._end
        if error is None:
            return otherwise
        if isinstance(error, asyncssh.ConnectionLost) and "keepalive" in str(error):
            return f"no sign of life for {self._limits.silence:g} s"
        return f"the link broke ({type(error).__name__})"

    async def _open(self, protocol: str) -> FrameStream:
        """Runs in a task of its own, for AsyncSSH cannot take back a request to open a channel."""
        task = asyncio.get_running_loop().create_task(self._request(protocol))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(_abandon)
            raise

    async def _request(self, protocol: str) -> SshStream:
        if isinstance(self._wire, asyncssh.SSHServerConnection):
            await self._expect(protocol)
        try:
            async with asyncio.timeout(self._limits.open):
                session = await self._open_channel(protocol)
        except TimeoutError:
            self.abort(f"no answer to a new stream for {self._limits.open:g} s")
            raise Disconnected(self._end) from None
        except Exception as error:  # see `SshTransport.dial`
            raise self._refusal(protocol, error) from None
        if session.stream is None:
            raise StreamRefused("the peer asks for absurdly small packets")
        return session.stream

    async def _expect(self, protocol: str) -> None:
        try:
            async with asyncio.timeout(self._limits.open):
                await self._ready.wait()
        except TimeoutError:
            raise StreamRefused("the peer is a plain ssh client and serves nothing") from None
        if self._end is not None:
            raise Disconnected(self._end)
        if protocol not in self._spoken:
            raise StreamRefused(f"the peer does not speak {protocol}")

    async def _open_channel(self, protocol: str) -> StreamSession:
        def session() -> StreamSession:
            return StreamSession(self, protocol, inbound=False)

        opened: object
        if isinstance(self._wire, asyncssh.SSHClientConnection):
            _, opened = await self._wire.create_session(session, subsystem=protocol)
        else:
            _, opened = await self._wire.create_connection(
                session, protocol, VIRTUAL_PORT, encoding=None, window=self._limits.window
            )
        assert isinstance(opened, StreamSession)  # noqa: S101
        return opened

    def _refusal(self, protocol: str, error: Exception) -> Exception:
        if self._end is not None:
            return Disconnected(self._end)
        code = error.code if isinstance(error, asyncssh.ChannelOpenError) else None
        if code == OPEN_RESOURCE_SHORTAGE:
            return StreamRefused("the peer has too many streams of ours already")
        if code == OPEN_REQUEST_SESSION_FAILED:
            return StreamRefused(f"the peer does not speak {protocol}")
        return StreamRefused(f"the peer refused a stream for {protocol}")

    def lost(self, reason: str) -> None:
        super().lost(reason)
        self._ready.set()

    def _hang_up(self) -> None:
        self._wire.close()

    def _drop(self) -> None:
        self._wire.abort()

    def _choke(self) -> None:
        if self._choked is None:
            reason = f"the peer read nothing for {self._limits.send:g} s"
            self._choked = asyncio.get_running_loop().call_later(self._limits.send, self.abort, reason)
            for stream in self.streams:
                stream.hold("link")

    def _unchoke(self) -> None:
        if self._choked is not None:
            self._choked.cancel()
            self._choked = None
            for stream in self.streams:
                stream.release("link")


def _abandon(task: asyncio.Task[SshStream]) -> None:
    if not task.cancelled() and task.exception() is None:
        task.result().abort()
