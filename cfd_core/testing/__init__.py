"""A simulator for whoever builds on the core: nodes, chain, oracle, wallets, wires and a clock, from one seed.

It has no IO and no chance of its own, so every run can be had again. See docs/simulator.md.
"""

from cfd_core.testing.chain import SimChain
from cfd_core.testing.conscience import Conscience, InvariantBroken, require
from cfd_core.testing.draws import Draws
from cfd_core.testing.network import Faults, Network, Parcel
from cfd_core.testing.node import Moment, SimNode, contents
from cfd_core.testing.oracle import SECRETS, START, SimOracle, announced, attestation, hours
from cfd_core.testing.pair import MAKER, TAKER, Pair, make_offer
from cfd_core.testing.verdict import check
from cfd_core.testing.wallet import SimWallet
from cfd_core.testing.world import World

__all__ = [
    "MAKER",
    "SECRETS",
    "START",
    "TAKER",
    "Conscience",
    "Draws",
    "Faults",
    "InvariantBroken",
    "Moment",
    "Network",
    "Pair",
    "Parcel",
    "SimChain",
    "SimNode",
    "SimOracle",
    "SimWallet",
    "World",
    "announced",
    "attestation",
    "check",
    "contents",
    "hours",
    "make_offer",
    "require",
]
