"""The seam: what a feed is, wherever its prices come from."""

from collections.abc import Callable
from decimal import Decimal
from typing import Protocol

from attrs import frozen

from cfd_core.errors import RuleViolation
from cfd_core.values import Timestamp, price


class FeedFailed(Exception):
    """The feed ended; the text says why. Run it again after a while."""


@frozen
class Quote:
    """What the market bids and asks, in the product's unit; `at` is when we heard it."""

    bid: Decimal
    ask: Decimal
    at: Timestamp

    def __attrs_post_init__(self) -> None:
        if price(self.bid) > price(self.ask):
            raise RuleViolation(f"the bid {self.bid} is above the ask {self.ask}")

    @property
    def middle(self) -> Decimal:
        return (self.bid + self.ask) / 2


class Feed(Protocol):
    """A source of quotes."""

    @property
    def name(self) -> str:
        """For people: whose prices these are."""
        ...

    async def run(self, heard: Callable[[Quote], None]) -> None:
        """Call `heard` with each quote until cancelled; `FeedFailed` when there are no more, also after silence."""
        ...
