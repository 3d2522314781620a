"""Running the core's slow crypto on an executor, in as many pieces as there are workers."""

import asyncio
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import TypeVar

from cfd_core.contract.jobs import SignCetsJob, VerifyCetsJob, sign_cets, verify_cets

Job = TypeVar("Job")
Result = TypeVar("Result")


class JobRunner:
    """Signs and verifies CETs on any `concurrent.futures.Executor`.

    By default on a thread per core of its own: the crypto frees the interpreter lock. Another executor stays its
    owner's, who says how many `workers` it has and shuts it down after `close`. Jobs to sign carry the key of one CFD,
    so an executor on other machines must be reached over a channel that nobody else reads.
    """

    def __init__(self, executor: Executor | None = None, workers: int | None = None) -> None:
        self._workers = workers or os.cpu_count() or 1
        self._own = None if executor else ThreadPoolExecutor(self._workers, thread_name_prefix="crypto")
        self._executor = executor or self._own

    async def sign(self, job: SignCetsJob) -> bytes:
        """Packed signatures, in order."""
        pieces = [self._submit(sign_cets, job.slice(start, stop)) for start, stop in self._cuts(len(job))]
        return b"".join(await asyncio.gather(*pieces))

    async def verify(self, job: VerifyCetsJob) -> int | None:
        """Index of the first invalid signature, or None."""
        cuts = self._cuts(len(job))
        found: Sequence[int | None] = await asyncio.gather(
            *(self._submit(verify_cets, job.slice(start, stop)) for start, stop in cuts)
        )
        return next((start + bad for (start, _), bad in zip(cuts, found, strict=True) if bad is not None), None)

    def close(self) -> None:
        """Stop the threads of the default; what waits for its turn is dropped."""
        if self._own is not None:
            self._own.shutdown(wait=False, cancel_futures=True)

    def _cuts(self, length: int) -> list[tuple[int, int]]:
        size = max(1, -(-length // self._workers))
        return [(start, min(start + size, length)) for start in range(0, length, size)]

    def _submit(self, function: Callable[[Job], Result], job: Job) -> "asyncio.Future[Result]":
        return asyncio.get_running_loop().run_in_executor(self._executor, function, job)
