"""The quanto ETH/USD product by hand: 1 contract pays 100 sats for each USD that ether moves."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cfd_core.errors import RuleViolation
from cfd_core.payouts import DEFAULT_TOLERANCE, QUANTO_ETH_USD, PayoutCurve, build_schedule
from cfd_core.values import Position

ETHER = PayoutCurve(QUANTO_ETH_USD, 2_000, 1_000, 5, 2)
"""1,000 contracts: 0.001 BTC for each USD."""


@pytest.mark.parametrize(
    ("quantity", "price", "leverage", "sats"),
    [
        (1, 1, 1, 100),
        (1_000, 2_000, 1, 200_000_000),
        (1_000, 2_000, 5, 40_000_000),
        (1_000, 2_000, 2, 100_000_000),
        (7, Decimal("3141.59"), 3, 733_038),  # 733,037.67
        (1, 1, 3, 33),
        (1, 2, 3, 67),
        (1, Decimal("0.01"), 2, 1),  # 0.5: the tie goes up
        (1, Decimal("0.05"), 2, 3),  # 2.5
    ],
)
def test_margin_by_hand(quantity: int, price: Any, leverage: int, sats: int) -> None:
    assert QUANTO_ETH_USD.margin(quantity, price, leverage) == sats


@settings(deadline=None)
@given(st.integers(1, 10**9), st.decimals(Decimal("0.01"), 10**7, places=2, allow_nan=False), st.integers(1, 100))
def test_margin_is_the_nearest_whole_sat(quantity: int, price: Decimal, leverage: int) -> None:
    exact = Fraction(price) * quantity * 100 / leverage
    assume(exact >= 1)
    assert Fraction(-1, 2) < QUANTO_ETH_USD.margin(quantity, price, leverage) - exact <= Fraction(1, 2)


@pytest.mark.parametrize(
    ("quantity", "price", "leverage"),
    [
        (0, 2_000, 1),
        (10**9 + 1, 2_000, 1),
        (True, 2_000, 1),
        (1, 0, 1),
        (1, Decimal("NaN"), 1),
        (1, 2_000, 0),
        (1, 2_000, 101),
        (1, Decimal("0.0049"), 1),  # under half a sat
    ],
)
def test_margin_refuses(quantity: int, price: Any, leverage: int) -> None:
    with pytest.raises(RuleViolation):
        QUANTO_ETH_USD.margin(quantity, price, leverage)


def test_a_margin_below_a_sat_is_named() -> None:
    with pytest.raises(RuleViolation, match=r"1 contracts at 0\.0001 with leverage 4 need no whole sat"):
        QUANTO_ETH_USD.margin(1, Decimal("0.0001"), 4)


@pytest.mark.parametrize(
    ("x", "long", "short"),
    [
        (0, 0, 140_000_000),
        (1_600, 0, 140_000_000),
        (1_601, 100_000, 139_900_000),
        (2_000, 40_000_000, 100_000_000),
        (2_150, 55_000_000, 85_000_000),
        (Fraction("2000.005"), 40_000_500, 99_999_500),
        (2_999, 139_900_000, 100_000),
        (3_000, 140_000_000, 0),
        (10**6, 140_000_000, 0),
    ],
)
def test_payouts_by_hand(x: int | Fraction, long: int, short: int) -> None:
    assert ETHER.payout(Position.LONG, x) == long
    assert ETHER.payout(Position.SHORT, x) == short


def test_the_pool_and_profit_by_hand() -> None:
    assert (ETHER.long_margin, ETHER.short_margin, ETHER.pool) == (40_000_000, 100_000_000, 140_000_000)
    assert ETHER.profit_percent(Position.LONG, 2_150) == Fraction("37.5")
    assert ETHER.profit_percent(Position.SHORT, 2_150) == -15


def test_liquidation_prices_by_hand() -> None:
    assert ETHER.liquidation_price(Position.LONG) == 1_600
    assert ETHER.liquidation_price(Position.SHORT) == 3_000


def test_without_leverage_the_long_has_all_to_lose_and_the_short_only_its_margin() -> None:
    curve = PayoutCurve(QUANTO_ETH_USD, Decimal("2000.5"), 1_000, 1, 1)
    assert curve.liquidation_price(Position.LONG) == 0
    assert curve.liquidation_price(Position.SHORT) == 4_001
    assert curve.payout(Position.LONG, 1) == 100_000
    assert curve.payout(Position.SHORT, 4_000) == 100_000
    assert curve.payout(Position.SHORT, 4_001) == 0


@pytest.mark.parametrize("leverage", [0, 101])
@pytest.mark.parametrize("position", list(Position))
def test_liquidation_refuses_leverage(position: Position, leverage: int) -> None:
    with pytest.raises(RuleViolation):
        QUANTO_ETH_USD.liquidation_price(position, Decimal(2_000), leverage)


def test_fees_shift_the_payout() -> None:
    assert ETHER.with_fees(250_000).long_payout(2_150) == 54_750_000
    assert ETHER.with_fees(-250_000).payout(Position.SHORT, 2_150) == 84_750_000


def test_the_schedule_pays_by_hand() -> None:
    schedule = build_schedule(ETHER, 20, DEFAULT_TOLERANCE)
    assert len(schedule) == 189
    assert schedule.lookup(1_500)[1].payout(Position.SHORT) == 140_000_000
    assert schedule.lookup(3_100)[1].payout(Position.LONG) == 140_000_000
    assert abs(schedule.lookup(2_150)[1].payout(Position.LONG) - 55_000_000) <= 350_000


def test_more_than_all_bitcoin_is_refused() -> None:
    with pytest.raises(RuleViolation, match="more than all bitcoin"):
        PayoutCurve(QUANTO_ETH_USD, 100_000, 10**9, 1, 1)
