"""The stream of changes: told once each, taken up where it was lost, bounded whatever a reader does."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import httpx
import pytest
from cfd_web import models as m
from cfd_web.app import Api
from cfd_web.client import Access, ApiError, AsyncClient
from cfd_web.feed import Feed
from cfd_web.routes import events
from cfd_web.server import ApiServer, Listening
from cfd_web.testing import FakeDesk

from cfd_core.values import Secret


def tip(height: int) -> m.TipMoved:
    return m.TipMoved(tip=m.Tip(height=height, time=None))


async def lines(stream: AsyncGenerator[bytes, None], count: int) -> list[dict[str, str]]:
    """The next `count` events, as their fields."""
    found: list[dict[str, str]] = []
    async with asyncio.timeout(60):
        async for piece in stream:
            fields = dict(line.split(": ", 1) for line in piece.decode().strip().splitlines())
            if "id" in fields:
                found.append(fields)
            if len(found) == count:
                break
    return found


def names(found: list[dict[str, str]]) -> list[str]:
    return [event["event"] for event in found]


# --- the ring --------------------------------------------------------------------------------------------------------


async def test_a_new_reader_hears_what_comes() -> None:
    feed = Feed()
    feed.tell(tip(1))
    async with aclosing(feed.read("", ())) as stream:
        assert names(await lines(stream, 1)) == ["ready"]
        feed.tell(tip(2))
        (told,) = await lines(stream, 1)
    assert (told["event"], told["data"]) == ("tip", tip(2).model_dump_json())
    assert feed.readers == 0


async def test_a_reader_goes_on_where_it_was() -> None:
    feed = Feed()
    async with aclosing(feed.read("", ())) as stream:
        (ready,) = await lines(stream, 1)
    for height in range(5):
        feed.tell(tip(height))
    async with aclosing(feed.read(ready["id"], ())) as stream:
        found = await lines(stream, 5)
    async with aclosing(feed.read(found[2]["id"], ())) as stream:
        assert await lines(stream, 2) == found[3:]


@pytest.mark.parametrize(
    "last", ["", "x", "1", "{other}-3", "{epoch}-", "{epoch}-x", "{epoch}-99", "{epoch}--1", "{epoch}-1"]
)
async def test_what_cannot_be_taken_up_is_said(last: str) -> None:
    feed = Feed(kept=3)
    for height in range(9):
        feed.tell(tip(height))
    last = last.format(epoch=feed._epoch, other="0" * 8)
    async with aclosing(feed.read(last, ())) as stream:
        (first,) = await lines(stream, 1)
        assert first["event"] == ("reset" if last else "ready")
        feed.tell(tip(9))
        assert names(await lines(stream, 1)) == ["tip"]


async def test_what_changed_while_nobody_listened_is_not_passed_over() -> None:
    feed = Feed()
    feed.tell(tip(1))
    async with aclosing(feed.read("", ())) as stream:
        (ready,) = await lines(stream, 1)
    before = feed.position_of(["tip"])
    feed.close()
    assert feed.position_of(["tip"]) != before
    async with aclosing(feed.read(ready["id"], ())) as stream:
        assert names(await lines(stream, 1)) == ["reset"]


async def test_a_slow_reader_costs_nothing_and_is_told() -> None:
    feed = Feed(kept=10)
    async with aclosing(feed.read("", ())) as stream:
        await lines(stream, 1)
        for height in range(1_000):
            feed.tell(tip(height))
        found = await lines(stream, 1)
        assert names(found) == ["reset"]
        feed.tell(tip(1_000))
        assert [event["data"] for event in await lines(stream, 1)] == [tip(1_000).model_dump_json()]


async def test_only_the_kinds_that_are_wanted() -> None:
    feed = Feed()
    async with aclosing(feed.read("", {"notice"})) as stream:
        await lines(stream, 1)
        feed.tell(tip(1))
        feed.tell(m.Notice(level=m.NoticeLevel.INFO, at=0, text="two\nlines", cfd=""))
        (told,) = await lines(stream, 1)
    assert told["event"] == "notice"
    assert "two\\nlines" in told["data"]


async def test_a_silent_stream_shows_that_it_lives() -> None:
    feed = Feed(heartbeat=0.01)
    async with aclosing(feed.read("", ())) as stream, asyncio.timeout(60):
        pieces = [await anext(stream) for _ in range(4)]
    assert pieces[2:] == [b": still here\n\n"] * 2


# --- over HTTP -------------------------------------------------------------------------------------------------------


async def test_a_client_follows_through_a_restart_of_the_server(api: Api, desk: FakeDesk, token: str) -> None:
    server = ApiServer(api)
    started = await server.start()
    assert isinstance(started, Listening)
    async with AsyncClient(Access(started.url, Secret(token.encode()))) as client, asyncio.timeout(60):
        async with aclosing(client.events({"tip"})) as stream:
            assert (await anext(stream)).change is None
            desk.tell(tip(1))
            told = await anext(stream)
            assert told.change == tip(1)
            await server.stop()
            assert [event async for event in stream] == []
        desk.tell(tip(2))  # heard by nobody
        again = await server.start()
        assert isinstance(again, Listening)
    later = AsyncClient(Access(again.url, Secret(token.encode())))
    async with later, aclosing(later.events({"tip"}, told.id)) as stream, asyncio.timeout(60):
        assert (await anext(stream)).change is None  # reset: read anew
        desk.tell(tip(3))
        assert (await anext(stream)).change == tip(3)
    await server.stop()


async def test_streams_are_counted_and_bounded(api: Api, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MAX_STREAMS", 1)
    server = ApiServer(api)
    started = await server.start()
    assert isinstance(started, Listening)
    async with AsyncClient(Access(started.url, Secret(token.encode()))) as client, asyncio.timeout(60):
        async with aclosing(client.events()) as stream:
            await anext(stream)
            assert api.feed.readers == 1
            with pytest.raises(ApiError, match="1 streams already"):
                await anext(client.events())
        while api.feed.readers:  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0.01)
        async with aclosing(client.events()) as stream:
            assert (await anext(stream)).change is None
    await server.stop()


async def test_kinds_that_are_none(owner: httpx.AsyncClient) -> None:
    response = await owner.get("/api/v1/events", params={"kinds": "tip,nothing"})
    assert response.status_code == 422
    assert "nothing" not in response.json()["message"]
