"""A store of many CFDs, each the same life under another name and with other coins."""

import hashlib
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from attrs import evolve, frozen
from cfd_node.desk.resting import kept_row
from cfd_node.loading import STATE
from cfd_store import SqlStore, sqlite_url
from cfd_store.tables import event_row, revision_row, snapshot_row

from cfd_core.cfd import events as e
from cfd_core.cfd.events import Recorded
from cfd_core.crypto.keys import Keychain
from cfd_core.engine import NODE_STREAM, Engine, Settings
from cfd_core.serial.records import PackedRevision, StoredEvent, StoredSnapshot
from cfd_core.serial.snapshots import FORM, SnapshotCoder
from cfd_core.serial.stored import read_events, to_stored
from cfd_core.values import CfdId, Network, Role, Secret
from tests.bench.bench_rollover import CFD, Theirs, opening, party, rolled

IDENTITY: Final = "bench"
SETTINGS: Final = Settings(network=Network.REGTEST, keychain=Keychain.from_seed(Secret(b"maker" * 8), Network.REGTEST))


@frozen
class Life:
    """One CFD's events, its snapshots, and the node's events that they refer to."""

    node: tuple[StoredEvent, ...]
    events: tuple[StoredEvent, ...]
    snapshots: tuple[StoredSnapshot, ...]
    packed: bytes

    @classmethod
    def lived(cls, rollovers: int) -> "Life":
        theirs = [Theirs.make(number) for number in range(rollovers + 1)]
        happened = [*opening(theirs[0])]
        for number in range(1, rollovers + 1):
            happened += rolled(number, theirs[number])
        kept = {a.event_id: a for one in theirs for a in one.draft.announcements}
        node = tuple(to_stored(Recorded(NODE_STREAM, n, e.AnnouncementKept(a))) for n, a in enumerate(kept.values(), 1))
        own = (event for one in happened for event in one.events)
        events = tuple(to_stored(Recorded(CFD, version, event)) for version, event in enumerate(own, 1))
        cfd = Engine.load(SETTINGS, read_events((*node, *events))).cfds[CFD]
        state = StoredSnapshot(STATE, CFD, cfd.version, FORM, SnapshotCoder().encode(cfd))
        row = kept_row(cfd, SETTINGS.policy.deadlines)
        return cls(node, events, (state, row), theirs[-1].cets)

    def of(self, name: CfdId) -> tuple[list[StoredEvent], list[StoredSnapshot]]:
        """The same life of a CFD of that name."""
        events = [evolve(record, stream=name, payload=_renamed(record.payload, name)) for record in self.events]
        return events, [evolve(one, stream=name, data=_renamed(one.data, name)) for one in self.snapshots]


_COINS: Final = {role: party(role, 0).funder.inputs[0].outpoint.txid.encode() for role in Role}


def _renamed(data: bytes, name: CfdId) -> bytes:
    for role, txid in _COINS.items():
        data = data.replace(txid, hashlib.sha256(f"{name} {role.value}".encode()).hexdigest().encode())
    return data.replace(CFD.encode(), name.encode())


def name_of(number: int) -> CfdId:
    return CfdId(hashlib.sha256(b"%d" % number).hexdigest()[:32])


def fill(path: Path, life: Life, cfds: int, rollovers: int) -> None:
    """A store of that many CFDs, each with its live revision, written past the store's own checks to save time."""
    SqlStore(sqlite_url(path), IDENTITY).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        with connection:
            _insert(connection, "events", map(event_row, life.node))
    with closing(SqlStore(sqlite_url(path), IDENTITY)) as store:
        store.keep([])  # makes the table
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        for number in range(cfds):
            name = name_of(number)
            events, snapshots = life.of(name)
            rows = [event_row(event) for event in events]
            last = rows[-1]["sha256"]
            with connection:
                _insert(connection, "events", rows)
                _insert(
                    connection, "revisions", [revision_row(PackedRevision(name_of(number), rollovers, life.packed))]
                )
                _insert(connection, "snapshots_1", [snapshot_row(snapshot, last) for snapshot in snapshots])


def _insert(connection: sqlite3.Connection, table: str, rows: Iterable[dict[str, Any]]) -> None:
    for row in rows:
        places = ", ".join(f":{name}" for name in row)
        connection.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({places})", row)  # noqa: S608 - our own names
