"""cfd-core adapter for Electrum servers: broadcast, watched outputs, headers and reorgs."""

from cfd_electrum.chain import ElectrumChain
from cfd_electrum.errors import BroadcastRejected, Disconnected, ElectrumError, ServerMisbehaved, ServerRefused
from cfd_electrum.health import Backoff, Health, State
from cfd_electrum.reports import OutpointReport, Spend

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
