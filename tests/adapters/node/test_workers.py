"""Worker processes: they do the work while they live, threads do it otherwise, and nothing of them is left behind."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen
from cfd_network import Address
from cfd_node.commands.run import job_runner
from cfd_node.config import parse_config
from cfd_node.counts import Count
from cfd_node.jobs import JobRunner, cores
from cfd_node.services.workers import Lost, WorkersService
from cfd_node.supervision import Level

from cfd_core.contract.jobs import sign_cets
from tests.adapters.node.test_jobs import KEY, SIGN, SIGNED, VERIFY, spoilt

PATIENCE = 120.0


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - another process does it
            await asyncio.sleep(0.02)


def alive(pid: int) -> bool:
    """Whether the process runs; one that only waits to be counted does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@asynccontextmanager
async def running(runner: JobRunner) -> AsyncIterator[tuple[WorkersService, list[tuple[Level, str]]]]:
    """The runner's processes, and what they tell."""
    service, told = runner.service, list[tuple[Level, str]]()
    assert service is not None
    task = asyncio.create_task(service.run(lambda level, reason="", /: told.append((level, reason))))
    try:
        yield service, told
    finally:
        pids = service.pids
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        assert not any(map(alive, pids))
        runner.close()


async def test_processes_sign_and_verify_as_one_call_does() -> None:
    runner = JobRunner(workers=2, processes=True)
    async with running(runner) as (service, told):
        await until(lambda: len(service.pids) == 2)
        assert [level for level, _ in told] == [Level.LOADING, Level.LOADING, Level.RUNNING]
        assert await service.do(os.path.exists, "/") is True
        heard: list[int] = []
        assert await runner.sign(SIGN, heard.append) == SIGNED
        assert len(heard) > 2
        assert sum(heard) == len(SIGN)
        assert await runner.verify(VERIFY) is None
        assert await runner.verify(spoilt(4)) == 4
        assert await runner.verify(spoilt(9, malformed=True)) == 9
        many = await asyncio.gather(*(runner.sign(SIGN) for _ in range(20)))
        assert set(many) == {SIGNED}


async def test_threads_do_the_work_until_processes_are_there() -> None:
    runner = JobRunner(workers=2, processes=True)
    assert runner.service is not None
    never = asyncio.Event()

    async def wait() -> None:
        await never.wait()

    runner.service.wait_first = wait
    async with running(runner) as (service, told):
        assert await runner.sign(SIGN) == SIGNED
        assert not service.ready
        assert [level for level, _ in told] == [Level.LOADING]


async def test_the_work_of_a_process_that_dies_is_done_all_the_same_and_another_is_started() -> None:
    runner = JobRunner(workers=2, processes=True)
    async with running(runner) as (service, told):
        await until(lambda: len(service.pids) == 2)
        before = service.pids
        for pid in before:
            os.kill(pid, signal.SIGSTOP)
        signing = [asyncio.create_task(runner.sign(SIGN)) for _ in range(5)]
        await asyncio.sleep(0)
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        assert set(await asyncio.gather(*signing)) == {SIGNED}
        await until(lambda: len(service.pids) == 2 and not set(service.pids) & set(before))
        assert any(level is Level.DEGRADED and "ended with code -9" in reason for level, reason in told)
        assert told[-1] == (Level.RUNNING, "")
        assert await service.do(sign_cets, SIGN) == SIGNED


async def test_one_that_dies_takes_nothing_from_the_others() -> None:
    runner = JobRunner(workers=2, processes=True)
    async with running(runner) as (service, _):
        await until(lambda: len(service.pids) == 2)
        first, second = service.pids
        os.kill(first, signal.SIGKILL)
        await until(lambda: first not in service.pids)
        assert second in service.pids
        assert await service.do(_pid, None) == second


def _pid(_nothing: None) -> int:
    return os.getpid()


@frozen
class Foreign:
    """Work of a signer of somebody's own, that a process cannot be told of."""

    lock: object

    def __len__(self) -> int:
        return 1

    def slice(self, _start: int, _stop: int) -> "Foreign":
        return self

    def run(self) -> bytes:
        return b"signed"


async def test_what_cannot_be_done_there_is_done_on_a_thread() -> None:
    runner = JobRunner(workers=1, processes=True)
    async with running(runner) as (service, _):
        await until(lambda: service.ready)
        assert await runner.sign(Foreign(lambda: None)) == b"signed"
        with pytest.raises(Lost):
            await service.do(os.stat, "/there/is/no/such/file")
        assert await service.do(_pid, None) == service.pids[0]


