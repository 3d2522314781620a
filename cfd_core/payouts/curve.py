"""The exact payoff of a contract: what each side is owed at each price, before any rounding.

A product is a small strategy (`Payoff`; the ones we trade are in `products`). What the long gains is a `Gain`, worth a
ratio of integers at each price, so the schedule walks any of them in plain integers. Linear, inverse and quanto
products all have a `LinearRatio`, (a*x + b) / (c*x + d).
"""

from decimal import Decimal
from fractions import Fraction
from typing import Final, Protocol, Self

from attrs import field, frozen

from cfd_core import values
from cfd_core.errors import RuleViolation
from cfd_core.payouts.margin import profit_percent
from cfd_core.values import SATS_PER_BTC, Position, Sats

MAX_POOL: Final = 21_000_000 * SATS_PER_BTC
"""Sats; nobody can lock more than there are."""


class Gain(Protocol):
    """What the long gains in sats, as a function of the settlement price. It never falls as the price rises.

    A schedule looks at the two ends of a range of prices and takes that for granted. Where it sees a fall it refuses; a
    fall inside a range that ends where it began is not seen, and would be paid wrongly.
    """

    def plus(self, amount: int) -> "Gain":
        """The same gain, higher by `amount` sats at every price, with all that is its own.

        A class that inherits from another gain must write its own: the parent's returns a parent, and what the child
        adds or overrides is lost without a word.
        """

    def at(self, x: int, scale: int = 1) -> tuple[int, int]:
        """Numerator and denominator, not reduced, of the gain at the price x / scale, from 0 on.

        Each is an int or a Fraction. The denominator is above 0, or 0 with a numerator below 0: minus infinity.
        """


@frozen
class LinearRatio:
    """x -> (a*x + b) / (c*x + d), rising in x, with a denominator above 0 for every x > 0.

    At x = 0 the denominator may be 0; the numerator is then negative: the value is minus infinity.
    """

    a: int
    b: int
    c: int
    d: int

    def __attrs_post_init__(self) -> None:
        if self.c < 0 or self.d < 0 or self.a * self.d <= self.b * self.c:
            raise RuleViolation("a gain must rise with the price")

    def plus(self, amount: int) -> "LinearRatio":
        """The same ratio, higher by `amount`."""
        return LinearRatio(self.a + amount * self.c, self.b + amount * self.d, self.c, self.d)

    def at(self, x: int, scale: int = 1) -> tuple[int, int]:
        """Numerator and denominator of the value at x / scale."""
        return self.a * x + self.b * scale, self.c * x + self.d * scale


class Payoff(Protocol):
    """What a product must define; everything else about a contract is the same for all products."""

    @property
    def name(self) -> str:
        """The name that contract terms carry."""

    @property
    def index(self) -> str:
        """The index that its price is, as the last part of an oracle's source: `BXBT` in `/x/BitMEX/BXBT`."""

    def margin(self, quantity: int, price: Decimal, leverage: int) -> Sats:
        """What a party with this leverage locks, in whole sats: an int."""

    def long_gain(self, quantity: int, price: Decimal) -> Gain:
        """The long's gain in sats over the opening price, as a function of the settlement price."""

    def liquidation_price(self, position: Position, price: Decimal, leverage: int) -> Fraction | None:
        """Where this side has lost its margin, before fees; None if at no price.

        For people: what liquidates follows from margins and gain alone.
        """


