"""The market's price: for people to look at and for bots to quote around. Contracts settle at the oracle's."""

from cfd_pricefeed.bitmex import BitmexFeed
from cfd_pricefeed.feed import Feed, FeedFailed, Quote
from cfd_pricefeed.walk import WalkingFeed

__all__ = ["BitmexFeed", "Feed", "FeedFailed", "Quote", "WalkingFeed"]
