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
