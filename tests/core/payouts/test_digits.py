"""Prefix covers of ranges of outcomes."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cfd_core.errors import RuleViolation
from cfd_core.payouts import MAX_DIGITS, prefix_cover
from cfd_core.values import DigitPrefix


@st.composite
def ranges(draw: st.DrawFn) -> tuple[int, int, int]:
    digits = draw(st.integers(1, MAX_DIGITS))
    low, high = sorted(draw(st.tuples(*[st.integers(0, 2**digits - 1)] * 2)))
    return low, high, digits


def test_everything_is_one_empty_prefix() -> None:
    assert prefix_cover(0, 2**20 - 1, 20) == (DigitPrefix(0, 0),)


def test_one_outcome_is_all_its_digits() -> None:
    assert prefix_cover(5, 5, 4) == (DigitPrefix(4, 5),)


def test_a_range_by_hand() -> None:
    assert prefix_cover(3, 9, 4) == (DigitPrefix(4, 3), DigitPrefix(2, 1), DigitPrefix(3, 4))


@settings(deadline=None)
@given(ranges())
def test_a_cover_is_the_range_in_order_without_gaps(given_range: tuple[int, int, int]) -> None:
    start, end, digits = given_range
    cover = prefix_cover(start, end, digits)
    assert cover[0].start(digits) == start
    assert cover[-1].end(digits) == end
    assert all(left.end(digits) + 1 == right.start(digits) for left, right in pairwise(cover))


@settings(deadline=None)
@given(ranges())
def test_a_cover_is_minimal(given_range: tuple[int, int, int]) -> None:
    """No two neighbours are the two halves of one prefix, and lengths fall, then rise: nothing can merge."""
    start, end, digits = given_range
    cover = prefix_cover(start, end, digits)
    for left, right in pairwise(cover):
        halves = left.length == right.length and left.value % 2 == 0
        assert not halves
    lengths = [prefix.length for prefix in cover]
    assert max(lengths.count(length) for length in lengths) <= 2


@pytest.mark.parametrize(
    ("start", "end", "digits"),
    [(-1, 3, 4), (0, 16, 4), (16, 16, 4), (3, 2, 4), (0, 0, 0), (0, 0, 33), (0, 0, True), (0, 0, 4.0)],
)
def test_a_cover_refuses(start: int, end: int, digits: Any) -> None:
    with pytest.raises(RuleViolation, match=r"not a range of outcomes|binary digits"):
        prefix_cover(start, end, digits)
