"""What more workers gain, and what each kind of executor costs the node beside it (target 4).

All CETs of C1 are signed and verified through the node's job runner, on threads, processes and a Dask cluster's worker
processes, in alternation, by the clock on the wall; the best round of each counts. "cores to spare" is what the machine
gave at best in the same rounds to two threads that only hash. The longest pause is how late a task of the event loop
was that wanted to run every millisecond: what a node's health checks and peers feel while the crypto runs.
"""

import asyncio
import hashlib
import logging
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from multiprocessing import get_context
from statistics import median
from time import perf_counter
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


@contextmanager
def dask(workers: int) -> Iterator[Executor]:
    """Worker processes of a cluster on this machine."""
    one = {"threads_per_worker": 1, "dashboard_address": None, "host": "127.0.0.1", "silence_logs": logging.ERROR}
    with LocalCluster(n_workers=workers, **one) as cluster, Client(cluster) as client:  # type: ignore[no-untyped-call]
        yield client.get_executor(pure=False)


def processes(workers: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(workers, mp_context=get_context("spawn"))


@define
class Kind:
    """An executor with so many workers, and what its rounds took."""

    runner: JobRunner
    first: float = 0
    """Seconds until it answered for the first time."""
    seconds: list[float] = field(factory=list)
    pauses: list[float] = field(factory=list)
    """The longest of each round."""

    def round(self, signing: CetSigning, verifying: jobs.VerifyCetsJob) -> None:
        took, pause = asyncio.run(_round(self.runner, signing, verifying))
        self.seconds.append(took)
        self.pauses.append(pause)


async def _round(runner: JobRunner, signing: CetSigning, verifying: jobs.VerifyCetsJob) -> tuple[float, float]:
    """Seconds, and the longest pause of the event loop in them."""
    late = 0.0

    async def tick() -> None:
        nonlocal late
        while True:
            due = perf_counter() + TICK
            await asyncio.sleep(TICK)
            late = max(late, perf_counter() - due)

    ticking = asyncio.create_task(tick())
    begun = perf_counter()
    await runner.sign(signing)
    if await runner.verify(verifying) is not None:
        raise SystemExit("a CET signature did not verify")
    took = perf_counter() - begun
    ticking.cancel()
    return took, late


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


def measure(rounds: int) -> Report:
    whole = draft(announcement())
    signing = dlc.sign_cets_job(whole, keys(Role.MAKER), AUX)
    verifying = dlc.verify_cets_job(whole, Role.MAKER, Theirs.make().cets)
    makers: dict[str, Callable[[int], Executor]] = {"thread": ThreadPoolExecutor, "process": processes}
    kinds: dict[str, Kind] = {}
    spare, units, derived = [], [], []
    with ExitStack() as stack:
        for name, make in makers.items():
            for count in counts():
                kinds[f"{name} x {count}"] = Kind(JobRunner(stack.enter_context(make(count)), count))
        kinds["Dask process x 2"] = Kind(JobRunner(stack.enter_context(dask(2)), 2))
        hashers = stack.enter_context(ThreadPoolExecutor(2))
        for kind in kinds.values():
            kind.first = wall_seconds(partial(asyncio.run, kind.runner.sign(signing.slice(0, 2))))
        for _ in range(rounds):
            spare.append(cores_to_spare(hashers))
            units.append(min(calibration() for _ in range(20)))
            derived.append(wall_seconds(derive))
            for kind in kinds.values():
                kind.round(signing, verifying)
    native = len(reference_cets()) * NATIVE_US / 1e6 * min(units) / REFERENCE_US
    setup = min(derived) + min(kinds["thread x 2"].seconds)
    faster = Figure(
        2,
        "times faster than zkp's native module, the reference's CETs, two threads",
        native / setup,
        "x",
        FASTER_THAN_NATIVE,
        "at least",
    )
    return Report("bench_workers", (*_figures(kinds, max(spare)), faster), _details(kinds, max(spare)))


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
    for name in ("thread x 2", "process x 2", "Dask process x 2"):
        yield Figure(0, f"{name}: until the first answer", 1e3 * kinds[name].first, "ms")


def _details(kinds: dict[str, Kind], spare: float) -> dict[str, object]:
    return {
        "cores_to_spare": spare,
        "seconds": {name: min(kind.seconds) for name, kind in kinds.items()},
        "longest_pause_ms": {name: 1e3 * median(kind.pauses) for name, kind in kinds.items()},
    }


if __name__ == "__main__":
    run(__doc__, 15, measure)
