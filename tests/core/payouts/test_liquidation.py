"""Hourly liquidation: exact ranges, few prefixes, a bounded sliver, and shorts that really are liquidated."""

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from functools import cache
from itertools import pairwise
from math import inf
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cfd_core.errors import RuleViolation
from cfd_core.payouts import (
    DEFAULT_LIQUIDATION_SLACK,
    INVERSE_BTC_USD,
    PRODUCTS,
    QUANTO_ETH_USD,
    Liquidation,
    LiquidationRange,
    PayoutCurve,
    build_liquidation,
    check_slack,
    find,
    liquidation_entries,
)
from cfd_core.values import Position

C1 = PayoutCurve(INVERSE_BTC_USD, 54_000, 3_500, 5, 1)
BOTH_2X = PayoutCurve(INVERSE_BTC_USD, 50_000, 1_000, 2, 2)
ETHER = PayoutCurve(QUANTO_ETH_USD, 2_000, 1_000, 5, 2)
TOP = 2**20 - 1

products = st.sampled_from(list(PRODUCTS.values()))
slacks = st.one_of(st.just(DEFAULT_LIQUIDATION_SLACK), st.fractions(0, Fraction(1, 2), max_denominator=1_000))


def test_a_short_really_is_liquidated() -> None:
    """Opened at 50,000 with 2x, the short has lost all at 100,000."""
    entries = liquidation_entries(BOTH_2X, 20)
    found = find(entries, 101_000, 20)
    assert found is not None
    assert (found[1].short, found[1].long) == (0, BOTH_2X.pool)
    assert find(entries, 99_000, 20) is None
    assert find(entries, TOP, 20) is not None
    assert build_liquidation(BOTH_2X, 20).short == LiquidationRange(
        Position.SHORT, 100_000, range(100_352, TOP + 1), range(100_000, 100_352)
    )


def test_a_long_really_is_liquidated() -> None:
    """Opened at 54,000 with 5x, the long has lost all at 45,000."""
    entries = liquidation_entries(C1, 20)
    found = find(entries, 44_700, 20)
    assert found is not None
    assert (found[1].long, found[1].short) == (0, C1.pool)
    assert find(entries, 0, 20) is not None
    assert find(entries, 45_001, 20) is None
    assert build_liquidation(C1, 20).long == LiquidationRange(
        Position.LONG, 45_000, range(44_800), range(44_800, 45_001)
    )


def test_an_inverse_short_without_leverage_is_never_liquidated() -> None:
    found = build_liquidation(C1, 20)
    assert found.short is None
    assert found.short_from is None
    assert list(found.short_sliver) == []
    assert {entry.long for entry in found.entries} == {0}


def test_a_quanto_by_hand() -> None:
    found = build_liquidation(ETHER, 20)
    assert (found.long_at, found.short_from) == (1_600, 3_000)
    assert (found.long_sliver, found.short_sliver) == (range(1_600, 1_601), range(3_000, 3_008))
    assert [entry.long for entry in found.entries] == [0] * 3 + [140_000_000] * 10


def test_a_long_that_cannot_lose_all_is_never_liquidated() -> None:
    """A quanto long at 1x that receives fees keeps them even at a price of 0."""
    found = build_liquidation(PayoutCurve(QUANTO_ETH_USD, 2_000, 1_000, 1, 2, -100), 20)
    assert (found.long, found.long_at) == (None, None)
    assert list(found.long_sliver) == []
    assert {entry.short for entry in found.entries} == {0}


def test_a_long_is_alive_while_it_is_owed_a_sat() -> None:
    """At 1,999 USD it has lost 100 of 20,000 sats and owes 19,899 in fees."""
    curve = PayoutCurve(QUANTO_ETH_USD, 2_000, 1, 10, 10, 19_899)
    assert build_liquidation(curve, 20).long_at == 1_998
    assert build_liquidation(curve.with_fees(19_900), 20).long_at == 1_999


def test_the_whole_slack_may_be_used() -> None:
    """One of 1,600 prices: then 1,600 outcomes have a CET, not 1,601."""
    assert build_liquidation(ETHER, 20, Fraction(1, 1_600)).long_sliver == range(1_600, 1_601)
    assert build_liquidation(ETHER, 20, Fraction(1, 1_601)).long_sliver == range(1_601, 1_601)


@pytest.mark.parametrize(
    ("curve", "count"),
    [
        (C1, 6),
        (BOTH_2X, 9),
        (PayoutCurve(INVERSE_BTC_USD, 54_000, 3_500, 5, 2), 13),
        (PayoutCurve(INVERSE_BTC_USD, 60_000, 6_000, 2, 2), 10),
        (ETHER, 13),
    ],
)
def test_how_many_cets_an_event_needs(curve: PayoutCurve, count: int) -> None:
    assert len(liquidation_entries(curve, 20)) == count


