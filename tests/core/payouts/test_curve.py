"""The exact payoff: reference values, clamping, monotony, refusals."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cfd_core.errors import RuleViolation
from cfd_core.payouts import (
    INVERSE_BTC_USD,
    PRODUCTS,
    QUANTO_ETH_USD,
    LinearRatio,
    PayoutCurve,
    payoff_of,
)
from cfd_core.values import SATS_PER_BTC, Position

C1 = PayoutCurve(INVERSE_BTC_USD, 54_000, 3_500, 5, 1)

prices = st.decimals(Decimal("0.01"), 10**6, places=2, allow_nan=False)
leverages = st.integers(1, 100)
settlements = st.one_of(st.integers(0, 2**20), st.fractions(0, 10**7))


@st.composite
def curves(draw: st.DrawFn) -> PayoutCurve:
    try:
        return PayoutCurve(
            draw(st.sampled_from(list(PRODUCTS.values()))),
            draw(prices),
            draw(st.integers(1, 10**6)),
            draw(leverages),
            draw(leverages),
            draw(st.integers(-(10**6), 10**6)),
        )
    except RuleViolation:  # less than a sat of margin
        assume(False)
        raise


def by_hand(curve: PayoutCurve, x: Fraction) -> Fraction:
    """The formula of each product, word for word."""
    if curve.payoff is QUANTO_ETH_USD:
        gain = curve.quantity * 100 * (x - Fraction(curve.price))
    elif x == 0:
        return Fraction(0)
    else:
        value = curve.quantity * SATS_PER_BTC
        gain = value / Fraction(curve.price) - value / x
    exact = curve.long_margin + gain - curve.long_pays_short
    return min(max(exact, Fraction(0)), Fraction(curve.pool))


def test_the_canonical_contract() -> None:
    assert (C1.long_margin, C1.short_margin, C1.pool) == (1_296_296, 6_481_481, 7_777_777)
    assert C1.long_payout(54_000) == C1.long_margin
    assert C1.liquidation_price(Position.LONG) == 45_000
    assert C1.liquidation_price(Position.SHORT) is None
    assert C1.long_payout(44_999) == 0 == C1.long_payout(0)
    assert C1.long_payout(45_001) > 0


def test_the_curve_runs_on_beyond_twice_the_price() -> None:
    assert C1.long_payout(108_000) < C1.long_payout(1_000_000) < C1.pool


def test_a_leveraged_short_is_liquidated() -> None:
    curve = PayoutCurve(INVERSE_BTC_USD, 60_000, 6_000, 2, 2)
    assert curve.liquidation_price(Position.SHORT) == 120_000
    assert curve.payout(Position.SHORT, 120_000) == 0
    assert curve.payout(Position.SHORT, 119_999) > 0
    assert curve.payout(Position.LONG, 40_000) == 0


def test_fees_shift_the_curve() -> None:
    shifted = C1.with_fees(194)
    assert shifted.long_payout(54_000) == C1.long_payout(54_000) - 194
    assert shifted.payout(Position.SHORT, 54_000) == C1.payout(Position.SHORT, 54_000) + 194
    assert shifted.with_fees(0) == C1
    assert C1.with_fees(-194).long_payout(54_000) == C1.long_payout(54_000) + 194


@settings(deadline=None)
@given(curves(), settlements)
def test_the_payout_is_the_formula_exactly(curve: PayoutCurve, x: int | Fraction) -> None:
    payout = curve.long_payout(x)
    assert payout == by_hand(curve, Fraction(x))
    assert 0 <= payout <= curve.pool
    assert curve.payout(Position.SHORT, x) + curve.payout(Position.LONG, x) == curve.pool


@settings(deadline=None)
@given(curves(), settlements, settlements)
def test_the_payout_never_falls_as_the_price_rises(curve: PayoutCurve, x: int | Fraction, y: int | Fraction) -> None:
    low, high = sorted((Fraction(x), Fraction(y)))
    assert curve.long_payout(low) <= curve.long_payout(high)


@pytest.mark.parametrize(
    "change",
    [
        {"price": Decimal(0)},
        {"price": Decimal("NaN")},
        {"quantity": 0},
        {"quantity": -1},
        {"long_leverage": 0},
        {"short_leverage": 101},
        {"long_pays_short": Fraction(1, 2)},
        {"long_pays_short": True},
        {"long_pays_short": 10**16},
        {"quantity": 10**9, "price": Decimal("0.01")},  # more than all bitcoin
    ],
)
def test_a_curve_refuses(change: dict[str, Any]) -> None:
    terms: dict[str, Any] = {"price": 54_000, "quantity": 3_500, "long_leverage": 5, "short_leverage": 1}
    with pytest.raises(RuleViolation):
        PayoutCurve(INVERSE_BTC_USD, **{**terms, **change})


ALL_BITCOIN = 2_100_000_000_000_000


def test_all_bitcoin_may_be_locked_and_not_one_sat_more() -> None:
    assert PayoutCurve(INVERSE_BTC_USD, 1, 10_500_000, 1, 1).pool == ALL_BITCOIN
    with pytest.raises(RuleViolation, match="more than all bitcoin"):
        PayoutCurve(INVERSE_BTC_USD, Decimal("0.9999999"), 10_500_000, 1, 1)


@pytest.mark.parametrize("sign", [1, -1])
def test_fees_are_at_most_all_bitcoin(sign: int) -> None:
    assert C1.with_fees(sign * ALL_BITCOIN).long_pays_short == sign * ALL_BITCOIN
    with pytest.raises(RuleViolation, match="fees"):
        C1.with_fees(sign * (ALL_BITCOIN + 1))


def test_the_last_sat_is_still_paid() -> None:
    """At 1,999 USD the long has lost 100 of its 20,000 sats; fees take all the others but one."""
    curve = PayoutCurve(QUANTO_ETH_USD, 2_000, 1, 10, 10, 19_899)
    assert curve.long_payout(1_999) == 1
    assert curve.with_fees(19_900).long_payout(1_999) == 0


@pytest.mark.parametrize("derived", ["long_margin", "short_margin", "unclamped"])
def test_margins_follow_from_the_terms_and_cannot_be_given(derived: str) -> None:
    with pytest.raises(TypeError):
        PayoutCurve(INVERSE_BTC_USD, 54_000, 3_500, 5, 1, **{derived: C1.long_margin})


def test_a_settlement_price_is_not_negative() -> None:
    with pytest.raises(RuleViolation):
        C1.long_payout(-1)


def test_products_are_found_by_name() -> None:
    assert payoff_of("BTCUSD-inverse") is INVERSE_BTC_USD
    assert payoff_of("ETHUSD-quanto") is QUANTO_ETH_USD
    assert all(product.name == name for name, product in PRODUCTS.items())


def test_products_name_the_index_of_their_price() -> None:
    """As it stands in the oracle's source, `/x/BitMEX/BXBT`."""
    assert (INVERSE_BTC_USD.index, QUANTO_ETH_USD.index) == ("BXBT", "BETH")


@pytest.mark.parametrize("name", ["", "btcusd-inverse", "ETHUSD-linear", ["BTCUSD-inverse"]])
def test_unknown_products_are_refused(name: Any) -> None:
    with pytest.raises(RuleViolation, match="unknown product"):
        payoff_of(name)


@pytest.mark.parametrize("terms", [(1, 0, 1, 0), (0, 0, 0, 1), (1, 1, -1, 5), (1, 1, 0, -1), (1, -5, 1, -1)])
def test_a_gain_must_rise(terms: tuple[int, int, int, int]) -> None:
    with pytest.raises(RuleViolation):
        LinearRatio(*terms)


def test_a_linear_gain_fits_the_same_form() -> None:
    """As a quanto product needs it: 3 sats for each unit of price above 1,000."""
    gain = LinearRatio(3, -3_000, 0, 1)
    assert gain.at(1_500) == (1_500, 1)
    assert Fraction(*gain.plus(10).at(3_001, 2)) == Fraction(3 * 3_001, 2) - 3_000 + 10
