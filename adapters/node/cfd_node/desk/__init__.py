"""What the API and all user interfaces ask of a node, answered by the maker and the taker on it."""

from cfd_node.desk.whole import LiveDesk

__all__ = ["LiveDesk"]