def test_fees_move_the_threshold() -> None:
    """38 sats at 45,000 are about 0.2 USD, so 194 sats are one USD."""
    assert build_liquidation(C1.with_fees(194), 20).long_at == 45_001
    assert build_liquidation(C1.with_fees(-500), 20).long_at == 44_997


def test_without_slack_nothing_is_left_uncovered() -> None:
    found = build_liquidation(BOTH_2X, 20, Fraction(0))
    assert found.long is not None
    assert found.short is not None
    assert (found.long.covered, found.long.sliver) == (range(33_334), range(33_334, 33_334))
    assert (found.short.covered, found.short.sliver) == (range(100_000, TOP + 1), range(100_000, 100_000))


def test_the_last_outcome_is_covered_however_short_the_range() -> None:
    """An oracle spells any price beyond its digits as the last outcome; 0.5 % of 1,046,000 is more than the range."""
    curve = PayoutCurve(INVERSE_BTC_USD, 523_000, 10_460, 2, 2)
    found = build_liquidation(curve, 20)
    assert found.short_from == 1_046_000
    assert find(found.entries, TOP, 20) is not None
    assert len([entry for entry in found.entries if entry.short == 0]) == 1
    assert found.short_sliver == range(1_046_000, 1_046_528)


@st.composite
def contracts(draw: st.DrawFn, most_digits: int) -> tuple[PayoutCurve, int]:
    digits = draw(st.integers(1, most_digits))
    price = draw(st.decimals(Decimal("0.5"), 2**digits - 1, places=1, allow_nan=False))
    leverage = st.integers(1, 10)
    fees = draw(st.integers(-(10**4), 10**4))
    quantity = draw(st.integers(1, 1_000))
    try:
        return PayoutCurve(draw(products), price, quantity, draw(leverage), draw(leverage), fees), digits
    except RuleViolation:  # less than a sat of margin
        assume(False)
        raise


def liquidation_or_skip(curve: PayoutCurve, digits: int, slack: Fraction) -> Liquidation:
    try:
        return build_liquidation(curve, digits, slack)
    except RuleViolation:  # lost at every price: tested on its own
        assert curve.long_payout(0) == curve.pool or curve.long_payout(2**digits - 1) == 0
        assume(False)
        raise


def check_entries(found: Liquidation, curve: PayoutCurve) -> None:
    """In order and apart; together exactly the covered ranges; all to the winner."""
    spans = [(entry.prefix.start(found.digits), entry.prefix.end(found.digits)) for entry in found.entries]
    assert all(left[1] < right[0] for left, right in pairwise(spans))
    for side, lost in ((Position.LONG, found.long), (Position.SHORT, found.short)):
        mine = [span for span, entry in zip(spans, found.entries, strict=True) if entry.payout(side) == 0]
        assert sum(end - start + 1 for start, end in mine) == (len(lost.covered) if lost else 0)
        assert all(lost and start in lost.covered and end in lost.covered for start, end in mine)
    assert all(entry.long + entry.short == curve.pool and not entry.long * entry.short for entry in found.entries)


def check_ends(found: Liquidation, slack: Fraction) -> None:
    """Far end covered, sliver between it and the threshold and within the slack of it."""
    if found.long:
        assert found.long.covered.start == 0
        assert found.long.covered.stop == found.long_sliver.start
        assert found.long_sliver.stop == found.long.threshold + 1
        assert len(found.long_sliver) <= slack * found.long.threshold
    if found.short:
        assert found.short.covered.stop == 1 << found.digits
        assert found.short.covered.start == found.short_sliver.stop
        assert found.short_sliver.start == found.short.threshold
        assert len(found.short_sliver) <= slack * found.short.threshold


@cache
def fewest(covers: tuple[bool, ...]) -> float:
    """Fewest prefixes for exactly the outcomes that are True, by trying both choices at every node."""
    if not any(covers):
        return 0
    if len(covers) == 1:
        return 1
    middle = len(covers) // 2
    whole = 1 if all(covers) else inf
    return min(whole, fewest(covers[:middle]) + fewest(covers[middle:]))


def best(covers: Callable[[int], range], slivers: range, outcomes: int) -> tuple[float, int]:
    """Fewest prefixes, then the smallest sliver, over all slivers allowed."""
    counts = [
        (fewest(tuple(x in covers(left) for x in range(outcomes))), left) for left in slivers if len(covers(left))
    ]
    return min(counts)


