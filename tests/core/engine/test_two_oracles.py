"""Two oracles that use one name for an event: each contract keeps to the one it was made with."""

from decimal import Decimal
from typing import Any

import pytest
from attrs import evolve

from cfd_core import effects as f
from cfd_core import inputs as i
from cfd_core.cfd import commands as c
from cfd_core.errors import RuleViolation
from cfd_core.oracle import Dialect, IssuedEvent, OracleSecrets, read_announcement, sign_announcement
from cfd_core.values import HOUR, EventId, OfferId, Secret

OTHER = OracleSecrets(Secret(b"\x01" * 32), Secret(b"\x02" * 32))
ENTROPY = bytes(range(32))


def by_other(event: EventId) -> Any:
    issued = IssuedEvent.price(Dialect.OLIVIA_V1, event)
    return read_announcement(Dialect.OLIVIA_V1, sign_announcement(OTHER, issued), OTHER.public)


@pytest.fixture
def opened(make_pair: Any) -> Any:
    pair = make_pair(own_oracle=True, tolerance=Decimal("0.1"), liquidations=())
    pair.take()
    pair.run()
    pair.confirm_lock()
    return pair


def next_event(pair: Any, hourly: Any, hours: int = 26) -> EventId:
    (event,) = hourly(hours, hours)
    assert event != pair.offer.event
    return EventId(event)


def test_both_are_known_side_by_side_and_after_a_restart(opened: Any) -> None:
    pair, event = opened, opened.offer.event
    other = by_other(event)
    for node in pair.nodes:
        node.give(i.AnnouncementReceived(other))
        assert node.engine.announcements[pair.announcement.oracle_key, event] == pair.announcement
        assert node.engine.announcements[other.oracle_key, event] == other
        assert node.engine.voices[event] == other.oracle_key
        node.restart()
        assert node.engine.announcements == {(pair.announcement.oracle_key, event): pair.announcement}
        assert node.cfd.oracle == pair.announcement.oracle_key


def test_a_rollover_keeps_to_the_oracle_of_the_contract(opened: Any, hourly: Any) -> None:
    """Though the other one announced the new event too, and later."""
    pair = opened
    pair.later(2 * HOUR)
    event = next_event(pair, hourly)
    for node in pair.nodes:
        pair.act(node, f.FetchAnnouncement(event))
        node.give(i.AnnouncementReceived(by_other(event)))
        assert node.engine.voices[event] == OTHER.public.attestation
    pair.taker.give(c.RollOver(pair.taker.cfd.id, ENTROPY))
    pair.run()
    for node in pair.nodes:
        assert node.held.live.number == 1
        assert node.cfd.settlement.event_id == event
        assert node.cfd.oracle == pair.announcement.oracle_key


def test_without_its_word_a_rollover_fails_and_nothing_is_asked_for_ever(opened: Any, hourly: Any) -> None:
    """The node's oracle was changed in its settings: the contract's own does not speak to it any more."""
    pair = opened
    pair.later(2 * HOUR)
    event = next_event(pair, hourly)
    asked: list[Any] = []
    act = pair.act

    def speak(node: Any, effect: f.Effect) -> None:
        if isinstance(effect, f.FetchAnnouncement):
            asked.append(effect)
            node.give(i.AnnouncementReceived(by_other(effect.event)))
        else:
            act(node, effect)

    pair.act = speak
    pair.taker.give(c.RollOver(pair.taker.cfd.id, ENTROPY))
    pair.run()
    assert {x.event for x in asked} == {event}
    assert len(asked) <= 2, "each side once"
    pair.later(61)
    for node in pair.nodes:
        assert not node.engine.runs
        assert node.held.live.number == 0
        assert node.held.rolling_since is None


def test_an_offer_is_made_with_one_oracle(make_pair: Any, hourly: Any) -> None:
    pair = make_pair(own_oracle=True, tolerance=Decimal("0.1"), liquidations=hourly(1, 2))
    pair.maker.give(i.AnnouncementReceived(by_other(hourly(1, 1)[0])))
    twice = evolve(pair.offer, id=OfferId("1f" * 16))
    with pytest.raises(RuleViolation, match="more than one oracle"):
        pair.maker.give(c.PublishOffer(twice))
