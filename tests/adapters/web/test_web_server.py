"""The server as a service: it starts, fails and stops without taking anything with it."""

import asyncio
import socket

import httpx
import pytest
from cfd_web.app import Api
from cfd_web.server import ApiServer, Listening, NotListening
from cfd_web.testing import FakeDesk
from structlog.testing import capture_logs


@pytest.fixture(autouse=True)
def quiet() -> object:
    with capture_logs() as logs:
        yield logs


async def about(url: str, bearer: dict[str, str]) -> int:
    async with httpx.AsyncClient(headers=bearer, trust_env=False, timeout=60) as http:
        return (await http.get(f"{url}/api/v1/about")).status_code


async def test_start_stop_start(api: Api, bearer: dict[str, str]) -> None:
    server = ApiServer(api)
    assert server.state == NotListening("not started")
    for _ in range(2):
        state = await server.start()
        assert isinstance(state, Listening)
        assert await server.start() is state
        assert state.url.startswith("http://127.0.0.1:")
        assert await about(state.url, bearer) == 200
        await server.stop()
        await server.stop()
        assert server.state == NotListening("stopped")
        with pytest.raises(httpx.ConnectError):
            await about(state.url, bearer)


async def test_a_port_that_is_taken(api: Api, bearer: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        strict = ApiServer(api, port=port, or_any_port=False)
        state = await strict.start()
        assert isinstance(state, NotListening)
        assert str(port) in state.reason
        server = ApiServer(api, port=port)
        elsewhere = await server.start()
        assert isinstance(elsewhere, Listening)
        assert str(port) in elsewhere.note
        assert await about(elsewhere.url, bearer) == 200
        await server.stop()
    state = await strict.start()
    assert state == Listening(f"http://127.0.0.1:{port}", "")
    await strict.stop()


@pytest.mark.parametrize("host", ["203.0.113.1", "no.such.host.invalid"])
async def test_an_address_that_is_not_ours(api: Api, host: str) -> None:
    state = await ApiServer(api, host=host).start()
    assert isinstance(state, NotListening)
    assert host in state.reason


async def test_stopping_waits_for_money_and_closes_the_rest(api: Api, desk: FakeDesk, bearer: dict[str, str]) -> None:
    server = ApiServer(api)
    state = await server.start()
    assert isinstance(state, Listening)
    desk.gate.clear()
    headers = {**bearer, "Idempotency-Key": "key-0001"}
    async with httpx.AsyncClient(base_url=state.url, headers=headers, trust_env=False, timeout=60) as http:
        idle = await http.get("/api/v1/about")
        body = {"address": "bcrt1q6rhpng9evdsfnn833a4f4vej0asu6dk5srld6x", "sats": 1_000}
        sending = asyncio.create_task(http.post("/api/v1/wallet/send", json=body))
        async with http.stream("GET", "/api/v1/events") as stream:
            while not api.moves._under_way:  # noqa: ASYNC110 - it has no event
                await asyncio.sleep(0.01)
            stopping = asyncio.create_task(server.stop())
            assert [line async for line in stream.aiter_lines() if line.startswith("event")] == ["event: ready"]
            desk.gate.set()
            assert (await sending).status_code == 201
        async with asyncio.timeout(60):
            await stopping
    assert idle.status_code == 200
    assert desk.moved == ["send 1000"]
