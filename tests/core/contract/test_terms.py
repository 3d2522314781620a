"""The terms of a contract: their limits, which both parties must share, and who owes whom after opening."""

from decimal import Decimal
from typing import Any

import pytest

from cfd_core.contract import terms as limits
from cfd_core.contract.terms import RevisionTerms
from cfd_core.errors import RuleViolation
from cfd_core.values import EventId, Position, Role, Sats


def hours(count: int) -> tuple[EventId, ...]:
    return tuple(EventId(f"hour {n}") for n in range(count))


def test_the_defaults_of_the_protocol(workshop: Any) -> None:
    terms = workshop.terms()
    assert (terms.cet_timelock, terms.refund_timelock) == (12, 216)
    assert terms.liquidation_slack == Decimal("0.005")
    assert terms.liquidations == ()
    assert (limits.CET_TIMELOCK, limits.REFUND_TIMELOCK) == (12, 216)


@pytest.mark.parametrize(
    "change",
    [
        {"cet_timelock": 1},
        {"cet_timelock": 215},
        {"refund_timelock": 13},
        {"refund_timelock": 4_032},
        {"liquidations": hours(26)},
        {"liquidation_slack": Decimal("0.5")},
        {"opening_fee": Sats(10**12)},
        {"funding_rate": Decimal("0.1")},
        {"funding_rate": Decimal("-0.1")},
        {"funding_rate": Decimal("0.000000000001")},
        {"tolerance": Decimal("0.1")},
    ],
)
def test_terms_at_their_limits(workshop: Any, change: dict[str, Any]) -> None:
    terms = workshop.terms(**change)
    assert {name: getattr(terms, name) for name in change} == change


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"cet_timelock": 0}, "timelocks"),
        ({"cet_timelock": 216}, "timelocks"),
        ({"refund_timelock": 12}, "timelocks"),
        ({"refund_timelock": 4_033}, "timelocks"),
        ({"liquidations": hours(27)}, "at most 26 different liquidation events"),
        ({"liquidations": (*hours(3), EventId("hour 1"))}, "at most 26 different liquidation events"),
        ({"liquidation_slack": Decimal("0.51")}, "liquidation slack"),
        ({"opening_fee": -1}, "opening fee"),
        ({"opening_fee": 10**12 + 1}, "opening fee"),
        ({"funding_rate": Decimal("0.100000000001")}, "funding rate"),
        ({"funding_rate": Decimal("-0.100000000001")}, "funding rate"),
        ({"funding_rate": Decimal("0.0000000000001")}, "funding rate"),
        ({"funding_rate": Decimal("NaN")}, "funding rate"),
        ({"funding_rate": Decimal("-Infinity")}, "funding rate"),
        ({"tolerance": Decimal("0.100000000001")}, "within 0.1 of the pool"),
        ({"tolerance": Decimal(0)}, "tolerance"),
        ({"product": "ETHUSD-inverse"}, "unknown product"),
        ({"price": Decimal(0)}, "price"),
        ({"quantity": 0}, "quantity"),
        ({"taker_leverage": 101}, "leverage"),
        ({"maker_leverage": 0}, "leverage"),
        ({"fee_rate": 0}, "fee rate"),
        ({"quantity": 10, "maker_leverage": 61}, "the maker's margin of 328 sats is below 330"),
    ],
)
def test_terms_beyond_their_limits(workshop: Any, change: dict[str, Any], why: str) -> None:
    with pytest.raises(RuleViolation, match=why):
        workshop.terms(**change)


def test_what_is_in_range_comes_back() -> None:
    assert limits.funding_rate(Decimal("-0.02")) == Decimal("-0.02")
    assert limits.opening_fee(300) == 300


def test_who_has_which_side(workshop: Any) -> None:
    for taker in Position:
        terms = workshop.terms(taker_position=taker, taker_leverage=3, maker_leverage=2)
        assert (terms.position(Role.TAKER), terms.position(Role.MAKER)) == (taker, taker.other)
        assert (terms.role(taker), terms.role(taker.other)) == (Role.TAKER, Role.MAKER)
        assert (terms.leverage(taker), terms.leverage(taker.other)) == (3, 2)
        assert (terms.margin(Role.TAKER), terms.margin(Role.MAKER)) == (666_667, 1_000_000)
        assert terms.pool == 1_666_667
        assert terms.curve.margin(taker) == 666_667


def test_what_is_owed_after_opening(workshop: Any) -> None:
    """0.1 % for 24 h on the margin of the side that receives: 2,000,000 of the short, 1,000,000 of the long."""
    terms = workshop.terms(opening_fee=Sats(300), funding_rate=Decimal("0.001"))
    assert terms.fee_account(Role.TAKER).owed == 2_300
    assert terms.fee_account(Role.MAKER).owed == -2_300
    assert terms.first_revision.long_pays_short == terms.curve.long_pays_short == 2_300
    assert workshop.terms(funding_rate=Decimal("-0.001")).first_revision.long_pays_short == -1_000
    short = workshop.terms(taker_position=Position.SHORT, taker_leverage=1, maker_leverage=2, opening_fee=Sats(300))
    assert short.first_revision.long_pays_short == -300


def test_what_a_rollover_adds(workshop: Any) -> None:
    for terms in (
        workshop.terms(opening_fee=Sats(300), funding_rate=Decimal("0.05")),
        workshop.terms(taker_position=Position.SHORT, taker_leverage=1, maker_leverage=2),
    ):
        assert terms.funding_of(Decimal("0.001"), 24) == 2_000
        assert terms.funding_of(Decimal("0.001"), 7) == 584  # 583.3: never less than owed
        assert terms.funding_of(Decimal("-0.001"), 24) == -1_000
        assert terms.funding_of(Decimal(0), 24) == 0


def test_the_first_revision_is_what_setup_signs(workshop: Any) -> None:
    terms = workshop.terms(funding_rate=Decimal("0.001"), liquidations=hours(2))
    assert terms.first_revision == RevisionTerms(
        number=0,
        settlement=terms.event,
        liquidations=hours(2),
        long_pays_short=2_000,
        funding_rate=Decimal("0.001"),
        hours=24,
    )
    assert terms.first_revision.events == (terms.event, *hours(2))


def test_the_schedule_is_that_of_the_revisions_fees_and_the_terms_tolerance(workshop: Any) -> None:
    terms = workshop.terms(funding_rate=Decimal("0.001"))
    schedule = terms.schedule_of(terms.first_revision)
    assert schedule.worst_error <= terms.tolerance
    assert (schedule.digits, schedule.pool) == (terms.digits, 3_000_000)
    at_opening = schedule.lookup(50_000)[1].long
    assert abs(at_opening - (1_000_000 - 2_000)) <= schedule.worst_error * 3_000_000
