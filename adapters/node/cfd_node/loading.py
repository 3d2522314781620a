"""From the store to the engine: what snapshots spare of the fold, and the events of the rest."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Final

import structlog
from attrs import frozen
from cfd_store import EventStore, StoreCorrupt, StoreError

from cfd_core.cfd.aggregate import Cfd
from cfd_core.cfd.events import AnnouncementKept, Event, NodeEvent
from cfd_core.cfd.evolve import evolve as fold
from cfd_core.engine import NODE_STREAM, Engine, Settings
from cfd_core.errors import DecodeError
from cfd_core.oracle import Announcement
from cfd_core.serial.records import StoredEvent
from cfd_core.serial.snapshots import FORM, SnapshotCoder
from cfd_core.serial.stored import read_events
from cfd_core.values import CfdId

log = structlog.get_logger()
STATE: Final = "state"
"""The kind of the snapshots that hold a whole CFD."""
Progress = Callable[[int, int], None]
"""Told how many CFDs of how many are there; may be called from another thread."""


def no_progress(_done: int, _all: int) -> None:
    """For those who do not want to know."""


@frozen
class Loaded:
    """An engine, and which versions of its CFDs the store has sound snapshots of."""

    engine: Engine
    snapshots: Mapping[CfdId, int]


def load_engine(settings: Settings, store: EventStore, progress: Progress = no_progress) -> Loaded:
    """The engine as the stored events make it.

    A snapshot stands for the events that it takes in; where there is none that fits, all of them are folded.
    `DecodeError` for an event of a later release, or the store's own errors.
    """
    heads = store.streams()
    total = len(heads.keys() - {NODE_STREAM})
    node = [event for _, event in read_events(store.load(NODE_STREAM))]
    announced = [event.announcement for event in node if isinstance(event, AnnouncementKept)]
    folded: dict[CfdId, Cfd] = {}
    for cfd in _snapshots(store, heads, announced):
        folded[cfd.id] = cfd
        progress(len(folded), total)
    versions = {key: cfd.version for key, cfd in folded.items()}
    behind = {stream: versions.get(CfdId(stream), 0) for stream in heads if stream != NODE_STREAM}
    behind = {stream: version for stream, version in behind.items() if version != heads[stream]}
    rest = _counted(_events(store, behind, announced, all_of_them=not folded), behind, heads, progress)
    engine = Engine.load(settings, (*((NODE_STREAM, event) for event in node), *rest), folded)
    for key, cfd in engine.cfds.items():
        if cfd.version != heads.get(key):
            raise StoreCorrupt(f"CFD {key} has {heads.get(key)} events, of which {cfd.version} could be read")
    log.info("read the database", cfds=total, snapshots=len(folded), behind=len(behind))
    return Loaded(engine, versions)


def read_cfds(store: EventStore, streams: Collection[str]) -> Iterator[Cfd]:
    """These CFDs alone, each folded from its events."""
    announced = _announced(store) if streams else []
    return (cfd for stream in streams if (cfd := _folded(store.load(stream), announced)) is not None)


def compared(store: EventStore) -> Iterator[tuple[CfdId, bool]]:
    """Each CFD with a snapshot that would be used, and whether its events, folded anew, say the same."""
    heads, announced = store.streams(), _announced(store)
    for found in _snapshots(store, heads, announced):
        yield found.id, _folded(store.load(found.id)[: found.version], announced) == found


def _announced(store: EventStore) -> list[Announcement]:
    node = (event for _, event in read_events(store.load(NODE_STREAM)))
    return [event.announcement for event in node if isinstance(event, AnnouncementKept)]


def _folded(records: Iterable[StoredEvent], announced: Iterable[Announcement]) -> Cfd | None:
    cfd: Cfd | None = None
    for _, event in read_events(records, announced=announced):
        if not isinstance(event, NodeEvent):
            cfd = fold(cfd, event)
    return cfd


def _snapshots(store: EventStore, heads: Mapping[str, int], announced: Iterable[Announcement]) -> Iterator[Cfd]:
    """Those that fit. Whatever is wrong with one, or with all, the events are there."""
    coder, known = SnapshotCoder(), {(a.oracle_key, a.event_id): a for a in announced}
    try:
        for snapshot in store.kept(STATE, FORM):
            try:
                cfd = coder.decode(snapshot.data, known)
            except DecodeError as error:
                log.warning("a snapshot is of no use", cfd=snapshot.stream, reason=str(error))
                continue
            if (cfd.id, cfd.version) == (snapshot.stream, snapshot.version) and cfd.version <= heads.get(cfd.id, 0):
                yield cfd
    except StoreError as error:
        log.warning("the snapshots cannot be read", reason=str(error))


def _events(
    store: EventStore, behind: Mapping[str, int], announced: Iterable[Announcement], *, all_of_them: bool
) -> Iterator[tuple[str, Event]]:
    records: Iterator[StoredEvent]
    if all_of_them:  # in the order in which they lie in the file
        records = (record for record in store.load_all() if record.stream != NODE_STREAM)
    else:
        records = (record for stream, version in behind.items() for record in store.load(stream, version))
    return read_events(records, announced=announced)


def _counted(
    events: Iterable[tuple[str, Event]], behind: Mapping[str, int], heads: Mapping[str, int], progress: Progress
) -> Iterator[tuple[str, Event]]:
    """The same, telling how many CFDs have had their last event."""
    left = {stream: heads[stream] - version for stream, version in behind.items()}
    total = len(heads.keys() - {NODE_STREAM})
    for stream, event in events:
        yield stream, event
        left[stream] -= 1
        if not left[stream]:
            del left[stream]
            progress(total - len(left), total)
