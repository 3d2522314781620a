"""PostgreSQL: one database (or schema) per store, made whole or not at all, its writers one after the other."""

from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url, select
from sqlalchemy.exc import ArgumentError, DBAPIError

from cfd_core.errors import RuleViolation
from cfd_store.errors import NotAStore, StoreCorrupt, StoreEmpty, StoreError, StoreTooNew, StoreUnavailable, WrongStore
from cfd_store.tables import ABOUT, FORMAT, METADATA, WRITING

BUSY_SECONDS: Final = 10.0
"""How long a writer waits for another one to finish."""
CONNECT_SECONDS: Final = 5
"""How long a server may take to accept a connection."""

DAMAGED: Final = {"42P01", "42703", "XX001", "XX002"}
"""SQLSTATEs of damage: a table or a column that is gone (as our own SQL is known to be right), broken data or index."""
_MAKING: Final = 0x43464453544F5245
"""The advisory lock of whoever makes the tables: of two nodes that start together one makes, the other finds."""


def postgres_url(text: str) -> URL:
    """Read a database URL; `RuleViolation`, which quotes nothing of it, unless it is one of PostgreSQL (see below)."""
    try:
        return checked_url(make_url(text))
    except (ArgumentError, ValueError, RuleViolation):
        raise RuleViolation("that is not postgresql://[user[:password]@]host/database") from None


def checked_url(url: URL) -> URL:
    """The URL with the driver we use; `RuleViolation` unless it is `postgresql://[user[:password]@]host/database`.

    A socket's folder goes into the query: `postgresql:///database?host=/run/postgresql`.
    """
    if url.drivername not in ("postgresql", "postgresql+psycopg"):
        raise RuleViolation(f"a PostgreSQL store is reached by postgresql://, not {url.drivername}://")
    if not url.database:
        raise RuleViolation("the URL of a PostgreSQL store names its database: postgresql://host/database")
    if "password" in url.query:
        raise RuleViolation("a password stands before the @ of a database URL, or in ~/.pgpass, not in its query")
    return url.set(drivername="postgresql+psycopg")


def place(url: URL) -> str:
    """Where the store is, for people: without password and options."""
    plain = URL.create("postgresql", url.username, host=url.host, port=url.port, database=url.database)
    return plain.render_as_string()


def open_database(url: URL, identity: str, busy_seconds: float | None, *, make: bool) -> Engine:
    """The store of `identity` at a checked URL. An empty database becomes one, if `make`; any other is refused."""
    engine = engine_for(url, busy_seconds)
    try:
        _open_or_make(engine, place(url), identity, make=make)
    except BaseException:
        engine.dispose()
        raise
    return engine


def engine_for(url: URL, busy_seconds: float | None = None) -> Engine:
    """An engine whose commits are durable and whose writing transactions come one after the other.

    `StoreUnavailable` if the driver is not installed.
    """
    seconds = BUSY_SECONDS if busy_seconds is None else busy_seconds
    arguments = {"client_encoding": "utf8", "connect_timeout": url.query.get("connect_timeout", CONNECT_SECONDS)}
    try:
        engine = create_engine(
            url,
            connect_args=arguments,
            hide_parameters=True,  # payloads hold secrets; an error text must not
            isolation_level="READ COMMITTED",  # after the wait for the lock, the next query sees what the other wrote
            pool_pre_ping=True,  # a server that was restarted costs a new connection, not an error
            pool_timeout=seconds,
        )
    except ModuleNotFoundError as error:
        raise StoreUnavailable("PostgreSQL needs the driver psycopg: pip install 'cfd-store[postgres]'") from error

    def on_connect(connection: Any, _record: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET synchronous_commit = on")
            cursor.execute(f"SET lock_timeout = {max(1, int(seconds * 1000))}")
        connection.commit()

    event.listen(engine, "connect", on_connect)
    event.listen(engine, "begin", _on_begin)
    return engine


def _on_begin(connection: Connection) -> None:
    # One writer at a time, as in SQLite: reading the version and appending become one step, and positions become
    # visible in their order, so that a reader who goes on from a position misses nothing. Readers do not wait.
    if connection.get_execution_options().get(WRITING, False):
        connection.execute(select(ABOUT.c.id).with_for_update()).all()


def _open_or_make(engine: Engine, name: str, identity: str, *, make: bool) -> None:
    try:
        with engine.begin() as connection:
            _check_encoding(connection, name)
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MAKING})")
            present = set(inspect(connection).get_table_names())
            if not present and make:
                METADATA.create_all(connection)
                connection.execute(ABOUT.insert().values(id=1, format=FORMAT, identity=identity))
            elif not present:
                raise StoreEmpty(f"the database {name} is empty")
            else:
                _check_content(connection, present, name, identity)
    except DBAPIError as error:
        raise refusal(name, error) from None


def refusal(name: str, error: DBAPIError) -> StoreError:
    """What a database's error means. The driver's own words only: SQLAlchemy's add the statement and its parameters."""
    reason = " ".join(str(error.orig).split())
    if getattr(error.orig, "sqlstate", None) in DAMAGED:
        return StoreCorrupt(f"the store {name} is damaged: {reason}")
    return StoreUnavailable(f"the store {name} cannot be used: {reason}")


def _check_encoding(connection: Connection, name: str) -> None:
    encoding = connection.exec_driver_sql("SHOW server_encoding").scalar_one()
    if encoding != "UTF8":
        raise NotAStore(f"the database {name} has the encoding {encoding}; a store needs UTF8")


def _check_content(connection: Connection, present: set[str], name: str, identity: str) -> None:
    if ABOUT.name not in present:
        raise NotAStore(f"{name} is a database with other tables, but not an event store")
    rows = connection.execute(select(ABOUT.c.format, ABOUT.c.identity)).all()
    if len(rows) != 1 or rows[0].format < 1:
        raise StoreCorrupt(f"{name} does not say which format it has")
    if rows[0].format > FORMAT:
        raise StoreTooNew(rows[0].format, FORMAT)
    if rows[0].identity != identity:
        raise WrongStore(rows[0].identity, identity)
    for table in METADATA.sorted_tables:
        columns = [c["name"] for c in inspect(connection).get_columns(table.name)] if table.name in present else []
        if columns != [column.name for column in table.columns]:
            raise StoreCorrupt(f"{name} lacks its table {table.name}, or some of its columns")
