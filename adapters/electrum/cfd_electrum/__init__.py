"""cfd-core adapter for Electrum servers: broadcast, watched outputs, headers and reorgs."""

from cfd_core.inputs import OutpointReport, Spend
from cfd_electrum.chain import ElectrumChain
from cfd_electrum.errors import BroadcastRejected, Disconnected, ElectrumError, ServerMisbehaved, ServerRefused
from cfd_electrum.health import Backoff, Health, State

__all__ = [
    "Backoff",
    "BroadcastRejected",
    "Disconnected",
    "ElectrumChain",
    "ElectrumError",
    "Health",
    "OutpointReport",
    "ServerMisbehaved",
    "ServerRefused",
    "Spend",
    "State",
]
