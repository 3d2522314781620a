"""What a maker and a taker do all day on top of a node: quote, judge orders, compare offers, trade within limits."""

from cfd_node.daemon.acceptance import Accept, Ask, MakerLimits, Refuse
from cfd_node.daemon.maker import Maker
from cfd_node.daemon.quotes import Quote
from cfd_node.daemon.taker import SeenOffer, Taker

__all__ = ["Accept", "Ask", "Maker", "MakerLimits", "Quote", "Refuse", "SeenOffer", "Taker"]
