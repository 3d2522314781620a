"""cfd-core adapter for Electrum servers: broadcast, watched outputs, headers and reorgs."""

from cfd_core.inputs import OutpointReport, Spend
from cfd_electrum.address import ServerAddress
from cfd_electrum.chain import ElectrumChain
from cfd_electrum.errors import BroadcastRejected, Disconnected, ElectrumError, ServerMisbehaved, ServerRefused
from cfd_electrum.health import Backoff, Health, State
from cfd_electrum.pins import PinChanged, Pins, PinsUnreadable
from cfd_electrum.relay import Relay
from cfd_electrum.road import OpenSocket, Road
from cfd_electrum.watch import Witnesses

__all__ = [
    "Backoff",
    "BroadcastRejected",
    "Disconnected",
    "ElectrumChain",
    "ElectrumError",
    "Health",
    "OpenSocket",
    "OutpointReport",
    "PinChanged",
    "Pins",
    "PinsUnreadable",
    "Relay",
    "Road",
    "ServerAddress",
    "ServerMisbehaved",
    "ServerRefused",
    "Spend",
    "State",
    "Witnesses",
]
