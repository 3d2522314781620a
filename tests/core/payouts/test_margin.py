"""Margins, liquidation prices and profit against the reference numbers."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cfd_core.errors import RuleViolation
from cfd_core.payouts import INVERSE_BTC_USD, PayoutCurve
from cfd_core.payouts.margin import long_liquidation_price, margin, profit_percent, short_liquidation_price
from cfd_core.values import SATS_PER_BTC, Position


@pytest.mark.parametrize(
    ("quantity", "price", "leverage", "sats"),
    [
        (20_000, 20_000, 1, SATS_PER_BTC),
        (20_000, 20_000, 2, SATS_PER_BTC // 2),
        (3_500, 54_000, 5, 1_296_296),
        (3_500, 54_000, 1, 6_481_481),
        (100, 50_000, 1, 200_000),
        (1, Decimal("8"), 1, 12_500_000),
        (1, 40_000_000, 1, 3),  # 2.5: the tie goes up
        (1, 200_000_000, 1, 1),  # 0.5
    ],
)
def test_margin_of_reference_contracts(quantity: int, price: Decimal | int, leverage: int, sats: int) -> None:
    assert margin(quantity, price, leverage) == sats


@settings(deadline=None)
@given(st.integers(1, 10**9), st.decimals(Decimal("0.01"), 10**7, places=2, allow_nan=False), st.integers(1, 100))
def test_margin_is_the_nearest_whole_sat(quantity: int, price: Decimal, leverage: int) -> None:
    exact = Fraction(quantity * SATS_PER_BTC) / (Fraction(price) * leverage)
    assume(exact >= 1)
    assert Fraction(-1, 2) < margin(quantity, price, leverage) - exact <= Fraction(1, 2)


@pytest.mark.parametrize(
    ("quantity", "price", "leverage"),
    [
        (0, 1, 1),
        (-5, 1, 1),
        (10**9 + 1, 1, 1),
        (1, 0, 1),
        (1, -1, 1),
        (1, Decimal("NaN"), 1),
        (1, Decimal("Infinity"), 1),
        (1, 50_000, 0),
        (1, 50_000, -1),
        (1, 50_000, 101),
        (True, 50_000, 1),
        (1, 200_000_001, 1),  # under half a sat
    ],
)
def test_margin_refuses(quantity: int, price: Decimal | int, leverage: int) -> None:
    with pytest.raises(RuleViolation):
        margin(quantity, price, leverage)


def test_liquidation_prices_of_reference_contracts() -> None:
    assert long_liquidation_price(46_125, 5) == Fraction("38437.5")
    assert long_liquidation_price(60_000, 2) == 40_000
    assert short_liquidation_price(60_000, 2) == 120_000
    assert short_liquidation_price(60_000, 3) == 90_000
    assert long_liquidation_price(54_000, 5) == 45_000


def test_a_short_without_leverage_is_never_liquidated() -> None:
    assert short_liquidation_price(54_000, 1) is None


@pytest.mark.parametrize("leverage", [0, 101])
def test_liquidation_refuses_leverage(leverage: int) -> None:
    with pytest.raises(RuleViolation):
        long_liquidation_price(50_000, leverage)
    with pytest.raises(RuleViolation):
        short_liquidation_price(50_000, leverage)


def test_profit_of_the_reference_contract() -> None:
    curve = PayoutCurve(INVERSE_BTC_USD, 50_400, 10_000, 2, 2)
    profit = curve.profit_percent(Position.LONG, 60_000)
    assert Fraction("31.9999") < profit < 32
    assert curve.profit_percent(Position.SHORT, 60_000) == -profit


def test_profit_of_whole_sats() -> None:
    assert profit_percent(150, 100) == 50
    assert profit_percent(0, 100) == -100
    assert profit_percent(2, 1) == 100
    assert profit_percent(100, 3) == Fraction(9700, 3)


def test_profit_needs_a_margin() -> None:
    with pytest.raises(RuleViolation):
        profit_percent(1, 0)
