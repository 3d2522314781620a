"""Points and scalars against each other and against plain integers."""

import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cfd_core.crypto.curve import (
    GENERATOR,
    ORDER,
    Point,
    PointAtInfinity,
    pack_points,
    public_key,
    scalar_mul_add,
    scalar_negate,
    scalar_quotient_low,
    scalar_sum,
    unpack_points,
)
from cfd_core.errors import DecodeError, RuleViolation
from cfd_core.values import Secret

numbers = st.one_of(st.sampled_from([1, 2, ORDER // 2, ORDER - 2, ORDER - 1]), st.integers(1, ORDER - 1))
relaxed = settings(deadline=None)


def b32(value: int) -> bytes:
    return value.to_bytes(32, "big")


def secret(value: int) -> Secret:
    return Secret(b32(value % ORDER))


def number(scalar: Secret) -> int:
    return int.from_bytes(scalar.reveal(), "big")


def at(value: int) -> Point:
    """value * G."""
    return public_key(secret(value))


@relaxed
@given(numbers)
def test_encode_parse_pickle(value: int) -> None:
    point = at(value)
    for same in (Point.parse(point.encode()), pickle.loads(pickle.dumps(point))):  # noqa: S301
        assert same == point
        assert hash(same) == hash(point)
        assert same.encode() == point.encode()
    assert repr(point) == f"Point({point.encode().hex()})"


@relaxed
@given(numbers)
def test_lift_x_has_even_y(value: int) -> None:
    point = at(value)
    lifted = Point.lift_x(point.x_only())
    assert lifted.encode() == b"\x02" + point.x_only()
    assert lifted in (point, -point)


@relaxed
@given(numbers, numbers)
def test_secret_and_public_multiplication_agree(base: int, factor: int) -> None:
    point = at(base)
    expected = at(base * factor)
    assert point.mul_public(b32(factor)) == expected
    assert point.mul_secret(secret(factor)) == expected


@relaxed
@given(numbers, numbers, st.integers(0, ORDER))
def test_mul_add(base: int, factor: int, base_factor: int) -> None:
    point = at(base)
    if (base * factor + base_factor) % ORDER == 0:
        with pytest.raises(PointAtInfinity):
            point.mul_add_public(factor, base_factor)
    else:
        assert point.mul_add_public(factor, base_factor) == at(base * factor + base_factor)


def test_mul_add_of_a_point_whose_x_is_above_the_order() -> None:
    """Its x modulo ORDER does not tell it from another one, so one more bit has to."""
    x = next(x for x in range(ORDER + 1, ORDER + 100) if on_curve(x))
    for prefix in (b"\x02", b"\x03"):
        point = Point.parse(prefix + b32(x))
        assert point.mul_add_public(7, 11) == point.mul_public(b32(7)) + at(11)


def on_curve(x: int) -> bool:
    try:
        Point.lift_x(b32(x))
    except DecodeError:
        return False
    return True


def test_mul_add_refuses_nothing_and_infinity() -> None:
    with pytest.raises(PointAtInfinity):
        at(5).mul_add_public(0, 3)
    with pytest.raises(PointAtInfinity):
        at(5).mul_add_public(2, ORDER - 10)


@relaxed
@given(st.lists(numbers, min_size=1, max_size=8))
def test_sums_of_points_and_of_scalars_agree(values: list[int]) -> None:
    partial = [sum(values[: end + 1]) % ORDER for end in range(len(values))]
    if partial[-1]:
        assert Point.sum(at(value) for value in values) == at(partial[-1])
    else:
        with pytest.raises(PointAtInfinity):
            Point.sum(at(value) for value in values)
    if all(partial):
        assert scalar_sum(map(secret, values)) == secret(partial[-1])


def test_plus_and_minus() -> None:
    assert at(3) + at(4) == at(7)
    assert -at(3) == at(-3)
    assert at(1) == GENERATOR
    assert {at(3), at(3), at(4)} == {at(3), at(4)}
    assert at(3) != at(3).encode()


def test_arithmetic_leaves_its_operands_alone() -> None:
    point = at(3)
    _ = -point, point.mul_public(b32(5)), point.mul_secret(secret(5)), point.mul_add_public(5, 5), point + point
    assert pickle.loads(pickle.dumps(point)).encode() == at(3).encode()  # noqa: S301


def test_many_points_travel_as_one_object() -> None:
    points = tuple(at(value) for value in (1, 2, -3, 77))
    read = unpack_points(pack_points(points))
    assert read == points
    assert [point.encode() for point in read] == [point.encode() for point in points]
    assert unpack_points(pack_points(())) == ()
    for spoilt in (pack_points(points)[:-1], bytes(65), b"\x04" + bytes(64)):
        with pytest.raises(DecodeError):
            unpack_points(spoilt)


def test_sums_of_nothing_or_to_nothing() -> None:
    with pytest.raises(PointAtInfinity, match="point at infinity"):
        Point.sum([at(3), at(4), at(-7)])
    with pytest.raises(RuleViolation, match="at least one point"):
        Point.sum([])
    with pytest.raises(RuleViolation, match="at least one scalar"):
        scalar_sum([])
    with pytest.raises(RuleViolation, match="cancel out"):
        scalar_sum([secret(3), secret(-3)])


@relaxed
@given(numbers, numbers, st.integers(0, ORDER - 1))
def test_scalar_mul_add(scalar: int, factor: int, addend: int) -> None:
    expected = (scalar * factor + addend) % ORDER
    if expected:
        assert number(scalar_mul_add(secret(scalar), b32(factor), b32(addend))) == expected
    else:
        with pytest.raises(RuleViolation, match="zero"):
            scalar_mul_add(secret(scalar), b32(factor), b32(addend))


@relaxed
@given(numbers)
def test_scalar_negate(value: int) -> None:
    assert number(scalar_negate(secret(value))) == ORDER - value


@relaxed
@given(numbers, numbers)
def test_quotient_is_the_lower_of_the_two(dividend: int, divisor: int) -> None:
    quotient = dividend * pow(divisor, -1, ORDER) % ORDER
    low = scalar_quotient_low(secret(dividend), secret(divisor), at(divisor))
    assert int.from_bytes(low, "big") == min(quotient, ORDER - quotient)


def test_quotient_with_a_dividend_equal_to_the_divisors_r() -> None:
    r = int.from_bytes(at(5).x_only(), "big") % ORDER
    quotient = r * pow(5, -1, ORDER) % ORDER
    low = scalar_quotient_low(secret(r), secret(5), at(5))
    assert int.from_bytes(low, "big") == min(quotient, ORDER - quotient)


def test_quotient_notices_a_point_of_another_scalar() -> None:
    with pytest.raises(RuntimeError, match="does not belong"):
        scalar_quotient_low(secret(3), secret(5), at(6))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        at(3).encode()[:-1],
        at(3).encode() + b"\x00",
        b"\x00" * 33,
        b"\x01" + at(3).x_only(),
        b"\x04" + at(3).x_only(),
        b"\x02" + b32(5),
        b"\x02" + b"\xff" * 32,
        b"\x04" + bytes(64),
    ],
)
def test_malformed_points(data: bytes) -> None:
    with pytest.raises(DecodeError, match="not a compressed curve point"):
        Point.parse(data)


def test_malformed_x() -> None:
    for x in (b"", at(3).encode(), b"\x01" * 31):
        with pytest.raises(DecodeError, match="32 bytes"):
            Point.lift_x(x)
    with pytest.raises(DecodeError, match="curve point"):
        Point.lift_x(b32(5))


def test_a_tampered_pickle_is_no_point() -> None:
    rebuild, (data,) = at(3).__reduce__()
    for bad in (data[:-1] + bytes([data[-1] ^ 1]), data[:-1], at(3).encode(), bytes(65)):
        with pytest.raises(DecodeError):
            rebuild(bad)


@pytest.mark.parametrize("bad", [b"", bytes(32), b32(ORDER), b"\xff" * 32, b"\x01" * 31, b"\x01" * 33])
def test_invalid_scalars(bad: bytes) -> None:
    for call in (
        lambda: at(3).mul_public(bad),
        lambda: at(3).mul_secret(Secret(bad)),
        lambda: public_key(Secret(bad)),
        lambda: scalar_sum([secret(1), Secret(bad)]),
        lambda: scalar_mul_add(Secret(bad), b32(1), b32(1)),
        lambda: scalar_mul_add(secret(1), bad, b32(1)),
        lambda: scalar_negate(Secret(bad)),
        lambda: scalar_quotient_low(Secret(bad), secret(1), at(1)),
        lambda: scalar_quotient_low(secret(1), Secret(bad), at(1)),
    ):
        with pytest.raises(RuleViolation, match="group order"):
            call()


@pytest.mark.parametrize("bad", [b"", b32(ORDER), b"\x01" * 33])
def test_invalid_addend(bad: bytes) -> None:
    with pytest.raises(RuleViolation):
        scalar_mul_add(secret(1), b32(1), bad)
