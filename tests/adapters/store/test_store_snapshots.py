"""Snapshots beside the events: every implementation keeps them alike, and a wrong one is never handed out."""

import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from attrs import evolve
from cfd_store import MAX_SNAPSHOT, EventStore, SqlStore, StoreCorrupt, StoreUnavailable

from cfd_core.errors import RuleViolation
from cfd_core.serial.records import StoredEvent, StoredSnapshot

A, B = "aa" * 16, "bb" * 16

Open = Callable[..., SqlStore]
Edit = Callable[..., None]


def events(stream: str, versions: Iterable[int]) -> list[StoredEvent]:
    return [StoredEvent(stream, version, "tick", 1, b"%d" % version) for version in versions]


def snapshot(stream: str, version: int, data: bytes = b"folded", kind: str = "state") -> StoredSnapshot:
    return StoredSnapshot(kind, stream, version, "form 1", data)


def test_a_new_store_keeps_none(store: EventStore) -> None:
    assert list(store.kept("state", "form 1")) == []


def test_what_is_kept_is_handed_out_by_kind_and_form(store: EventStore) -> None:
    store.append(B, 0, events(B, [1, 2, 3]))
    store.append(A, 0, events(A, [1]))
    found = [snapshot(A, 1, bytes(range(256))), snapshot(B, 2, b""), snapshot(B, 3, b"row", kind="row")]
    store.keep(found)
    assert list(store.kept("state", "form 1")) == found[:2]
    assert list(store.kept("row", "form 1")) == found[2:]
    assert list(store.kept("state", "form 2")) == []


def test_a_later_one_takes_the_place_of_the_former(store: EventStore) -> None:
    store.append(A, 0, events(A, [1, 2]))
    store.keep([snapshot(A, 1)])
    later = evolve(snapshot(A, 2, b"later"), form="form 2")
    store.keep([later])
    assert list(store.kept("state", "form 1")) == []
    assert list(store.kept("state", "form 2")) == [later]


def test_one_ahead_of_its_stream_is_left_out(store: EventStore) -> None:
    store.append(A, 0, events(A, [1, 2]))
    store.keep([snapshot(A, 3), snapshot(B, 1)])
    assert list(store.kept("state", "form 1")) == []


def test_many_are_handed_out_by_stream(store: EventStore) -> None:
    streams = [f"{number:032x}" for number in range(450)]
    for stream in reversed(streams):
        store.append(stream, 0, events(stream, [1]))
    store.keep([snapshot(stream, 1) for stream in reversed(streams)])
    assert [found.stream for found in store.kept("state", "form 1")] == streams


def test_events_later_than_a_version_are_loaded(store: EventStore) -> None:
    store.append(A, 0, events(A, range(1, 6)))
    assert store.load(A, 3) == events(A, [4, 5])
    assert store.load(A, 5) == []
    assert store.load(B, 5) == []


def test_what_makes_no_sense_is_refused(store: EventStore) -> None:
    store.append(A, 0, events(A, [1]))
    with pytest.raises(RuleViolation, match="at most one"):
        store.keep([snapshot(A, 1), snapshot(A, 1, b"other")])
    with pytest.raises(RuleViolation, match="at most"):
        store.keep([snapshot(A, 1, b"x" * (MAX_SNAPSHOT + 1))])
    for changes in ({"kind": ""}, {"version": 0}, {"form": "\n"}):
        with pytest.raises(RuleViolation):
            evolve(snapshot(A, 1), **changes)
    assert list(store.kept("state", "form 1")) == []


def test_a_closed_store_says_so(store: EventStore) -> None:
    store.append(A, 0, events(A, [1]))
    store.close()
    for call in (lambda: store.keep([snapshot(A, 1)]), lambda: list(store.kept("state", "form 1"))):
        with pytest.raises(StoreUnavailable, match="closed"):
            call()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE snapshots_1 SET data = x'00' WHERE stream LIKE 'aa%'",
        "UPDATE snapshots_1 SET data = 'text' WHERE stream LIKE 'aa%'",
        "UPDATE snapshots_1 SET data = substr(data, 1, 3) WHERE stream LIKE 'aa%'",
        "UPDATE snapshots_1 SET sha256 = x'00' WHERE stream LIKE 'aa%'",
        "UPDATE snapshots_1 SET event_sha256 = x'00' WHERE stream LIKE 'aa%'",
        "UPDATE snapshots_1 SET version = 1 WHERE stream LIKE 'aa%'",
        "UPDATE snapshots_1 SET version = 'x' WHERE stream LIKE 'aa%'",
        "DELETE FROM snapshots_1 WHERE stream LIKE 'aa%'",
        "UPDATE snapshots_1 SET stream = 'cc' WHERE stream LIKE 'aa%'",
        "UPDATE events SET sha256 = x'00' WHERE stream LIKE 'aa%' AND version = 2",
        "DELETE FROM events WHERE stream LIKE 'aa%' AND version = 2",
    ],
)
def test_a_damaged_one_is_left_out(open_sql: Open, edit: Edit, statement: str) -> None:
    store = open_sql()
    for stream in (A, B):
        store.append(stream, 0, events(stream, [1, 2]))
    store.keep([snapshot(A, 2), snapshot(B, 2)])
    edit(statement)
    assert list(store.kept("state", "form 1")) == [snapshot(B, 2)]


def test_one_of_another_history_is_left_out(open_sql: Open, edit: Edit) -> None:
    """The events were put back to an earlier state and went on otherwise; the snapshot stayed."""
    store = open_sql()
    store.append(A, 0, events(A, [1, 2]))
    store.keep([snapshot(A, 2)])
    edit("DELETE FROM events WHERE version = 2")
    store.append(A, 1, [StoredEvent(A, 2, "tock", 1, b"another")])
    assert list(store.kept("state", "form 1")) == []


def test_a_store_without_the_table_gets_it_when_something_is_kept(open_sql: Open, edit: Edit) -> None:
    store = open_sql()
    store.append(A, 0, events(A, [1]))
    store.keep([snapshot(A, 1)])
    edit("DROP TABLE snapshots_1")
    again = open_sql()
    assert list(again.kept("state", "form 1")) == []
    again.keep([snapshot(A, 1)])
    assert list(again.kept("state", "form 1")) == [snapshot(A, 1)]


def test_a_file_opened_without_reading_it_is_checked_later(path: Path, open_sql: Open) -> None:
    store = open_sql()
    store.append(A, 0, [StoredEvent(A, version, "tick", 1, b"x" * 900) for version in range(1, 200)])
    store.close()
    connection = sqlite3.connect(path)
    (root,) = connection.execute(
        "SELECT rootpage FROM sqlite_master WHERE name LIKE 'sqlite_autoindex_events%'"
    ).fetchone()
    connection.close()
    whole = bytearray(path.read_bytes())
    size = int.from_bytes(whole[16:18], "big")
    whole[(root - 1) * size + 12 : (root - 1) * size + 200] = bytes(188)
    path.write_bytes(whole)
    with pytest.raises(StoreCorrupt):
        open_sql()
    damaged = SqlStore(f"sqlite:///{path}", "regtest/maker", thorough=False)
    with pytest.raises(StoreCorrupt):
        damaged.check()
    damaged.close()
    assert path.read_bytes() == bytes(whole)


def test_a_whole_file_passes_the_check(store: EventStore) -> None:
    store.append(A, 0, events(A, [1]))
    if isinstance(store, SqlStore):
        store.check()
