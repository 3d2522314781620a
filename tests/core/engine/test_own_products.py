"""Products that a program registered itself, where an order meets them."""

from decimal import Decimal
from typing import Any

import pytest
from attrs import evolve, frozen

from cfd_core.errors import RuleViolation
from cfd_core.payouts import register
from cfd_core.values import Position, Sats


@frozen
class Hill:
    """A payoff that rises to the opening price and falls behind it, so that the first and the last price pay alike."""

    name: str = "hill"
    index: str = "BXBT"
    shift: int = -1_000

    def margin(self, quantity: int, price: Decimal, leverage: int) -> Sats:  # noqa: ARG002
        return Sats(1_000_000)

    def long_gain(self, quantity: int, price: Decimal) -> "Hill":  # noqa: ARG002
        return self

    def liquidation_price(self, position: Position, price: Decimal, leverage: int) -> None:  # noqa: ARG002
        return None

    def plus(self, amount: int) -> "Hill":
        return evolve(self, shift=self.shift + amount)

    def at(self, x: int, scale: int = 1) -> tuple[int, int]:
        return max(0, 20_000 * scale - abs(x - 50_000 * scale)) + self.shift * scale, scale


def test_a_payoff_whose_fall_the_schedule_does_not_see_is_told_so(make_pair: Any) -> None:
    register(Hill())
    pair = make_pair(product="hill")
    with pytest.raises(RuleViolation, match="the payoff falls somewhere as the price rises"):
        pair.take()
    assert not pair.taker.engine.cfds
