"""Announcements are referred to by the oracle's key: what does not fit the terms beside it is refused."""

import json
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from cfd_core.cfd import events as e
from cfd_core.errors import DecodeError
from cfd_core.serial import stored
from cfd_core.serial.records import StoredEvent

SAMPLE = Path(__file__).parents[2] / "samples" / "v1" / "maker.json"


@pytest.fixture(scope="module")
def life() -> list[StoredEvent]:
    return [
        StoredEvent(x["stream"], x["version"], x["name"], x["schema"], x["payload"].encode())
        for x in json.loads(SAMPLE.read_text())
    ]


def referring(life: list[StoredEvent], name: str) -> tuple[list[StoredEvent], StoredEvent]:
    """What comes before the first event of this name, and that event."""
    at = next(index for index, record in enumerate(life) if record.name == name)
    return life[:at], life[at]


def changed(record: StoredEvent, announcements: Any) -> StoredEvent:
    payload = json.loads(record.payload)
    payload["announcements"] = announcements
    return evolve(record, payload=json.dumps(payload).encode())


@pytest.mark.parametrize("name", ["order-placed", "rollover-prepared"])
def test_one_key_stands_for_all_events(life: list[StoredEvent], name: str) -> None:
    before, record = referring(life, name)
    (key,) = json.loads(record.payload)["announcements"]
    event: Any = list(stored.read_events([*before, record]))[-1][1]
    terms = event.terms.first_revision if isinstance(event, e.OrderPlaced) else event.revision
    assert tuple(x.event_id for x in event.announcements) == terms.events
    each = changed(record, [key] * len(terms.events))
    assert list(stored.read_events([*before, each]))[-1][1] == event


@pytest.mark.parametrize("announcements", [None, [], "ab" * 32, ["ab" * 32], [1], [{}], ["ab" * 32] * 9, {}])
@pytest.mark.parametrize("name", ["order-placed", "rollover-prepared"])
def test_other_references_are_refused(life: list[StoredEvent], name: str, announcements: Any) -> None:
    before, record = referring(life, name)
    with pytest.raises(DecodeError, match="announcement"):
        list(stored.read_events([*before, changed(record, announcements)]))


@pytest.mark.parametrize("terms", [None, {}, [], {"liquidations": None}])
def test_terms_that_name_no_events_are_refused(life: list[StoredEvent], terms: Any) -> None:
    before, record = referring(life, "order-placed")
    payload = json.loads(record.payload) | {"terms": terms}
    with pytest.raises(DecodeError):
        list(stored.read_events([*before, evolve(record, payload=json.dumps(payload).encode())]))


def test_announcements_of_other_events_are_never_stored(life: list[StoredEvent]) -> None:
    before, record = referring(life, "rollover-prepared")
    event: Any = list(stored.read_events([*before, record]))[-1][1]
    placed: Any = next(x for _, x in stored.read_events(before) if isinstance(x, e.OrderPlaced))
    with pytest.raises(AssertionError, match="terms' events"):
        stored.to_stored(e.Recorded(record.stream, 1, evolve(placed, announcements=event.announcements)))
