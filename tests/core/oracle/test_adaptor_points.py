"""The sum of a prefix's digit points, one addition for each tree node."""

import pickle
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cfd_core.crypto.secp import Point
from cfd_core.errors import RuleViolation
from cfd_core.oracle import Dialect, adaptor_points, read_attestation
from cfd_core.values import DigitPrefix

_DIGITS = 6


@st.composite
def partitions(draw: st.DrawFn) -> list[DigitPrefix]:
    """Prefixes in price order that together cover every outcome, as a payout schedule has them."""
    leaves: list[DigitPrefix] = []
    pending = [DigitPrefix(1, 1), DigitPrefix(1, 0)]
    while pending:
        node = pending.pop()
        if node.length == _DIGITS or draw(st.booleans()):
            leaves.append(node)
        else:
            pending += [DigitPrefix(node.length + 1, 2 * node.value + bit) for bit in (1, 0)]
    return leaves


def _from_scratch(announcement: Any, prefix: DigitPrefix) -> Point:
    return Point.sum([announcement.point(index, prefix.bit(index)) for index in range(prefix.length)])


@given(partitions(), st.sampled_from(Dialect))
@settings(max_examples=40, deadline=None)
def test_sum_of_digit_points(issue: Any, prefixes: list[DigitPrefix], dialect: Dialect) -> None:
    announcement = issue(dialect, _DIGITS, 9).accept()
    assert adaptor_points(announcement, prefixes) == [_from_scratch(announcement, prefix) for prefix in prefixes]


@given(st.permutations([DigitPrefix(length, value) for length in (1, 2, 4) for value in range(2**length)]))
@settings(max_examples=20, deadline=None)
def test_any_order_gives_the_same_points(issue: Any, prefixes: list[DigitPrefix]) -> None:
    announcement = issue(Dialect.OLIVIA_V1, _DIGITS, 9).accept()
    assert adaptor_points(announcement, prefixes) == [_from_scratch(announcement, prefix) for prefix in prefixes]


@given(partitions())
@settings(max_examples=20, deadline=None)
def test_one_addition_for_each_node(issue: Any, prefixes: list[DigitPrefix]) -> None:
    announcement = issue(Dialect.DLC_V0, _DIGITS, 9).accept()
    announcement.digit_points  # noqa: B018  computed once, outside of the count
    additions = 0
    genuine = Point.__add__

    def counted(one: Point, other: Point) -> Point:
        nonlocal additions
        additions += 1
        return genuine(one, other)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Point, "__add__", counted)
        adaptor_points(announcement, prefixes)
    nodes = {
        DigitPrefix(length, prefix.value >> (prefix.length - length))
        for prefix in prefixes
        for length in range(2, prefix.length + 1)
    }
    assert additions == len(nodes)


def test_no_prefixes_no_points(own: Any) -> None:
    assert adaptor_points(own.accept(), []) == []


@pytest.mark.parametrize("prefix", [DigitPrefix(0, 0), DigitPrefix(21, 0)])
def test_no_point_for_such_a_prefix(own: Any, prefix: DigitPrefix) -> None:
    with pytest.raises(RuleViolation, match="no adaptor point"):
        adaptor_points(own.accept(), [prefix])


@pytest.mark.parametrize(("index", "bit"), [(-1, 0), (20, 0), (0, 2), (0, -1)])
def test_no_such_digit(own: Any, index: int, bit: int) -> None:
    with pytest.raises(RuleViolation, match="no digit"):
        own.accept().point(index, bit)


@pytest.mark.parametrize("prefix", [DigitPrefix(0, 0), DigitPrefix(20, 48_934), DigitPrefix(1, 1), DigitPrefix(21, 0)])
def test_no_secret_for_a_prefix_that_does_not_cover(own: Any, prefix: DigitPrefix) -> None:
    attestation = read_attestation(own.accept(), own.attestation_raw)
    with pytest.raises(RuleViolation, match="not in"):
        attestation.prefix_secret(prefix)


def test_prefix_secret_stays_out_of_sight(own: Any) -> None:
    attestation = read_attestation(own.accept(), own.attestation_raw)
    secret = attestation.prefix_secret(DigitPrefix(1, 0))
    assert repr(secret) == "Secret(...)"
    assert attestation.scalars[0].hex() not in repr(attestation)


def test_values_travel_to_worker_processes(own: Any) -> None:
    announcement = own.accept()
    announcement.point(0, 0)
    again = pickle.loads(pickle.dumps(announcement))  # noqa: S301  our own bytes
    assert again == announcement
    assert again.point(3, 1) == announcement.point(3, 1)
