"""Running the core's slow crypto on an executor, in a few pieces for each worker."""

import asyncio
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress
from typing import Final, TypeVar

from cfd_core.contract.jobs import VerifyCetsJob, sign_cets, verify_cets
from cfd_core.crypto.signer import CetSigning
from cfd_node.counts import Done
from cfd_node.services.workers import Lost, WorkersService

Job = TypeVar("Job")
Result = TypeVar("Result")
PIECES: Final = 4
"""For each worker, so that who waits sees them come."""


def _nobody(_more: int) -> None:
    """Who does not want to know."""


def cores() -> int:
    """Of this machine, as many as this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class JobRunner:
    """Signs and verifies CETs on any `concurrent.futures.Executor`.

    By default on threads of its own, one per core: the crypto frees the interpreter lock. With `processes` it has
    `service` too: as many worker processes, which a node keeps going and which are faster; what they cannot do, because
    they are not there yet or because one died with it, the threads do.

    Another executor stays its owner's, who says how many `workers` it has and shuts it down after `close`. Jobs to sign
    carry the key of one CFD, so an executor on other machines must be reached over a channel that nobody else reads.
    """

    def __init__(
        self, executor: Executor | None = None, workers: int | None = None, *, processes: bool = False
    ) -> None:
        self._workers = workers or cores()
        self._own = None if executor else ThreadPoolExecutor(self._workers, thread_name_prefix="crypto")
        self._executor = executor or self._own
        self.service = WorkersService(self._workers) if processes else None
        """To be run beside the jobs."""

    async def sign(self, job: CetSigning, done: Done = _nobody) -> bytes:
        """Packed signatures, in order. `done` hears of each piece that is."""

        async def piece(part: CetSigning) -> bytes:
            signed = await self._submit(sign_cets, part)
            done(len(part))
            return signed

        return b"".join(await asyncio.gather(*(piece(job.slice(*cut)) for cut in self._cuts(len(job)))))

    async def verify(self, job: VerifyCetsJob, done: Done = _nobody) -> int | None:
        """Index of the first invalid signature, or None. `done` hears how many of each piece are valid."""

        async def piece(part: VerifyCetsJob) -> int | None:
            bad = await self._submit(verify_cets, part)
            done(len(part) if bad is None else bad)
            return bad

        cuts = self._cuts(len(job))
        found: Sequence[int | None] = await asyncio.gather(*(piece(job.slice(*cut)) for cut in cuts))
        return next((start + bad for (start, _), bad in zip(cuts, found, strict=True) if bad is not None), None)

    def close(self) -> None:
        """Stop the threads of the default; what waits for its turn is dropped."""
        if self._own is not None:
            self._own.shutdown(wait=False, cancel_futures=True)

    def _cuts(self, length: int) -> list[tuple[int, int]]:
        size = max(1, -(-length // (self._workers * PIECES)))
        return [(start, min(start + size, length)) for start in range(0, length, size)]

    async def _submit(self, function: Callable[[Job], Result], job: Job) -> Result:
        if self.service is not None and self.service.ready:
            with suppress(Lost):
                return await self.service.do(function, job)
        return await asyncio.get_running_loop().run_in_executor(self._executor, function, job)
