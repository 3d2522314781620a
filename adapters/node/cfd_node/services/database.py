"""The database as a service: opened only if it is whole, asked often whether it can be written, never replaced."""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

from cfd_store import EventStore, SqlStore, StoreError, sqlite_url

from cfd_node.supervision import Level, ServiceFailed, Tell

DATABASE_FILE: Final = "events.sqlite"
IDENTITY_FILE: Final = "identity"
"""Whose store it is, for tools that look at it without the seed; and that there has been one."""
PROBE_SECONDS: Final = 4.0
RETRY_SECONDS: Final = 1.0
"""Between two probes while something is wrong."""
BUSY_SECONDS: Final = 2.0
"""How long one write may wait for somebody else's lock: the node stands still meanwhile."""
LOW_BYTES: Final = 64 * 1024 * 1024
"""Free space on the disk below which a person should look."""


class DatabaseService:
    """The event store in the node's folder. `store` is there while the service is up."""

    name = "database"
    needs = ("folder",)

    def __init__(self, folder: Path, identity: str) -> None:
        self._folder, self._identity = folder, identity
        self._store: SqlStore | None = None
        self._tell: Tell | None = None
        self.free_bytes: Callable[[], int] = lambda: shutil.disk_usage(folder).free

    @property
    def store(self) -> EventStore:
        """The open store; `ServiceFailed` without one."""
        if self._store is None:
            raise ServiceFailed("the database is not open")
        return self._store

    def failed(self, reason: str) -> None:
        """Told by who could not write."""
        if self._tell is not None:
            self._tell(Level.FAILED, reason)

    async def run(self, tell: Tell) -> None:
        store = await asyncio.to_thread(self._open)
        try:
            self._store, self._tell = store, tell
            while True:
                problem = await asyncio.to_thread(self._problem, store)
                tell(*(problem or (Level.RUNNING, "")))
                await asyncio.sleep(RETRY_SECONDS if problem else PROBE_SECONDS)
        finally:
            self._store = self._tell = None
            store.close()

    def _open(self) -> SqlStore:
        path, lived = self._folder / DATABASE_FILE, self._folder / IDENTITY_FILE
        if lived.exists() and not path.exists():
            raise ServiceFailed(
                f"{path} is gone, though this node has lived here; an empty one would forget every position: "
                f"bring a backup back, or remove {lived} too to begin with nothing"
            )
        try:
            store = SqlStore(sqlite_url(path), self._identity, busy_seconds=BUSY_SECONDS)
            lived.write_text(self._identity)
        except (StoreError, OSError) as error:
            raise ServiceFailed(str(error)) from error
        return store

    def _problem(self, store: SqlStore) -> tuple[Level, str] | None:
        try:
            store.append_all(())
            free = self.free_bytes()
        except (StoreError, OSError) as error:
            return Level.FAILED, str(error)
        if free < LOW_BYTES:
            return Level.DEGRADED, f"only {free // 2**20} MiB are left on the disk of {self._folder}"
        return None
