"""What more workers gain, and what each kind of executor costs the node beside it (target 4).

All CETs of C1 are signed and verified through the node's job runner, on threads, on the node's own worker processes
(what `cfd maker` and `cfd taker` use where there is more than one core), on the standard library's process pool and on
a Dask cluster's worker processes, in alternation, by the clock on the wall; the best round of each counts. "cores to
spare" is what the machine gave at best in the same rounds to two threads that only hash. The longest pause is how late
a task of the event loop was that wanted to run every millisecond: what a node's health checks and peers feel while the
crypto runs. It is measured in rounds of its own, since waking that task is work too.

The loop's work is the processor time of the process whose event loop hands the work out, for one whole setup: where
there are as many workers as cores, they share a core with it.
"""

import asyncio
import hashlib
import logging
import os
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from functools import partial
from multiprocessing import get_context
from statistics import median
from time import perf_counter, process_time
from typing import Final

from attrs import define, field
from cfd_node.jobs import JobRunner
from distributed import Client, LocalCluster

from cfd_core.contract import dlc, jobs
from cfd_core.contract.draft import Draft
from cfd_core.crypto.signer import CetSigning
from cfd_core.values import Role
from tests.bench.bench_schedule import reference_cets
from tests.bench.bench_setup import FASTER_THAN_NATIVE, NATIVE_US
from tests.bench.c1 import AUX, Theirs, announcement, draft, keys
from tests.bench.report import REFERENCE_US, Figure, Report, calibration, run, wall_seconds

TARGET: Final = 1.6
TICK: Final = 0.001
BESIDE_NATIVE: Final = (
    ("process x 2", "two worker processes (the daemons' default)", FASTER_THAN_NATIVE),
    ("thread x 2", "two threads", None),
)
"""A kind, how it is called, and the limit."""


@contextmanager
def dask(workers: int) -> Iterator[Executor]:
    """Worker processes of a cluster on this machine."""
    one = {"threads_per_worker": 1, "dashboard_address": None, "host": "127.0.0.1", "silence_logs": logging.ERROR}
    with LocalCluster(n_workers=workers, **one) as cluster, Client(cluster) as client:  # type: ignore[no-untyped-call]
        yield client.get_executor(pure=False)


