"""The store on PostgreSQL: what the shared suite cannot ask, because a server stands between us and the disk."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from threading import Barrier

import pytest
from cfd_store import (
    NotAStore,
    SqlStore,
    StoreCorrupt,
    StoreError,
    StoreTooNew,
    StoreUnavailable,
    VersionConflict,
    WrongStore,
)
from sqlalchemy import URL, create_engine, text

from cfd_core.errors import RuleViolation
from cfd_core.serial.records import PackedRevision, StoredEvent
from cfd_core.values import CfdId
from tests.postgres.server import Server

IDENTITY = "regtest/maker"
A, B = CfdId("aa" * 16), CfdId("bb" * 16)
Open = Callable[..., SqlStore]

on_a_server = pytest.mark.postgres


@pytest.fixture
def url(server: Server) -> URL:
    return server.database()


@pytest.fixture
def opened(url: URL) -> Iterator[Open]:
    """Opens the store at `url`, any number of times."""
    with ExitStack() as stack:

        def make(identity: str = IDENTITY, busy_seconds: float | None = None, make: bool = True) -> SqlStore:
            return stack.enter_context(closing(SqlStore(url, identity, busy_seconds=busy_seconds, make=make)))

        yield make


def tick(stream: CfdId, version: int, payload: bytes = b"{}") -> StoredEvent:
    return StoredEvent(stream, version, "tick", 1, payload)


@on_a_server
def test_of_two_nodes_that_write_at_once_one_is_refused_by_version(opened: Open) -> None:
    stores, rounds, barrier = [opened(), opened()], 20, Barrier(2)

    def run(store: SqlStore) -> int:
        won = 0
        for version in range(1, rounds + 1):
            barrier.wait(60)
            with suppress(VersionConflict):
                store.append(A, version - 1, [tick(A, version)], [PackedRevision(A, 0, b"%d" % version)])
                won += 1
        return won

    with ThreadPoolExecutor(2) as pool:
        wins = list(pool.map(run, stores))
    assert sum(wins) == rounds
    assert stores[0].load(A) == stores[1].load(A) == [tick(A, version) for version in range(1, rounds + 1)]


@on_a_server
def test_positions_become_visible_in_their_order(opened: Open) -> None:
    """A reader that goes on from a position misses nothing, however many write to other streams meanwhile."""
    names = [CfdId(digit * 32) for digit in "0123"]

    def write(name: CfdId) -> None:
        store = opened()
        for version in range(1, 26):
            store.append(name, version - 1, [tick(name, version)])

    reader, seen = opened(), list[StoredEvent]()
    with ThreadPoolExecutor(4) as pool:
        writers = [pool.submit(write, name) for name in names]
        while not all(writer.done() for writer in writers):
            now = list(reader.load_all())
            assert now[: len(seen)] == seen
            seen = now
        for writer in writers:
            writer.result()
    assert reader.streams() == dict.fromkeys(reader.streams(), 25)


@on_a_server
def test_who_waits_too_long_for_another_writer_is_told_and_readers_do_not_wait(url: URL, opened: Open) -> None:
    store = opened(busy_seconds=0.05)
    store.append(A, 0, [tick(A, 1)])
    hog = create_engine(url)
    with hog.begin() as connection:
        connection.execute(text("SELECT * FROM cfd_store FOR UPDATE")).all()
        with pytest.raises(StoreUnavailable, match="lock timeout"):
            store.append(A, 1, [tick(A, 2)])
        assert store.load(A) == [tick(A, 1)]
    hog.dispose()
    store.append(A, 1, [tick(A, 2)])
    assert store.streams() == {A: 2}


@on_a_server
def test_what_was_acknowledged_survives_the_servers_death_and_the_store_finds_the_new_one(
    server: Server, opened: Open
) -> None:
    store = opened()
    store.append(A, 0, [tick(A, 1)], [PackedRevision(A, 0, b"x" * 50_000)])
    server.stop()
    with pytest.raises(StoreUnavailable):
        store.append(A, 1, [tick(A, 2)])
    server.start()
    store.append(A, 1, [tick(A, 2)])
    assert store.load(A) == [tick(A, 1), tick(A, 2)]
    assert store.revision(A, 0) == b"x" * 50_000


@on_a_server
def test_nodes_that_start_together_make_one_store(opened: Open) -> None:
    with ThreadPoolExecutor(4) as pool:
        stores = list(pool.map(lambda _: opened(), range(4)))
    stores[0].append(A, 0, [tick(A, 1)])
    assert all(store.streams() == {A: 1} for store in stores)


@on_a_server
def test_an_empty_database_is_refused_where_a_store_must_be(url: URL, server: Server, opened: Open) -> None:
    with pytest.raises(StoreUnavailable, match="is empty"):
        opened(make=False)
    opened()
    opened(make=False)
    server.execute(url, "DROP TABLE cfd_store, events, revisions")
    with pytest.raises(StoreUnavailable, match="is empty"):
        opened(make=False)


@on_a_server
@pytest.mark.parametrize(
    ("statement", "refusal"),
    [
        ("UPDATE cfd_store SET format = 99", StoreTooNew),
        ("UPDATE cfd_store SET format = 0", StoreCorrupt),
        ("DELETE FROM cfd_store", StoreCorrupt),
        ("UPDATE cfd_store SET identity = 'mainnet/maker'", WrongStore),
        ("DROP TABLE cfd_store", NotAStore),
        ("DROP TABLE revisions", StoreCorrupt),
        ("ALTER TABLE events DROP COLUMN sha256", StoreCorrupt),
    ],
)
def test_what_is_not_our_healthy_store_is_refused_and_left(
    url: URL, server: Server, opened: Open, statement: str, refusal: type[StoreError]
) -> None:
    opened().append(A, 0, [tick(A, 1)])
    server.execute(url, statement)
    for make in (True, False):
        with pytest.raises(refusal):
            opened(make=make)


@on_a_server
def test_a_database_in_another_encoding_is_refused(server: Server) -> None:
    url = server.database("ENCODING 'SQL_ASCII' TEMPLATE template0")
    with pytest.raises(NotAStore, match="SQL_ASCII"):
        SqlStore(url, IDENTITY)


@on_a_server
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events SET payload = '{}x' WHERE version = 2",
        "UPDATE events SET name = 'tock' WHERE version = 2",
        "UPDATE events SET name = '' WHERE version = 2",
        "DELETE FROM events WHERE version = 2",
    ],
)
def test_changed_or_missing_events_are_corrupt(url: URL, server: Server, opened: Open, statement: str) -> None:
    store = opened()
    store.append(A, 0, [tick(A, version) for version in (1, 2, 3)])
    server.execute(url, statement)
    with pytest.raises(StoreCorrupt):
        store.load(A)
    with pytest.raises(StoreCorrupt):
        list(store.load_all())


@on_a_server
def test_a_changed_revision_and_a_table_that_vanishes_are_corrupt(url: URL, server: Server, opened: Open) -> None:
    store = opened()
    store.append(A, 0, [tick(A, 1)], [PackedRevision(A, 0, b"signatures")])
    server.execute(url, "UPDATE revisions SET data = 'x'")
    with pytest.raises(StoreCorrupt, match="SHA-256"):
        store.revision(A, 0)
    server.execute(url, "DROP TABLE revisions")
    with pytest.raises(StoreCorrupt, match="does not exist"):
        store.revision(A, 0)


@on_a_server
def test_no_error_tells_the_password_or_a_payload(server: Server, url: URL, opened: Open) -> None:
    store = opened()
    store.append(A, 0, [tick(A, 1)])
    server.execute(url, "ALTER TABLE events ADD CONSTRAINT small CHECK (length(payload) < 100)")
    with pytest.raises(StoreCorrupt) as refused:
        store.append(A, 1, [tick(A, 2, b"my secret" * 50)])
    assert "my secret" not in f"{refused.value}{refused.value.__context__!r}"
    for wrong in (server.url("store-that-is-not"), server.url(str(url.database), "not the password")):
        with pytest.raises(StoreUnavailable) as caught:
            SqlStore(wrong, IDENTITY)
        told = f"{caught.value} {caught.value!r} {caught.value.__cause__!r} {caught.value.__context__!r}"
        assert server.password not in told
        assert "not the password" not in told


def test_a_server_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(StoreUnavailable, match=r"postgresql://me@127\.0\.0\.1:9/books") as caught:
        SqlStore("postgresql://me:hush@127.0.0.1:9/books", IDENTITY)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:hush@localhost",
        "postgresql+pg8000://me:hush@localhost/books",
        "postgresql://me@localhost/books?password=hush",
        "mysql://me:hush@localhost/books",
        "me:hush@localhost",
        "postgresql://me:hush@localhost:port/books",
    ],
)
def test_a_url_that_is_none_of_ours_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(RuleViolation) as caught:
        SqlStore(url, IDENTITY)
    assert "hush" not in f"{caught.value!r} {caught.value.__cause__!r}"
