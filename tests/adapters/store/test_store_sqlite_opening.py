"""Opening a SQLite store: made if absent, never replaced, each refusal with a class of its own."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cfd_store import (
    NotAStore,
    SqlStore,
    StoreCorrupt,
    StoreError,
    StoreTooNew,
    StoreUnavailable,
    WrongStore,
    sqlite_url,
)
from cfd_store.tables import METADATA
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

from cfd_core.errors import RuleViolation
from cfd_core.serial.records import PackedRevision, StoredEvent
from cfd_core.values import CfdId

CFD = CfdId("0f" * 16)
ONE = StoredEvent(CFD, 1, "order_placed", 1, b"{}")

Open = Callable[..., SqlStore]
Edit = Callable[..., None]


def refused(path: Path, error: type[StoreError], identity: str = "regtest/maker") -> str:
    """Opening must fail with exactly `error` and change nothing; returns the reason."""
    before = path.read_bytes()
    with pytest.raises(error) as caught:
        SqlStore(sqlite_url(path), identity)
    assert type(caught.value) is error
    assert path.read_bytes() == before
    return str(caught.value)


def test_a_missing_file_is_created_for_its_owner_only(path: Path, open_sql: Open) -> None:
    old = os.umask(0)
    try:
        open_sql().append(CFD, 0, [ONE])
    finally:
        os.umask(old)
    files = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    assert files == {"node.db": 0o600, "node.db-wal": 0o600, "node.db-shm": 0o600}


def test_a_file_open_to_others_is_closed_to_them(path: Path, open_sql: Open) -> None:
    open_sql().close()
    path.chmod(0o644)
    open_sql()
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_store_opens_again_with_all_it_had(open_sql: Open) -> None:
    first = open_sql()
    first.append(CFD, 0, [ONE], [PackedRevision(CFD, 0, b"packed")])
    first.close()
    again = open_sql()
    assert (again.load(CFD), again.revision(CFD, 0)) == ([ONE], b"packed")


def test_odd_file_names_are_just_names(tmp_path: Path) -> None:
    odd = tmp_path / "50% of a #path?mode=ro & ü.db"
    for _ in range(2):
        SqlStore(sqlite_url(odd), "regtest/maker").close()
    assert [file.name for file in tmp_path.iterdir()] == [odd.name]


def test_stores_opened_at_once_share_one_file(path: Path, open_sql: Open) -> None:
    with ThreadPoolExecutor(4) as pool:
        stores = list(pool.map(lambda _: open_sql(), range(8)))
    stores[0].append(CFD, 0, [ONE])
    assert [store.load(CFD) for store in stores] == [[ONE]] * 8
    assert not [name for name in os.listdir(path.parent) if name.startswith(".")]


def test_commits_are_synced_and_logged_ahead(open_sql: Open) -> None:
    store = open_sql()
    with store._engine.connect() as connection:
        found = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")]
    assert found == ["wal", 2]


@pytest.mark.parametrize("content", [b"", b"\x00" * 5000, b"not a database at all", b"SQLite format 3"])
def test_a_file_that_is_no_database_is_corrupt(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    refused(path, StoreCorrupt)


def test_a_truncated_store_is_corrupt(path: Path, open_sql: Open) -> None:
    store = open_sql()
    store.append(CFD, 0, [ONE], [PackedRevision(CFD, 0, b"x" * 20_000)])
    store.close()
    whole = path.read_bytes()
    for length in (16, 100, 4096, len(whole) // 2, len(whole) - 4096):
        path.write_bytes(whole[:length])
        refused(path, StoreCorrupt)


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE events",
        "DROP TABLE revisions",
        "DELETE FROM cfd_store",
        "INSERT INTO cfd_store VALUES (2, 1, 'x')",
        "UPDATE cfd_store SET format = 'one'",
        "UPDATE cfd_store SET format = 0",
        "ALTER TABLE events DROP COLUMN name",
    ],
)
def test_a_store_that_lost_its_structure_is_corrupt(path: Path, open_sql: Open, edit: Edit, statement: str) -> None:
    open_sql().close()
    edit(statement)
    refused(path, StoreCorrupt)


def test_a_foreign_database_is_not_a_store(path: Path, edit: Edit) -> None:
    edit("CREATE TABLE events (id INTEGER PRIMARY KEY, photo BLOB)")
    assert "not an event store" in refused(path, NotAStore)


def test_a_store_of_a_newer_version_is_refused(path: Path, open_sql: Open, edit: Edit) -> None:
    open_sql().close()
    edit("UPDATE cfd_store SET format = 2", "ALTER TABLE events ADD COLUMN colour TEXT")
    assert "format 2" in refused(path, StoreTooNew)


def test_the_store_of_another_node_or_network_is_refused(path: Path, open_sql: Open) -> None:
    open_sql("mainnet/maker").close()
    assert "'mainnet/maker', not to 'regtest/maker'" in refused(path, WrongStore)


def test_a_missing_directory_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="cannot create"):
        SqlStore(sqlite_url(tmp_path / "none" / "node.db"), "x")
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_cannot_be_written_is_unavailable() -> None:
    with pytest.raises(StoreUnavailable, match="cannot create"):
        SqlStore(sqlite_url(Path("/proc/node.db")), "x")


def test_a_read_only_file_is_unavailable(path: Path, open_sql: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    open_sql().close()
    # The superuser may write anything, so what the system would say to others is played.
    monkeypatch.setattr(os, "access", lambda _path, _mode: False)
    assert "cannot write" in refused(path, StoreUnavailable)


def test_a_directory_in_the_place_of_the_file_is_unavailable(path: Path) -> None:
    path.mkdir()
    with pytest.raises(StoreUnavailable, match="cannot read"):
        SqlStore(sqlite_url(path), "x")


def test_a_creation_that_fails_leaves_nothing(path: Path, open_sql: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "link", fail)
        with pytest.raises(StoreUnavailable, match="No space left"):
            open_sql()
    assert list(path.parent.iterdir()) == []
    open_sql().append(CFD, 0, [ONE])


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://localhost/x", "sqlite:///x?mode=ro"])
def test_other_databases_are_refused(url: str) -> None:
    with pytest.raises(RuleViolation):
        SqlStore(url, "x")


@pytest.mark.parametrize("identity", ["", "a\nb", "x" * 201])
def test_an_identity_is_short_printable_text(path: Path, identity: str) -> None:
    with pytest.raises(RuleViolation, match="identity"):
        SqlStore(sqlite_url(path), identity)
    assert not path.exists()


def test_the_tables_can_be_made_in_postgresql() -> None:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    text = "".join(str(CreateTable(table).compile(dialect=dialect)) for table in METADATA.sorted_tables)
    assert "BIGSERIAL" in text
    assert text.count("BYTEA") == 4
