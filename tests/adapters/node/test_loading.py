"""A start from snapshots is the start from events, whatever became of the snapshots."""

import asyncio
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from cfd_node import snapshots
from cfd_node.cli import main
from cfd_node.desk import resting
from cfd_node.desk.resting import BEHIND, kept_row, read_rows
from cfd_node.desk.rows import plain_row
from cfd_node.loading import STATE, compared, load_engine, read_cfds
from cfd_node.services.database import DATABASE_FILE, IDENTITY_FILE
from cfd_node.snapshots import SnapshotKeeper
from cfd_node.supervision import ServiceFailed
from cfd_store import MemoryStore, SqlStore, StoreCorrupt, StoreUnavailable, sqlite_url
from click.testing import CliRunner

from cfd_core.cfd import events as e
from cfd_core.cfd.aggregate import Cfd
from cfd_core.cfd.events import Recorded
from cfd_core.cfd.react import Deadlines
from cfd_core.cfd.summary import summary
from cfd_core.crypto.keys import Keychain
from cfd_core.engine import NODE_STREAM, Engine, Settings
from cfd_core.serial.records import StoredSnapshot
from cfd_core.serial.snapshots import FORM, SnapshotCoder
from cfd_core.serial.stored import read_events, to_stored
from cfd_core.values import Network, Secret, Timestamp

GOLDEN = Path(__file__).parents[2] / "samples" / "v1" / "store" / "maker.db"
SETTINGS = Settings(network=Network.REGTEST, keychain=Keychain.from_seed(Secret(bytes(32)), Network.REGTEST))
LIMITS = Deadlines()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store of three CFDs: one is closed, one rolled over, one amid a rollover."""
    shutil.copy(GOLDEN, tmp_path / "maker.db")
    return tmp_path / "maker.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqlStore]:
    with closing(SqlStore(sqlite_url(path), "regtest/maker")) as opened:
        yield opened


@pytest.fixture
def folds(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the events that are folded from now on."""
    seen: list[str] = []
    fold = Engine.load.__globals__["fold"]

    def counted(cfd: Cfd | None, event: e.CfdEvent) -> Cfd:
        seen.append(type(event).__name__)
        return fold(cfd, event)  # type: ignore[no-any-return]

    monkeypatch.setitem(Engine.load.__globals__, "fold", counted)
    return seen


def of_events(store: SqlStore) -> Engine:
    return Engine.load(SETTINGS, read_events(store.load_all()))


def same(one: Engine, other: Engine) -> bool:
    """But for the order of their CFDs."""
    index = all(getattr(one.index, name) == getattr(other.index, name) for name in ("wakes", "rollovers", "watching"))
    return one == other and index


def keeper(store: Any, **changes: Any) -> SnapshotKeeper:
    loaded = load_engine(SETTINGS, store)
    fields = {"row": lambda cfd: kept_row(cfd, LIMITS), "room": lambda: True}
    return SnapshotKeeper(lambda: loaded.engine, store, loaded.snapshots, **{**fields, **changes})


async def keep(store: SqlStore) -> None:
    await keeper(store).keep(pause=0)


def edit(path: Path, statement: str, *values: str) -> None:
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(statement, values)
    connection.close()


# --- loading ---------------------------------------------------------------------------------------------------------


async def test_the_first_start_folds_and_the_second_need_not(store: SqlStore, folds: list[str]) -> None:
    told: list[tuple[int, int]] = []
    first = load_engine(SETTINGS, store, lambda done, total: told.append((done, total)))
    assert same(first.engine, of_events(store))
    assert first.snapshots == {}
    assert told == [(1, 3), (2, 3), (3, 3)]
    await keep(store)
    folds.clear()
    told.clear()
    second = load_engine(SETTINGS, store, lambda done, total: told.append((done, total)))
    assert folds == []
    assert second.snapshots == {key: cfd.version for key, cfd in first.engine.cfds.items()}
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert same(second.engine, first.engine)
    assert dict(compared(store)) == dict.fromkeys(first.engine.cfds, True)


async def test_what_came_after_a_snapshot_is_folded_onto_it(store: SqlStore, folds: list[str]) -> None:
    await keep(store)
    live = next(cfd for cfd in of_events(store).cfds.values() if not cfd.ended)
    failed = Recorded(live.id, live.version + 1, e.RolloverFailed("nobody answers", Timestamp(5)))
    store.append(live.id, live.version, [to_stored(failed)])
    folds.clear()
    loaded = load_engine(SETTINGS, store)
    assert folds == ["RolloverFailed"]
    assert loaded.engine.cfds[live.id].rollover_trouble == "nobody answers"
    assert same(loaded.engine, of_events(store))
    assert all(right for _, right in compared(store))


