"""Quotients by blinds against plain integers."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cfd_core.crypto.quotients import inverses, secret_quotients
from cfd_core.crypto.secp import ORDER, scalar_product
from cfd_core.errors import RuleViolation
from cfd_core.values import Secret

numbers = st.one_of(st.sampled_from([1, 2, ORDER // 2, ORDER - 2, ORDER - 1]), st.integers(1, ORDER - 1))


def secret(value: int) -> Secret:
    return Secret(value.to_bytes(32, "big"))


@settings(deadline=None)
@given(st.lists(st.tuples(numbers, numbers, numbers), max_size=7))
def test_quotients_are_those_of_integers_whatever_the_blinds(each: list[tuple[int, int, int]]) -> None:
    dividends, divisors, blinds = ([secret(numbers[place]) for numbers in each] for place in range(3))
    found = secret_quotients(dividends, divisors, blinds)
    assert found == [secret(a * pow(k, -1, ORDER) % ORDER) for a, k, _ in each]


@settings(deadline=None)
@given(st.lists(numbers, max_size=7))
def test_inverses_are_those_of_integers(values: list[int]) -> None:
    assert inverses(values) == [pow(value, -1, ORDER) for value in values]


@settings(deadline=None)
@given(numbers, numbers)
def test_products_are_those_of_integers(one: int, other: int) -> None:
    assert scalar_product(secret(one), other.to_bytes(32, "big")) == secret(one * other % ORDER)


@pytest.mark.parametrize("bad", [bytes(32), ORDER.to_bytes(32, "big"), b"\xff" * 32, bytes(31), b"\x01" * 33])
@pytest.mark.parametrize("place", range(3))
def test_only_scalars_are_divided(bad: bytes, place: int) -> None:
    columns = [[secret(5), secret(6)] for _ in range(3)]
    columns[place][1] = Secret(bad)
    with pytest.raises(RuleViolation, match="between 1 and the group order"):
        secret_quotients(*columns)


def test_each_dividend_needs_a_divisor_and_a_blind() -> None:
    with pytest.raises(ValueError, match="argument"):
        secret_quotients([secret(1)], [secret(1)], [])
    with pytest.raises(ValueError, match="argument"):
        secret_quotients([secret(1)], [secret(1), secret(2)], [secret(3), secret(4)])
