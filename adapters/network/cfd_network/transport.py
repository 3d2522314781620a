"""The seam: what the rest of the node knows of the network. Implemented by `memory` and `ssh`, over one test suite.

A *transport* is this node's presence. It makes *connections* (one authenticated link to one peer), and each carries
*streams*: one per protocol run, each with its own flow control. A stream carries *frames*: lines of bytes.
"""

import re
from collections.abc import Awaitable, Callable
from typing import Protocol, Self

from attrs import frozen

from cfd_core.errors import DecodeError, RuleViolation
from cfd_core.values import PeerId

_PROTOCOL = re.compile(r"[a-z][a-z0-9-]{0,47}@[0-9]{1,4}\Z")


@frozen
class Address:
    """Where a peer listens: a name or IP address, and a TCP port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `host:port` or `[ipv6]:port`; `DecodeError` for anything else."""
        host, _, port = text.rpartition(":")
        bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
        if not bare or (":" in bare and bare == host) or not port.isascii() or not port.isdigit() or len(port) > 5:
            raise DecodeError(f"not an address (host:port): {text!r:.100}")
        if not 0 < int(port) < 2**16:
            raise DecodeError(f"not a port: {port}")
        return cls(bare, int(port))


class Stream(Protocol):
    """One protocol run with one peer. Frames arrive whole, once, in order, or not at all."""

    @property
    def peer(self) -> PeerId: ...

    @property
    def protocol(self) -> str: ...

    async def send(self, frame: bytes) -> None:
        """Hand over one frame (no newline in it); waits while the peer is slow to read.

        `RuleViolation` for a newline or too many bytes (the stream lives on), `Disconnected` when the stream is gone or
        the peer reads nothing for `Limits.send` (the stream is dropped then). A frame is sent whole even if the
        caller is cancelled while waiting. Returning says that it left our hands, not that it was read.
        """
        ...

    async def receive(self) -> bytes:
        """The next frame. `Disconnected` when there are no more, whatever the reason; a cut-off last line is never
        delivered. `FrameTooLarge` for a line above the limit (the stream is dropped). One caller at a time.
        """
        ...

    async def close(self) -> None:
        """Let the peer take what was sent, then end the stream, within `Limits.close`. Never fails; call it twice."""
        ...

    def abort(self, reason: str = "dropped by us") -> None:
        """End the stream at once; unsent frames are lost."""
        ...

    async def wait_closed(self) -> str:
        """Return the reason once the stream is gone: for a handler that mostly waits for something else."""
        ...


class Connection(Protocol):
    """One authenticated link to one peer. Either side may open streams on it."""

    @property
    def peer(self) -> PeerId: ...

    @property
    def closed(self) -> bool: ...

    async def open_stream(self, protocol: str) -> Stream:
        """A new stream. `StreamRefused` if the peer does not want it, `Disconnected` if the link is gone."""
        ...

    async def close(self) -> None:
        """End the link and its streams; close those first whose last frames matter. Never fails; call it twice."""
        ...

    def abort(self, reason: str = "dropped by us") -> None:
        """End the link at once."""
        ...

    async def wait_closed(self) -> str:
        """Return the reason once the link is gone."""
        ...


Handler = Callable[[Stream], Awaitable[None]]
OnConnect = Callable[[Connection], None]
OnDisconnect = Callable[[Connection, str], None]


@frozen
class TransportHealth:
    """What the user interface shows. `address` is None while nobody can reach us."""

    address: Address | None
    connections: int
    closed: bool


class Transport(Protocol):
    """This node on the network."""

    @property
    def local_id(self) -> PeerId: ...

    @property
    def health(self) -> TransportHealth: ...

    async def listen(self, host: str, port: int) -> Address:
        """Accept peers; port 0 takes a free one. `ListenFailed` if the address cannot be had."""
        ...

    async def dial(self, address: Address, expected_peer: PeerId) -> Connection:
        """Connect to a peer whose id is known. `WrongPeer` if somebody else answers, `DialFailed` for the rest."""
        ...

    def on_stream(self, protocol: str, handler: Handler) -> None:
        """Serve a protocol: one task per stream, which is closed when the handler returns or raises.

        Register before dialling: the far side of a link that is up already does not learn of later ones. A handler is
        never cancelled because its peer went away: its next send or receive raises `Disconnected`.
        """
        ...

    def on_connect(self, callback: OnConnect) -> None:
        """Hear of each link, dialled or accepted, as soon as both sides may open streams on it.

        A stock ssh client that only asks for a protocol is served but not announced here.
        """
        ...

    def on_disconnect(self, callback: OnDisconnect) -> None:
        """Hear once of the end of each link that `on_connect` told of, with the reason."""
        ...

    async def close(self) -> None:
        """Stop listening, end all links, cancel the handlers and wait for them. Never fails; call it twice."""
        ...


def check_protocol(name: str) -> str:
    """A protocol's name with its version, such as `cfd-offers@1`; `RuleViolation` for another form."""
    if not well_formed(name):
        raise RuleViolation(f"not a protocol name (like cfd-offers@1): {name!r:.80}")
    return name


def well_formed(name: str) -> bool:
    return _PROTOCOL.match(name) is not None
