"""Every implementation of the event store, each as a factory of fresh stores."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from cfd_store import EventStore, MemoryStore, SqlStore, sqlite_url

from tests.docs.examples import load_example

IDENTITY = "regtest/maker"


@pytest.fixture(params=["memory", "sqlite", "jsonl", pytest.param("postgres", marks=pytest.mark.postgres)])
def new_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], EventStore]]:
    """Makes an empty store of the kind under test; it is closed at the end."""
    with ExitStack() as stack:

        def make() -> EventStore:
            if request.param == "memory":
                return stack.enter_context(closing(MemoryStore()))
            if request.param == "postgres":
                url = request.getfixturevalue("server").database()
                return stack.enter_context(closing(SqlStore(url, IDENTITY)))
            path = tmp_path / f"store {len(list(tmp_path.iterdir()))}.db"
            if request.param == "jsonl":
                journal: EventStore = load_example("jsonl_store").JsonLinesStore(path, IDENTITY)
                return stack.enter_context(closing(journal))
            return stack.enter_context(closing(SqlStore(sqlite_url(path), IDENTITY)))

        yield make


@pytest.fixture
def store(new_store: Callable[[], EventStore]) -> EventStore:
    return new_store()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "node.db"


@pytest.fixture
def open_sql(path: Path) -> Iterator[Callable[..., SqlStore]]:
    """Opens the SQLite store at `path`, any number of times."""
    with ExitStack() as stack:

        def make(identity: str = IDENTITY) -> SqlStore:
            return stack.enter_context(closing(SqlStore(sqlite_url(path), identity)))

        yield make


@pytest.fixture
def edit(path: Path) -> Callable[..., None]:
    """`edit(STATEMENT, ...)` changes the SQLite file at `path` behind the store's back."""

    def run(*statements: str) -> None:
        with closing(sqlite3.connect(path)) as connection, connection:
            for statement in statements:
                connection.execute(statement)

    return run
