"""Payoffs that are not ours: what the schedule makes of them, and how they get a name."""

from decimal import Decimal
from fractions import Fraction

import pytest
from attrs import frozen

from cfd_core.errors import RuleViolation
from cfd_core.payouts import INVERSE_BTC_USD, PRODUCTS, Gain, PayoutCurve, build_schedule, payoff_of, register
from cfd_core.values import Position, Sats


@frozen
class Staircase:
    """Gains in sats at prices counted in steps of `width`; the last one goes on for ever."""

    steps: tuple[int, ...]
    width: int = 8
    shift: int = 0

    def plus(self, amount: int) -> "Staircase":
        return Staircase(self.steps, self.width, self.shift + amount)

    def at(self, x: int, scale: int = 1) -> tuple[int, int]:
        return self.steps[min(x // scale // self.width, len(self.steps) - 1)] + self.shift, 1


@frozen
class Stepwise:
    """A payoff that is a staircase whatever the terms."""

    steps: tuple[int, ...]
    name: str = "stepwise"
    index: str = "STEP"

    def margin(self, quantity: int, price: Decimal, leverage: int) -> Sats:  # noqa: ARG002
        return Sats(1_000)

    def long_gain(self, quantity: int, price: Decimal) -> Gain:  # noqa: ARG002
        return Staircase(self.steps)

    def liquidation_price(self, position: Position, price: Decimal, leverage: int) -> Fraction | None:  # noqa: ARG002
        return None


def curve(*steps: int) -> PayoutCurve:
    return PayoutCurve(Stepwise(steps), 10, 1, 1, 1)


def test_a_bounded_payoff_takes_an_entry_for_each_step() -> None:
    schedule = build_schedule(curve(-500, 0, 0, 500), 5, Decimal("0.001"))
    assert [(entry.prefix.start(5), entry.long) for entry in schedule] == [
        (0, 500),
        (8, 1_000),
        (16, 1_000),
        (24, 1_500),
    ]
    assert schedule.worst_error == 0


def test_fees_shift_it() -> None:
    schedule = build_schedule(curve(-500, 500).with_fees(20), 5, Decimal("0.001"))
    assert [entry.long for entry in schedule] == [480, 1_480, 1_480]


@pytest.mark.parametrize(
    ("steps", "tolerance"),
    [((500, -500), "0.001"), ((0, 500, -500, 100), "0.001"), ((500, 400, 300, 200), "0.5")],
    ids=["falling", "up and down", "all within one entry"],
)
def test_a_payoff_that_falls_is_refused_where_it_is_seen(steps: tuple[int, ...], tolerance: str) -> None:
    with pytest.raises(RuleViolation, match="must never fall"):
        build_schedule(curve(*steps), 5, Decimal(tolerance))


def test_a_registered_payoff_is_known_by_its_name() -> None:
    payoff = Stepwise((0, 1), "stepwise-registered")
    with pytest.raises(RuleViolation, match="unknown product"):
        payoff_of(payoff.name)
    register(payoff)
    register(Stepwise((0, 1), "stepwise-registered"))
    assert payoff_of("stepwise-registered") == payoff
    assert payoff.name not in PRODUCTS


def test_a_name_means_one_payoff_for_ever() -> None:
    register(Stepwise((0, 1), "stepwise-taken"))
    register(INVERSE_BTC_USD)
    for other in (Stepwise((0, 2), "stepwise-taken"), Stepwise((0, 1), "BTCUSD-inverse")):
        with pytest.raises(RuleViolation, match="another product"):
            register(other)
    assert payoff_of("BTCUSD-inverse") is INVERSE_BTC_USD


@pytest.mark.parametrize("name", ["", "x" * 41, "a\nb"])
def test_a_name_is_short_and_printable(name: str) -> None:
    with pytest.raises(RuleViolation, match="printable"):
        register(Stepwise((0, 1), name))


@pytest.mark.parametrize("member", ["name", "index", "margin", "long_gain", "liquidation_price"])
def test_a_product_that_lacks_something_is_refused_when_it_is_registered(member: str) -> None:
    members = {"name": "lacking", "index": "STEP", **dict.fromkeys(("margin", "long_gain", "liquidation_price"), curve)}
    product = type("Lacking", (), {word: value for word, value in members.items() if word != member})()
    with pytest.raises(RuleViolation, match=f"Lacking object.* has no .*`{member}`"):
        register(product)
    with pytest.raises(RuleViolation, match="unknown product"):
        payoff_of("lacking")


def test_the_class_in_place_of_the_product_is_refused() -> None:
    with pytest.raises(RuleViolation, match=r"register a product, Stepwise\(\)"):
        register(Stepwise)  # type: ignore[arg-type]


@pytest.mark.parametrize("margin", [1_000.0, Fraction(1_000), Decimal(1_000), None, True])
def test_a_margin_that_is_no_int_is_refused_by_the_products_name(
    margin: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Stepwise, "margin", lambda *_: margin)
    with pytest.raises(RuleViolation, match="the margin of stepwise must be whole sats, an int, not "):
        curve(-500, 500)


@pytest.mark.parametrize("ratio", [(0.5, 1), (1, 2.0), (Decimal(1), 1), 5, 0.5, (1,), None])
def test_a_gain_that_is_no_ratio_of_whole_numbers_is_refused_by_the_products_name(
    ratio: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Staircase, "at", lambda *_: ratio)
    with pytest.raises(RuleViolation, match="the gain of stepwise must be a ratio of ints or Fractions, not "):
        curve(-500, 500)


def test_a_gain_of_fractions_is_as_good_as_one_of_ints(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = build_schedule(curve(-500, 500), 5, Decimal("0.001"))
    at = Staircase.at
    monkeypatch.setattr(Staircase, "at", lambda *args: (Fraction(at(*args)[0], 7), Fraction(1, 7)))
    assert build_schedule(curve(-500, 500), 5, Decimal("0.001")) == whole
