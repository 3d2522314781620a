"""The payout schedule: few CETs, a partition, never wrong by more than promised."""

from decimal import Decimal
from fractions import Fraction
from functools import cache
from math import ceil, floor, inf
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from cfd_core.errors import RuleViolation
from cfd_core.payouts import (
    DEFAULT_TOLERANCE,
    INVERSE_BTC_USD,
    MAX_ENTRIES,
    PRODUCTS,
    QUANTO_ETH_USD,
    Payoff,
    PayoutCurve,
    Schedule,
    build_schedule,
    find,
)
from cfd_core.values import SATS_PER_BTC, Position

C1 = PayoutCurve(INVERSE_BTC_USD, 54_000, 3_500, 5, 1)
C1_TOLERANCE = Decimal("0.0035")
ETHER = PayoutCurve(QUANTO_ETH_USD, 2_000, 1_000, 5, 2)
products = st.sampled_from(list(PRODUCTS.values()))


def check_partition(schedule: Schedule) -> None:
    expected = 0
    paid = 0
    for entry in schedule:
        assert entry.prefix.start(schedule.digits) == expected
        expected = entry.prefix.end(schedule.digits) + 1
        assert entry.long + entry.short == schedule.pool
        assert paid <= entry.long <= schedule.pool
        paid = entry.long
    assert expected == 1 << schedule.digits


@pytest.mark.parametrize(("tolerance", "count"), [("0.0035", 201), ("0.0025", 278), ("0.001", 696)])
def test_how_many_cets_the_canonical_contract_needs(tolerance: str, count: int) -> None:
    schedule = build_schedule(C1, 20, Decimal(tolerance))
    assert len(schedule) == len(schedule.entries) == count
    assert schedule.worst_error <= Fraction(tolerance)
    check_partition(schedule)
    over = [entry.long - C1.long_payout(entry.prefix.start(20)) for entry in schedule]
    under = [C1.long_payout(entry.prefix.end(20)) - entry.long for entry in schedule]
    assert schedule.worst_error == max(over + under) / C1.pool


@pytest.mark.slow
def test_the_canonical_contract_is_honoured_at_every_price() -> None:
    """All 1,048,576 prices, in integers, by the formula of the contract rather than by the code under test."""
    schedule = build_schedule(C1, 20, C1_TOLERANCE)
    worst = schedule.worst_error
    assert worst <= Fraction(C1_TOLERANCE)
    checked, attained = 0, False
    value = 3_500 * SATS_PER_BTC
    slope = 1_296_296 * 54_000 + value  # long payout = (slope*x - value*54,000) / (54,000*x)
    top = 7_777_777
    limit, unit = worst.numerator * top, worst.denominator
    for entry in schedule:
        paid = entry.long
        for x in range(entry.prefix.start(20), entry.prefix.end(20) + 1):
            scale = 54_000 * x or 1
            exact = min(max(slope * x - value * 54_000, 0), top * scale)
            error = abs(paid * scale - exact) * unit
            assert error <= limit * scale
            attained = attained or error == limit * scale
            checked += 1
    assert checked == 2**20
    assert attained


@pytest.mark.slow
def test_a_quanto_contract_is_honoured_at_every_price() -> None:
    """All 1,048,576 prices, by hand: 0.4 + 1 BTC locked, 100,000 sats for each USD of move."""
    schedule = build_schedule(ETHER, 20, DEFAULT_TOLERANCE)
    check_partition(schedule)
    worst, pool = 0, 140_000_000
    for entry in schedule:
        for x in range(entry.prefix.start(20), entry.prefix.end(20) + 1):
            exact = min(max(40_000_000 + 100_000 * (x - 2_000), 0), pool)
            worst = max(worst, abs(entry.long - exact))
    assert Fraction(worst, pool) == schedule.worst_error <= DEFAULT_TOLERANCE


@st.composite
def small_contracts(draw: st.DrawFn) -> tuple[PayoutCurve, int]:
    digits = draw(st.integers(1, 8))
    price = draw(st.decimals(Decimal("0.5"), 2**digits - 1, places=1, allow_nan=False))
    leverage = st.integers(1, 10)
    fees = draw(st.integers(-(10**4), 10**4))
    quantity = draw(st.integers(1, 1_000))
    return PayoutCurve(draw(products), price, quantity, draw(leverage), draw(leverage), fees), digits


