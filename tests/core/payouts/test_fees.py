"""Funding fees, the hours they are charged for, and the account they add up in."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cfd_core.errors import RuleViolation
from cfd_core.payouts import OPENING_HOURS, FeeAccount, funding_fee, rollover_hours
from cfd_core.payouts.margin import margin
from cfd_core.values import HOUR, Position, Role, Timestamp

RATE = Decimal("0.00024")
NOON = Timestamp(1_700_049_600)


def hours_after(hours: float) -> Timestamp:
    return Timestamp(NOON + int(hours * HOUR))


@pytest.mark.parametrize(
    ("base", "rate", "hours", "fee"),
    [
        (200_000, RATE, 24, 48),
        (200_000, -RATE, 24, 48),
        (200_000, RATE, 7, 14),
        (200_000, RATE, 1, 2),
        (200_000, Fraction(24, 100_000), 24, 48),
        (200_001, RATE, 24, 49),  # never less than owed
        (1, Decimal("0.000000000001"), 1, 1),
        (200_000, Decimal(0), 24, 0),
        (200_000, Decimal("0E+999999999"), 24, 0),  # as an integer ratio it would take a gigabyte
        (200_000, Fraction(1), 24, 200_000),
        (200_000, Fraction(-1), 24, 200_000),
        (10**12, Fraction(1, 10**12), 24, 1),
        (200_000, RATE, 0, 0),
        (0, RATE, 24, 0),
        (2_100_000_000_000_000, Decimal(1), 24, 2_100_000_000_000_000),
    ],
)
def test_funding_fee(base: int, rate: Decimal | Fraction, hours: int, fee: int) -> None:
    assert funding_fee(base, rate, hours) == fee


@pytest.mark.parametrize(
    ("base", "rate", "hours"),
    [
        (-1, RATE, 24),
        (1, RATE, -1),
        (1, Decimal("NaN"), 24),
        (1, Decimal("sNaN"), 24),
        (1, Decimal("-Infinity"), 24),
        (1, Decimal("1.01"), 24),
        (1, Decimal("1E-999999999"), 24),
        (1, Decimal("0E-999999999"), 24),
        (1, Decimal("-1.01"), 24),
        (1, Fraction(-3, 2), 24),
        (1, Fraction(3, 2), 24),
        (1, Fraction(1, 10**12 + 1), 24),
        (1, 0.00024, 24),
    ],
)
def test_funding_fee_refuses(base: int, rate: Decimal, hours: int) -> None:
    with pytest.raises(RuleViolation):
        funding_fee(base, rate, hours)


@pytest.mark.parametrize(
    ("new_expiry", "now", "hours"),
    [
        (7, -1, 7),  # 12:00 -> 19:00
        (24, -1, 24),
        (1, -23, 1),
        (1.99, -1, 1),  # whole hours only
        (7, 0, 24),  # expired this second
        (30, 5, 24),
        (6, 5, 24),
    ],
)
def test_rollover_hours(new_expiry: float, now: float, hours: int) -> None:
    assert rollover_hours(NOON, hours_after(new_expiry), hours_after(now)) == hours


@pytest.mark.parametrize(("new_expiry", "now"), [(0, -1), (-1, -2), (0.5, -1), (2, 2), (2, 3)])
def test_rollover_hours_refuses(new_expiry: float, now: float) -> None:
    with pytest.raises(RuleViolation):
        rollover_hours(NOON, hours_after(new_expiry), hours_after(now))


def day_of_funding(account: FeeAccount, rate: Decimal = RATE) -> FeeAccount:
    """100 contracts at 50,000: long 2x, short 1x."""
    long_margin, short_margin = margin(100, 50_000, 2), margin(100, 50_000, 1)
    return account.charge_funding(long_margin=long_margin, short_margin=short_margin, rate=rate, hours=OPENING_HOURS)


def test_the_reference_series_of_a_taker_long() -> None:
    taker = day_of_funding(FeeAccount(Role.TAKER, Position.LONG).charge_opening_fee(2))
    maker = day_of_funding(FeeAccount(Role.MAKER, Position.SHORT).charge_opening_fee(2))
    series = [taker.owed]
    for _ in range(3):
        taker, maker = day_of_funding(taker), day_of_funding(maker)
        series.append(taker.owed)
    assert series == [50, 98, 146, 194]
    assert maker.owed == -194
    assert maker.long_pays_short == taker.long_pays_short == 194


def test_a_negative_rate_makes_the_short_pay_on_the_longs_margin() -> None:
    taker = day_of_funding(FeeAccount(Role.TAKER, Position.LONG), -RATE)
    assert taker.owed == taker.long_pays_short == -24


def test_the_taker_pays_the_opening_fee_on_either_side() -> None:
    assert FeeAccount(Role.TAKER, Position.SHORT).charge_opening_fee(7).long_pays_short == -7
    assert FeeAccount(Role.MAKER, Position.LONG).charge_opening_fee(7).long_pays_short == -7
    assert FeeAccount(Role.MAKER, Position.SHORT).charge_opening_fee(7).owed == -7


def test_an_account_refuses_bad_charges() -> None:
    account = FeeAccount(Role.TAKER, Position.LONG)
    with pytest.raises(RuleViolation):
        account.charge_opening_fee(-1)
    with pytest.raises(RuleViolation):
        day_of_funding(account, Decimal("NaN"))
    assert account.owed == 0


@settings(deadline=None)
@given(
    st.sampled_from(Role),
    st.sampled_from(Position),
    st.lists(st.decimals(-1, 1, places=6, allow_nan=False), max_size=6),
    st.integers(0, 10**6),
)
def test_the_two_accounts_always_cancel(role: Role, position: Position, rates: list[Decimal], fee: int) -> None:
    mine = FeeAccount(role, position).charge_opening_fee(fee)
    theirs = FeeAccount(role.other, position.other).charge_opening_fee(fee)
    for rate in rates:
        mine, theirs = day_of_funding(mine, rate), day_of_funding(theirs, rate)
    assert mine.owed + theirs.owed == 0
    assert mine.long_pays_short == theirs.long_pays_short
