"""A payoff of one's own: a CFD on the square of the price, registered as a product.

    python custom_payoff.py

The long gains in proportion to x^2 - p^2, so it gains more from a rise than it loses by a fall of the same size, and
pays for that by the funding rate. Everything else of a CFD (schedule, CETs, liquidation, rollover, both parties'
checks) takes the payoff as it comes: an offer with `product="BTCUSD-squared"` is enough, and docs/start/library.md
takes one to the chain. This file prints the schedule. What a payoff must say is `Payoff` and `Gain` of
`cfd_core.payouts`.
"""

from decimal import Decimal
from fractions import Fraction
from math import isqrt

from attrs import frozen

from cfd_core import values
from cfd_core.payouts import PayoutCurve, build_liquidation, build_schedule, register
from cfd_core.values import Position, Sats, round_half_up

SATS_PER_SQUARE = Fraction(1, 100_000)
"""What one contract pays for each unit that the price's square moves: 1 sat per 100,000 square dollars."""


@frozen
class SquaredGain:
    """x -> a * (x^2 - p^2) + shift, in sats."""

    a: Fraction
    start: Fraction
    """p^2."""
    shift: int = 0

    def plus(self, amount: int) -> "SquaredGain":
        return SquaredGain(self.a, self.start, self.shift + amount)

    def at(self, x: int, scale: int = 1) -> tuple[int, int]:
        gain = self.a * (Fraction(x, scale) ** 2 - self.start) + self.shift
        return gain.as_integer_ratio()


@frozen
class SquaredBtcUsd:
    """The square of the price of bitcoin in USD, settled in bitcoin."""

    @property
    def name(self) -> str:
        return "BTCUSD-squared"

    @property
    def index(self) -> str:
        return "BXBT"

    def margin(self, quantity: int, price: Decimal, leverage: int) -> Sats:
        """The whole worth at the opening price, divided by the leverage."""
        worth = SATS_PER_SQUARE * values.quantity(quantity) * Fraction(values.price(price)) ** 2
        return Sats(round_half_up(worth / values.leverage(leverage)))

    def long_gain(self, quantity: int, price: Decimal) -> SquaredGain:
        return SquaredGain(SATS_PER_SQUARE * quantity, Fraction(price) ** 2)

    def liquidation_price(self, position: Position, price: Decimal, leverage: int) -> Fraction:
        """The price whose square is 1 - 1/L or 1 + 1/L times as large, to a hundredth of a dollar."""
        share = Fraction(1, leverage)
        square = Fraction(price) ** 2 * (1 - share if position is Position.LONG else 1 + share)
        return Fraction(isqrt(int(square * 10_000)), 100)


SQUARED = SquaredBtcUsd()
register(SQUARED)

if __name__ == "__main__":
    curve = PayoutCurve(SQUARED, price=50_000, quantity=100, long_leverage=2, short_leverage=2)
    schedule = build_schedule(curve, digits=20, tolerance=Decimal("0.0025"))
    print(f"{len(schedule)} CETs at settlement, {len(build_liquidation(curve, 20).entries)} at each hourly event")
    for price in (35_000, 40_000, 45_000, 50_000, 55_000, 60_000, 65_000):
        _, paid = schedule.lookup(price)
        print(f"{price:>7,} USD: long {paid.long:>9,} sats, short {paid.short:>9,} sats")
