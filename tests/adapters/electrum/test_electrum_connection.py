"""The connection: absent servers, restarts, health and back-off."""

import asyncio
import itertools
from typing import Any

import pytest
from cfd_electrum import Backoff, Disconnected, ElectrumChain, OutpointReport, Spend, State

from cfd_core.values import Network, OutPoint, Txid

SATS = 1_000_000


async def test_a_server_that_is_down_at_the_start(chain: Any, server: Any, connect: Any, key: Any) -> None:
    await server.stop()
    electrum, listener = await connect(server.port)
    health = await listener.state(State.DISCONNECTED)
    assert f"127.0.0.1:{server.port}" in health.reason
    with pytest.raises(Disconnected, match=str(server.port)):
        await electrum.tip()
    outpoint = OutPoint(chain.fund(key.script, SATS), 0)
    electrum.watch(outpoint, key.script)
    await server.start()
    assert await listener.report() == OutpointReport(outpoint, 0, None)
    assert electrum.health.state is State.RUNNING
    assert electrum.health.tip == chain.height


async def test_news_from_while_it_was_away(chain: Any, server: Any, client: Any, key: Any) -> None:
    electrum, listener = client
    outpoint = OutPoint(chain.fund(key.script, SATS), 0)
    quiet = OutPoint(chain.fund(key.script, SATS), 0)
    electrum.watch(outpoint, key.script)
    electrum.watch(quiet, key.script)
    assert {await listener.report(), await listener.report()} == {
        OutpointReport(outpoint, 0, None),
        OutpointReport(quiet, 0, None),
    }
    await server.stop()
    await listener.state(State.DISCONNECTED)
    spend = key.spend(outpoint, SATS, 500)
    chain.submit_transaction(spend)
    await server.start()
    assert await listener.report() == OutpointReport(outpoint, 0, Spend(spend, 0))
    await server.drop_sessions()
    await listener.state(State.DISCONNECTED)
    chain.mine()
    news = {await listener.report(), await listener.report()}
    assert news == {
        OutpointReport(outpoint, chain.height, Spend(spend, chain.height)),
        OutpointReport(quiet, chain.height, None),
    }


@pytest.mark.parametrize("method", ["broadcast", "transaction", "check_outputs", "fee_rate"])
async def test_nothing_is_asked_without_a_server(method: str) -> None:
    electrum = ElectrumChain("127.0.0.1", 1)
    argument: Any = {"broadcast": b"", "transaction": "ab" * 32, "check_outputs": [], "fee_rate": 6}[method]
    with pytest.raises(Disconnected, match="not started"):
        await getattr(electrum, method)(argument)
    assert electrum.health.state is State.STOPPED


async def test_stop_and_start_again(chain: Any, client: Any, key: Any) -> None:
    electrum, listener = client
    await electrum.start()
    await electrum.stop()
    await electrum.stop()
    assert electrum.health.state is State.STOPPED
    with pytest.raises(Disconnected):
        await electrum.tip()
    outpoint = OutPoint(chain.fund(key.script, SATS), 0)
    electrum.watch(outpoint, key.script)
    await electrum.start()
    assert await listener.report() == OutpointReport(outpoint, 0, None)


async def test_a_restart_tells_nothing_twice(chain: Any, client: Any, key: Any) -> None:
    electrum, listener = client
    known = OutPoint(chain.fund(key.script, SATS), 0)
    electrum.watch(known, key.script)
    await listener.report()
    await electrum.stop()
    await electrum.start()
    await listener.state(State.RUNNING)
    chain.mine()
    assert await listener.report() == OutpointReport(known, chain.height, None)


async def test_requests_under_way_fail_when_the_server_goes(liar: Any, connect: Any) -> None:
    server = await liar({"blockchain.estimatefee": lambda _: b""})
    electrum, listener = await connect(server.port, network=None, timeout=0.2)
    await listener.state(State.RUNNING)
    with pytest.raises(Disconnected, match=r"did not answer blockchain\.estimatefee"):
        await electrum.fee_rate(6)
    assert "did not answer" in (await listener.state(State.DISCONNECTED)).reason


async def test_stopping_fails_what_is_under_way(liar: Any, connect: Any) -> None:
    asked = asyncio.Event()

    def hold(_: list[Any]) -> bytes:
        asked.set()
        return b""

    server = await liar({"blockchain.estimatefee": hold})
    electrum, listener = await connect(server.port, network=None)
    await listener.state(State.RUNNING)
    question = asyncio.create_task(electrum.fee_rate(6))
    await asked.wait()
    await electrum.stop()
    with pytest.raises(Disconnected):
        await question


async def test_a_silent_server_is_noticed_by_pings(liar: Any, connect: Any) -> None:
    server = await liar({"server.ping": lambda _: b""})
    _, listener = await connect(server.port, network=None, timeout=0.2, ping_seconds=0.01)
    await listener.state(State.RUNNING)
    assert "server.ping" in (await listener.state(State.DISCONNECTED)).reason


async def test_another_network_is_refused(server: Any, connect: Any) -> None:
    _, listener = await connect(server.port, network=Network.MAINNET)
    assert "does not serve mainnet" in (await listener.state(State.DISCONNECTED)).reason


async def test_tips_are_told_with_their_time(chain: Any, client: Any) -> None:
    electrum, listener = client
    start = await listener.tip()
    assert start == (chain.height, int.from_bytes(chain.header(chain.height)[68:72], "little"))
    chain.mine()
    height, time = await listener.tip()
    assert (height, time) == (start[0] + 1, start[1] + 600)
    assert await electrum.tip() == (height, chain.header(height))
    chain.reorg(2)
    assert (await listener.tip())[0] == height + 1
    assert (await electrum.tip())[1] == chain.header(chain.height)


async def test_a_later_listener_hears_the_tip(chain: Any, server: Any, connect: Any) -> None:
    electrum, listener = await connect(server.port, on_tip=None)
    await listener.state(State.RUNNING)
    electrum.on_tip = lambda height, time: listener.tips.put_nowait((height, time))
    assert (await listener.tip())[0] == chain.height


async def test_an_outage_has_one_beginning(server: Any, connect: Any) -> None:
    ticks = itertools.count(1.0)
    await server.stop()
    electrum, listener = await connect(server.port, clock=lambda: next(ticks))
    first = await listener.state(State.DISCONNECTED)
    trying = await listener.state(State.CONNECTING)
    again = await listener.state(State.DISCONNECTED)
    assert first.since == trying.since == again.since
    assert trying.reason == first.reason
    await server.start()
    assert (await listener.state(State.RUNNING)).since > again.since
    assert electrum.health.reason == ""


async def test_an_unknown_host_is_no_failure(connect: Any) -> None:
    electrum, listener = await connect(1, backoff=Backoff(first=60))
    electrum.watch(OutPoint(Txid("ab" * 32), 0), b"\x51")
    assert (await listener.state(State.DISCONNECTED)).tip is None


def test_waits_double_up_to_the_most() -> None:
    backoff = Backoff(first=1, most=60, jitter=lambda: 0.0)
    assert [backoff.delay(n) for n in range(1, 9)] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert backoff.delay(10_000) == 60


def test_jitter_shortens_by_up_to_a_half() -> None:
    assert Backoff(first=1, jitter=lambda: 0.999).delay(1) == pytest.approx(0.5, abs=0.01)
    assert 0.5 <= Backoff(first=1).delay(1) <= 1
