"""The products that can be traded: each says what is locked and what the long gains, and nothing else differs.

Ours are below; a program adds its own with `register`.
"""

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from types import MappingProxyType
from typing import Final

from attrs import frozen

from cfd_core import values
from cfd_core.errors import RuleViolation
from cfd_core.payouts.curve import LinearRatio, Payoff
from cfd_core.payouts.margin import long_liquidation_price, margin, short_liquidation_price, whole_margin
from cfd_core.values import SATS_PER_BTC, Position, Sats

MAX_NAME: Final = 40
SATS_PER_DOLLAR_MOVE: Final = 100
"""What one quanto contract pays for each USD that ether moves: 1e-6 BTC."""


@frozen
class InverseBtcUsd:
    """1 contract = 1 USD, margin and payout in bitcoin: the long gains quantity * 1e8 * (1/price - 1/x) sats."""

    @property
    def name(self) -> str:
        return "BTCUSD-inverse"

    @property
    def index(self) -> str:
        return "BXBT"

    def margin(self, quantity: int, price: Decimal, leverage: int) -> Sats:
        return margin(quantity, price, leverage)

    def long_gain(self, quantity: int, price: Decimal) -> LinearRatio:
        dollars, scale = price.as_integer_ratio()
        value = quantity * SATS_PER_BTC
        return LinearRatio(a=value * scale, b=-value * dollars, c=dollars, d=0)

    def liquidation_price(self, position: Position, price: Decimal, leverage: int) -> Fraction | None:
        if position is Position.LONG:
            return long_liquidation_price(price, leverage)
        return short_liquidation_price(price, leverage)


@frozen
class QuantoEthUsd:
    """The price of ether in USD, settled in bitcoin at a fixed 100 sats per USD of move and contract.

    The long gains quantity * 100 * (x - price) sats, so neither side's result depends on the price of bitcoin.
    """

    @property
    def name(self) -> str:
        return "ETHUSD-quanto"

    @property
    def index(self) -> str:
        return "BETH"

    def margin(self, quantity: int, price: Decimal, leverage: int) -> Sats:
        """quantity * 100 * price / leverage sats, a tie rounded up; `RuleViolation` if that is no whole sat."""
        value = values.quantity(quantity) * SATS_PER_DOLLAR_MOVE * Fraction(values.price(price))
        terms = f"{quantity} contracts at {price} with leverage {leverage}"
        return whole_margin(value / values.leverage(leverage), terms)

    def long_gain(self, quantity: int, price: Decimal) -> LinearRatio:
        dollars, scale = price.as_integer_ratio()
        value = quantity * SATS_PER_DOLLAR_MOVE
        return LinearRatio(a=value * scale, b=-value * dollars, c=0, d=scale)

    def liquidation_price(self, position: Position, price: Decimal, leverage: int) -> Fraction:
        """price * (1 - 1/L) for the long, which is 0 at 1x; price * (1 + 1/S) for the short, finite at 1x too."""
        share = Fraction(1, values.leverage(leverage))
        return Fraction(values.price(price)) * (1 - share if position is Position.LONG else 1 + share)


INVERSE_BTC_USD: Final = InverseBtcUsd()
QUANTO_ETH_USD: Final = QuantoEthUsd()
PRODUCTS: Final[Mapping[str, Payoff]] = MappingProxyType(
    {product.name: product for product in (INVERSE_BTC_USD, QUANTO_ETH_USD)}
)


_registered: dict[str, Payoff] = {}


def register(payoff: Payoff) -> None:
    """Let offers and contract terms name a product of your own, in this process from here on.

    Terms carry the name alone, on the wire and in the store: register it before a store with such CFDs is loaded, and
    under a name that will never mean anything else. A counterparty whose payoff differs is found out before any
    signature leaves (the parties compare what they derived). The same payoff again changes nothing; another one under a
    known name, a name that is not 1 to 40 printable characters, or one that lacks something of `Payoff`, is a
    `RuleViolation`.
    """
    _check_members(payoff)
    name = payoff.name
    if not 1 <= len(name) <= MAX_NAME or not name.isprintable():
        raise RuleViolation(f"a product's name has 1 to {MAX_NAME} printable characters, not {name!r:.80}")
    known = PRODUCTS[name] if name in PRODUCTS else _registered.setdefault(name, payoff)
    if known != payoff:
        raise RuleViolation(f"another product is called {name}")


def _check_members(payoff: object) -> None:
    if isinstance(payoff, type):
        raise RuleViolation(f"register a product, {payoff.__name__}(), and not the class {payoff.__name__}")
    for word in ("name", "index"):
        if not isinstance(getattr(payoff, word, None), str):
            raise RuleViolation(f"the product {payoff!r:.80} has no `{word}` that is a str")
    for method in ("margin", "long_gain", "liquidation_price"):
        if not callable(getattr(payoff, method, None)):
            raise RuleViolation(f"the product {payoff!r:.80} has no method `{method}`")


def payoff_of(name: str) -> Payoff:
    """The product that contract terms name; `RuleViolation` for one that we do not know."""
    try:
        return PRODUCTS[name] if name in PRODUCTS else _registered[name]
    except (KeyError, TypeError):
        raise RuleViolation(f"unknown product: {name!r:.80}") from None
