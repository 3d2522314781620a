"""The event store on a SQL database, through SQLAlchemy Core."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, ColumnElement, Connection, delete, func, insert, make_url, select, update
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from cfd_core.errors import RuleViolation
from cfd_core.serial.records import StoredEvent, StoredSnapshot
from cfd_core.values import CfdId
from cfd_store import cache, postgres, sqlite_file
from cfd_store.errors import RevisionMissing, StoreCorrupt, StoreError, StoreUnavailable, VersionConflict
from cfd_store.seam import Batch, EventStore, check_batches, check_snapshots
from cfd_store.tables import ABOUT, EVENTS, REVISIONS, WRITING, event_of, event_row, revision_data, revision_row

_PAGE = 2_000
"""Events read at a time by `load_all`; no transaction stays open between pages."""


class SqlStore(EventStore):
    """An `EventStore` in a SQL database: `sqlite:///FILE` (`sqlite_url(path)` spells it), or
    `postgresql://user:password@host/database`, one database or schema for each store.

    A missing file (or an empty database) becomes an empty store, unless `make` is False: then it is
    `StoreUnavailable`. A file is readable by its owner only. An existing one is opened only if it is a healthy
    store of `identity` (say, `regtest/maker/<fingerprint>`); otherwise it stays untouched and the reason is
    `StoreCorrupt`, `NotAStore`, `StoreTooNew`, `WrongStore` or `StoreUnavailable`.
    Any number of processes may open one store: of two that append to the same version, one is refused.
    """

    def __init__(
        self,
        url: str | URL,
        identity: str,
        *,
        busy_seconds: float | None = None,
        make: bool = True,
        thorough: bool = True,
    ) -> None:
        """`busy_seconds`: how long a call waits for somebody else's lock before `StoreUnavailable`; usually 10.

        Not `thorough`: the file is opened without reading all of it; `check` must follow before anything is written.
        """
        parsed = _parsed(url)
        if not 1 <= len(identity) <= 200 or not identity.isprintable():
            raise RuleViolation("a store's identity has 1 to 200 printable characters")
        self._refusal: Callable[[str, DBAPIError], StoreError]
        if parsed.get_backend_name() == "postgresql":
            parsed = postgres.checked_url(parsed)
            self._name, self._refusal = postgres.place(parsed), postgres.refusal
            self._engine = postgres.open_database(parsed, identity, busy_seconds, make=make)
            self._file: Path | None = None  # the server looks after its pages
        else:
            path = self._file = _sqlite_path(parsed)
            self._name, self._refusal = str(path), sqlite_file.refusal
            self._engine = sqlite_file.open_file(path, identity, busy_seconds, make=make, thorough=thorough)
        self._writer = self._engine.execution_options(**{WRITING: True})
        self._closed = False
        with self._reading():
            pass  # what keeps a first connection from being made is better known now

    def check(self) -> None:
        """Read all of a file but the packed revisions and the snapshots; `StoreCorrupt` unless it is whole."""
        with self._translated():
            if self._file is not None:
                sqlite_file.check_whole(self._file)

    def append_all(self, batches: Sequence[Batch]) -> None:
        check_batches(batches)
        try:
            with self._writing() as connection:
                if not batches:
                    connection.execute(update(ABOUT).values(format=ABOUT.c.format))
                for batch in batches:
                    _append(connection, batch)
        except IntegrityError as error:
            self._explain(batches, error)

    def load(self, stream: str, after: int = 0) -> list[StoredEvent]:
        query = select(EVENTS).where(EVENTS.c.stream == stream, EVENTS.c.version > after).order_by(EVENTS.c.version)
        with self._reading() as connection:
            events = [event_of(row) for row in connection.execute(query)]
        _check_no_gap(events, {stream: after})
        return events

    def load_all(self) -> Iterator[StoredEvent]:
        position, versions = 0, dict[str, int]()
        while True:
            query = select(EVENTS).where(EVENTS.c.position > position).order_by(EVENTS.c.position).limit(_PAGE)
            with self._reading() as connection:
                rows = connection.execute(query).all()
            if not rows:
                return
            events = [event_of(row) for row in rows]
            _check_no_gap(events, versions)
            yield from events
            position = rows[-1].position

    def streams(self) -> dict[str, int]:
        version, count, first = func.max(EVENTS.c.version), func.count(), func.min(EVENTS.c.position)
        query = select(EVENTS.c.stream, version, count).group_by(EVENTS.c.stream).order_by(first)
        with self._reading() as connection:
            rows = connection.execute(query).all()
        for stream, highest, found in rows:
            if highest != found:
                raise StoreCorrupt(f"stream {stream} is at version {highest} but has {found} events")
        return {stream: highest for stream, highest, _ in rows}

    def revision(self, cfd_id: CfdId, revision: int) -> bytes:
        query = select(REVISIONS.c.sha256, REVISIONS.c.data).where(*_key(cfd_id, revision))
        with self._reading() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            raise _missing(cfd_id, revision)
        return revision_data(cfd_id, revision, row)

    def delete_revision(self, cfd_id: CfdId, revision: int) -> None:
        with self._writing() as connection:
            connection.execute(delete(REVISIONS).where(*_key(cfd_id, revision)))

    def keep(self, snapshots: Sequence[StoredSnapshot]) -> None:
        check_snapshots(snapshots)
        with self._writing() as connection:
            cache.keep(connection, snapshots)

    def kept(self, kind: str, form: str) -> Iterator[StoredSnapshot]:
        last = ""
        with self._reading() as connection:
            more = cache.exist(connection)
        while more:
            with self._reading() as connection:
                rows = cache.page(connection, kind, form, last)
            yield from cache.sound(rows)
            more = len(rows) == cache.PAGE
            last = rows[-1].stream if rows else last

    def close(self) -> None:
        self._closed = True
        self._engine.dispose()

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with self._translated(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with self._translated(), self._writer.begin() as connection:
            yield connection

    @contextmanager
    def _translated(self) -> Iterator[None]:
        if self._closed:
            raise StoreUnavailable(f"the store {self._name} is closed")
        try:
            yield
        except IntegrityError:
            raise
        except PoolTimeout as error:
            raise StoreUnavailable(f"the store {self._name} is busy") from error
        except DBAPIError as error:
            raise self._refusal(self._name, error) from None  # its own text may hold parameters, which may be secret

    def _explain(self, batches: Sequence[Batch], error: IntegrityError) -> None:
        """A unique constraint refused the batches; nothing was written. Say which one, by what is there now."""
        with self._reading() as connection:
            for batch in batches:
                _check_version(connection, batch)
        raise StoreCorrupt(f"the store {self._name} refuses what fits: {error.orig}") from None


def _append(connection: Connection, batch: Batch) -> None:
    _check_version(connection, batch)
    for revision in batch.revisions:
        connection.execute(delete(REVISIONS).where(*_key(revision.cfd_id, revision.revision)))
    if batch.events:
        connection.execute(insert(EVENTS), [event_row(event) for event in batch.events])
    if batch.revisions:
        connection.execute(insert(REVISIONS), [revision_row(revision) for revision in batch.revisions])


def _check_version(connection: Connection, batch: Batch) -> None:
    query = select(func.max(EVENTS.c.version)).where(EVENTS.c.stream == batch.stream)
    actual = connection.execute(query).scalar_one() or 0
    if actual != batch.expected_version:
        raise VersionConflict(batch.stream, batch.expected_version, actual)


def _check_no_gap(events: Sequence[StoredEvent], versions: dict[str, int]) -> None:
    for event in events:
        expected = versions.get(event.stream, 0) + 1
        if event.version != expected:
            raise StoreCorrupt(f"stream {event.stream} has version {event.version} where {expected} belongs")
        versions[event.stream] = expected


def _key(cfd_id: CfdId, revision: int) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return REVISIONS.c.cfd_id == cfd_id, REVISIONS.c.revision == revision


def _missing(cfd_id: CfdId, revision: int) -> RevisionMissing:
    return RevisionMissing(f"no revision {revision} of CFD {cfd_id} is stored")


def _parsed(url: str | URL) -> URL:
    try:
        return make_url(url)
    except (ArgumentError, ValueError):
        raise RuleViolation("that is not a database URL") from None  # the text may hold a password


def _sqlite_path(url: URL) -> Path:
    if url.get_backend_name() != "sqlite":
        raise RuleViolation(f"a store is in SQLite or PostgreSQL, not {url.get_backend_name()}")
    if not url.database or url.database == ":memory:" or url.query:
        raise RuleViolation("a SQLite store is a file: sqlite:///FILE; in memory, use MemoryStore")
    return Path(url.database)
