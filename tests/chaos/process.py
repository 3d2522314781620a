"""A party's process as the campaign holds it: started, asked, killed, started again."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from typing import Any, Final

ANSWER: Final = 120.0
"""Seconds after which a living process that does not answer is a failure of its own."""
Order = dict[str, Any]


class Dead(Exception):
    """The process is gone; it answered nothing."""


class Wrong(Exception):
    """Something that must never happen did; the text is for the report."""


class Party:
    """One node's process, and its lives so far."""

    def __init__(self, told: Order, folder: Path) -> None:
        self.name: str = told["name"]
        self.told = told
        self.deaths = 0
        self.id = ""
        self._file = folder / f"{self.name}.json"
        self._log = folder / f"{self.name}.log"
        self._process: Process | None = None

    async def start(self, die: Order | None = None) -> None:
        """A new life; armed from its first breath if `die` says so. `Dead` when it dies before it answers."""
        self._file.write_text(json.dumps({**self.told, "die": die}))
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.chaos.party", str(self._file), stdin=PIPE, stdout=PIPE, stderr=log
            )
        state = await self._read()
        self.id = state["id"]
        if state["address"]:
            self.told["listen"] = state["address"]  # the same port in its next life

    async def ask(self, do: str, **words: Any) -> Order:
        """Its answer; `Dead` when it died of the question, or before."""
        process = self._living()
        assert process.stdin is not None
        process.stdin.write(json.dumps({"do": do, **words}).encode() + b"\n")
        try:
            await process.stdin.drain()
        except ConnectionError:
            raise await self._bury() from None
        return await self._read()

    async def kill(self) -> None:
        """SIGKILL, now."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
        await self._bury()

    async def stop(self) -> None:
        """Let it end by itself; `Wrong` when it does not end well."""
        if self._process is None:
            return
        process, self._process = self._process, None
        assert process.stdin is not None
        process.stdin.close()
        async with asyncio.timeout(ANSWER):
            if code := await process.wait():
                raise Wrong(f"the {self.name} ended with exit code {code}: {self._last_words()}")

    async def revive(self, die: Order | None = None) -> None:
        """Start it again if it is dead; it may be armed to die while it starts, but not twice."""
        if self._process is not None and self._process.returncode is not None:
            await self._bury()
        if self._process is None:
            try:
                await self.start(die)
            except Dead:
                await self.start()

    async def _read(self) -> Order:
        process = self._living()
        assert process.stdout is not None
        try:
            async with asyncio.timeout(ANSWER):
                line = await process.stdout.readline()
        except TimeoutError:
            raise Wrong(f"the {self.name} lives and does not answer: {self._last_words()}") from None
        if not line:
            raise await self._bury()
        answer: Order = json.loads(line)
        return answer

    def _living(self) -> Process:
        if self._process is None:
            raise Dead(self.name)
        return self._process

    async def _bury(self) -> Dead:
        process, self._process = self._process, None
        if process is not None:
            async with asyncio.timeout(ANSWER):
                code = await process.wait()
            if code != -9:
                raise Wrong(f"the {self.name} died of itself, exit code {code}: {self._last_words()}")
            self.deaths += 1
        return Dead(self.name)

    def _last_words(self) -> str:
        return self._log.read_bytes()[-2_000:].decode(errors="replace")
