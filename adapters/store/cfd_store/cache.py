"""Snapshots in a SQL database: a cache beside the events, which nothing depends on."""

from collections.abc import Iterator, Sequence
from typing import Final

from sqlalchemy import Connection, Row, delete, insert, inspect, select

from cfd_core.serial.records import StoredSnapshot
from cfd_store.tables import EVENTS, SNAPSHOTS, snapshot_of, snapshot_row

PAGE: Final = 200
"""Snapshots read at a time."""


def keep(connection: Connection, snapshots: Sequence[StoredSnapshot]) -> None:
    """In a writing transaction: `EventStore.keep`."""
    SNAPSHOTS.create(connection, checkfirst=True)
    for snapshot in snapshots:
        query = select(EVENTS.c.sha256).where(EVENTS.c.stream == snapshot.stream, EVENTS.c.version == snapshot.version)
        digest = connection.execute(query).scalar_one_or_none()
        if digest is not None:
            place = (SNAPSHOTS.c.kind == snapshot.kind, SNAPSHOTS.c.stream == snapshot.stream)
            connection.execute(delete(SNAPSHOTS).where(*place))
            connection.execute(insert(SNAPSHOTS).values(snapshot_row(snapshot, digest)))


def exist(connection: Connection) -> bool:
    """Whether any was ever kept here."""
    return inspect(connection).has_table(SNAPSHOTS.name)


def page(connection: Connection, kind: str, form: str, after: str) -> Sequence[Row[tuple[object, ...]]]:
    """Rows of streams later than `after`, whose last event is the one that is stored."""
    event = (EVENTS.c.stream == SNAPSHOTS.c.stream) & (EVENTS.c.version == SNAPSHOTS.c.version)
    query = select(SNAPSHOTS).join(EVENTS, event & (EVENTS.c.sha256 == SNAPSHOTS.c.event_sha256))
    query = query.where(SNAPSHOTS.c.kind == kind, SNAPSHOTS.c.form == form, SNAPSHOTS.c.stream > after)
    return connection.execute(query.order_by(SNAPSHOTS.c.stream).limit(PAGE)).all()


def sound(rows: Sequence[Row[tuple[object, ...]]]) -> Iterator[StoredSnapshot]:
    """Those that are what was written."""
    found = (snapshot_of(row) for row in rows)
    return (snapshot for snapshot in found if snapshot is not None)
