"""A node for people and programs: the desk that the node must provide, its HTTP API, and a client."""

from cfd_web.desk import Desk, DeskError, MakingDesk, NodeDesk, NotKnown, Refused, TradingDesk, Unavailable, WalletDesk

__all__ = [
    "Desk",
    "DeskError",
    "MakingDesk",
    "NodeDesk",
    "NotKnown",
    "Refused",
    "TradingDesk",
    "Unavailable",
    "WalletDesk",
]
