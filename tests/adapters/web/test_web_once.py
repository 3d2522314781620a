"""Money moves once: whatever is asked twice, whoever goes away, and whenever the process ends."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from cfd_web import models as m
from cfd_web.answers import KEPT_SECONDS, Answers, AnswersFailed, Kept, MemoryAnswers, SqlAnswers
from cfd_web.app import Api, ApiSettings
from cfd_web.testing import FakeDesk, samples
from structlog.testing import capture_logs

from cfd_core.values import Secret

KEY = {"Idempotency-Key": "key-0001"}
SEND = {"address": samples.ADDRESS, "sats": 10_000}
PATH = "/api/v1/wallet/send"


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)


async def test_the_same_again(owner: httpx.AsyncClient, desk: FakeDesk) -> None:
    first = await owner.post(PATH, json=SEND, headers=KEY)
    again = await owner.post(
        PATH,
        content=b'{ "sats":10000,"address":"' + samples.ADDRESS.encode() + b'"}',
        headers={**KEY, "Content-Type": "application/json"},
    )
    assert (first.status_code, first.content) == (again.status_code, again.content) == (201, again.content)
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert desk.moved == ["send 10000"]


async def test_another_wish_with_the_same_key(owner: httpx.AsyncClient, desk: FakeDesk) -> None:
    await owner.post(PATH, json=SEND, headers=KEY)
    for path, body in ((PATH, {**SEND, "sats": 10_001}), ("/api/v1/wallet/bump", {"txid": "0" * 64, "fee_rate": 2})):
        response = await owner.post(path, json=body, headers=KEY)
        assert (response.status_code, response.json()["code"]) == (422, "key_reused")
    assert desk.moved == ["send 10000"]


async def test_another_key_is_another_wish(owner: httpx.AsyncClient, desk: FakeDesk) -> None:
    for key in ("key-0001", "key-0002"):
        await owner.post(PATH, json=SEND, headers={"Idempotency-Key": key})
    assert desk.moved == ["send 10000"] * 2


@pytest.mark.parametrize("key", [None, "", "short", "x" * 101, "with space", "ключключ"])
async def test_nothing_moves_without_a_decent_key(owner: httpx.AsyncClient, desk: FakeDesk, key: str | None) -> None:
    headers = {} if key is None else {"Idempotency-Key": key.encode()}
    response = await owner.post(PATH, json=SEND, headers=headers)  # type: ignore[arg-type]  # bytes are fine
    assert response.status_code == 422
    assert desk.moved == []


async def test_a_refusal_is_an_answer_too(owner: httpx.AsyncClient, desk: FakeDesk) -> None:
    wish = {**SEND, "sats": 10**12}
    first = await owner.post(PATH, json=wish, headers=KEY)
    desk.wallet.spendable = 10**13
    again = await owner.post(PATH, json=wish, headers=KEY)
    assert (first.status_code, first.content) == (again.status_code, again.content) == (409, first.content)


async def test_what_could_not_be_tried_can_be_tried_again(owner: httpx.AsyncClient, desk: FakeDesk) -> None:
    desk.down.add("wallet")
    assert (await owner.post(PATH, json=SEND, headers=KEY)).status_code == 503
    desk.down.clear()
    assert (await owner.post(PATH, json=SEND, headers=KEY)).status_code == 201
    assert desk.moved == ["send 10000"]


async def test_asked_twice_at_once(owner: httpx.AsyncClient, desk: FakeDesk, api: Api) -> None:
    desk.gate.clear()
    asked = [asyncio.create_task(owner.post(PATH, json=SEND, headers=KEY)) for _ in range(5)]
    await until(lambda: api.moves._under_way)
    other = await owner.post(PATH, json={**SEND, "sats": 1}, headers=KEY)
    assert other.json()["code"] == "key_reused"
    desk.gate.set()
    answers = await asyncio.gather(*asked)
    assert len({answer.content for answer in answers}) == 1
    assert desk.moved == ["send 10000"]


async def test_a_caller_who_goes_away_changes_nothing(owner: httpx.AsyncClient, desk: FakeDesk, api: Api) -> None:
    desk.gate.clear()
    asked = asyncio.create_task(owner.post(PATH, json=SEND, headers=KEY))
    await until(lambda: api.moves._under_way)
    asked.cancel()
    await asyncio.gather(asked, return_exceptions=True)
    closing = asyncio.create_task(api.close())
    desk.gate.set()
    await closing
    assert desk.moved == ["send 10000"]
    assert (await owner.post(PATH, json=SEND, headers=KEY)).status_code == 201
    assert desk.moved == ["send 10000"]


# --- across restarts -------------------------------------------------------------------------------------------------


async def ask(answers: Answers, desk: FakeDesk, bearer: dict[str, str]) -> httpx.Response:
    """A process that lives for one request."""
    api = Api(desk, answers, ApiSettings(token=Secret(b"t" * 43)))
    transport = httpx.ASGITransport(app=api.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=bearer) as http:
        return await http.post(PATH, json=SEND, headers=KEY)


async def test_an_answer_outlives_the_process(tmp_path: Path, desk: FakeDesk, bearer: dict[str, str]) -> None:
    found = []
    for _ in range(2):
        answers = SqlAnswers(tmp_path / "answers.sqlite")
        found.append((await ask(answers, desk, bearer)).content)
        answers.close()
    assert found[0] == found[1]
    assert desk.moved == ["send 10000"]
    assert (tmp_path / "answers.sqlite").stat().st_mode & 0o077 == 0


async def test_a_process_that_ends_between_doing_and_saying(tmp_path: Path, bearer: dict[str, str]) -> None:
    """The money may have moved: nobody but a person can tell, so it is not moved again."""

    class Ended(SqlAnswers):
        def finish(self, *_: object) -> None:
            raise AnswersFailed("the process ended here")

    desk, broken = FakeDesk(), Ended(tmp_path / "answers.sqlite")
    with capture_logs():
        assert (await ask(broken, desk, bearer)).status_code == 201
    broken.close()
    answers = SqlAnswers(tmp_path / "answers.sqlite")
    response = await ask(answers, desk, bearer)
    answers.close()
    assert (response.status_code, response.json()["code"]) == (409, "outcome_unknown")
    assert desk.moved == ["send 10000"]


async def test_a_bug_leaves_the_key_taken(
    desk: FakeDesk, bearer: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(_send: m.Send) -> m.Sent:
        raise ZeroDivisionError

    answers = MemoryAnswers()
    with monkeypatch.context() as patch, capture_logs():
        patch.setattr(desk.wallet, "send", broken)
        assert (await ask(answers, desk, bearer)).status_code == 500
    assert (await ask(answers, desk, bearer)).json()["code"] == "outcome_unknown"
    assert desk.moved == []


async def test_no_money_moves_when_answers_cannot_be_kept(
    tmp_path: Path, desk: FakeDesk, bearer: dict[str, str]
) -> None:
    for broken in (tmp_path / "nowhere" / "answers.sqlite", tmp_path / "text.sqlite"):
        (tmp_path / "text.sqlite").write_text("this is no database, and long enough to be seen as none")
        answers = SqlAnswers(broken)
        response = await ask(answers, desk, bearer)
        answers.close()
        assert (response.status_code, response.json()["code"]) == (503, "unavailable")
    assert desk.moved == []


# --- both stores -----------------------------------------------------------------------------------------------------


@pytest.fixture(params=["memory", "sqlite"])
def answers(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Answers]:
    if request.param == "memory":
        yield MemoryAnswers()
        return
    with closing(SqlAnswers(tmp_path / "answers.sqlite")) as stored:
        yield stored


def test_a_key_from_beginning_to_end(answers: Answers) -> None:
    assert answers.look_up("a") is None
    answers.begin("a", "print", 1_000)
    assert answers.look_up("a") == Kept("print", None, b"")
    answers.finish("a", 201, b"{}")
    assert answers.look_up("a") == Kept("print", 201, b"{}")
    answers.begin("b", "other", 1_001)
    answers.forget("b")
    assert answers.look_up("b") is None


def test_keys_are_forgotten_after_a_week(answers: Answers) -> None:
    answers.begin("old", "print", 1_000)
    answers.begin("young", "print", 1_001)
    answers.begin("new", "print", 1_000 + KEPT_SECONDS)
    assert answers.look_up("old") is None
    assert answers.look_up("young") is not None
