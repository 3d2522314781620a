"""SQLite files: made whole or not at all, looked at without a touch before they are opened."""

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError

from cfd_store.errors import NotAStore, StoreCorrupt, StoreError, StoreTooNew, StoreUnavailable, WrongStore
from cfd_store.tables import ABOUT, FORMAT, METADATA, REVISIONS, WRITING

BUSY_SECONDS: Final = 10.0
"""How long a writer waits for another one to finish."""

_MAGIC: Final = b"SQLite format 3\x00"
_DAMAGED: Final = {"SQLITE_CORRUPT", "SQLITE_NOTADB"}
_STRUCTURE: Final = _DAMAGED | {"SQLITE_ERROR"}
"""Damage; SQLITE_ERROR is a table or column that is gone, as our own SQL is known to be right."""


def sqlite_url(path: Path) -> URL:
    """The database URL of a file, whatever characters its name has."""
    return URL.create("sqlite", database=str(path))


def open_file(path: Path, identity: str, busy_seconds: float | None, *, make: bool, thorough: bool = True) -> Engine:
    """The store of `identity` at `path`. A missing file becomes an empty one, if `make`; any other is refused.

    Not `thorough`: without `check_whole`, which reads all of the file.
    """
    if make:
        make_if_absent(path, identity)
    inspect(path, identity)
    if thorough:
        check_whole(path)
    secure(path)
    return engine_for(path, busy_seconds)


def refusal(name: str, error: DBAPIError) -> StoreError:
    """What a database's error means. The driver's own words only: SQLAlchemy's add the statement and its parameters."""
    reason = str(error.orig)
    if getattr(error.orig, "sqlite_errorname", "") in _STRUCTURE:
        return StoreCorrupt(f"the store {name} is damaged: {reason}")
    return StoreUnavailable(f"the store {name} cannot be used: {reason}")


def make_if_absent(path: Path, identity: str) -> None:
    """Create an empty store at `path` unless something is there already.

    It is built beside its place and linked in when complete, so a crash leaves either nothing or a whole
    store, and of two processes that start together one wins and the other finds the winner's.
    """
    try:
        if path.exists():
            return
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as workplace:
            fresh = Path(workplace) / "fresh"
            os.close(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            _build(fresh, identity)
            _link(fresh, path)
    except OSError as error:
        raise StoreUnavailable(f"cannot create the store {path}: {error.strerror or error}") from error


def inspect(path: Path, identity: str) -> None:
    """Refuse a file that is not a store of `identity` in a known format. Only reads."""
    _check_header(path)
    with _only_reading(path) as connection:
        _check_content(connection, path, identity)


def check_whole(path: Path) -> None:
    """`StoreCorrupt` unless every page of the events is in order. Only reads."""
    # The revisions, which may be gigabytes, are checked one by one when they are read; so are the snapshots.
    with _only_reading(path) as connection:
        for table in METADATA.sorted_tables:
            if table is not REVISIONS:
                complaint = connection.execute(f"PRAGMA integrity_check({table.name})").fetchone()[0]
                if complaint != "ok":
                    raise StoreCorrupt(f"{path} is damaged: {complaint}")


@contextmanager
def _only_reading(path: Path) -> Iterator[sqlite3.Connection]:
    uri = f"file:{quote(str(path.absolute()))}?mode=ro"
    try:
        connection = sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS)
        try:
            yield connection
        finally:
            connection.close()
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorname", "") in _DAMAGED:
            raise StoreCorrupt(f"{path} is damaged: {error}") from error
        raise StoreUnavailable(f"cannot read the store {path}: {error}") from error


def secure(path: Path) -> None:
    """Take the file from everybody but its owner; `StoreUnavailable` if it cannot be written."""
    try:
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)
    except OSError as error:
        raise StoreUnavailable(f"cannot secure the store {path}: {error.strerror}") from error
    if not os.access(path, os.W_OK) or not os.access(path.parent, os.W_OK):
        raise StoreUnavailable(f"cannot write to the store {path}")


def engine_for(path: Path, busy_seconds: float | None = None) -> Engine:
    """An engine whose connections sync each commit to the disk and lock at the start of a writing transaction."""
    engine = create_engine(
        sqlite_url(path),
        connect_args={"timeout": BUSY_SECONDS if busy_seconds is None else busy_seconds},
        hide_parameters=True,  # payloads hold secrets; an error text must not
    )
    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "begin", _on_begin)
    return engine


def _on_connect(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions begin where _on_begin says, not where sqlite3 guesses
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _on_begin(connection: Connection) -> None:
    # Locking first makes reading the version and appending one step; otherwise two writers could both
    # read and one of them would fail in the middle with an error that waiting does not cure.
    writing = connection.get_execution_options().get(WRITING, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def _build(path: Path, identity: str) -> None:
    engine = engine_for(path)
    try:
        with engine.begin() as connection:
            METADATA.create_all(connection)
            connection.execute(ABOUT.insert().values(id=1, format=FORMAT, identity=identity))
    finally:
        engine.dispose()


def _link(fresh: Path, path: Path) -> None:
    try:
        os.link(fresh, path)
    except FileExistsError:
        return
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _check_header(path: Path) -> None:
    try:
        with path.open("rb") as file:
            head = file.read(len(_MAGIC))
    except OSError as error:
        raise StoreUnavailable(f"cannot read the store {path}: {error.strerror}") from error
    if head != _MAGIC:
        # SQLite would take an empty file for a new database, and the positions in it would be forgotten.
        what = "is empty" if not head else "does not begin like a SQLite database"
        raise StoreCorrupt(f"{path} {what}; it was left as it is")


def _check_content(connection: sqlite3.Connection, path: Path, identity: str) -> None:
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if ABOUT.name not in tables:
        raise NotAStore(f"{path} is a database, but not an event store")
    rows = connection.execute("SELECT * FROM cfd_store").fetchall()
    if len(rows) != 1 or len(rows[0]) < 3 or not isinstance(rows[0][1], int) or rows[0][1] < 1:
        raise StoreCorrupt(f"{path} does not say which format it has")
    _, found_format, found_identity = rows[0][:3]
    if found_format > FORMAT:
        raise StoreTooNew(found_format, FORMAT)
    if found_identity != identity:
        raise WrongStore(str(found_identity), identity)
    _check_structure(connection, path)


def _check_structure(connection: sqlite3.Connection, path: Path) -> None:
    for table in METADATA.sorted_tables:
        columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table.name})")]
        if columns != [column.name for column in table.columns]:
            raise StoreCorrupt(f"{path} lacks its table {table.name}, or some of its columns")
