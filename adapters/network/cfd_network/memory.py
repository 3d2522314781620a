"""A network inside one process: real streams, limits and flow control, no sockets and no keys.

Peers are who they say they are, and cannot freeze on their own, so logins and keepalives have no counterpart here.
"""

import asyncio
from collections.abc import Container

from cfd_core.values import PeerId
from cfd_network.errors import DialFailed, Disconnected, ListenFailed, StreamRefused, WrongPeer
from cfd_network.limits import KIB, Limits
from cfd_network.link import Link
from cfd_network.stream import FrameStream
from cfd_network.switchboard import Switchboard
from cfd_network.transport import Address

_CHUNK = 32 * KIB


class MemoryNetwork:
    """The wire that some `MemoryTransport`s share. Hosts are just names."""

    def __init__(self) -> None:
        self._listeners: dict[Address, MemoryTransport] = {}

    def attach(self, host: str, port: int, transport: "MemoryTransport") -> Address:
        address = Address(host, port or self._free_port())
        if address in self._listeners:
            raise ListenFailed(f"{address} is taken")
        self._listeners[address] = transport
        return address

    def detach(self, transport: "MemoryTransport") -> None:
        self._listeners = {address: other for address, other in self._listeners.items() if other is not transport}

    def find(self, address: Address) -> "MemoryTransport":
        if address not in self._listeners:
            raise DialFailed(f"{address}: nobody listens there")
        return self._listeners[address]

    def _free_port(self) -> int:
        return max((address.port for address in self._listeners), default=49151) + 1


class MemoryTransport(Switchboard):
    """A `Transport` to the others on `network`."""

    def __init__(
        self, network: MemoryNetwork, local_id: PeerId, *, limits: Limits | None = None, blocked: Container[PeerId] = ()
    ) -> None:
        super().__init__(local_id, limits or Limits(), blocked)
        self._network = network

    async def listen(self, host: str, port: int) -> Address:
        if self._closed or self._address is not None:
            raise ListenFailed("closed" if self._closed else f"listening on {self._address} already")
        self._address = self._network.attach(host, port, self)
        return self._address

    async def dial(self, address: Address, expected_peer: PeerId) -> "MemoryLink":
        await asyncio.sleep(0)
        if self._closed:
            raise DialFailed("this transport is closed")
        far = self._network.find(address)
        if far.local_id != expected_peer:
            raise WrongPeer(expected_peer, far.local_id)
        if self.local_id in far.blocked or far.accepted >= far.limits.connections:
            raise DialFailed(f"{address}: the peer refused us")
        return _connect(self, far)

    async def _stop_listening(self) -> None:
        self._network.detach(self)


def _connect(near: MemoryTransport, far: MemoryTransport) -> "MemoryLink":
    ours, theirs = MemoryLink(near, far.local_id), MemoryLink(far, near.local_id)
    ours.twin, theirs.twin = theirs, ours
    far.admit(theirs, accepted=True)
    near.admit(ours, accepted=False)
    far.announce(theirs)
    near.announce(ours)
    return ours


class MemoryLink(Link):
    """One end of a connection; `twin` is the other."""

    twin: "MemoryLink"

    def __init__(self, board: Switchboard, peer: PeerId) -> None:
        super().__init__(peer, board.limits, board.dismiss)
        self.board = board

    async def _open(self, protocol: str) -> FrameStream:
        await asyncio.sleep(0)
        if self.closed or self.twin.closed:
            raise Disconnected(await self.wait_closed())
        handler = self.twin.board.handler(protocol)
        if handler is None:
            raise StreamRefused(f"the peer does not speak {protocol}")
        if not self.twin.board.may_open(self.twin.peer):
            raise StreamRefused("the peer has too many streams of ours already")
        near, far = _pair(self, self.twin, protocol)
        self.twin.board.serve(far, handler)
        return near

    def _hang_up(self) -> None:
        self.twin.lost("the peer closed the link")
        self.lost("closed by us")

    def _drop(self) -> None:
        self.twin.lost("the link broke")


def _pair(opener: MemoryLink, other: MemoryLink, protocol: str) -> tuple["MemoryStream", "MemoryStream"]:
    near = MemoryStream(opener, protocol)
    far = MemoryStream(other, protocol)
    near.twin, far.twin = far, near
    near.opened = True
    opener.outbound += 1
    other.inbound += 1
    opener.streams.add(near)
    other.streams.add(far)
    return near, far


class MemoryStream(FrameStream):
    """One end of a stream; `twin` is the other. What the other end has no room for waits in `_outbox`."""

    twin: "MemoryStream"

    def __init__(self, link: MemoryLink, protocol: str) -> None:
        super().__init__(link.peer, protocol, link.board.limits)
        self.opened = False
        self._link = link
        self._outbox = bytearray()
        self._finishing = False
        self._parted = False

    def _write(self, data: bytes) -> None:
        self._outbox += data
        self._pump()

    def _pump(self) -> None:
        while self._outbox and self.twin.has_room():
            chunk = bytes(self._outbox[:_CHUNK])
            del self._outbox[:_CHUNK]
            self.twin.feed(chunk)
        if len(self._outbox) > self._limits.high_water:
            self.hold("peer")
        elif len(self._outbox) <= self._limits.high_water // 4:
            self.release("peer")
        if self._finishing and not self._outbox:
            self._part("the peer closed the stream")

    def has_room(self) -> bool:
        return not self._reading_paused or len(self._inbox) < self._limits.window

    def _pause_reading(self) -> None:
        """The other end sees it by `has_room`."""

    def _resume_reading(self) -> None:
        self.twin._pump()

    def _finish(self, failed: bool) -> None:  # noqa: ARG002
        self._finishing = True
        self._pump()

    def _drop(self) -> None:
        self._outbox.clear()
        self._part("the peer dropped the stream")

    def _part(self, reason: str) -> None:
        if not self._parted:
            self._parted = self.twin._parted = True
            for end in (self, self.twin):
                end._leave_link()
            self.twin.lost(reason)
            self.lost(reason)

    def _leave_link(self) -> None:
        self._link.streams.discard(self)
        if self.opened:
            self._link.outbound -= 1
        else:
            self._link.inbound -= 1