@settings(deadline=None)
@given(contracts(7), slacks)
def test_small_liquidations_are_exact_and_minimal(contract: tuple[PayoutCurve, int], slack: Fraction) -> None:
    curve, digits = contract
    found = liquidation_or_skip(curve, digits, slack)
    check_entries(found, curve)
    check_ends(found, slack)
    outcomes = 1 << digits
    lost = {side: [x for x in range(outcomes) if curve.payout(side, x) == 0] for side in Position}
    assert found.long_at == (lost[Position.LONG][-1] if lost[Position.LONG] else None)
    assert found.short_from == (lost[Position.SHORT][0] if lost[Position.SHORT] else None)
    if found.long:
        at = found.long.threshold
        count = sum(entry.long == 0 for entry in found.entries)
        allowed = range(int(slack * at) + 1)
        assert (count, len(found.long_sliver)) == best(lambda left: range(at + 1 - left), allowed, outcomes)
    if found.short:
        at = found.short.threshold
        count = sum(entry.short == 0 for entry in found.entries)
        allowed = range(int(slack * at) + 1)
        assert (count, len(found.short_sliver)) == best(lambda left: range(at + left, outcomes), allowed, outcomes)


@settings(deadline=None)
@given(contracts(8), slacks)
def test_finding_says_who_is_liquidated(contract: tuple[PayoutCurve, int], slack: Fraction) -> None:
    curve, digits = contract
    found = liquidation_or_skip(curve, digits, slack)
    for x in range(1 << digits):
        hit = find(found.entries, x, digits)
        if hit:
            assert found.entries[hit[0]] is hit[1]
            assert hit[1].long == curve.long_payout(x)
        else:
            assert 0 < curve.long_payout(x) < curve.pool or x in found.long_sliver or x in found.short_sliver


@settings(max_examples=60, deadline=None)
@given(
    products,
    st.integers(1_000, 500_000),
    st.integers(100, 10**6),
    st.integers(1, 100),
    st.integers(1, 100),
    st.integers(-(10**4), 10**4),
    slacks,
)
def test_real_sizes(payoff: Any, price: int, quantity: int, long: int, short: int, fees: int, slack: Fraction) -> None:
    curve = PayoutCurve(payoff, price, quantity, long, short, fees)
    found = liquidation_or_skip(curve, 20, slack)
    check_entries(found, curve)
    check_ends(found, slack)
    assert len(found.entries) <= 40
    if found.long_at is not None:
        assert curve.long_payout(found.long_at) == 0
        assert found.long_at == TOP or curve.long_payout(found.long_at + 1) > 0
    if found.short_from is not None:
        assert curve.payout(Position.SHORT, found.short_from) == 0
        assert found.short_from == 0 or curve.payout(Position.SHORT, found.short_from - 1) > 0


def test_the_same_terms_give_the_same_liquidation() -> None:
    assert build_liquidation(C1, 20, Decimal("0.0050")) == build_liquidation(C1, 20) == build_liquidation(C1, 20)


def test_digits_up_to_32_are_searched() -> None:
    found = build_liquidation(BOTH_2X, 32)
    assert (found.long_at, found.short_from) == (33_333, 100_000)
    check_entries(found, BOTH_2X)


@pytest.mark.parametrize("curve", [ETHER.with_fees(10**12), ETHER.with_fees(-(10**12))])
def test_a_contract_lost_at_every_price_is_refused(curve: PayoutCurve) -> None:
    """Its CET would cover all outcomes with no digit, that is, without any attestation."""
    with pytest.raises(RuleViolation, match="lost everything at every price"):
        build_liquidation(curve, 20)


@pytest.mark.parametrize(
    "slack",
    [
        Decimal("-0.001"),
        Decimal("0.51"),
        Decimal("NaN"),
        Decimal("Infinity"),
        Decimal("1E-999999999"),
        Fraction(-1, 200),
        Fraction(51, 100),
        Fraction(1, 10**13),
        0.005,
        0,
        "0.005",
        None,
    ],
)
def test_slacks_out_of_range_are_refused(slack: Any) -> None:
    with pytest.raises(RuleViolation, match="liquidation slack"):
        build_liquidation(C1, 20, slack)


def test_slacks_in_range() -> None:
    assert check_slack(Decimal("0.005")) == DEFAULT_LIQUIDATION_SLACK
    assert check_slack(Fraction(0)) == 0
    assert check_slack(Decimal("0.5")) == Fraction(1, 2)


@pytest.mark.parametrize("digits", [0, -1, 33, True, "20", None])
def test_digits_out_of_range_are_refused(digits: Any) -> None:
    with pytest.raises(RuleViolation, match="digits"):
        build_liquidation(C1, digits)


def test_an_opening_price_beyond_the_event_is_refused() -> None:
    with pytest.raises(RuleViolation, match="15 digits cannot attest the opening price 54000"):
        build_liquidation(C1, 15)
