"""Numbers as models carry them: payoff curves, liquidation prices, fees."""

from decimal import Decimal
from fractions import Fraction
from typing import Final

from cfd_web import models as m

from cfd_core.contract.costs import fee_of
from cfd_core.contract.terms import ContractTerms
from cfd_core.payouts import PayoutCurve
from cfd_core.values import Position, Sats, round_half_up

_EIGHTH: Final = Decimal("0.00000001")
_STEPS: Final = 60
CLOSE_WEIGHT: Final = 1_000
"""About what a close or an exit with two outputs weighs."""


def rounded(price: Fraction | None) -> Decimal | None:
    """To eight decimals; None for what no price field can hold."""
    if price is None or price >= 10**12:
        return None
    return (Decimal(price.numerator) / Decimal(price.denominator)).quantize(_EIGHTH)


def percent(value: Fraction | None) -> Decimal | None:
    """To four decimals."""
    if value is None:
        return None
    return (Decimal(value.numerator) / Decimal(value.denominator)).quantize(Decimal("0.0001"))


def payoff(curve: PayoutCurve, position: Position) -> tuple[m.PayoffPoint, ...]:
    """From half to double the opening price."""
    found = []
    for step in range(_STEPS + 1):
        price = (curve.price * (20 + step) / 40).quantize(_EIGHTH)
        payout = round_half_up(curve.payout(position, Fraction(price)))
        found.append(m.PayoffPoint(price=price, payout=payout, gain=payout - curve.margin(position)))
    return tuple(found)


def chain_fee(terms: ContractTerms) -> Sats:
    """About a side's share of the fees of the lock and of one transaction that ends the contract."""
    return fee_of(2 * CLOSE_WEIGHT, terms.fee_rate)
