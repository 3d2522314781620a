"""Small fractions from outside (tolerances, funding rates) turned into exact rationals of bounded size."""

from decimal import Decimal
from fractions import Fraction
from typing import Final

from cfd_core.errors import RuleViolation

MAX_DECIMALS: Final = 12


def exact_rate(value: Decimal | Fraction, what: str) -> Fraction:
    """A fraction of one, from -1 to 1, exactly; `what` names it in the error.

    `RuleViolation` for anything not finite, out of range, or finer than `MAX_DECIMALS` decimals: a counterparty
    may have chosen the number, and an unbounded exponent would cost unbounded memory.
    """
    if isinstance(value, Decimal):
        return _from_decimal(value, what)
    if isinstance(value, Fraction):
        return _from_fraction(value, what)
    raise RuleViolation(f"{what} must be a Decimal or a Fraction, not {type(value).__name__}")


def _from_decimal(value: Decimal, what: str) -> Fraction:
    if not value.is_finite() or not -1 <= value <= 1:
        raise RuleViolation(f"{what} must be a number from -1 to 1, not {value!s:.80}")
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int) or exponent < -MAX_DECIMALS:
        raise RuleViolation(f"{what} has at most {MAX_DECIMALS} decimals, not {value!s:.80}")
    return Fraction(value)


def _from_fraction(value: Fraction, what: str) -> Fraction:
    if not -1 <= value <= 1:
        raise RuleViolation(f"{what} must be a number from -1 to 1")
    if value.denominator > 10**MAX_DECIMALS:
        raise RuleViolation(f"{what} is finer than {MAX_DECIMALS} decimals")
    return value