WRONG = [
    "UPDATE snapshots_1 SET data = x'00'",
    "UPDATE snapshots_1 SET data = substr(data, 1, 900)",
    "UPDATE snapshots_1 SET data = 'text'",
    "UPDATE snapshots_1 SET form = 'that of another release'",
    "UPDATE snapshots_1 SET version = version - 1",
    "UPDATE snapshots_1 SET sha256 = x'00'",
    "DELETE FROM snapshots_1",
    "DROP TABLE snapshots_1",
    "ALTER TABLE snapshots_1 RENAME COLUMN data TO content",
]


@pytest.mark.parametrize("statement", WRONG)
async def test_a_wrong_snapshot_is_noticed_and_the_events_count(path: Path, store: SqlStore, statement: str) -> None:
    await keep(store)
    edit(path, statement)
    loaded = load_engine(SETTINGS, store)
    assert loaded.snapshots == {}
    assert same(loaded.engine, of_events(store))


async def test_one_wrong_snapshot_spoils_no_other(path: Path, store: SqlStore, folds: list[str]) -> None:
    await keep(store)
    wrong = max(of_events(store).cfds)
    edit(path, "UPDATE snapshots_1 SET data = x'7b7d' WHERE stream = ?", wrong)
    folds.clear()
    loaded = load_engine(SETTINGS, store)
    assert set(loaded.engine.cfds) - set(loaded.snapshots) == {wrong}
    assert folds[0] == "OrderPlaced"
    assert len(folds) == loaded.engine.cfds[wrong].version
    assert same(loaded.engine, of_events(store))


@pytest.mark.parametrize("swap", ["another CFD's", "an earlier state", "no JSON", "an announcement that is not there"])
async def test_a_snapshot_of_something_else_with_a_right_digest(store: SqlStore, swap: str) -> None:
    """As a bug of ours might have kept it."""
    engine = of_events(store)
    one, other = list(engine.cfds.values())[:2]
    coder = SnapshotCoder()
    data = {
        "another CFD's": coder.encode(other),
        "an earlier state": coder.encode(evolve(one, version=one.version - 1)),
        "no JSON": b"{",
        "an announcement that is not there": coder.encode(one).replace(one.oracle.hex().encode(), b"00" * 32),
    }[swap]
    store.keep([StoredSnapshot(STATE, one.id, one.version, FORM, data)])
    loaded = load_engine(SETTINGS, store)
    assert loaded.snapshots == {}
    assert same(loaded.engine, engine)


async def test_the_full_fold_finds_a_snapshot_that_says_something_else(store: SqlStore) -> None:
    """What no digest can tell: the bytes are as written, and what was written is wrong."""
    await keep(store)
    one = next(iter(of_events(store).cfds.values()))
    data = SnapshotCoder().encode(evolve(one, rollover_trouble="made up"))
    store.keep([StoredSnapshot(STATE, one.id, one.version, FORM, data)])
    assert [key for key, right in compared(store) if not right] == [one.id]


async def test_the_command_tells_which_snapshot_is_wrong(path: Path) -> None:
    def checked() -> Any:
        return CliRunner().invoke(main, ["check", "--folder", str(path.parent)])

    assert "not the folder of a node" in checked().output
    shutil.copy(path, path.parent / DATABASE_FILE)
    (path.parent / IDENTITY_FILE).write_text("regtest/maker")
    assert checked().output == "Snapshots that a start would use: 0, each of them what its events say.\n"
    with closing(SqlStore(sqlite_url(path.parent / DATABASE_FILE), "regtest/maker")) as copy:
        await keep(copy)
        assert checked().output.startswith("Snapshots that a start would use: 3,")
        one = next(iter(of_events(copy).cfds.values()))
        data = SnapshotCoder().encode(evolve(one, rollover_trouble="made up"))
        copy.keep([StoredSnapshot(STATE, one.id, one.version, FORM, data)])
    wrong = checked()
    assert wrong.exit_code == 1
    assert wrong.output == f"Error: these CFDs' snapshots say something else than their events: {one.id}\n"


