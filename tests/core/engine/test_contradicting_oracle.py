"""An oracle that signs two prices for one event is found out for any event of a CFD, and believed in neither."""

from decimal import Decimal
from typing import Any

import pytest

from cfd_core import effects as f
from cfd_core import inputs as i
from cfd_core.cfd import commands as c
from cfd_core.cfd import events as e
from cfd_core.cfd import phases as p
from cfd_core.cfd.summary import summary
from cfd_core.errors import RuleViolation
from cfd_core.oracle import read_attestation
from cfd_core.serial import stored
from cfd_core.testing import attestation
from cfd_core.values import HOUR, EventId, Timestamp

ENTROPY = bytes(range(32))
CALM, CRASH = 48_935, 20_000


@pytest.fixture
def pair(make_pair: Any, hourly: Any) -> Any:
    made = make_pair(own_oracle=True, tolerance=Decimal("0.1"), liquidations=hourly(1, 3))
    made.take()
    made.run()
    made.confirm_lock()
    return made


def hear(pair: Any, event: EventId, *prices: int) -> None:
    for price in prices:
        pair.attest(price, event)


def proof_holds(node: Any, event: EventId) -> None:
    """What is stored convinces anybody who has the oracle's announcement."""
    (doubt,) = (doubt for doubt in node.cfd.equivocations if doubt.first.event_id == event)
    announcement = next(a for a in node.engine.announcements.values() if a.event_id == event)
    assert doubt.first.proved(announcement)
    assert doubt.second.brief.proved(announcement)
    assert doubt.first.outcome != doubt.second.outcome


def warning(node: Any) -> str:
    return summary(node.cfd, now=node.now, tip=node.engine.tip, deadlines=node.settings.policy.deadlines).warning


def test_a_calm_hour_is_noted_and_changes_nothing(pair: Any) -> None:
    event = pair.offer.liquidations[0]
    hear(pair, event, CALM, CALM)
    for node in pair.nodes:
        assert [(x.event_id, x.outcome) for x in node.cfd.noted] == [(event, CALM)]
        assert node.event_names().count("OutcomeNoted") == 1
        assert node.cfd.attestations == node.cfd.equivocations == ()
        assert isinstance(node.phase, p.Open)
        assert warning(node) == ""
        fetched = {x.event for x in node.engine.resume(node.now) if isinstance(x, f.FetchAttestation)}
        assert fetched == {*pair.offer.liquidations[1:], pair.offer.event}, "what is known is not asked for again"


def test_it_is_small(pair: Any) -> None:
    """24 of them a day are 5 kB of the 100 that a CFD may take."""
    hear(pair, pair.offer.liquidations[0], CALM)
    (record,) = (x for x in pair.taker.log if isinstance(x.event, e.OutcomeNoted))
    assert len(stored.to_stored(record).payload) < 200


@pytest.mark.parametrize(("first", "second"), [(CALM, CRASH), (CRASH, CALM), (CALM, CALM + 1), (CRASH, CRASH - 1)])
def test_a_second_price_is_proof_and_neither_is_acted_on(pair: Any, first: int, second: int) -> None:
    event = pair.offer.liquidations[0]
    node = pair.taker
    node.give(i.AttestationReceived(event, attestation(event, first)))
    forced = node.cfd.close_reason
    assert (forced is e.CloseReason.LIQUIDATION) == (first < 33_000)
    node.give(i.AttestationReceived(event, attestation(event, second)))
    proof_holds(node, event)
    assert warning(node) == "the oracle signed two different prices for one event"
    assert node.cfd.close_reason is forced, "the second price moves nothing"
    assert node.cfd.attestation_for(0) is None
    pair.run()
    pair.mine(14)
    assert not [x for x in node.cfd.exits if x.kind in (e.ExitKind.CET, e.ExitKind.LIQUIDATION)]
    node.restart()
    proof_holds(node, event)


def test_a_third_price_adds_nothing(pair: Any) -> None:
    event = pair.offer.liquidations[0]
    hear(pair, event, CALM, CRASH, 60_000, CALM)
    assert len(pair.taker.cfd.equivocations) == 1


def test_the_second_can_be_chosen(pair: Any) -> None:
    event = pair.offer.liquidations[0]
    hear(pair, event, CALM, CRASH)
    for node in pair.nodes:
        node.give(c.ChooseOutcome(node.cfd.id, CRASH))
    pair.run()
    assert {node.cfd.close_reason for node in pair.nodes} == {e.CloseReason.LIQUIDATION}
    pair.mine(16)
    for node in pair.nodes:
        assert isinstance(node.phase, p.Closed)
        assert node.phase.kind is e.ExitKind.LIQUIDATION


