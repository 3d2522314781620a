"""Start the Electrum server e-x (module electrumx) for tests: database in memory, no answers held back.

Run by `cfd_regtest.realnode` with e-x's own Python, as a program; the environment configures e-x (DB_ENGINE=memdb).
"""

import bisect
import os
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

from electrumx.cli.electrumx_server import main
from electrumx.server import storage, transport


class _Table:
    """Sorted keys and their values; one per database name, for as long as the process lives."""

    def __init__(self) -> None:
        self.values: dict[bytes, bytes] = {}
        self.keys: list[bytes] = []
        self.lock = threading.RLock()

    def write(self, changes: list[tuple[bytes, bytes | None]]) -> None:
        with self.lock:
            for key, value in changes:
                self._put(key, value) if value is not None else self._delete(key)

    def with_prefix(self, prefix: bytes) -> list[bytes]:
        with self.lock:
            first = last = bisect.bisect_left(self.keys, prefix)
            while last < len(self.keys) and self.keys[last].startswith(prefix):
                last += 1
            return self.keys[first:last]

    def _put(self, key: bytes, value: bytes) -> None:
        if key not in self.values:
            bisect.insort(self.keys, key)
        self.values[key] = value

    def _delete(self, key: bytes) -> None:
        if self.values.pop(key, None) is not None:
            del self.keys[bisect.bisect_left(self.keys, key)]


class _Batch:
    """Changes that are written together, unless the block that collects them fails."""

    def __init__(self, table: _Table) -> None:
        self._table = table
        self._changes: list[tuple[bytes, bytes | None]] = []

    def put(self, key: bytes, value: bytes) -> None:
        self._changes.append((bytes(key), bytes(value)))

    def delete(self, key: bytes) -> None:
        self._changes.append((bytes(key), None))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error: type[BaseException] | None, _value: object, _trace: TracebackType | None) -> None:
        if error is None:
            self._table.write(self._changes)


class _Items:
    """The pairs under a prefix as they were when it was made, without those deleted since."""

    def __init__(self, table: _Table, prefix: bytes, reverse: bool) -> None:
        self._table, self._reverse = table, reverse
        self._keys = table.with_prefix(prefix)
        self._at = len(self._keys) if reverse else 0

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        return self

    def __next__(self) -> tuple[bytes, bytes]:
        while True:
            key = self._step()
            value = self._table.values.get(key)
            if value is not None:
                return key, value

    def seek(self, key: bytes) -> None:
        """Stand just left of `key`."""
        self._at = bisect.bisect_left(self._keys, key)

    def _step(self) -> bytes:
        if self._at == (0 if self._reverse else len(self._keys)):
            raise StopIteration
        self._at += -1 if self._reverse else 1
        return self._keys[self._at if self._reverse else self._at - 1]


_TABLES: dict[str, _Table] = {}


class MemDB(storage.Storage):  # type: ignore[misc]
    """An engine for e-x without a compiled database."""

    @classmethod
    def import_module(cls) -> None:
        """Nothing to import."""

    def open(self, name: str, create: bool) -> None:
        del create
        os.makedirs(name, exist_ok=True)
        self._table = _TABLES.setdefault(os.path.abspath(name), _Table())

    def close(self) -> None:
        """It lives on: e-x opens its databases several times."""

    def get(self, key: bytes) -> bytes | None:
        return self._table.values.get(bytes(key))

    def put(self, key: bytes, value: bytes) -> None:
        self._table.write([(bytes(key), bytes(value))])

    def write_batch(self) -> _Batch:
        return _Batch(self._table)

    def iterator(self, prefix: bytes = b"", reverse: bool = False) -> Any:
        return _Items(self._table, prefix, reverse)


if __name__ == "__main__":
    storage.MemDB = MemDB  # e-x looks for engines among the names of that module
    # small replies wait up to a second for company, against traffic analysis: a test would wait with them
    transport.PaddedRSTransport.WAIT_FOR_BUFFER_GROWTH_SECONDS = 0
    main()