async def test_work_that_nobody_waits_for_any_more_is_let_go() -> None:
    runner = JobRunner(workers=1, processes=True)
    async with running(runner) as (service, _):
        await until(lambda: service.ready)
        signing = [asyncio.create_task(runner.sign(SIGN)) for _ in range(5)]
        await asyncio.sleep(0)
        for task in signing:
            task.cancel()
        await asyncio.gather(*signing, return_exceptions=True)
        assert await runner.sign(SIGN) == SIGNED


async def test_signals_that_end_a_node_are_the_nodes() -> None:
    runner = JobRunner(workers=1, processes=True)
    async with running(runner) as (service, _):
        await until(lambda: service.ready)
        (pid,) = service.pids
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(pid, number)
        assert os.getpgid(pid) != os.getpgid(0)
        assert await service.do(_pid, None) == pid


async def test_neither_reprs_nor_titles_nor_variables_tell_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CFD_PASSPHRASE", "correct horse battery")
    runner = JobRunner(workers=1, processes=True)
    async with running(runner) as (service, _):
        await until(lambda: service.ready)
        await runner.sign(SIGN)
        of = Path(f"/proc/{service.pids[0]}")
        assert b"cfd_node.worker" in (of / "cmdline").read_bytes()
        assert b"horse" not in (of / "environ").read_bytes()
    assert KEY.reveal().hex() not in repr(SIGN)


NODE = """
import asyncio, sys
from cfd_node.jobs import JobRunner

async def main():
    service = JobRunner(workers=2, processes=True).service
    def tell(level, reason="", /):
        if len(service.pids) == 2:
            print(*service.pids, flush=True)
    await service.run(tell)

asyncio.run(main())  # without a guard: workers do not run a script again
"""


async def test_workers_end_with_a_node_that_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "node.py"
    script.write_text(NODE)
    node = await asyncio.create_subprocess_exec(sys.executable, script, stdout=PIPE)
    assert node.stdout is not None
    async with asyncio.timeout(PATIENCE):
        pids = [int(pid) for pid in (await node.stdout.readline()).split()]
    assert len(pids) == 2
    assert all(map(alive, pids))
    node.kill()
    await node.communicate()
    await until(lambda: not any(map(alive, pids)))


async def test_a_contract_is_set_up_while_worker_processes_die(world: Any) -> None:
    jobs = JobRunner(workers=2, processes=True)
    service = jobs.service
    assert service is not None
    maker = await world.start(world.config("maker", listen=Address("127.0.0.1", 0)), jobs)
    await world.fund(maker, 2_200_000)
    taker = await world.taker(maker)
    await until(lambda: maker.health()["workers"].level is Level.RUNNING)
    before = service.pids
    for pid in before:
        os.kill(pid, signal.SIGSTOP)
    begun: list[Count | None] = []
    maker.counts.on_change.append(lambda key: begun.append(maker.counts.of(key)))
    setting_up = asyncio.create_task(world.set_up(maker, taker))
    await until(lambda: bool(begun) or setting_up.done())
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    await setting_up
    await until(lambda: len(service.pids) == 2 and maker.health()["workers"].level is Level.RUNNING)
    after = service.pids
    assert not set(after) & set(before)
    await world.stop(maker)
    assert not any(map(alive, [*before, *after]))


def test_settings_choose_and_the_default_is_by_the_cores() -> None:
    def chosen(text: str) -> int | None:
        runner = job_runner(parse_config(text, "cfd.toml", {}, {}))
        return None if runner.service is None else runner.service.count

    assert chosen("") == (cores() if cores() > 1 else None)
    assert chosen('[crypto]\nworkers = "threads"') is None
    assert chosen('[crypto]\nworkers = "processes"\ncount = 3') == 3
    assert chosen('[crypto]\nworkers = "threads"\ncount = 3') is None


async def test_a_worker_that_hangs_is_killed_and_replaced_and_its_work_done_by_threads() -> None:
    runner = JobRunner(workers=1, processes=True)
    runner.service = WorkersService(1, hanging=0.2)
    async with running(runner) as (service, _):
        await until(lambda: len(service.pids) == 1)
        (stopped,) = service.pids
        os.kill(stopped, signal.SIGSTOP)
        assert await runner.sign(SIGN) == SIGNED
        await until(lambda: service.pids not in ([], [stopped]))
        assert not alive(stopped)