def pool(workers: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(workers, mp_context=get_context("spawn"))


@contextmanager
def own_processes(workers: int, loop: asyncio.Runner) -> Iterator[JobRunner]:
    """The node's, all of them there."""
    runner = JobRunner(workers=workers, processes=True)
    service = runner.service
    assert service is not None

    async def begin() -> asyncio.Task[None]:
        there = asyncio.Event()
        running = asyncio.create_task(service.run(lambda level, *_: there.set() if level.up else None))
        await there.wait()
        return running

    async def end(running: asyncio.Task[None]) -> None:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running

    running = loop.run(begin())
    try:
        yield runner
    finally:
        loop.run(end(running))
        runner.close()


@define
class Kind:
    """A job runner with so many workers, and what its rounds took."""

    runner: JobRunner
    loop: asyncio.Runner
    first: float = 0
    """Seconds until it answered for the first time."""
    seconds: list[float] = field(factory=list)
    work: list[float] = field(factory=list)
    """Seconds of this process's processor time in each round."""
    pauses: list[float] = field(factory=list)
    """The longest of each round."""

    def round(self, signing: CetSigning, verifying: jobs.VerifyCetsJob) -> None:
        begun = process_time()
        self.seconds.append(self.loop.run(_setup(self.runner, signing, verifying)))
        self.work.append(process_time() - begun)

    def watched_round(self, signing: CetSigning, verifying: jobs.VerifyCetsJob) -> None:
        self.pauses.append(self.loop.run(_pause(_setup(self.runner, signing, verifying))))


async def _setup(runner: JobRunner, signing: CetSigning, verifying: jobs.VerifyCetsJob) -> float:
    """Seconds."""
    begun = perf_counter()
    await runner.sign(signing)
    if await runner.verify(verifying) is not None:
        raise SystemExit("a CET signature did not verify")
    return perf_counter() - begun


async def _pause(work: Awaitable[float]) -> float:
    """The longest of the event loop in it, in seconds."""
    late = 0.0

    async def tick() -> None:
        nonlocal late
        while True:
            due = perf_counter() + TICK
            await asyncio.sleep(TICK)
            late = max(late, perf_counter() - due)

    ticking = asyncio.create_task(tick())
    await work
    ticking.cancel()
    return late


def hashing(_: object) -> None:
    """Without the interpreter lock."""
    hashlib.pbkdf2_hmac("sha256", b"", b"", 50_000)


def cores_to_spare(threads: Executor) -> float:
    alone = wall_seconds(lambda: hashing(None))
    return 2 * alone / wall_seconds(lambda: list(threads.map(hashing, range(2))))


def counts() -> list[int]:
    """1, 2, and on from there by doubling up to the machine's cores."""
    cores = len(os.sched_getaffinity(0))
    return [1, 2, *(1 << power for power in range(2, cores.bit_length()) if 1 << power <= cores)]


@contextmanager
def all_kinds() -> Iterator[dict[str, Kind]]:
    """Ready; each has answered once."""
    few = dlc.sign_cets_job(draft(announcement()), keys(Role.MAKER), AUX).slice(0, 2)
    with ExitStack() as stack:
        loop, kinds = stack.enter_context(asyncio.Runner()), dict[str, Kind]()

        def add(name: str, make: Callable[[], JobRunner]) -> None:
            begun = perf_counter()
            kinds[name] = Kind(make(), loop)
            loop.run(kinds[name].runner.sign(few))
            kinds[name].first = perf_counter() - begun

        def lent(make: Callable[[], AbstractContextManager[Executor]], count: int) -> Callable[[], JobRunner]:
            return lambda: JobRunner(stack.enter_context(make()), count)

        for count in counts():
            add(f"thread x {count}", lent(partial(ThreadPoolExecutor, count), count))
        for count in counts():
            add(f"process x {count}", partial(stack.enter_context, own_processes(count, loop)))
        add("process pool x 2", lent(partial(pool, 2), 2))
        add("Dask process x 2", lent(partial(dask, 2), 2))
        yield kinds


def measure(rounds: int) -> Report:
    whole = draft(announcement())
    signing = dlc.sign_cets_job(whole, keys(Role.MAKER), AUX)
    verifying = dlc.verify_cets_job(whole, Role.MAKER, Theirs.make().cets)
    spare, units, derived = [], [], []
    with all_kinds() as kinds, ThreadPoolExecutor(2) as hashers:
        for _ in range(rounds):
            spare.append(cores_to_spare(hashers))
            units.append(min(calibration() for _ in range(20)))
            derived.append(wall_seconds(derive))
            for kind in kinds.values():
                kind.round(signing, verifying)
        for _ in range(-(-rounds // 3)):
            for kind in kinds.values():
                kind.watched_round(signing, verifying)
    native = len(reference_cets()) * NATIVE_US / 1e6 * min(units) / REFERENCE_US
    faster = [_faster(kinds, min(derived), native, *line) for line in BESIDE_NATIVE]
    return Report("bench_workers", (*_figures(kinds, max(spare)), *faster), _details(kinds, max(spare)))


def _faster(kinds: dict[str, Kind], derived: float, native: float, kind: str, told: str, limit: float | None) -> Figure:
    name = f"times faster than zkp's native module, the reference's CETs, {told}"
    return Figure(2, name, native / (derived + min(kinds[kind].seconds)), "x", limit, "at least")


def derive() -> Draft:
    """All that is signed, and the points it is encrypted to."""
    whole = draft(announcement())
    _ = whole.fingerprint
    return whole


def _figures(kinds: dict[str, Kind], spare: float) -> Iterator[Figure]:
    alone = min(kinds["thread x 1"].seconds)
    source = "cores to spare for two threads"
    for name, kind in kinds.items():
        if name.endswith("x 1"):
            continue
        limit = TARGET if name in ("thread x 2", "process x 2") else None
        faster = alone / min(kind.seconds)
        yield Figure(4, f"{name}, times one thread", faster, "x", limit, "at least", spare, source)
    for name, kind in kinds.items():
        yield Figure(0, f"{name}: the event loop's longest pause", 1e3 * median(kind.pauses), "ms")
    for name in ("process x 2", "process pool x 2", "Dask process x 2"):
        yield Figure(0, f"{name}: the loop's work, processor time", 1e3 * min(kinds[name].work), "ms")
    for name in ("thread x 2", "process x 2", "process pool x 2", "Dask process x 2"):
        yield Figure(0, f"{name}: until the first answer", 1e3 * kinds[name].first, "ms")


def _details(kinds: dict[str, Kind], spare: float) -> dict[str, object]:
    return {
        "cores_to_spare": spare,
        "seconds": {name: min(kind.seconds) for name, kind in kinds.items()},
        "loops_work_ms": {name: 1e3 * min(kind.work) for name, kind in kinds.items()},
        "longest_pause_ms": {name: 1e3 * median(kind.pauses) for name, kind in kinds.items()},
    }


if __name__ == "__main__":
    run(__doc__, 15, measure)
