"""The database as a service: opened only if it is whole, asked often whether it can be written, never replaced."""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

from cfd_store import EventStore, SqlStore, StoreEmpty, StoreError, sqlite_url

from cfd_core.errors import RuleViolation
from cfd_core.values import Secret
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
    """The event store, in the node's folder or in PostgreSQL. `store` is there while the service is up."""

    name = "database"
    needs = ("folder",)

    def __init__(self, folder: Path, identity: str, url: Secret | None = None) -> None:
        """`url`: of a PostgreSQL database; None: a file in the folder."""
        self._folder, self._identity, self._url = folder, identity, url
        self._store: SqlStore | None = None
        self._unchecked: SqlStore | None = None
        self.roomy = True
        """Whether the disk has room for more than what must be stored."""
        self._tell: Tell | None = None
        self.free_bytes: Callable[[], int] = lambda: shutil.disk_usage(folder).free

    @property
    def store(self) -> EventStore:
        """The open store; `ServiceFailed` without one."""
        if self._store is None:
            raise ServiceFailed("the database is not open")
        return self._store

    @property
    def readable(self) -> EventStore:
        """The store as soon as it is open, for showing what is in it; `ServiceFailed` without one.

        Not all of its pages have been checked yet: nothing is to be done because of what is read, or written.
        """
        if self._unchecked is None:
            raise ServiceFailed("the database is not open")
        return self._unchecked

    def failed(self, reason: str) -> None:
        """Told by who could not write."""
        if self._tell is not None:
            self._tell(Level.FAILED, reason)

    async def run(self, tell: Tell) -> None:
        store = await asyncio.to_thread(self._open)
        try:
            self._unchecked = store
            tell(Level.LOADING, "checks that the file is whole")
            await self._check(store)
            self._store, self._tell = store, tell
            while True:
                problem = await asyncio.to_thread(self._problem, store)
                tell(*(problem or (Level.RUNNING, "")))
                await asyncio.sleep(RETRY_SECONDS if problem else PROBE_SECONDS)
        finally:
            self._store = self._unchecked = self._tell = None
            store.close()

    async def _check(self, store: SqlStore) -> None:
        try:
            await asyncio.to_thread(store.check)
        except StoreError as error:
            raise ServiceFailed(str(error)) from error

    def _open(self) -> SqlStore:
        lived = self._folder / IDENTITY_FILE
        try:
            store = self._open_file(lived) if self._url is None else self._open_database(self._url, lived)
            lived.write_text(self._identity)
        except (StoreError, OSError, RuleViolation) as error:
            raise ServiceFailed(str(error)) from error
        return store

    def _open_database(self, url: Secret, lived: Path) -> SqlStore:
        """An empty database becomes a store only where this node has none yet."""
        path = self._folder / DATABASE_FILE
        if path.exists():
            raise ServiceFailed(
                f"the positions of this node are in {path}, and the settings name a PostgreSQL database: it would know "
                "none of them; take database.url out again"
            )
        try:
            return SqlStore(url.reveal().decode(), self._identity, busy_seconds=BUSY_SECONDS, make=not lived.exists())
        except StoreEmpty as error:
            raise ServiceFailed(
                f"{error}, though this node has lived here; it would forget every position: is it the right database? "
                f"Remove {lived} to begin with nothing"
            ) from error

    def _open_file(self, lived: Path) -> SqlStore:
        path = self._folder / DATABASE_FILE
        if lived.exists() and not path.exists():
            raise ServiceFailed(
                f"{path} is gone, though this node has lived here; an empty one would forget every position: "
                f"bring a backup back, or remove {lived} too to begin with nothing"
            )
        return SqlStore(sqlite_url(path), self._identity, busy_seconds=BUSY_SECONDS, thorough=False)

    def _problem(self, store: SqlStore) -> tuple[Level, str] | None:
        try:
            store.append_all(())
            free = self.free_bytes()
        except (StoreError, OSError) as error:
            return Level.FAILED, str(error)
        self.roomy = free >= LOW_BYTES
        if not self.roomy:
            return Level.DEGRADED, f"only {free // 2**20} MiB are left on the disk of {self._folder}"
        return None
