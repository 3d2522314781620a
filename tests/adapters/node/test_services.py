"""Single services, without a node around them: what they tell of the world, and what they never do."""

import asyncio
import threading
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from cfd_node.services.clock import ClockLimits, ClockService
from cfd_node.services.database import DATABASE_FILE, IDENTITY_FILE, DatabaseService
from cfd_node.services.feed import FeedService
from cfd_node.supervision import Level, ServiceFailed
from cfd_pricefeed import FeedFailed, Quote
from cfd_store import SqlStore, StoreCorrupt

from cfd_core.values import HOUR, Network, Timestamp

NOW = Timestamp(1_700_000_000)


class Told(list[tuple[Level, str]]):
    """What a service told."""

    def __call__(self, level: Level, reason: str = "", /) -> None:
        self.append((level, reason))

    @property
    def last(self) -> tuple[Level, str]:
        return self[-1] if self else (Level.STOPPED, "")


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0.01)


async def running(service: Any, wanted: Callable[[Told], bool]) -> Told:
    """Run it until it has told what is wanted, then stop it."""
    told = Told()
    task = asyncio.create_task(service.run(told))
    async with asyncio.timeout(60):
        while not wanted(told):
            assert not task.done(), task.exception()
            await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return told


# --- the database ----------------------------------------------------------------------------------------------------


async def test_a_database_that_is_gone_is_not_replaced_by_an_empty_one(tmp_path: Path) -> None:
    service = DatabaseService(tmp_path, "regtest/x")
    await running(service, lambda told: told.last == (Level.RUNNING, ""))
    (tmp_path / DATABASE_FILE).unlink()
    with pytest.raises(ServiceFailed, match=r"is gone.*forget every position"):
        await service.run(Told())
    assert not (tmp_path / DATABASE_FILE).exists()
    (tmp_path / IDENTITY_FILE).unlink()
    await running(service, lambda told: told.last == (Level.RUNNING, ""))


async def test_little_space_left_is_told_before_it_is_none(tmp_path: Path) -> None:
    service = DatabaseService(tmp_path, "regtest/x")
    service.free_bytes = lambda: 5 * 2**20
    told = await running(service, lambda told: told.last[0] is Level.DEGRADED)
    assert "only 5 MiB" in told.last[1]
    assert not service.roomy


async def test_whoever_cannot_write_says_so_and_the_next_probe_looks_again(tmp_path: Path) -> None:
    service = DatabaseService(tmp_path, "regtest/x")
    told, seen = Told(), []
    task = asyncio.create_task(service.run(told))
    async with asyncio.timeout(60):
        await until(lambda: told.last == (Level.RUNNING, ""))
        service.failed("the disk is full")
        seen.append(told.last)
        await until(lambda: told.last == (Level.RUNNING, ""))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert seen == [(Level.FAILED, "the disk is full")]
    service.failed("after its end")
    with pytest.raises(ServiceFailed, match="not open"):
        _ = service.store


async def test_nothing_is_done_with_a_database_before_all_of_it_was_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service, going_on, told = DatabaseService(tmp_path, "regtest/x"), threading.Event(), Told()
    monkeypatch.setattr(SqlStore, "check", lambda _store: going_on.wait(60))
    task = asyncio.create_task(service.run(told))
    async with asyncio.timeout(60):
        await until(lambda: told.last[0] is Level.LOADING)
        assert service.readable.streams() == {}
        with pytest.raises(ServiceFailed, match="not open"):
            _ = service.store
        going_on.set()
        await until(lambda: told.last == (Level.RUNNING, ""))
    assert service.store is service.readable
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    with pytest.raises(ServiceFailed, match="not open"):
        _ = service.readable


async def test_a_database_that_is_damaged_inside_is_let_go_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def damaged(_store: SqlStore) -> None:
        raise StoreCorrupt("page 7 is damaged")

    monkeypatch.setattr(SqlStore, "check", damaged)
    service, told = DatabaseService(tmp_path, "regtest/x"), Told()
    with pytest.raises(ServiceFailed, match="page 7"):
        await service.run(told)
    assert {level for level, _ in told} == {Level.LOADING}
    with pytest.raises(ServiceFailed, match="not open"):
        _ = service.readable


# --- the clock -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ahead", "level", "words"),
    [
        (0, Level.RUNNING, ""),
        (HOUR, Level.RUNNING, ""),
        (HOUR + 60, Level.DEGRADED, "61 minutes old"),
        (-15 * 60, Level.RUNNING, ""),
        (-15 * 60 - 1, Level.FAILED, "15 minutes behind"),
        (-HOUR, Level.FAILED, "60 minutes behind"),
    ],
)
async def test_the_clock_against_the_newest_block(ahead: int, level: Level, words: str) -> None:
    service = ClockService(lambda: NOW, lambda: Timestamp(NOW - ahead), ClockLimits.of(Network.MAINNET))
    found = (await running(service, lambda told: bool(told))).last
    assert found[0] is level
    assert words in found[1]


async def test_a_clock_without_blocks_or_on_regtest() -> None:
    unknown = ClockService(lambda: NOW, lambda: None, ClockLimits())
    assert (await running(unknown, bool)).last[0] is Level.LOADING
    regtest = ClockService(lambda: NOW, lambda: Timestamp(0), ClockLimits.of(Network.REGTEST))
    assert (await running(regtest, bool)).last == (Level.RUNNING, "")


# --- the price feed --------------------------------------------------------------------------------------------------


class Script:
    """A feed that says what it is told to."""

    name = "a script"

    def __init__(self, *quotes: Quote, end: Exception | None = None) -> None:
        self.quotes, self.end = quotes, end

    async def run(self, heard: Callable[[Quote], None]) -> None:
        for quote in self.quotes:
            heard(quote)
        if self.end is not None:
            raise self.end
        await asyncio.Event().wait()


def quote(at: int = NOW) -> Quote:
    return Quote(Decimal(1), Decimal(3), Timestamp(at))


async def test_a_feed_is_running_once_it_has_a_price_and_degraded_once_that_is_old(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("cfd_node.services.feed.LOOK_SECONDS", 0.01)
    now = [NOW]
    service = FeedService(Script(quote()), lambda: now[0])
    heard: list[Quote] = []
    service.on_quote.append(heard.append)
    assert service.stale
    told = Told()
    task = asyncio.create_task(service.run(told))
    async with asyncio.timeout(60):
        await until(lambda: told.last[0] is Level.RUNNING)
        assert (service.quote, service.stale, heard) == (quote(), False, [quote()])
        now[0] = Timestamp(NOW + 9)
        await until(lambda: told.last[0] is Level.DEGRADED)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert told[0] == (Level.LOADING, "waits for a price from a script")
    assert told.last == (Level.DEGRADED, "no new price for 9 s")
    assert service.stale


async def test_a_feed_that_ends_is_begun_anew_with_its_reason() -> None:
    service = FeedService(Script(quote(), end=FeedFailed("it went home")), lambda: NOW)
    with pytest.raises(ServiceFailed, match="it went home"):
        await service.run(Told())
    assert service.quote == quote()
