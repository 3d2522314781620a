"""Worker processes as a service: started when the node has come up, and again when one dies or hangs."""

import asyncio
import os
import pickle
import random
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final, TypeVar

import structlog
from attrs import define, field, frozen
from cfd_network import Backoff

from cfd_node.supervision import Level, Tell
from cfd_node.worker import HEAD, packed

log = structlog.get_logger()
Job = TypeVar("Job")
Result = TypeVar("Result")
AHEAD: Final = 2
"""Pieces that a worker is given at a time: with the next at hand it need not wait for the event loop."""
DYING: Final = 5.0
"""Seconds that a process whose end of the socket is closed may take to end."""
HANGING: Final = 60.0
"""Seconds after which a worker that has not answered is taken for one that never will, and killed."""
BUFFER: Final = 1 << 20


class Lost(Exception):
    """The piece was not done: its worker died, or could not."""


@frozen(eq=False)
class _Piece:
    work: tuple[Callable[[Any], Any], Any] = field(repr=False)
    answer: "asyncio.Future[Any]"

    def lost(self) -> None:
        if not self.answer.done():
            self.answer.set_exception(Lost())

    def answered(self, done: bool, result: Any) -> None:
        if not done:
            self.lost()
        elif not self.answer.done():
            self.answer.set_result(result)


@define(eq=False)
class _Worker:
    """A process, and the pieces that it has."""

    process: "subprocess.Popen[bytes]"
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    given: deque[_Piece] = field(factory=deque, repr=False)

    def give(self, piece: _Piece) -> None:
        try:
            frame = packed(piece.work)
        except Exception:  # a signer's own kind of work need not travel
            piece.lost()
            return
        self.given.append(piece)
        self.writer.write(frame)

    async def heard(self) -> tuple[bool, Any]:
        """Its next answer; `IncompleteReadError` or `OSError` when it died."""
        (length,) = HEAD.unpack(await self.reader.readexactly(HEAD.size))
        done, result = pickle.loads(await self.reader.readexactly(length))  # noqa: S301 - from a child of our own
        return done, result

    async def end(self, patience: float) -> str:
        """How it ended: by itself within so many seconds, or killed. It has nothing to lose; none is left behind."""
        self.writer.close()
        code = await asyncio.shield(asyncio.to_thread(_code, self.process, patience))
        with suppress(OSError):
            await self.writer.wait_closed()
        return f"it ended with code {code}"


def _code(process: "subprocess.Popen[bytes]", patience: float) -> int:
    try:
        return process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


class WorkersService:
    """Does pieces of the slow crypto on so many processes, which it keeps going. Belongs to one event loop.

    A worker is a program of its own, so no script's `__main__` is run again and nothing of the node's memory is copied.
    """

    name = "workers"
    needs = ()

    def __init__(
        self,
        count: int,
        *,
        backoff: Backoff | None = None,
        hanging: float = HANGING,
        jitter: Callable[[], float] = random.random,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.count = count
        self.wait_first: Callable[[], Awaitable[None]] = lambda: asyncio.sleep(0)
        """Returns once there is nothing more urgent to start."""
        self._backoff, self._jitter, self._sleep = backoff or Backoff(), jitter, sleep
        self._hanging = hanging
        self._workers: list[_Worker] = []
        self._waiting: deque[_Piece] = deque()
        self._trouble = ""

    @property
    def ready(self) -> bool:
        """Whether any worker is there."""
        return bool(self._workers)

    @property
    def pids(self) -> list[int]:
        """Process ids of the workers that are there."""
        return [worker.process.pid for worker in self._workers]

    async def do(self, function: Callable[[Job], Result], job: Job) -> Result:
        """On the next worker that is free; `Lost` when it could not be done there."""
        if not self._workers:
            raise Lost
        piece = _Piece((function, job), asyncio.get_running_loop().create_future())
        self._waiting.append(piece)
        self._hand_out()
        try:
            async with asyncio.timeout(self._hanging):
                result: Result = await piece.answer
        except TimeoutError:
            self._give_up(piece)
            raise Lost from None
        return result

    def _give_up(self, piece: _Piece) -> None:
        """Nobody waits for it any more; a worker that had it is not waited for either."""
        for worker in self._workers:
            if piece in worker.given:
                log.warning("a worker process hangs", pid=worker.process.pid)
                worker.process.kill()

    async def run(self, tell: Tell) -> None:
        tell(Level.LOADING, "threads do their work until the node has come up")
        await self.wait_first()
        self._trouble = ""
        tell(Level.LOADING, "worker processes are starting; threads do their work meanwhile")
        async with asyncio.TaskGroup() as tasks:
            for _ in range(self.count):
                tasks.create_task(self._keep(tell))

    async def _keep(self, tell: Tell) -> None:
        """One worker after the other."""
        loop, failures = asyncio.get_running_loop(), 0
        while True:
            begun = loop.time()
            try:
                reason = await self._one_life(tell)
            except OSError as error:
                reason = f"it cannot be started: {error.strerror}"
            failures = 1 if loop.time() - begun >= self._backoff.healthy else failures + 1
            self._trouble = reason
            self._tell(tell)
            log.warning("a worker process is gone", reason=reason, failures=failures)
            await self._sleep(self._backoff.pause(failures, self._jitter()))

    async def _one_life(self, tell: Tell) -> str:
        """Why it ended."""
        worker, patience = await _started(), 0.0
        try:
            await worker.heard()
            self._workers.append(worker)
            self._tell(tell)
            while True:
                answer = await worker.heard()
                piece = worker.given.popleft()
                self._hand_out()
                piece.answered(*answer)
        except (asyncio.IncompleteReadError, OSError):
            patience = DYING
        finally:
            self._forget(worker)
            reason = await worker.end(patience)
        return reason

    def _hand_out(self) -> None:
        while self._waiting:
            worker = min(self._workers, key=lambda each: len(each.given))
            if len(worker.given) >= AHEAD:
                return
            piece = self._waiting.popleft()
            if not piece.answer.done():
                worker.give(piece)

    def _forget(self, worker: _Worker) -> None:
        if worker in self._workers:
            self._workers.remove(worker)
        lost = [*worker.given, *(() if self._workers else self._waiting)]
        if not self._workers:
            self._waiting.clear()
        for piece in lost:
            piece.lost()

    def _tell(self, tell: Tell) -> None:
        up = len(self._workers)
        if up == self.count:
            tell(Level.RUNNING)
        elif self._trouble:
            rest = "the others do its work" if up else "threads do their work"
            tell(Level.DEGRADED, f"{up} of {self.count} worker processes run, {rest}; of the last, {self._trouble}")


async def _started() -> _Worker:
    """A new process, which loads what it needs and then says so."""
    ours, theirs = socket.socketpair()
    with theirs:
        reader, writer = await asyncio.open_unix_connection(sock=ours, limit=BUFFER)
        try:
            process = _process(theirs.fileno())
        except OSError:
            writer.close()
            raise
    return _Worker(process, reader, writer)


def _process(end: int) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(  # noqa: S603 - ourselves
        [sys.executable, "-P", "-m", "cfd_node.worker", str(end)],
        pass_fds=[end],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        env=_environment(),
        process_group=0,  # Ctrl-C is for the node
    )


def _environment() -> dict[str, str]:
    """Ours, with our way to modules, and without what may hold a passphrase or a token."""
    ours = {key: value for key, value in os.environ.items() if not key.startswith("CFD_")}
    return {**ours, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
