"""The links to other nodes: what each is for, and which are up."""

import secrets
from typing import Final

import structlog
from attrs import evolve
from cfd_network import Connection, Disconnected, Limits, SshTransport, Stream
from cfd_store import StoreError

from cfd_core.engine.machines import PROTOCOLS, RESUME
from cfd_core.inputs import PeerConnected
from cfd_core.serial.wire import OFFERS_PROTOCOL
from cfd_core.values import PeerId
from cfd_node.descriptors import room_for
from cfd_node.node_config import NodeConfig
from cfd_node.services.protocols import Running

log = structlog.get_logger()
LINK_LIMITS: Final = Limits(silence=8, dial=15)
"""A frozen peer shows within ten seconds."""


def link_limits(most: int) -> Limits:
    """For a listener of `most` links. A quarter as many may be logging in beside them: when a maker was away, all its
    takers come back at once, and a login that is replaced before it is done has cost both sides for nothing.
    """
    room = room_for(most + most // 4)
    return evolve(LINK_LIMITS, connections=max(1, 4 * room // 5), logins=max(LINK_LIMITS.logins, room // 5))


class Peering:
    """Who is connected, over all lives of the protocol runner."""

    def __init__(self, config: NodeConfig) -> None:
        self._config = config
        self._connections: dict[PeerId, Connection] = {}

    def __len__(self) -> int:
        return len(self._connections)

    def __contains__(self, peer: PeerId) -> bool:
        return peer in self._connections

    def disconnect(self, peer: PeerId) -> None:
        """Cut the link to a peer, if there is one."""
        if peer in self._connections:
            self._connections[peer].abort("not wanted any more")

    async def open_stream(self, peer: PeerId, protocol: str) -> Stream:
        """`Disconnected` without a link."""
        connection = self._connections.get(peer)
        if connection is None:
            raise Disconnected(f"{peer} is not connected")
        return await connection.open_stream(protocol)

    def transport(self, running: Running) -> SshTransport:
        """What dials and listens for one life of the runner."""
        config = self._config
        transport = SshTransport(
            config.keychain.transport_key(),
            limits=link_limits(config.max_connections) if config.listen else LINK_LIMITS,
            blocked=config.blocked,
            open_socket=config.peer_socket,
        )
        for protocol in (*PROTOCOLS, RESUME):
            transport.on_stream(protocol, running.sessions.accept)
        transport.on_stream(OFFERS_PROTOCOL, running.offers.serve)
        transport.on_connect(lambda connection: self._on_connect(running, connection))
        transport.on_disconnect(self._on_disconnect)
        return transport

    def _on_connect(self, running: Running, connection: Connection) -> None:
        self._connections[connection.peer] = connection
        if any(connection.peer == peer for _, peer in self._config.makers):
            running.pump.spawn(running.offers.listen(connection), f"offers of {connection.peer}")
        try:
            running.pump.give(PeerConnected(connection.peer, secrets.token_bytes(32)))
        except StoreError as error:
            log.warning("a peer connected while the database is away", peer=connection.peer, reason=str(error))

    def _on_disconnect(self, connection: Connection, _reason: str) -> None:
        if self._connections.get(connection.peer) is connection:
            del self._connections[connection.peer]
