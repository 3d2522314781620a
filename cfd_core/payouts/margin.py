"""Whole-sat margins and profit of any product; margin and liquidation prices of the inverse one."""

from decimal import Decimal
from fractions import Fraction

from cfd_core import values
from cfd_core.errors import RuleViolation
from cfd_core.values import SATS_PER_BTC, Sats, round_half_up


def margin(quantity: int, price: Decimal | int, leverage: int) -> Sats:
    """What a party locks, in sats: quantity * 1e8 / (price * leverage), a tie rounded up.

    `RuleViolation` for a quantity, price or leverage out of range, or when the margin would be less than one sat.
    """
    exact_price = Fraction(values.price(price))
    exact = values.quantity(quantity) * SATS_PER_BTC / (exact_price * values.leverage(leverage))
    return whole_margin(exact, f"{quantity} contracts at {price} with leverage {leverage}")


def whole_margin(exact: Fraction, what: str) -> Sats:
    """An exact margin in sats, of any product, as what is locked: a tie rounded up, and at least one sat.

    `what` names the terms in the `RuleViolation` for less than that.
    """
    sats = round_half_up(exact)
    if sats < 1:
        raise RuleViolation(f"{what} need no whole sat of margin")
    return Sats(sats)


def long_liquidation_price(price: Decimal | int, leverage: int) -> Fraction:
    """The price at or below which the long has lost its margin, before fees: price * L / (L + 1)."""
    checked = values.leverage(leverage)
    return Fraction(values.price(price)) * checked / (checked + 1)


def short_liquidation_price(price: Decimal | int, leverage: int) -> Fraction | None:
    """The price at or above which the short has lost its margin, before fees: price * S / (S - 1).

    None at leverage 1: an inverse short that locked the full value loses all of it at no finite price.
    """
    checked = values.leverage(leverage)
    exact_price = Fraction(values.price(price))
    return None if checked == 1 else exact_price * checked / (checked - 1)


def profit_percent(payout: int | Fraction, locked: int) -> Fraction:
    """Gain or loss in percent of the margin that was locked: 100 * (payout - margin) / margin."""
    if locked < 1:
        raise RuleViolation(f"a margin is at least one sat, not {locked}")
    return 100 * (Fraction(payout) - locked) / locked
