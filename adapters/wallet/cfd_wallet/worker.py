"""A thread that runs blocking calls one after the other, for asyncio."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class Worker:
    """One thread. A call that was begun is finished even if nobody waits for it any more."""

    def __init__(self, name: str) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=name)

    async def run(self, call: Callable[..., T], *args: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, call, *args)

    async def stop(self) -> None:
        """Drop what has not begun and wait for what has."""
        await asyncio.to_thread(self._executor.shutdown, cancel_futures=True)

    def leave(self) -> None:
        """Drop what has not begun; do not wait for what has."""
        self._executor.shutdown(wait=False, cancel_futures=True)
