"""Regtest for cfd-core: an embedded chain behind an Electrum server, and a real bitcoind where there is one."""

from cfd_regtest.bitcoind import BitcoindControl
from cfd_regtest.chain import Change, EmbeddedChain
from cfd_regtest.control import ChainControl, EmbeddedControl
from cfd_regtest.electrum_server import ElectrumServer
from cfd_regtest.errors import BlockRefused, NodeFailed, NotAvailable, OutOfCoins, RegtestError, Rejected
from cfd_regtest.ledger import scripthash
from cfd_regtest.realnode import RealNode, find_or_get_bitcoind
from cfd_regtest.views import HistoryItem, Unspent

__all__ = [
    "BitcoindControl",
    "BlockRefused",
    "ChainControl",
    "Change",
    "ElectrumServer",
    "EmbeddedChain",
    "EmbeddedControl",
    "HistoryItem",
    "NodeFailed",
    "NotAvailable",
    "OutOfCoins",
    "RealNode",
    "RegtestError",
    "Rejected",
    "Unspent",
    "find_or_get_bitcoind",
    "scripthash",
]
