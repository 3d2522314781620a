"""The CETs of hourly liquidation events: in their places, signed, and the right one found for each outcome."""

from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from attrs import evolve

from cfd_core.contract.jobs import DIGEST_BYTES, pieces
from cfd_core.errors import RuleViolation
from cfd_core.oracle import adaptor_points
from cfd_core.payouts import find
from cfd_core.values import EventId, Role, Sats

HOURS = (EventId("hour 1"), EventId("hour 2"))
AT_OPENING = 100_000


@pytest.fixture(scope="module")
def hourly(workshop: Any) -> Any:
    """Opened at 100,000 with a long at 2x, which the recorded price of 48,935 liquidates."""
    return workshop.contract(price=Decimal(AT_OPENING), liquidations=HOURS)


def test_the_settlement_comes_first_then_each_hour(hourly: Any) -> None:
    draft = hourly.draft
    assert [cets.announcement.event_id for cets in draft.events] == [draft.terms.event, *HOURS]
    assert draft.events[0].entries == draft.schedule.entries
    assert draft.events[1].entries == draft.events[2].entries
    assert 0 < len(draft.events[1].entries) < len(draft.schedule)
    assert draft.events[0].first == 0
    assert all(one.first + len(one.entries) == other.first for one, other in pairwise(draft.events))
    assert draft.entries == draft.schedule.entries + draft.events[1].entries * 2


def test_an_hour_pays_only_those_who_took_all(hourly: Any) -> None:
    draft = hourly.draft
    assert {entry.long for entry in draft.events[1].entries} == {0}, "the maker's short at 1x loses at no price"
    assert find(draft.events[1].entries, 66_000, 20) is not None
    assert find(draft.events[1].entries, 66_667, 20) is None


def test_each_cet_has_its_digest_and_its_point(hourly: Any) -> None:
    draft = hourly.draft
    digests, points = list(pieces(draft.cet_digests, DIGEST_BYTES)), list(pieces(draft.packed_points, 33))
    assert len(digests) == len(points) == len(draft.entries) == len(draft.cet_points)
    sats = draft.commit.outputs[0].sats
    for digest, entry in zip(digests, draft.entries, strict=True):
        assert digest == draft.cet(entry).sighash_v0(0, draft.commit_script, sats) == draft.cet_digest(entry)
    expected = [
        point.encode()
        for cets in draft.events
        for point in adaptor_points(cets.announcement, [entry.prefix for entry in cets.entries])
    ]
    assert points == expected


def test_positions_are_counted_over_all_events(hourly: Any) -> None:
    draft = hourly.draft
    for cets in draft.events:
        assert draft.event(cets.announcement.event_id) is cets
        for at, entry in enumerate(cets.entries):
            assert cets.find(entry.prefix.end(20)) == (cets.first + at, entry)
            assert draft.entries[cets.first + at] == entry
    assert draft.events[1].find(AT_OPENING) is None
    assert draft.event(EventId("hour 3")) is None


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("event", [None, *HOURS])
def test_the_cet_of_each_event_opens(hourly: Any, accepts: Any, role: Role, event: EventId | None) -> None:
    dlc, keys, packed = hourly.dlc(role), hourly.side(role).keys, hourly.cets[role.other]
    attestation = evolve(hourly.attestation, event_id=event or hourly.draft.terms.event)
    assert dlc.covers(attestation)
    signed = dlc.sign_cet(keys, attestation, packed)
    assert accepts(signed.transaction, hourly.spent(signed.transaction))
    assert signed.entry.prefix.covers(48_935, 20)
    assert (signed.entry.long, signed.entry.short) == (0, hourly.draft.terms.pool)


def test_what_no_cet_covers(hourly: Any) -> None:
    dlc, keys, packed = hourly.dlc(Role.MAKER), hourly.maker.keys, hourly.cets[Role.TAKER]
    alive = evolve(hourly.attestation, event_id=HOURS[0], outcome=AT_OPENING)
    unknown = evolve(hourly.attestation, event_id=EventId("hour 3"))
    assert dlc.covers(evolve(alive, event_id=hourly.draft.terms.event))
    for attestation in (alive, unknown):
        assert not dlc.covers(attestation)
        with pytest.raises(RuleViolation, match=r"no CET for \d+ at hour"):
            dlc.sign_cet(keys, attestation, packed)


def test_the_slack_of_the_terms_is_used(workshop: Any) -> None:
    """Without slack every price up to 66,666, at which the long has lost all, has a CET."""
    whole = workshop.draft(price=Decimal(AT_OPENING), liquidations=HOURS, liquidation_slack=Decimal(0))
    assert find(whole.events[1].entries, 66_666, 20) is not None
    assert find(whole.events[1].entries, 66_667, 20) is None


def test_without_hours_only_the_settlement_has_cets(workshop: Any) -> None:
    draft = workshop.draft()
    assert [cets.announcement.event_id for cets in draft.events] == [draft.terms.event]
    assert draft.entries == draft.schedule.entries
    assert len(draft.cet_digests) == DIGEST_BYTES * len(draft.schedule)


def test_without_hours_a_contract_may_be_lost_from_the_start(workshop: Any) -> None:
    """Fees above the pool leave one side nothing at any price; only hourly events could not be made for it."""
    draft = workshop.draft(opening_fee=Sats(5_000_000))
    assert draft.entries == draft.schedule.entries
    assert {entry.long for entry in draft.entries} == {0}


def test_what_is_covered_is_told_without_the_schedule_as_with_it(workshop: Any) -> None:
    """At each edge of each entry, and in the other events of the contract."""
    for price in (AT_OPENING, 54_000):
        draft = workshop.contract(price=Decimal(price), liquidations=HOURS).draft
        for cets in draft.events:
            event, digits = cets.announcement.event_id, cets.announcement.digits
            edges = {edge for entry in cets.entries for edge in (entry.prefix.start(digits), entry.prefix.end(digits))}
            near = {edge + step for edge in edges for step in (-1, 0, 1)} & set(range(1 << digits))
            fresh = evolve(draft)
            assert all(fresh.covers(event, outcome) is (cets.find(outcome) is not None) for outcome in near)
            assert "schedule" not in vars(fresh)
        assert not draft.covers(EventId("another"), 48_935)
