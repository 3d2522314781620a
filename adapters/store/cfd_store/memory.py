"""A store that lives as long as its process: for tests, trials and simulations."""

from collections.abc import Iterator, Sequence
from threading import Lock

from cfd_core.serial.records import StoredEvent, StoredSnapshot
from cfd_core.values import CfdId
from cfd_store.errors import RevisionMissing, StoreUnavailable, VersionConflict
from cfd_store.seam import Batch, EventStore, check_batches, check_snapshots


class MemoryStore(EventStore):
    """An `EventStore` in plain lists; as strict as the SQL one, but nothing survives it."""

    def __init__(self) -> None:
        self._log: list[StoredEvent] = []
        self._versions: dict[str, int] = {}
        self._revisions: dict[tuple[CfdId, int], bytes] = {}
        self._snapshots: dict[tuple[str, str], StoredSnapshot] = {}
        self._lock = Lock()
        self._closed = False

    def append_all(self, batches: Sequence[Batch]) -> None:
        check_batches(batches)
        with self._lock:
            self._must_be_open()
            for batch in batches:
                self._must_fit(batch)
            for batch in batches:
                self._add(batch)

    def load(self, stream: str, after: int = 0) -> list[StoredEvent]:
        return [event for event in self.load_all() if event.stream == stream and event.version > after]

    def load_all(self) -> Iterator[StoredEvent]:
        self._must_be_open()
        return iter(self._log[:])

    def streams(self) -> dict[str, int]:
        self._must_be_open()
        return dict(self._versions)

    def revision(self, cfd_id: CfdId, revision: int) -> bytes:
        self._must_be_open()
        try:
            return self._revisions[cfd_id, revision]
        except KeyError:
            raise RevisionMissing(f"no revision {revision} of CFD {cfd_id} is stored") from None

    def delete_revision(self, cfd_id: CfdId, revision: int) -> None:
        with self._lock:
            self._must_be_open()
            self._revisions.pop((cfd_id, revision), None)

    def keep(self, snapshots: Sequence[StoredSnapshot]) -> None:
        check_snapshots(snapshots)
        with self._lock:
            self._must_be_open()
            for snapshot in snapshots:
                if snapshot.version <= self._versions.get(snapshot.stream, 0):
                    self._snapshots[snapshot.kind, snapshot.stream] = snapshot

    def kept(self, kind: str, form: str) -> Iterator[StoredSnapshot]:
        self._must_be_open()
        found = (snapshot for _, snapshot in sorted(self._snapshots.items()))
        return iter([snapshot for snapshot in found if (snapshot.kind, snapshot.form) == (kind, form)])

    def close(self) -> None:
        self._closed = True

    def _must_be_open(self) -> None:
        if self._closed:
            raise StoreUnavailable("the store is closed")

    def _must_fit(self, batch: Batch) -> None:
        actual = self._versions.get(batch.stream, 0)
        if actual != batch.expected_version:
            raise VersionConflict(batch.stream, batch.expected_version, actual)

    def _add(self, batch: Batch) -> None:
        self._log.extend(batch.events)
        if batch.events:
            self._versions[batch.stream] = batch.events[-1].version
        for revision in batch.revisions:
            self._revisions[revision.cfd_id, revision.revision] = revision.data
