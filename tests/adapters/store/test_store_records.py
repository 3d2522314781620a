"""The plain records refuse what no store could keep, and keep payloads out of their reprs."""

from typing import Any

import pytest

from cfd_core.errors import RuleViolation
from cfd_core.serial.records import PackedRevision, StoredEvent
from cfd_core.values import CfdId

GOOD: dict[str, Any] = {"stream": "s", "version": 1, "name": "n", "schema": 1, "payload": b"{}"}
REVISION: dict[str, Any] = {"cfd_id": CfdId("00" * 16), "revision": 0, "data": b"x"}


@pytest.mark.parametrize(
    "change",
    [
        {"stream": ""},
        {"stream": "a\nb"},
        {"stream": "x" * 201},
        {"stream": "\ud800"},
        {"stream": 7},
        {"version": 0},
        {"version": True},
        {"version": 2**31},
        {"version": 1.0},
        {"name": ""},
        {"schema": 0},
        {"schema": "1"},
    ],
)
def test_bad_event_fields_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(RuleViolation, match=next(iter(change))):
        StoredEvent(**(GOOD | change))


@pytest.mark.parametrize("change", [{"cfd_id": ""}, {"revision": -1}, {"revision": None}])
def test_bad_revision_fields_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(RuleViolation, match=next(iter(change))):
        PackedRevision(**(REVISION | change))


def test_text_is_not_taken_for_bytes() -> None:
    with pytest.raises(TypeError):
        StoredEvent(**(GOOD | {"payload": "{}"}))
    with pytest.raises(TypeError):
        PackedRevision(**(REVISION | {"data": "x"}))


def test_reprs_do_not_show_bytes() -> None:
    event = StoredEvent(**(GOOD | {"payload": b"my secret"}))
    revision = PackedRevision(**(REVISION | {"data": b"my secret"}))
    assert "secret" not in repr(event) + repr(revision)
