"""Moving money once: a request is known by its key, and asking again gets the first answer again."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from typing import Annotated, Final

import structlog
from attrs import frozen
from fastapi import Header, Request
from pydantic import BaseModel
from starlette.responses import Response

from cfd_web.answers import Answers, AnswersFailed, Kept
from cfd_web.desk import DeskError, Unavailable
from cfd_web.problems import ApiProblem, of_desk

log = structlog.get_logger()

REPLAYED: Final = "Idempotent-Replayed"
IdempotencyKey = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[A-Za-z0-9_.:-]{8,100}$",
        description="Chosen by you, a new one for each thing that you want: asking again with it does nothing twice.",
    ),
]


@frozen
class _Answer:
    status: int
    body: bytes


class MoneyMoves:
    """Runs each key's work once, whoever waits for it, and keeps the answer.

    The work goes on when its caller is gone. A key whose work was under way when the process ended, or failed in a
    way nobody foresaw, stays taken: only a person can say whether it has happened.
    """

    def __init__(self, answers: Answers, now: Callable[[], int]) -> None:
        self._answers, self._now = answers, now
        self._under_way: dict[str, tuple[str, asyncio.Task[_Answer]]] = {}

    async def do(self, key: str, fingerprint: str, work: Callable[[], Awaitable[BaseModel]], status: int) -> Response:
        """The answer to this request, the first time or again. `ApiProblem` for a key that cannot be used."""
        running = self._under_way.get(key)
        if running is None:
            kept = self._look_up(key)
            if kept is not None:
                return _again(kept, fingerprint)
            running = self._begin(key, fingerprint, work, status)
            replayed = False
        else:
            replayed = True
        known, task = running
        _check_same(known, fingerprint)
        return _response(await asyncio.shield(task), replayed=replayed)

    async def finish(self) -> None:
        """Wait for what is under way: call it before the node's services stop."""
        await asyncio.gather(*(task for _, task in self._under_way.values()), return_exceptions=True)

    def _look_up(self, key: str) -> Kept | None:
        try:
            return self._answers.look_up(key)
        except AnswersFailed as error:
            raise of_desk(Unavailable(str(error))) from error

    def _begin(
        self, key: str, fingerprint: str, work: Callable[[], Awaitable[BaseModel]], status: int
    ) -> tuple[str, asyncio.Task[_Answer]]:
        try:
            self._answers.begin(key, fingerprint, self._now())
        except AnswersFailed as error:
            raise of_desk(Unavailable(str(error))) from error
        task = asyncio.create_task(self._run(key, work, status), name="money move")
        self._under_way[key] = (fingerprint, task)
        task.add_done_callback(lambda done: self._done(key, done))
        return self._under_way[key]

    def _done(self, key: str, task: asyncio.Task[_Answer]) -> None:
        del self._under_way[key]
        if not task.cancelled():
            task.exception()  # whoever waits hears of it; without anybody, it is logged already

    async def _run(self, key: str, work: Callable[[], Awaitable[BaseModel]], status: int) -> _Answer:
        try:
            answer = _Answer(status, (await work()).model_dump_json().encode())
        except Unavailable as error:
            self._keep(lambda: self._answers.forget(key))
            raise of_desk(error) from error
        except DeskError as error:
            problem = of_desk(error)
            answer = _Answer(problem.status, bytes(problem.response().body))
        self._keep(lambda: self._answers.finish(key, answer.status, answer.body))
        return answer

    def _keep(self, act: Callable[[], None]) -> None:
        """The thing itself has been done: its caller gets the answer, though a second one may not."""
        try:
            act()
        except AnswersFailed as error:
            log.error("an answer could not be kept", reason=str(error))


def fingerprint(request: Request, body: BaseModel | None) -> str:
    """The same for the same wish: method, path, and the content of the body, however it was written."""
    content = body.model_dump_json() if body is not None else ""
    return hashlib.sha256(f"{request.method} {request.url.path}\n{content}".encode()).hexdigest()


def _again(kept: Kept, fingerprint: str) -> Response:
    _check_same(kept.fingerprint, fingerprint)
    if kept.status is None:
        sentence = (
            "A request with this key was under way when the node stopped, or failed inside the node: look whether it "
            "has happened before you ask again with another key."
        )
        raise ApiProblem(409, "outcome_unknown", sentence)
    return _response(_Answer(kept.status, kept.body), replayed=True)


def _check_same(known: str, fingerprint: str) -> None:
    if known != fingerprint:
        raise ApiProblem(422, "key_reused", "This Idempotency-Key was used for another request.")


def _response(answer: _Answer, *, replayed: bool) -> Response:
    headers = {REPLAYED: "true"} if replayed else {}
    return Response(answer.body, answer.status, headers, "application/json")
