"""Peer connections for cfd-core: authenticated links, one stream of lines per protocol run, in memory or over SSH."""

from cfd_network.errors import (
    DialFailed,
    Disconnected,
    FrameTooLarge,
    ListenFailed,
    StreamRefused,
    TransportError,
    WrongPeer,
)
from cfd_network.keys import peer_id
from cfd_network.limits import Limits
from cfd_network.memory import MemoryNetwork, MemoryTransport
from cfd_network.reconnect import Backoff, LinkHealth, LinkState, ReconnectingLink
from cfd_network.ssh import SshTransport
from cfd_network.transport import Address, Connection, Handler, Stream, Transport, TransportHealth

__all__ = [
    "Address",
    "Backoff",
    "Connection",
    "DialFailed",
    "Disconnected",
    "FrameTooLarge",
    "Handler",
    "Limits",
    "LinkHealth",
    "LinkState",
    "ListenFailed",
    "MemoryNetwork",
    "MemoryTransport",
    "ReconnectingLink",
    "SshTransport",
    "Stream",
    "StreamRefused",
    "Transport",
    "TransportError",
    "TransportHealth",
    "WrongPeer",
    "peer_id",
]
