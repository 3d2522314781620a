"""Damage while at rest, a full disk and a writer that hogs the file: told, never guessed around."""

import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from cfd_store import SqlStore, StoreCorrupt, StoreError, StoreUnavailable, VersionConflict, sqlite_file, sqlite_url
from sqlalchemy import Engine, event

from cfd_core.serial.records import PackedRevision, StoredEvent
from cfd_core.values import CfdId

A, B = CfdId("aa" * 16), CfdId("bb" * 16)

Open = Callable[..., SqlStore]
Edit = Callable[..., None]
Content = tuple[list[StoredEvent], list[list[StoredEvent]], dict[str, int], list[bytes]]


def filled(store: SqlStore) -> None:
    for version in range(1, 13):
        for cfd in (A, B):
            packed = [PackedRevision(cfd, version, bytes([version]) * 700)] if version % 4 == 0 else []
            store.append(cfd, version - 1, [StoredEvent(cfd, version, "tick", 1, b'{"n":%d}' % version)], packed)


def content(store: SqlStore) -> Content:
    revisions = [store.revision(cfd, number) for cfd in (A, B) for number in (4, 8, 12)]
    return list(store.load_all()), [store.load(A), store.load(B)], store.streams(), revisions


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events SET payload = x'7b7d' WHERE version = 3",
        "UPDATE events SET payload = 'text' WHERE version = 3",
        "UPDATE events SET name = 'tock' WHERE version = 3",
        "UPDATE events SET name = '' WHERE version = 3",
        "UPDATE events SET schema = 2 WHERE version = 3",
        "UPDATE events SET schema = 'x' WHERE version = 3",
        "UPDATE events SET sha256 = x'00' WHERE version = 3",
        "UPDATE events SET version = 13 WHERE version = 12",
        "DELETE FROM events WHERE version = 3",
        "DELETE FROM events WHERE version = 1",
    ],
)
def test_changed_or_missing_events_are_corrupt(open_sql: Open, edit: Edit, statement: str) -> None:
    filled(open_sql())
    edit(statement)
    store = open_sql()
    with pytest.raises(StoreCorrupt):
        store.load(A)
    with pytest.raises(StoreCorrupt):
        list(store.load_all())


def test_a_gap_is_seen_in_the_list_of_streams(open_sql: Open, edit: Edit) -> None:
    filled(open_sql())
    edit("DELETE FROM events WHERE version = 3")
    with pytest.raises(StoreCorrupt, match="at version 12 but has 11 events"):
        open_sql().streams()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE revisions SET data = x'00' WHERE revision = 8",
        "UPDATE revisions SET data = 'text' WHERE revision = 8",
        "UPDATE revisions SET sha256 = x'00' WHERE revision = 8",
        "UPDATE OR REPLACE revisions SET revision = 8 WHERE revision = 4",
    ],
)
def test_a_changed_revision_is_corrupt(open_sql: Open, edit: Edit, statement: str) -> None:
    filled(open_sql())
    edit(statement)
    store = open_sql()
    with pytest.raises(StoreCorrupt, match="SHA-256"):
        store.revision(A, 8)
    assert len(list(store.load_all())) == 24


def test_a_table_that_vanishes_while_open_is_corrupt(open_sql: Open, edit: Edit) -> None:
    store = open_sql()
    edit("DROP TABLE revisions")
    with pytest.raises(StoreCorrupt, match="no such table"):
        store.revision(A, 1)


@pytest.mark.parametrize("seed", range(4))
def test_one_changed_byte_is_refused_or_harmless(path: Path, open_sql: Open, seed: int) -> None:
    store = open_sql()
    filled(store)
    good = content(store)
    store.close()
    whole = path.read_bytes()
    chance = random.Random(seed)
    refusals = 0
    for _ in range(40):
        place = chance.randrange(len(whole))
        damaged = bytearray(whole)
        damaged[place] ^= 1 << chance.randrange(8)
        path.write_bytes(damaged)
        try:
            with closing(SqlStore(sqlite_url(path), "regtest/maker")) as opened:
                assert content(opened) == good, f"byte {place} changed the content silently"
        except StoreError:
            refusals += 1
    assert refusals > 0


@pytest.fixture
def small_disk() -> Iterator[None]:
    """Every database connection made meanwhile finds a disk of 40 pages."""

    def limit(connection: Any, _record: object) -> None:
        connection.execute("PRAGMA max_page_count = 40")

    event.listen(Engine, "connect", limit)
    yield
    event.remove(Engine, "connect", limit)


@pytest.mark.usefixtures("small_disk")
def test_a_full_disk_is_told_and_nothing_is_half_written(open_sql: Open) -> None:
    store, version = open_sql(), 0

    def grow() -> None:
        nonlocal version
        while version < 100:
            events = [StoredEvent(A, version + 1, "tick", 1, b"x" * 3000)]
            store.append(A, version, events, [PackedRevision(A, version, b"x" * 9000)])
            version += 1

    with pytest.raises(StoreUnavailable, match="full"):
        grow()
    assert 0 < version < 100
    assert store.streams() == {A: version}
    assert len(store.revision(A, version - 1)) == 9000
    assert len(open_sql().load(A)) == version
    store.delete_revision(A, 0)
    store.append(A, version, [StoredEvent(A, version + 1, "tick", 1, b"small")])


def test_a_writer_that_does_not_let_go_is_unavailable(
    path: Path, open_sql: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_file, "BUSY_SECONDS", 0.01)
    store = open_sql()
    hog = sqlite3.connect(path, isolation_level=None)
    hog.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="locked"):
        store.append(A, 0, [StoredEvent(A, 1, "tick", 1, b"")])
    assert store.streams() == {}
    hog.execute("ROLLBACK")
    hog.close()
    store.append(A, 0, [StoredEvent(A, 1, "tick", 1, b"")])


def test_of_two_stores_on_one_file_the_later_writer_is_refused(open_sql: Open) -> None:
    one, two = open_sql(), open_sql()
    event_1, event_2 = StoredEvent(A, 1, "tick", 1, b"one"), StoredEvent(A, 2, "tick", 1, b"two")
    one.append(A, 0, [event_1])
    with pytest.raises(VersionConflict):
        two.append(A, 0, [StoredEvent(A, 1, "tick", 1, b"two")])
    two.append(A, 1, [event_2])
    assert one.load(A) == two.load(A) == [event_1, event_2]


def test_a_unique_constraint_that_bites_is_a_conflict(open_sql: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a database that does not lock first, the constraint is what refuses the second writer."""
    from cfd_store import sql

    store, stale = open_sql(), [True]
    store.append(A, 0, [StoredEvent(A, 1, "tick", 1, b"first")])
    check = sql._check_version
    monkeypatch.setattr(sql, "_check_version", lambda *call: None if stale.pop() else check(*call))
    stale[:] = [False, True]
    with pytest.raises(VersionConflict) as caught:
        store.append(A, 0, [StoredEvent(A, 1, "tick", 1, b"my secret")])
    assert caught.value.actual == 1
    assert "my secret" not in repr(caught.value.__context__)
    assert [event.payload for event in store.load(A)] == [b"first"]