async def test_a_store_that_loses_an_event_meanwhile_is_not_taken_for_whole(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await keep(store)
    heads = store.streams()
    one = next(stream for stream in heads if stream != NODE_STREAM)
    monkeypatch.setattr(store, "streams", lambda: {**heads, one: heads[one] + 1})
    with pytest.raises(StoreCorrupt, match="could be read"):
        load_engine(SETTINGS, store)


def test_an_empty_store_is_an_engine_without_cfds() -> None:
    assert load_engine(SETTINGS, MemoryStore()).engine == Engine(settings=SETTINGS)


# --- keeping ---------------------------------------------------------------------------------------------------------


async def test_only_what_changed_is_kept_again(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    await keep(store)
    kept: list[str] = []
    monkeypatch.setattr(store, "keep", lambda found: kept.extend(x.stream for x in found))
    again = keeper(store)
    await again.keep(pause=0)
    assert kept == []
    one = next(iter(of_events(store).cfds))
    again.changed(Recorded(NODE_STREAM, 9, e.OfferWithdrawn("0f" * 16)))  # type: ignore[arg-type]
    again.changed(Recorded(one, 9, e.LockGone()))
    await again.keep(pause=0)
    assert kept == [one, one], "its state and its row"
    await again.keep(pause=0)
    assert kept == [one, one]


async def test_what_reads_back_as_something_else_is_not_kept(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch, logged: Any
) -> None:
    decode = SnapshotCoder.decode
    monkeypatch.setattr(SnapshotCoder, "decode", lambda *call: evolve(decode(*call), rollover_trouble="other"))
    await keeper(store).keep(pause=0)
    monkeypatch.undo()
    assert list(store.kept(STATE, FORM)) == []
    assert "reads back as something else" in logged.getvalue()


async def test_a_store_that_fails_is_tried_again_and_a_full_disk_is_spared(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_snapshots: object) -> None:
        raise StoreUnavailable("the disk is full")

    room = [False]
    mine = keeper(store, room=lambda: room[0])
    await mine.keep(pause=0)
    assert list(store.kept(STATE, FORM)) == []
    room[0] = True
    with monkeypatch.context() as patch:
        patch.setattr(store, "keep", fail)
        await mine.keep(pause=0)
    assert list(store.kept(STATE, FORM)) == []
    await mine.keep(pause=0)
    assert len(list(store.kept(STATE, FORM))) == 3


async def test_a_bug_in_a_row_ends_nothing(store: SqlStore, logged: Any) -> None:
    def stumble(_cfd: Cfd) -> None:
        raise ZeroDivisionError

    await keeper(store, row=stumble).keep(pause=0)
    assert "ZeroDivisionError" in logged.getvalue()


async def test_keeping_goes_on_by_itself_and_stops_when_asked(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch, eventually: Any
) -> None:
    monkeypatch.setattr(snapshots, "EVERY_SECONDS", 0.01)
    mine = keeper(store)
    task = asyncio.create_task(mine.run())
    await eventually(lambda: len(list(store.kept(STATE, FORM))) == 3)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await mine.leave()
    assert all(right for _, right in compared(store))


# --- listing before there is an engine -------------------------------------------------------------------------------


def plain(cfd: Cfd) -> Any:
    return plain_row(cfd, summary(cfd, now=Timestamp(0), tip=0, deadlines=LIMITS), None)


async def test_kept_rows_list_all_without_folding(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    await keep(store)
    cfds = of_events(store).cfds.values()
    monkeypatch.setattr(store, "load", lambda *_: pytest.fail("events were read"))
    monkeypatch.setattr(store, "revision", lambda *_: pytest.fail("signatures were read"))
    found = read_rows(store, LIMITS)
    assert sorted(found, key=lambda row: row.id) == sorted(map(plain, cfds), key=lambda row: row.id)
    assert all(row.actions == () for row in found)
    assert {row.price for row in found} == {Decimal(50_000)}


async def test_a_row_that_is_behind_says_so_and_a_missing_one_is_folded(path: Path, store: SqlStore) -> None:
    await keep(store)
    closed, rolled, broken = of_events(store).cfds.values()
    store.append(rolled.id, rolled.version, [to_stored(Recorded(rolled.id, rolled.version + 1, e.LockSeen(3)))])
    edit(path, "DELETE FROM snapshots_1 WHERE stream = ?", broken.id)
    found = {row.id: row for row in read_rows(store, LIMITS)}
    assert found[closed.id] == plain(closed)
    assert found[broken.id] == plain(broken)
    assert found[rolled.id].warning == BEHIND
    assert list(read_cfds(store, [broken.id])) == [broken]


async def test_no_list_is_better_than_one_that_lacks_some(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resting, "FOLDED", 2)
    with pytest.raises(ServiceFailed, match="3 CFDs cannot be listed before"):
        read_rows(store, LIMITS)
    await keep(store)
    assert len(read_rows(store, LIMITS)) == 3
    monkeypatch.setattr(resting, "ROW_FORM", "another")
    with pytest.raises(ServiceFailed, match="not been read yet"):
        read_rows(store, LIMITS)