def test_with_the_first_chosen_life_goes_on(pair: Any) -> None:
    event = pair.offer.liquidations[0]
    hear(pair, event, CALM, CRASH)
    with pytest.raises(RuleViolation, match="did not attest"):
        pair.taker.give(c.ChooseOutcome(pair.taker.cfd.id, 50_000))
    pair.taker.give(c.ChooseOutcome(pair.taker.cfd.id, CALM))
    assert isinstance(pair.taker.phase, p.Open)
    assert pair.taker.cfd.attestation_for(0) is None


def test_choices_for_two_events_stand_side_by_side(pair: Any) -> None:
    hour, node = pair.offer.liquidations[0], pair.taker
    hear(pair, hour, CALM, CRASH)
    hear(pair, pair.offer.event, 51_000, 52_000)
    node.give(c.ChooseOutcome(node.cfd.id, CALM))
    node.give(c.ChooseOutcome(node.cfd.id, 52_000))
    assert [doubt.chosen for doubt in node.cfd.equivocations] == [CALM, 52_000]
    assert node.cfd.attestation_for(0).outcome == 52_000


def test_an_event_that_only_a_revoked_revision_was_for(pair: Any) -> None:
    """Its announcement is kept by the node, so a later contradiction is still proved."""
    event = pair.offer.liquidations[0]
    hear(pair, event, CALM)
    pair.later(2 * HOUR)
    pair.taker.give(c.RollOver(pair.taker.cfd.id, ENTROPY))
    pair.run()
    taker = pair.taker
    assert event not in taker.held.live.draft.revision.events
    assert taker.held.old is None
    taker.restart()
    hear(pair, event, CALM)
    assert taker.cfd.equivocations == ()
    hear(pair, event, CRASH)
    proof_holds(taker, event)
    assert isinstance(taker.phase, p.Open)


def test_a_rollover_waits_for_no_contradiction_that_would_end_the_cfd(pair: Any) -> None:
    hear(pair, pair.offer.liquidations[0], CALM, CRASH)
    with pytest.raises(RuleViolation, match="the CFD is due"):
        pair.taker.give(c.RollOver(pair.taker.cfd.id, ENTROPY))


def test_the_oracle_is_asked_once_more_while_the_timelock_runs(pair: Any) -> None:
    """A second answer that differs is found out before the CET is sent."""
    event, taker = pair.offer.liquidations[0], pair.taker
    hear(pair, event, CRASH)
    pair.run()
    asked = [x for x in taker.done if isinstance(x, f.FetchAttestation) and x.event == event]
    pair.mine()
    assert isinstance(taker.phase, p.CommitConfirmed)
    again = [x for x in taker.done if isinstance(x, f.FetchAttestation) and x.event == event]
    assert len(again) == len(asked) + 1
    pair.mine(5)
    assert len([x for x in taker.done if isinstance(x, f.FetchAttestation) and x.event == event]) == len(again)
    assert taker.cfd.exit_for(0, e.ExitKind.LIQUIDATION) is not None
    hear(pair, event, CALM)
    assert taker.cfd.exit_for(0, e.ExitKind.LIQUIDATION) is None
    pair.mine(14)
    assert isinstance(taker.phase, p.CommitConfirmed)


def test_a_brief_proves_its_own_outcome_only(pair: Any, attested: Any) -> None:
    event = pair.offer.liquidations[0]
    announcement = next(a for a in pair.taker.engine.announcements.values() if a.event_id == event)
    other = next(a for a in pair.taker.engine.announcements.values() if a.event_id != event)
    brief = read_attestation(announcement, attested(event, CALM)).brief
    assert brief.proved(announcement)
    assert not brief.proved(other)
    for wrong in (
        {"outcome": CALM + 1},
        {"outcome": 1 << 20},
        {"digits": 19},
        {"event_id": other.event_id},
        {"scalar": bytes(32)},
        {"scalar": b"\xff" * 32},
        {"scalar": brief.scalar[:-1] + bytes([brief.scalar[-1] ^ 1])},
    ):
        assert not type(brief)(**{**_fields(brief), **wrong}).proved(announcement)


def _fields(brief: Any) -> dict[str, Any]:
    return {name: getattr(brief, name) for name in ("event_id", "outcome", "digits", "scalar")}


def test_a_maturity_is_what_is_waited_for(pair: Any) -> None:
    hear(pair, pair.offer.event, CALM)
    pair.taker.give(c.ForceClose(pair.taker.cfd.id))
    pair.mine()
    again = [x for x in pair.taker.done if isinstance(x, f.FetchAttestation)][-1]
    assert again == f.FetchAttestation(pair.offer.event, Timestamp(pair.offer.expiry))
