"""What was answered to requests that move money, so that asking again does nothing twice: memory and SQLite."""

import os
from pathlib import Path
from typing import Final, Protocol

from attrs import field, frozen
from sqlalchemy import Column, Engine, Integer, LargeBinary, MetaData, String, Table, create_engine, event, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import StaticPool

KEPT_SECONDS: Final = 7 * 24 * 3600
"""An answer is forgotten after a week: by then nobody asks again."""


@frozen
class Kept:
    """What became of one key. `status` is None while the request is under way, or was when the process ended."""

    fingerprint: str
    """Of the request: the same key with another one is a mistake of the caller."""
    status: int | None
    body: bytes = field(repr=False)


class AnswersFailed(Exception):
    """The answers cannot be kept now (a full disk, for example); the sentence says why."""


class Answers(Protocol):
    """Each method is one durable act: what `begin` returned from is known after a crash. `AnswersFailed` if not."""

    def look_up(self, key: str) -> Kept | None: ...

    def begin(self, key: str, fingerprint: str, now: int) -> None:
        """A new key's request is about to be done. Forgets what is older than `KEPT_SECONDS`."""

    def finish(self, key: str, status: int, body: bytes) -> None:
        """It has been done, or refused for good; this is the answer from now on."""

    def forget(self, key: str) -> None:
        """Nothing was done: the key is free again."""


class MemoryAnswers:
    """Answers that die with the process."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[int, Kept]] = {}

    def look_up(self, key: str) -> Kept | None:
        found = self._kept.get(key)
        return found[1] if found else None

    def begin(self, key: str, fingerprint: str, now: int) -> None:
        self._kept = {key: entry for key, entry in self._kept.items() if entry[0] > now - KEPT_SECONDS}
        self._kept[key] = (now, Kept(fingerprint, None, b""))

    def finish(self, key: str, status: int, body: bytes) -> None:
        at, begun = self._kept[key]
        self._kept[key] = (at, Kept(begun.fingerprint, status, body))

    def forget(self, key: str) -> None:
        del self._kept[key]


_TABLE: Final = Table(
    "answers",
    MetaData(),
    Column("key", String, primary_key=True),
    Column("fingerprint", String, nullable=False),
    Column("at", Integer, nullable=False),
    Column("status", Integer),
    Column("body", LargeBinary, nullable=False),
)


class SqlAnswers:
    """Answers in an SQLite file of their own, beside the node's events; made for its owner only."""

    def __init__(self, path: Path) -> None:
        """Opens nothing yet: a broken file must not keep the API from starting, only money from moving."""
        self._path = path
        self._engine: Engine | None = None

    def look_up(self, key: str) -> Kept | None:
        with _failures(), self._ready().connect() as connection:
            row = connection.execute(select(_TABLE).where(_TABLE.c.key == key)).one_or_none()
        return None if row is None else Kept(row.fingerprint, row.status, row.body)

    def begin(self, key: str, fingerprint: str, now: int) -> None:
        with _failures(), self._ready().begin() as connection:
            connection.execute(_TABLE.delete().where(_TABLE.c.at <= now - KEPT_SECONDS))
            connection.execute(_TABLE.insert().values(key=key, fingerprint=fingerprint, at=now, status=None, body=b""))

    def finish(self, key: str, status: int, body: bytes) -> None:
        with _failures(), self._ready().begin() as connection:
            connection.execute(_TABLE.update().where(_TABLE.c.key == key).values(status=status, body=body))

    def forget(self, key: str) -> None:
        with _failures(), self._ready().begin() as connection:
            connection.execute(_TABLE.delete().where(_TABLE.c.key == key))

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    def _ready(self) -> Engine:
        if self._engine is None:
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
            engine = create_engine(f"sqlite:///{self._path}", poolclass=StaticPool)
            event.listen(engine, "connect", _durable)
            try:
                _TABLE.metadata.create_all(engine)
            except BaseException:
                engine.dispose()
                raise
            self._engine = engine
        return self._engine


def _durable(connection: object, _record: object) -> None:
    cursor = connection.cursor()  # type: ignore[attr-defined]  # a DB-API connection
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()


class _failures:  # noqa: N801 - a context manager
    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, SQLAlchemyError | OSError):
            reason = getattr(error, "orig", None) or error
            raise AnswersFailed(f"what was asked and answered cannot be kept: {reason}") from error
