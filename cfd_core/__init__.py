"""Non-custodial bitcoin CFDs: the pure domain core.

`Engine` is the front desk: give it what happened and the time, store the events of the `Step` it returns, then run
the effects. It has no clock, no randomness, no sockets and no files.
"""

from cfd_core.cfd.aggregate import Cfd
from cfd_core.cfd.offer import Offer
from cfd_core.contract.terms import ContractTerms
from cfd_core.crypto.keys import Keychain
from cfd_core.engine import Engine, Policy, Settings, Step
from cfd_core.errors import CfdError, DecodeError, PeerViolation, Reaction, RuleViolation
from cfd_core.values import (
    CfdId,
    EventId,
    FeeRate,
    Network,
    OfferId,
    OutPoint,
    PeerId,
    Position,
    Role,
    Sats,
    Secret,
    Timestamp,
    Txid,
)

__all__ = [
    "Cfd",
    "CfdError",
    "CfdId",
    "ContractTerms",
    "DecodeError",
    "Engine",
    "EventId",
    "FeeRate",
    "Keychain",
    "Network",
    "Offer",
    "OfferId",
    "OutPoint",
    "PeerId",
    "PeerViolation",
    "Policy",
    "Position",
    "Reaction",
    "Role",
    "RuleViolation",
    "Sats",
    "Secret",
    "Settings",
    "Step",
    "Timestamp",
    "Txid",
]
