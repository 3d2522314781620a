"""The seam: what an event store does, whichever way it keeps its records."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Protocol

from attrs import frozen

from cfd_core.errors import RuleViolation
from cfd_core.serial.records import PackedRevision, StoredEvent, StoredSnapshot
from cfd_core.values import CfdId

MAX_PAYLOAD = 1 << 20
"""Bytes of one event's payload."""
MAX_REVISION = 1 << 24
"""Bytes of one packed DLC revision."""
MAX_SNAPSHOT = 1 << 24
"""Bytes of one snapshot."""


@frozen
class Batch:
    """What one step adds to one stream."""

    stream: str
    expected_version: int
    """The version the step was decided on; 0 is a stream that does not exist yet."""
    events: tuple[StoredEvent, ...]
    """Versions `expected_version + 1` onwards. None at all only checks the version."""
    revisions: tuple[PackedRevision, ...] = ()


class EventStore(Protocol):
    """Events in append-only streams, and packed DLC revisions beside them. Stores inherit it.

    Calls block, for about a millisecond when they write, and may come from any thread. All raise
    `StoreUnavailable` or `StoreCorrupt` where that is the case, and `RuleViolation` for arguments that make no sense.
    """

    def append(
        self,
        stream: str,
        expected_version: int,
        events: Sequence[StoredEvent],
        revisions: Sequence[PackedRevision] = (),
    ) -> None:
        """Store all of it durably, or nothing; `VersionConflict` if the stream is not at `expected_version`.

        A revision takes the place of one with its number: a rollover that broke off is prepared again under the same
        number, and the signatures that count are those whose digest the newest event names.
        """
        self.append_all([Batch(stream, expected_version, tuple(events), tuple(revisions))])

    @abstractmethod
    def append_all(self, batches: Sequence[Batch]) -> None:
        """Store several streams' batches in one transaction, all or nothing; each stream at most once.

        No batch at all writes nothing new, but fails if nothing can be written.
        """

    @abstractmethod
    def load(self, stream: str, after: int = 0) -> list[StoredEvent]:
        """The stream's events later than version `after`, in order; an unknown stream is empty."""

    @abstractmethod
    def load_all(self) -> Iterator[StoredEvent]:
        """Every event in the order of appending. Revision bytes are not touched."""

    @abstractmethod
    def streams(self) -> dict[str, int]:
        """Each stream and its version, oldest stream first."""

    @abstractmethod
    def revision(self, cfd_id: CfdId, revision: int) -> bytes:
        """The packed revision, checked against its stored SHA-256; `RevisionMissing` if there is none."""

    @abstractmethod
    def delete_revision(self, cfd_id: CfdId, revision: int) -> None:
        """Forget a revision; one that is not there stays not there."""

    @abstractmethod
    def keep(self, snapshots: Sequence[StoredSnapshot]) -> None:
        """Keep all of them or none, each in the place of the stream's former one of its kind.

        One whose last event the stream does not have is left out.
        """

    @abstractmethod
    def kept(self, kind: str, form: str) -> Iterator[StoredSnapshot]:
        """The snapshots of this kind and form, by stream. One that is damaged, or was not made of the very event that
        the stream has at its version, is left out: what is not here must be worked out from the events.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of everything; any number of times. Later calls raise `StoreUnavailable`."""


def check_batches(batches: Sequence[Batch]) -> None:
    """`RuleViolation` unless streams and revisions are distinct and versions follow `expected_version` without gap."""
    names = [batch.stream for batch in batches]
    if len(set(names)) != len(names):
        raise RuleViolation("one transaction appends to each stream at most once")
    keys = [(revision.cfd_id, revision.revision) for batch in batches for revision in batch.revisions]
    if len(set(keys)) != len(keys):
        raise RuleViolation("one transaction stores each DLC revision at most once")
    for batch in batches:
        _check_events(batch)
        for revision in batch.revisions:
            check_revision(revision)


def check_revision(revision: PackedRevision) -> None:
    """`RuleViolation` if it is larger than `MAX_REVISION`."""
    if len(revision.data) > MAX_REVISION:
        raise RuleViolation(f"a packed revision has at most {MAX_REVISION:,} bytes, not {len(revision.data):,}")


def _check_events(batch: Batch) -> None:
    if batch.expected_version < 0:
        raise RuleViolation(f"an expected version is 0 or more, not {batch.expected_version}")
    for version, event in enumerate(batch.events, batch.expected_version + 1):
        if event.stream != batch.stream or event.version != version:
            raise RuleViolation(
                f"event {event.stream}/{event.version} in the place of {batch.stream}/{version} in an append"
            )
        if len(event.payload) > MAX_PAYLOAD:
            raise RuleViolation(f"an event has at most {MAX_PAYLOAD:,} bytes, not {len(event.payload):,}")


def check_snapshots(snapshots: Sequence[StoredSnapshot]) -> None:
    """`RuleViolation` unless they are of distinct streams or kinds and not larger than `MAX_SNAPSHOT`."""
    keys = [(snapshot.kind, snapshot.stream) for snapshot in snapshots]
    if len(set(keys)) != len(keys):
        raise RuleViolation("one transaction keeps at most one snapshot of each kind of a stream")
    for snapshot in snapshots:
        if len(snapshot.data) > MAX_SNAPSHOT:
            raise RuleViolation(f"a snapshot has at most {MAX_SNAPSHOT:,} bytes, not {len(snapshot.data):,}")