def _check_fees(_instance: object, _attribute: object, value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > MAX_POOL:
        raise RuleViolation(f"fees must be whole sats of an amount that exists, not {value!r:.80}")


def _whole_margin(payoff: Payoff, quantity: int, price: Decimal, leverage: int) -> Sats:
    """The margin that a product names: the type checker does not see what a program's own product returns."""
    margin: object = payoff.margin(quantity, price, leverage)
    if not isinstance(margin, int) or isinstance(margin, bool):
        raise RuleViolation(f"the margin of {payoff.name} must be whole sats, an int, not {margin!r:.80}")
    return Sats(margin)


def _check_exact(payoff: Payoff, ratio: object) -> None:
    """Two parties must derive the same sats: a float is refused where it is seen first, at the opening price."""
    if not isinstance(ratio, tuple) or [isinstance(part, int | Fraction) for part in ratio] != [True, True]:
        raise RuleViolation(f"the gain of {payoff.name} must be a ratio of ints or Fractions, not {ratio!r:.80}")


@frozen
class PayoutCurve:
    """One contract's payoff. Amounts in sats, prices in the product's unit (USD per BTC, USD per ETH).

    `RuleViolation` for terms out of range, or a pool larger than all bitcoin.
    """

    payoff: Payoff
    price: Decimal = field(converter=values.price)
    quantity: int = field(converter=values.quantity)
    long_leverage: int = field(converter=values.leverage)
    short_leverage: int = field(converter=values.leverage)
    long_pays_short: int = field(default=0, validator=_check_fees)
    """Settled fees (`FeeAccount.long_pays_short`); negative when the short pays."""
    long_margin: Sats = field(init=False)
    short_margin: Sats = field(init=False)
    _unclamped: Gain = field(init=False, repr=False, eq=False)

    @long_margin.default
    def _long_margin(self) -> Sats:
        return _whole_margin(self.payoff, self.quantity, self.price, self.long_leverage)

    @short_margin.default
    def _short_margin(self) -> Sats:
        return _whole_margin(self.payoff, self.quantity, self.price, self.short_leverage)

    @_unclamped.default
    def _unclamped_default(self) -> Gain:
        gain = self.payoff.long_gain(self.quantity, self.price)
        return gain.plus(self.long_margin - self.long_pays_short)

    def __attrs_post_init__(self) -> None:
        if self.pool > MAX_POOL:
            raise RuleViolation(f"the margins add up to {self.pool:,} sats, more than all bitcoin")
        _check_exact(self.payoff, self._unclamped.at(*self.price.as_integer_ratio()))

    @property
    def pool(self) -> Sats:
        """What both sides lock together, and what every settlement shares out to the last sat."""
        return Sats(self.long_margin + self.short_margin)

    def margin(self, position: Position) -> Sats:
        return self.long_margin if position is Position.LONG else self.short_margin

    def long_payout(self, x: int | Fraction) -> Fraction:
        """Exactly what the long is owed at price x, from 0 to the pool; never falls as x rises."""
        if x < 0:
            raise RuleViolation(f"a settlement price is at least 0, not {x}")
        return Fraction(*self.long_payout_ratio(x.numerator, x.denominator))

    def payout(self, position: Position, x: int | Fraction) -> Fraction:
        """Exactly what this side is owed at price x; both sides' payouts add up to the pool."""
        long = self.long_payout(x)
        return long if position is Position.LONG else self.pool - long

    def profit_percent(self, position: Position, x: int | Fraction) -> Fraction:
        """This side's exact gain at price x in percent of its margin."""
        return profit_percent(self.payout(position, x), self.margin(position))

    def liquidation_price(self, position: Position) -> Fraction | None:
        """Where this side has lost its margin, before fees and rounding; None if at no price."""
        leverage = self.long_leverage if position is Position.LONG else self.short_leverage
        return self.payoff.liquidation_price(position, self.price, leverage)

    def long_payout_ratio(self, x: int, scale: int = 1) -> tuple[int, int]:
        """`long_payout(x / scale)` as numerator and positive denominator, not reduced and not checked: for loops."""
        numerator, denominator = self._unclamped.at(x, scale)
        if numerator <= 0:
            return 0, 1
        if numerator >= self.pool * denominator:
            return self.pool, 1
        return numerator, denominator

    def with_fees(self, long_pays_short: int) -> Self:
        """The same contract with another settled fee balance, as a rollover leaves it."""
        return type(self)(
            self.payoff, self.price, self.quantity, self.long_leverage, self.short_leverage, long_pays_short
        )