tolerances = st.one_of(
    st.decimals(Decimal("0.0001"), Decimal("0.5"), places=4, allow_nan=False),
    st.fractions(Fraction(1, 10_000), Fraction(1, 2), max_denominator=10_000),
)


def fewest(curve: PayoutCurve, digits: int, tolerance: Fraction) -> float:
    """Fewest prefixes by trying both choices at every node, testing every price and every whole sat."""
    reach = tolerance * curve.pool
    lowest = [max(0, ceil(curve.long_payout(x) - reach)) for x in range(1 << digits)]
    highest = [min(curve.pool, floor(curve.long_payout(x) + reach)) for x in range(1 << digits)]

    @cache
    def best(start: int, end: int) -> float:
        if max(lowest[start:end]) <= min(highest[start:end]):
            return 1
        if end - start == 1:
            return inf
        middle = (start + end) // 2
        return best(start, middle) + best(middle, end)

    return best(0, 1 << digits)


@settings(deadline=None)
@given(small_contracts(), tolerances)
def test_small_schedules_are_minimal_and_honest(
    contract: tuple[PayoutCurve, int], tolerance: Decimal | Fraction
) -> None:
    curve, digits = contract
    schedule = build_schedule(curve, digits, tolerance)
    assert len(schedule) == fewest(curve, digits, Fraction(tolerance))
    check_partition(schedule)
    errors = []
    for x in range(1 << digits):
        index, entry = schedule.lookup(x)
        assert entry is schedule.entries[index]
        assert entry.prefix.covers(x, digits)
        errors += [abs(entry.payout(side) - curve.payout(side, x)) for side in Position]
    assert schedule.worst_error == max(errors) / curve.pool <= tolerance


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(
    products,
    st.integers(1_000, 10**6),
    st.integers(1, 10**6),
    st.integers(1, 100),
    st.integers(1, 100),
    st.integers(-(10**4), 10**4),
    st.sampled_from([Fraction(1, 2), Fraction(1, 10), DEFAULT_TOLERANCE]),
    st.lists(st.integers(0, 2**20 - 1), max_size=20),
)
def test_real_sizes_keep_their_promise(
    payoff: Payoff,
    price: int,
    quantity: int,
    long: int,
    short: int,
    fees: int,
    tolerance: Fraction,
    outcomes: list[int],
) -> None:
    try:
        curve = PayoutCurve(payoff, price, quantity, long, short, fees)
        schedule = build_schedule(curve, 20, tolerance)
    except RuleViolation:  # dust: less than a sat of margin, or of tolerance
        assume(False)
        raise
    check_partition(schedule)
    for x in [0, 2**20 - 1, *outcomes]:
        paid = schedule.lookup(x)[1].long
        assert abs(paid - curve.long_payout(x)) <= schedule.worst_error * curve.pool <= tolerance * curve.pool


def test_the_flat_ends_are_paid_exactly_and_cost_little() -> None:
    curve = PayoutCurve(INVERSE_BTC_USD, 60_000, 6_000, 2, 2)
    schedule = build_schedule(curve, 20, DEFAULT_TOLERANCE)
    assert schedule.lookup(0)[1].payout(Position.SHORT) == curve.pool
    assert schedule.lookup(2**20 - 1)[1].payout(Position.LONG) == curve.pool
    low = [entry for entry in schedule if entry.prefix.end(20) <= 40_000]
    high = [entry for entry in schedule if entry.prefix.start(20) >= 120_000]
    assert {entry.long for entry in low} == {0}
    assert {entry.short for entry in high} == {0}
    assert len(low) + len(high) <= 2 * 20


def test_half_the_pool_is_one_cet() -> None:
    schedule = build_schedule(C1, 20, Fraction(1, 2))
    assert [entry.prefix.length for entry in schedule] == [0]


def test_the_same_terms_give_the_same_schedule() -> None:
    assert build_schedule(C1, 20, Fraction(35, 10_000)) == build_schedule(C1, 20, Decimal("0.00350"))


def test_digits_from_1_to_32_are_walked() -> None:
    check_partition(build_schedule(PayoutCurve(INVERSE_BTC_USD, 1, 1, 1, 1), 1, DEFAULT_TOLERANCE))
    check_partition(build_schedule(C1, 32, DEFAULT_TOLERANCE))


