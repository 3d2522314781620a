"""A store of one's own: a node's events in one text file, a transaction on each line.

    {"format": "cfd-jsonl", "version": 1, "identity": "regtest/maker"}
    {"events": [["0f0f...", 1, "order_placed", 1, "{...}"]], "revisions": [["0f0f...", 0, "<base64>"]], "dropped": []}

A line is written and synced before the call returns, so what was appended is kept; a line that a crash tore has no
end and is cut off at the next start: its call never returned. A damaged line in the middle is `StoreCorrupt`, and the
file is left as it is. Everything is kept in memory too: fit for a taker with a few CFDs.

It is held against the same suite as the stores of `cfd_store`, see tests/adapters/store.
"""

import base64
import errno
import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from io import FileIO
from pathlib import Path
from threading import Lock
from typing import Any

from cfd_store import (
    Batch,
    EventStore,
    MemoryStore,
    NotAStore,
    StoreCorrupt,
    StoreTooNew,
    StoreUnavailable,
    VersionConflict,
    WrongStore,
)
from cfd_store.seam import check_batches

from cfd_core.errors import CfdError
from cfd_core.serial.records import PackedRevision, StoredEvent, StoredSnapshot
from cfd_core.values import CfdId

VERSION = 1


class JsonLinesStore(EventStore):
    """An `EventStore`: a journal on disk, and what it amounts to in a `MemoryStore`."""

    def __init__(self, path: Path, identity: str) -> None:
        """Open the file, or make it. `identity` names the node and its network; another node's store is refused."""
        self._memory, self._lock = MemoryStore(), Lock()
        self._file = _open_alone(path)
        try:
            self._read(identity)
        except BaseException:
            self._file.close()
            raise

    # --- writing ---------------------------------------------------------------------------------------------------

    def append_all(self, batches: Sequence[Batch]) -> None:
        check_batches(batches)
        with self._lock:
            versions = self._memory.streams()
            for batch in batches:
                if versions.get(batch.stream, 0) != batch.expected_version:
                    raise VersionConflict(batch.stream, batch.expected_version, versions.get(batch.stream, 0))
            self._write(
                {
                    "events": [_event_row(event) for batch in batches for event in batch.events],
                    "revisions": [_revision_row(revision) for batch in batches for revision in batch.revisions],
                    "dropped": [],
                }
            )
            self._memory.append_all(batches)

    def delete_revision(self, cfd_id: CfdId, revision: int) -> None:
        """Forgotten from here on; the bytes stay in the file."""
        with self._lock:
            self._memory.streams()  # raises once we are closed
            self._write({"events": [], "revisions": [], "dropped": [[cfd_id, revision]]})
            self._memory.delete_revision(cfd_id, revision)

    def _write(self, line: dict[str, Any]) -> None:
        """All of the line, durably, or nothing of it."""
        end = self._file.seek(0, os.SEEK_END)
        try:
            data = json.dumps(line).encode() + b"\n"
            if self._file.write(data) != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(self._file.fileno())
        except OSError as error:
            self._file.truncate(end)
            raise StoreUnavailable(f"cannot write the journal: {error.strerror}") from error

    def keep(self, snapshots: Sequence[StoredSnapshot]) -> None:
        """Not in the file: they only spare a start some work, and a few CFDs are folded soon."""
        self._memory.keep(snapshots)

    # --- reading ---------------------------------------------------------------------------------------------------

    def load(self, stream: str, after: int = 0) -> list[StoredEvent]:
        return self._memory.load(stream, after)

    def load_all(self) -> Iterator[StoredEvent]:
        return self._memory.load_all()

    def streams(self) -> dict[str, int]:
        return self._memory.streams()

    def revision(self, cfd_id: CfdId, revision: int) -> bytes:
        return self._memory.revision(cfd_id, revision)

    def kept(self, kind: str, form: str) -> Iterator[StoredSnapshot]:
        return self._memory.kept(kind, form)

    def close(self) -> None:
        self._memory.close()
        self._file.close()

    def _read(self, identity: str) -> None:
        lines = self._file.read().split(b"\n")
        if lines == [b""]:
            self._write({"format": "cfd-jsonl", "version": VERSION, "identity": identity})
            return
        _check_header(lines[0], identity)
        if torn := lines.pop():
            self._file.truncate(self._file.seek(0, os.SEEK_END) - len(torn))
        for number, line in enumerate(lines[1:], 2):
            try:
                self._replay(json.loads(line))
            except (ValueError, TypeError, LookupError, AttributeError, CfdError, VersionConflict) as error:
                raise StoreCorrupt(f"line {number} of the journal is damaged: {error}") from error

    def _replay(self, line: dict[str, Any]) -> None:
        events = [_event(*row) for row in line["events"]]
        revisions = [_revision(*row) for row in line["revisions"]]
        for stream in dict.fromkeys(event.stream for event in events):
            ours = tuple(event for event in events if event.stream == stream)
            self._memory.append(stream, ours[0].version - 1, ours)
        for revision in revisions:
            self._memory.append(revision.cfd_id, self._memory.streams().get(revision.cfd_id, 0), (), [revision])
        for cfd_id, number in line["dropped"]:
            self._memory.delete_revision(cfd_id, number)


def _open_alone(path: Path) -> FileIO:
    """For its owner's eyes only, and for one process at a time."""
    try:
        file = FileIO(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), "r+")
    except OSError as error:
        raise StoreUnavailable(f"cannot use {path}: {error.strerror}") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise StoreUnavailable(f"another process uses {path}") from error
    return file


def _check_header(line: bytes, identity: str) -> None:
    try:
        match json.loads(line):
            case {"format": "cfd-jsonl", "version": int(version), "identity": str(owner)}:
                pass
            case _:
                raise ValueError
    except ValueError:
        raise NotAStore("not a journal of a node") from None
    if version > VERSION:
        raise StoreTooNew(version, VERSION)
    if owner != identity:
        raise WrongStore(owner, identity)


def _event_row(event: StoredEvent) -> list[Any]:
    return [event.stream, event.version, event.name, event.schema, event.payload.decode()]


def _event(stream: str, version: int, name: str, schema: int, payload: str) -> StoredEvent:
    return StoredEvent(stream, version, name, schema, payload.encode())


def _revision_row(revision: PackedRevision) -> list[Any]:
    return [revision.cfd_id, revision.revision, base64.b64encode(revision.data).decode()]


def _revision(cfd_id: CfdId, number: int, data: str) -> PackedRevision:
    return PackedRevision(cfd_id, number, base64.b64decode(data, validate=True))
