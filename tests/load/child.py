"""A process of the load test: told what to do by lines of JSON, one answer for each."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Final

LINE: Final = 64 * 1024 * 1024
"""Bytes of the longest answer."""
Order = dict[str, Any]


class Failed(Exception):
    """A process ended, or could not do what it was told."""


class Child:
    """`async with Child("tests.load.maker", told, log) as maker: await maker.ask("state")`."""

    def __init__(self, module: str, told: Order, log: Path, words: Sequence[str] = ()) -> None:
        self._module, self._told, self._log, self._words = module, told, log, words
        self._process: Process | None = None
        self._one = asyncio.Lock()

    async def __aenter__(self) -> "Child":
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", self._module, *self._words, stdin=PIPE, stdout=PIPE, stderr=log, limit=LINE
            )
        await self._tell(self._told)
        return self

    async def __aexit__(self, *_: object) -> None:
        process = self._living
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(120):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    async def ask(self, do: str, **words: Any) -> Order:
        """Its answer, whenever that comes. `Failed` with its last words if there is none, or it could not."""
        async with self._one:
            await self._tell({"do": do, **words})
            process = self._living
            assert process.stdout is not None
            line = await process.stdout.readline()
        if not line:
            raise Failed(f"{self._module} is gone: {self._last_words()}")
        answer: Order = json.loads(line)
        if "failed" in answer:
            raise Failed(f"{self._module} could not {do}: {answer['failed']}; {self._last_words()}")
        return answer

    async def _tell(self, words: Order) -> None:
        assert self._living.stdin is not None
        try:
            self._living.stdin.write(json.dumps(words).encode() + b"\n")
            await self._living.stdin.drain()
        except ConnectionError:
            raise Failed(f"{self._module} is gone: {self._last_words()}") from None

    @property
    def _living(self) -> Process:
        assert self._process is not None
        return self._process

    def _last_words(self) -> str:
        return self._log.read_bytes()[-3_000:].decode(errors="replace")


async def obey(begin: Callable[[Order], Awaitable[Callable[[Order], Awaitable[Order]]]]) -> None:
    """The other end: `begin` is told the first line and gives what does the orders, until there are no more.

    When whoever gives them is gone, an order under way is left undone: nobody wants to know any more.
    """
    reader = asyncio.StreamReader(limit=LINE)
    pipe, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    try:
        do = await begin(json.loads(await reader.readline()))
        following = asyncio.ensure_future(reader.readline())
        while line := await following:
            following = asyncio.ensure_future(reader.readline())
            doing = asyncio.ensure_future(_answer(do, json.loads(line)))
            await asyncio.wait({doing, following}, return_when=asyncio.FIRST_COMPLETED)
            if not doing.done() and not following.result():
                doing.cancel()
                await asyncio.gather(doing, return_exceptions=True)
                return
            print(json.dumps(await doing), flush=True)
    finally:
        pipe.close()


async def _answer(do: Callable[[Order], Awaitable[Order]], order: Order) -> Order:
    try:
        return await do(order)
    except Exception as error:  # its text is what the other end can use
        return {"failed": f"{type(error).__name__}: {error}"}
