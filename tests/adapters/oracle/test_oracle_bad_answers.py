"""Oracles that answer badly: a raw socket server says whatever the test wants, byte for byte."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from cfd_oracle import Down, Forged, Malformed, NotYet, OracleClient, OracleError, UnknownEvent

from cfd_core.oracle import KNOWN_ORACLES, Dialect, hourly_event_id, read_announcement, read_recorded_event
from cfd_core.values import HOUR, EventId, Timestamp

MATURITY = 1_633_384_800
EVENT_ID = hourly_event_id(Timestamp(MATURITY))
KEYS = KNOWN_ORACLES["olivia"]
Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def _answering(answer: Answer, *, deadline: float = 15.0) -> AsyncIterator[tuple[OracleClient, list[bytes]]]:
    """A client of a server that reads one request, keeps it, and lets `answer` write."""
    requests: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            requests.append(await reader.readuntil(b"\r\n\r\n"))
            await answer(writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, OracleClient(f"http://127.0.0.1:{port}", Dialect.OLIVIA_V1, KEYS, deadline=deadline) as client:
        yield client, requests


def _says(status: str, body: bytes = b"", *headers: str) -> Answer:
    async def answer(writer: asyncio.StreamWriter) -> None:
        head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
        writer.write("\r\n".join(head).encode() + b"\r\n\r\n" + body)
        await writer.drain()

    return answer


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (_says("204 No Content"), NotYet),
        (_says("425 Too Early"), NotYet),
        (_says("400 Bad Request"), UnknownEvent),
        (_says("404 Not Found"), UnknownEvent),
        (_says("429 Too Many Requests"), Down),
        (_says("500 Internal Server Error"), Down),
        (_says("503 Service Unavailable"), Down),
        (_says("418 I'm a teapot"), Malformed),
        (_says("200 OK"), Malformed),
        (_says("200 OK", b"<html>"), Malformed),
        (_says("200 OK", b"{}"), Malformed),
        (_says("200 OK", b'{"announcement":{},"attestation":null}'), Malformed),
        (_says("200 OK", b"[" * 50_000), Malformed),
        (_says("200 OK", b"x", "Content-Encoding: gzip"), Malformed),
        (_says("302 Found", b"", "Location: http://evil.example/"), Malformed),
        (_says("301 Moved", b"", "Location: /elsewhere"), Malformed),
        (_says("not http"), Down),
    ],
)
async def test_each_answer_has_its_error(answer: Answer, error: type[OracleError]) -> None:
    async with _answering(answer) as (client, requests):
        with pytest.raises(error):
            await client.announcement(EVENT_ID)
        assert len(requests) == 1
        assert requests[0].startswith(b"GET /x/BitMEX/BXBT/2021-10-04T22:00:00.price?n=20 HTTP/1.1\r\n")


async def test_oversize_is_not_read_to_its_end() -> None:
    stopped = asyncio.Event()

    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        try:
            while True:
                writer.write(b" " * 65_536)
                await writer.drain()
        finally:
            stopped.set()

    async with _answering(endless) as (client, _):
        with pytest.raises(Malformed, match="longer than 1,048,576 bytes"):
            await client.announcement(EVENT_ID)
        await asyncio.wait_for(stopped.wait(), 10)


async def test_silence_is_down() -> None:
    async def silent(_writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with _answering(silent, deadline=0.05) as (client, _):
        with pytest.raises(Down, match=r"within 0.05 s"):
            await client.announcement(EVENT_ID)


async def test_broken_off_is_down() -> None:
    async def half(writer: asyncio.StreamWriter) -> None:
        writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{"announcement"')

    async with _answering(half) as (client, _):
        with pytest.raises(Down, match="cannot be reached"):
            await client.announcement(EVENT_ID)


async def test_another_event_than_asked_for(recorded_raw: bytes) -> None:
    async with _answering(_says("200 OK", recorded_raw)) as (client, _):
        with pytest.raises(Forged, match="asked for"):
            await client.announcement(hourly_event_id(Timestamp(MATURITY + HOUR)))


async def test_forged_and_malformed_attestation(recorded_raw: bytes) -> None:
    announcement = read_announcement(Dialect.OLIVIA_V1, read_recorded_event(recorded_raw)[0], KEYS)
    for changed, error in ((b'"48934"', Forged), (b'"048935"', Malformed)):
        async with _answering(_says("200 OK", recorded_raw.replace(b'"48935"', changed))) as (client, _):
            with pytest.raises(error):
                await client.attestation(announcement)


@pytest.mark.parametrize("dialect", list(Dialect), ids=lambda dialect: dialect.value)
@pytest.mark.parametrize("event_id", ["", "\ud800", "a\nb", "x" * 257, "\x7f"], ids=ascii)
async def test_an_id_that_no_oracle_can_have_is_not_asked_for(dialect: Dialect, event_id: str) -> None:
    """A maker's offer may name any text as its event."""
    async with OracleClient("http://127.0.0.1:9", dialect, KEYS) as client:
        with pytest.raises(UnknownEvent):
            await client.fetch_announcement(EventId(event_id))