@pytest.mark.parametrize("digits", [0, -1, 33, True, "20", 20.0, None])
def test_digits_out_of_range_are_refused(digits: Any) -> None:
    with pytest.raises(RuleViolation, match="digits"):
        build_schedule(C1, digits, DEFAULT_TOLERANCE)


@pytest.mark.parametrize(
    "tolerance",
    [
        Decimal(0),
        Fraction(0),
        Decimal("-0.01"),
        Decimal("0.51"),
        Decimal("NaN"),
        Decimal("Infinity"),
        Decimal("1E-999999999"),
        Fraction(1, 10**13),
        Fraction(51, 100),
        0.0025,
        0,
        "0.0025",
    ],
)
def test_tolerances_out_of_range_are_refused(tolerance: Any) -> None:
    with pytest.raises(RuleViolation, match=r"^a tolerance "):
        build_schedule(C1, 20, tolerance)


def test_a_tolerance_that_needs_too_many_cets_is_named() -> None:
    """Both parties must refuse the same contracts, so the limit is part of the protocol."""
    assert MAX_ENTRIES == 4_096
    with pytest.raises(RuleViolation, match=rf"tolerance 0\.0001 .* more than {MAX_ENTRIES} CETs"):
        build_schedule(C1, 20, Decimal("0.0001"))


def test_a_tolerance_finer_than_whole_sats_is_named() -> None:
    dust = PayoutCurve(INVERSE_BTC_USD, 54_000, 1, 100, 100)
    with pytest.raises(RuleViolation, match=r"tolerance 0\.0025 .* finer than whole sats"):
        build_schedule(dust, 20, DEFAULT_TOLERANCE)


def test_an_opening_price_beyond_the_event_is_refused() -> None:
    with pytest.raises(RuleViolation, match="15 digits cannot attest the opening price 54000"):
        build_schedule(C1, 15, DEFAULT_TOLERANCE)
    with pytest.raises(RuleViolation, match="15 digits cannot attest the opening price 32768"):
        build_schedule(PayoutCurve(INVERSE_BTC_USD, 2**15, 3_500, 5, 1), 15, DEFAULT_TOLERANCE)
    build_schedule(PayoutCurve(INVERSE_BTC_USD, 2**15 - 1, 3_500, 5, 1), 15, DEFAULT_TOLERANCE)


@pytest.mark.parametrize("outcome", [-1, 2**20])
def test_an_outcome_outside_the_event_is_refused(outcome: int) -> None:
    with pytest.raises(RuleViolation, match="does not fit"):
        build_schedule(C1, 20, C1_TOLERANCE).lookup(outcome)


def test_entries_that_do_not_cover_all_prices_are_found_or_not() -> None:
    whole = build_schedule(C1, 20, C1_TOLERANCE).entries
    first, second = whole[3], whole[7]
    some = (first, second)
    assert find(some, first.prefix.start(20), 20) == find(some, first.prefix.end(20), 20) == (0, first)
    assert find(some, second.prefix.start(20), 20) == find(some, second.prefix.end(20), 20) == (1, second)
    for missed in (0, first.prefix.start(20) - 1, first.prefix.end(20) + 1, second.prefix.end(20) + 1, 2**20 - 1):
        assert find(some, missed, 20) is None
    assert find((), 5, 20) is None


@settings(deadline=None)
@given(small_contracts(), st.sets(st.integers(0, 40)))
def test_finding_is_trying_every_entry(contract: tuple[PayoutCurve, int], kept: set[int]) -> None:
    curve, digits = contract
    schedule = build_schedule(curve, digits, Fraction(1, 100))
    some = tuple(entry for index, entry in enumerate(schedule) if index in kept)
    for x in range(1 << digits):
        tried = [(index, entry) for index, entry in enumerate(some) if entry.prefix.covers(x, digits)]
        assert find(some, x, digits) == (tried[0] if tried else None)
        assert find(schedule.entries, x, digits) == schedule.lookup(x)


@pytest.mark.parametrize(("outcome", "digits"), [(-1, 20), (2**20, 20), (0, 0), (0, 33)])
def test_finding_refuses_what_the_event_cannot_attest(outcome: int, digits: int) -> None:
    with pytest.raises(RuleViolation, match="digits"):
        find((), outcome, digits)
