"""What a node is told at its start."""

from pathlib import Path

from attrs import field, frozen
from cfd_electrum import OpenSocket, Road, ServerAddress
from cfd_network import Address
from cfd_signer import RemoteKeyring

from cfd_core.crypto.keys import Keychain
from cfd_core.engine import Policy
from cfd_core.oracle import Dialect, OracleKeys
from cfd_core.values import Network, PeerId, Secret
from cfd_node.services.clock import ClockLimits


@frozen(kw_only=True)
class NodeConfig:
    """What a node is told at its start."""

    name: str
    keychain: Keychain
    """The wallet's keys and the one that peers know us by; those of the CFDs too, unless there is a signer."""
    signer: RemoteKeyring | None = None
    """Holds the keys of the CFDs; made with `RemoteKeyring.watched`."""
    network: Network
    folder: Path
    """Holds the event store and the wallet; created for its owner only."""
    database: Secret | None = None
    """URL of a PostgreSQL database that holds the event store instead."""
    electrum: tuple[str, int]
    electrum_tls: bool = False
    more_servers: tuple[ServerAddress, ...] = ()
    """Electrum servers that watch over the first, and take its place when it fails."""
    road: Road | None = None
    """The way to all of them; None: straight, with pins in memory."""
    electrum_timeout: float = 30
    peer_socket: OpenSocket | None = None
    """What opens connections to makers, for example through a proxy; None: straight."""
    oracle_proxy: str | None = None
    """`socks5://host:port`; None: straight."""
    oracle_url: str
    oracle_dialect: Dialect
    oracle_keys: OracleKeys
    listen: Address | None = None
    """Where takers reach this node; None: it does not listen. Port 0 takes a free one."""
    makers: tuple[tuple[Address, PeerId], ...] = ()
    max_connections: int = 1_000
    """Takers' links at one time; fewer where the system does not give so many files."""
    blocked: frozenset[PeerId] = frozenset()
    """Peers that may not connect."""
    policy: Policy = field(factory=Policy)
    attestation_delay: float = 60
    """Seconds after an event's time before the oracle is asked."""
    bump_delay: float = 5
    """Seconds between wanting a fee bump and signing it: news of a confirmation may be on its way."""
    clock_limits: ClockLimits | None = None
    """None: what fits the network."""
