"""Regtest for cfd-core: an embedded chain behind an Electrum server, and a real bitcoind where there is one."""

from cfd_regtest.chain import Change, EmbeddedChain, HistoryItem, Unspent
from cfd_regtest.electrum_server import ElectrumServer
from cfd_regtest.errors import BlockRefused, NodeFailed, NotAvailable, OutOfCoins, RegtestError, Rejected
from cfd_regtest.ledger import scripthash

__all__ = [
    "BlockRefused",
    "Change",
    "ElectrumServer",
    "EmbeddedChain",
    "HistoryItem",
    "NodeFailed",
    "NotAvailable",
    "OutOfCoins",
    "RegtestError",
    "Rejected",
    "Unspent",
    "scripthash",
]
