"""Services come up in order, heal with pauses that grow, and are started and stopped from outside; no wall clock."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from attrs import define, field
from cfd_network import Backoff
from cfd_node.supervision import Health, Level, ServiceFailed, Supervisor, Tell

from cfd_core.values import Timestamp


@define(eq=False)
class Part:
    """A service that does as it is told."""

    name: str
    needs: tuple[str, ...] = ()
    at_start: Callable[[], None] = lambda: None
    begun: int = 0
    ended: int = 0
    stubborn: bool = False
    tell: Tell | None = None
    broken: asyncio.Event = field(factory=asyncio.Event)
    log: list[str] = field(factory=list)

    async def run(self, tell: Tell) -> None:
        self.begun += 1
        self.tell = tell
        self.log.append(f"+{self.name}")
        try:
            self.at_start()
            tell(Level.RUNNING)
            self.broken.clear()
            await self.broken.wait()
            raise ServiceFailed("pulled the plug")
        finally:
            self.ended += 1
            self.log.append(f"-{self.name}")
            while self.stubborn:
                try:
                    await asyncio.sleep(3600)
                except asyncio.CancelledError:
                    continue


class Stage:
    """A supervisor whose pauses end when the test says so."""

    def __init__(self, *parts: Part) -> None:
        self.now = 1_000
        self.pauses: list[float] = []
        self.go_on = asyncio.Event()
        self.changes: list[tuple[str, Level, str]] = []
        for part in parts:
            part.log = parts[0].log
        self.parts = parts
        self.supervisor = Supervisor(
            parts,
            now=lambda: Timestamp(self.now),
            jitter=lambda: 0.5,
            sleep=self._sleep,
            backoff=Backoff(first=1, factor=2, longest=8, healthy=30),
            stop_seconds=0.2,
        )
        self.supervisor.subscribe(lambda name, health: self.changes.append((name, health.level, health.reason)))

    async def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await self.go_on.wait()
        self.go_on.clear()

    async def pause(self, number: int) -> None:
        """Until the keeper has begun so many pauses."""
        while len(self.pauses) < number:  # noqa: ASYNC110
            await asyncio.sleep(0)

    def health(self, name: str) -> Health:
        return self.supervisor.health()[name]

    async def reaches(self, name: str, level: Level) -> Health:
        async with asyncio.timeout(60):
            await self.supervisor.until(lambda: self.health(name).level is level)
        return self.health(name)


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    made = Stage(Part("a"), Part("b", ("a",)), Part("c", ("b",)))
    yield made
    await made.supervisor.stop_all()
    assert {health.level for health in made.supervisor.health().values()} == {Level.STOPPED}


async def test_they_come_up_after_what_they_need_and_stop_before_it(stage: Stage) -> None:
    assert stage.health("a") == Health(Level.STOPPED, "not started", Timestamp(1_000), None)
    stage.supervisor.start_all()
    await stage.reaches("c", Level.RUNNING)
    assert stage.parts[0].log == ["+a", "+b", "+c"]
    await stage.supervisor.stop_all()
    assert stage.parts[0].log[3:] == ["-c", "-b", "-a"]


async def test_who_waits_says_for_whom_and_why(stage: Stage) -> None:
    stage.parts[0].at_start = lambda: _fail("the disk is full")
    stage.supervisor.start_all()
    await stage.reaches("a", Level.FAILED)
    await stage.supervisor.until(lambda: "disk" in stage.health("b").reason)
    assert stage.health("b").level is Level.LOADING
    assert stage.health("b").reason == "waits for the a (failed: the disk is full)"
    await stage.supervisor.until(lambda: stage.health("c").reason == stage.health("b").reason)
    assert (stage.health("b").waits_for, stage.health("c").waits_for) == ("a", "b")


def _fail(reason: str) -> None:
    raise ServiceFailed(reason)


async def test_pauses_grow_with_jitter_and_begin_anew_after_a_healthy_time(stage: Stage) -> None:
    a = stage.parts[0]
    stage.supervisor.start("a")
    for failures in range(1, 6):
        await stage.reaches("a", Level.RUNNING)
        a.broken.set()
        await stage.reaches("a", Level.FAILED)
        await stage.pause(failures)
        stage.go_on.set()
    assert stage.pauses == [0.75, 1.5, 3, 6, 6]
    await stage.reaches("a", Level.RUNNING)
    stage.now += 30
    a.broken.set()
    assert (await stage.reaches("a", Level.FAILED)).reason == "pulled the plug"
    await stage.pause(6)
    assert stage.pauses[-1] == 0.75


async def test_those_who_need_it_begin_anew_with_it(stage: Stage) -> None:
    a, b, c = stage.parts
    stage.supervisor.start_all()
    await stage.reaches("c", Level.RUNNING)
    a.log.clear()
    await stage.supervisor.restart("a")
    async with asyncio.timeout(60):
        await stage.supervisor.until(lambda: c.begun == 2 and stage.health("c").level is Level.RUNNING)
    assert a.log == ["-c", "-b", "-a", "+a", "+b", "+c"]
    assert (a.begun, b.begun) == (2, 2)
    assert stage.pauses == []


async def test_a_service_in_trouble_keeps_those_who_need_it(stage: Stage) -> None:
    a, b, _ = stage.parts
    stage.supervisor.start_all()
    await stage.reaches("c", Level.RUNNING)
    assert a.tell is not None
    stage.now = 1_010
    a.tell(Level.FAILED, "no answer")
    stage.now = 1_020
    assert stage.health("a") == Health(Level.FAILED, "no answer", Timestamp(1_010), Timestamp(1_010))
    a.tell(Level.FAILED, "no answer at all")
    assert stage.health("a").since == 1_010
    a.tell(Level.DEGRADED, "slow")
    assert stage.health("a") == Health(Level.DEGRADED, "slow", Timestamp(1_020), Timestamp(1_010))
    a.tell(Level.RUNNING)
    stage.now = 1_030
    assert stage.health("a") == Health(Level.RUNNING, "", Timestamp(1_020), Timestamp(1_030))
    assert (b.begun, b.ended) == (1, 0)


async def test_stopping_and_starting_from_outside(stage: Stage) -> None:
    stage.supervisor.start_all()
    await stage.reaches("c", Level.RUNNING)
    await stage.supervisor.stop("a")
    await stage.supervisor.stop("a")
    async with asyncio.timeout(60):
        await stage.supervisor.until(lambda: stage.health("b").reason == "waits for the a (stopped: as asked)")
    assert stage.health("b").level is Level.LOADING
    stage.supervisor.start("a")
    stage.supervisor.start("a")
    await stage.reaches("c", Level.RUNNING)
    assert stage.parts[0].begun == 2
    with pytest.raises(KeyError):
        stage.supervisor.start("d")


async def test_a_bug_ends_one_run_only(stage: Stage) -> None:
    stage.parts[0].at_start = lambda: _bug()
    stage.supervisor.start("a")
    assert "an error of our own (ZeroDivisionError" in (await stage.reaches("a", Level.FAILED)).reason
    stage.parts[0].at_start = lambda: None
    stage.go_on.set()
    await stage.reaches("a", Level.RUNNING)


def _bug() -> None:
    raise ZeroDivisionError("one over nothing")


async def test_one_that_does_not_let_go_is_left_behind_and_no_more_heard() -> None:
    stage = Stage(Part("a", stubborn=True))
    (a,) = stage.parts
    stage.supervisor.start("a")
    await stage.reaches("a", Level.RUNNING)
    old = a.tell
    await stage.supervisor.restart("a")
    await stage.reaches("a", Level.RUNNING)
    assert old is not None
    old(Level.FAILED, "from the dead")
    assert stage.health("a").level is Level.RUNNING
    a.stubborn = False
    await stage.supervisor.stop_all()
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


async def test_a_listener_that_fails_hurts_nobody(stage: Stage) -> None:
    stage.supervisor.subscribe(lambda _name, _health: _bug())
    stage.supervisor.start_all()
    await stage.reaches("c", Level.RUNNING)
    assert ("c", Level.RUNNING, "") in stage.changes


def test_needs_must_come_before() -> None:
    async def make(*parts: Part) -> None:
        Stage(*parts)

    with pytest.raises(ValueError, match="b needs a"):
        asyncio.run(make(Part("b", ("a",)), Part("a")))
    with pytest.raises(ValueError, match="two services are called a"):
        asyncio.run(make(Part("a"), Part("a")))
