"""The tables, in terms that any SQL database understands, and rows to records and back."""

from hashlib import sha256
from typing import Any, Final

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, MetaData, String, Table, UniqueConstraint

from cfd_core.errors import RuleViolation
from cfd_core.serial.records import PackedRevision, StoredEvent, StoredSnapshot
from cfd_core.values import CfdId
from cfd_store.errors import StoreCorrupt

FORMAT: Final = 1
"""Version of the tables below; a store with a higher one is refused."""

WRITING: Final = "cfd_store_writing"
"""Execution option of the connections that will write: their transactions come one after the other."""

METADATA: Final = MetaData()

ABOUT: Final = Table(
    "cfd_store",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("format", Integer, nullable=False),
    Column("identity", String(200), nullable=False),
)
"""One row, id 1: what this store is and whose."""

EVENTS: Final = Table(
    "events",
    METADATA,
    Column("position", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("stream", String(200), nullable=False),
    Column("version", Integer, nullable=False),
    Column("name", String(200), nullable=False),
    Column("schema", Integer, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("sha256", LargeBinary(32), nullable=False),
    UniqueConstraint("stream", "version", name="one_event_per_version"),
    sqlite_autoincrement=True,
)
"""`position` is the order of appending; `sha256` covers all the other columns."""

REVISIONS: Final = Table(
    "revisions",
    METADATA,
    Column("cfd_id", String(200), primary_key=True),
    Column("revision", Integer, primary_key=True, autoincrement=False),
    Column("sha256", LargeBinary(32), nullable=False),
    Column("data", LargeBinary, nullable=False),
)

SNAPSHOTS: Final = Table(
    "snapshots_1",
    MetaData(),
    Column("kind", String(50), primary_key=True),
    Column("stream", String(200), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("form", String(200), nullable=False),
    Column("event_sha256", LargeBinary(32), nullable=False),
    Column("sha256", LargeBinary(32), nullable=False),
    Column("data", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)
"""Made when first written, and no part of the format: what it holds can be worked out again from the events.

`event_sha256` is that of the event at `version`; `sha256` covers all the other columns.
"""


def event_row(event: StoredEvent) -> dict[str, Any]:
    """The event's columns, without its position."""
    return {
        "stream": event.stream,
        "version": event.version,
        "name": event.name,
        "schema": event.schema,
        "payload": event.payload,
        "sha256": _event_digest(event),
    }


def event_of(row: Any) -> StoredEvent:
    """The event of a row; `StoreCorrupt` if any column is not what was written."""
    try:
        event = StoredEvent(row.stream, row.version, row.name, row.schema, row.payload)
    except (RuleViolation, TypeError) as error:
        raise StoreCorrupt(f"the event at position {row.position} has fields that were never written") from error
    if _event_digest(event) != row.sha256:
        raise StoreCorrupt(f"the event at position {row.position} does not match its SHA-256")
    return event


def revision_row(revision: PackedRevision) -> dict[str, Any]:
    """The revision's columns."""
    return {
        "cfd_id": revision.cfd_id,
        "revision": revision.revision,
        "sha256": _revision_digest(revision.cfd_id, revision.revision, revision.data),
        "data": revision.data,
    }


def revision_data(cfd_id: CfdId, revision: int, row: Any) -> bytes:
    """The bytes of a row with `sha256` and `data`; `StoreCorrupt` if they are not what was written."""
    data = row.data
    if not isinstance(data, bytes) or _revision_digest(cfd_id, revision, data) != row.sha256:
        raise StoreCorrupt(f"revision {revision} of CFD {cfd_id} does not match its SHA-256")
    return data


def snapshot_row(snapshot: StoredSnapshot, event_sha256: bytes) -> dict[str, Any]:
    """The snapshot's columns; `event_sha256` is its last event's."""
    return {
        "kind": snapshot.kind,
        "stream": snapshot.stream,
        "version": snapshot.version,
        "form": snapshot.form,
        "event_sha256": event_sha256,
        "sha256": _snapshot_digest(snapshot, event_sha256),
        "data": snapshot.data,
    }


def snapshot_of(row: Any) -> StoredSnapshot | None:
    """The snapshot of a row; None if any column is not what was written."""
    try:
        snapshot = StoredSnapshot(row.kind, row.stream, row.version, row.form, row.data)
        return snapshot if _snapshot_digest(snapshot, row.event_sha256) == row.sha256 else None
    except (RuleViolation, TypeError):
        return None


def _snapshot_digest(snapshot: StoredSnapshot, event_sha256: bytes) -> bytes:
    head = f"{snapshot.kind}\n{snapshot.stream}\n{snapshot.version}\n{snapshot.form}\n"
    return sha256(head.encode() + event_sha256 + snapshot.data).digest()


def _event_digest(event: StoredEvent) -> bytes:
    # Labels are printable, so a line feed cannot occur inside one: the form is unambiguous.
    head = f"{event.stream}\n{event.version}\n{event.name}\n{event.schema}\n"
    return sha256(head.encode() + event.payload).digest()


def _revision_digest(cfd_id: CfdId, revision: int, data: bytes) -> bytes:
    return sha256(f"{cfd_id}\n{revision}\n".encode() + data).digest()
