"""The event store: append-only streams with optimistic concurrency, and packed DLC revisions beside them."""

from cfd_store.errors import (
    NotAStore,
    RevisionMissing,
    StoreCorrupt,
    StoreEmpty,
    StoreError,
    StoreTooNew,
    StoreUnavailable,
    VersionConflict,
    WrongStore,
)
from cfd_store.memory import MemoryStore
from cfd_store.postgres import postgres_url
from cfd_store.seam import MAX_PAYLOAD, MAX_REVISION, MAX_SNAPSHOT, Batch, EventStore
from cfd_store.sql import SqlStore
from cfd_store.sqlite_file import sqlite_url

__all__ = [
    "MAX_PAYLOAD",
    "MAX_REVISION",
    "MAX_SNAPSHOT",
    "Batch",
    "EventStore",
    "MemoryStore",
    "NotAStore",
    "RevisionMissing",
    "SqlStore",
    "StoreCorrupt",
    "StoreEmpty",
    "StoreError",
    "StoreTooNew",
    "StoreUnavailable",
    "VersionConflict",
    "WrongStore",
    "postgres_url",
    "sqlite_url",
]
