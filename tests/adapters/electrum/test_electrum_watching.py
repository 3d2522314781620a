"""Watched outputs: every change of the truth is told, once."""

from typing import Any

import pytest
from cfd_electrum import OutpointReport, Spend, State

from cfd_core.bitcoin.transaction import Transaction
from cfd_core.values import OutPoint, Txid

SATS = 1_000_000


@pytest.fixture
async def funded(chain: Any, client: Any, key: Any) -> OutPoint:
    """An output of `key`, confirmed and watched, reported on."""
    electrum, listener = client
    outpoint = OutPoint(chain.fund(key.script, SATS), 0)
    chain.mine()
    electrum.watch(outpoint, key.script)
    assert await listener.report() == OutpointReport(outpoint, chain.height, None)
    return outpoint


async def test_an_output_from_the_mempool_to_its_confirmed_spend(chain: Any, client: Any, key: Any) -> None:
    electrum, listener = client
    first = OutPoint(chain.fund(key.script, SATS), 0)
    chain.mine()
    outpoint = Transaction.parse(key.spend(first, SATS, 500)).outpoint(0)
    electrum.watch(outpoint, key.script)
    assert await listener.report() == OutpointReport(outpoint, None, None)
    chain.submit_transaction(key.spend(first, SATS, 500))
    assert await listener.report() == OutpointReport(outpoint, 0, None)
    chain.mine()
    created = chain.height
    assert await listener.report() == OutpointReport(outpoint, created, None)
    spend = key.spend(outpoint, SATS - 500, 500)
    await electrum.broadcast(spend)
    assert await listener.report() == OutpointReport(outpoint, created, Spend(spend, 0))
    chain.mine()
    assert await listener.report() == OutpointReport(outpoint, created, Spend(spend, created + 1))


async def test_an_unconfirmed_chain_counts_as_in_the_mempool(chain: Any, client: Any, key: Any) -> None:
    electrum, listener = client
    first = OutPoint(chain.fund(key.script, SATS), 0)
    spend = key.spend(first, SATS, 500)
    chain.submit_transaction(spend)
    electrum.watch(first, key.script)
    assert await listener.report() == OutpointReport(first, 0, Spend(spend, 0))


async def test_a_reorg_takes_the_confirmation_back(chain: Any, client: Any, key: Any, funded: OutPoint) -> None:
    _, listener = client
    created = chain.height
    spend = key.spend(funded, SATS, 500)
    chain.submit_transaction(spend)
    assert await listener.report() == OutpointReport(funded, created, Spend(spend, 0))
    chain.mine()
    assert await listener.report() == OutpointReport(funded, created, Spend(spend, created + 1))
    chain.reorg(2)
    assert await listener.report() == OutpointReport(funded, 0, Spend(spend, 0))
    chain.mine()
    assert await listener.report() == OutpointReport(funded, chain.height, Spend(spend, chain.height))


async def test_a_reorg_to_another_spend(chain: Any, client: Any, key: Any, funded: OutPoint) -> None:
    _, listener = client
    created = chain.height
    one, other = key.spend(funded, SATS, 500), key.spend(funded, SATS, 700)
    chain.submit_transaction(one)
    await listener.report()
    chain.mine()
    assert await listener.report() == OutpointReport(funded, created, Spend(one, created + 1))
    chain.reorg(1, [other])
    assert await listener.report() == OutpointReport(funded, created, Spend(other, created + 1))


async def test_an_eviction_takes_the_spend_back(chain: Any, client: Any, key: Any, funded: OutPoint) -> None:
    _, listener = client
    spend = key.spend(funded, SATS, 500)
    chain.submit_transaction(spend)
    assert (await listener.report()).spend == Spend(spend, 0)
    chain.evict(Transaction.parse(spend).txid)
    assert await listener.report() == OutpointReport(funded, chain.height, None)


async def test_an_evicted_creation_leaves_nothing(chain: Any, client: Any, key: Any) -> None:
    electrum, listener = client
    outpoint = OutPoint(chain.fund(key.script, SATS), 0)
    electrum.watch(outpoint, key.script)
    assert await listener.report() == OutpointReport(outpoint, 0, None)
    chain.evict(outpoint.txid)
    assert await listener.report() == OutpointReport(outpoint, None, None)


async def test_a_replacement_is_the_new_spend(chain: Any, client: Any, key: Any, funded: OutPoint) -> None:
    electrum, listener = client
    for fee in (500, 5_000):
        spend = key.spend(funded, SATS, fee)
        await electrum.broadcast(spend)
        assert await listener.report() == OutpointReport(funded, chain.height, Spend(spend, 0))


@pytest.mark.usefixtures("funded")
async def test_only_changes_are_told(chain: Any, client: Any, key: Any, another_key: Any) -> None:
    electrum, listener = client
    chain.fund(key.script, SATS)  # another payment to the same script
    chain.mine(3)
    absent = OutPoint(Txid("ab" * 32), 1)
    electrum.watch(absent, another_key.script)
    assert await listener.report() == OutpointReport(absent, None, None)
    electrum.watch(absent, key.script)  # under the busy script: told once its history was looked at
    assert await listener.report() == OutpointReport(absent, None, None)
    assert listener.reports.empty()


async def test_two_outputs_of_one_script(chain: Any, client: Any, key: Any, funded: OutPoint) -> None:
    electrum, listener = client
    second = OutPoint(chain.fund(key.script, SATS), 0)
    electrum.watch(second, key.script)
    assert await listener.report() == OutpointReport(second, 0, None)
    spend = key.spend(funded, SATS, 500)
    chain.submit_transaction(spend)
    assert await listener.report() == OutpointReport(funded, chain.height, Spend(spend, 0))


async def test_watching_again_tells_again(chain: Any, client: Any, key: Any, funded: OutPoint) -> None:
    electrum, listener = client
    electrum.watch(funded, key.script)
    assert await listener.report() == OutpointReport(funded, chain.height, None)


async def test_an_unwatched_output_is_silent(
    chain: Any, client: Any, key: Any, another_key: Any, funded: OutPoint
) -> None:
    electrum, listener = client
    other = OutPoint(chain.fund(another_key.script, SATS), 0)
    electrum.unwatch(funded)
    electrum.unwatch(funded)
    chain.submit_transaction(key.spend(funded, SATS, 500))
    electrum.watch(other, another_key.script)
    assert await listener.report() == OutpointReport(other, 0, None)
    chain.mine()
    assert await listener.report() == OutpointReport(other, chain.height, None)
    assert listener.reports.empty()
    electrum.watch(funded, key.script)
    assert (await listener.report()).spend is not None


async def test_an_output_with_another_script_does_not_exist(client: Any, another_key: Any, funded: OutPoint) -> None:
    electrum, listener = client
    electrum.watch(funded, another_key.script)
    assert await listener.report() == OutpointReport(funded, None, None)


async def test_a_later_listener_hears_everything(chain: Any, server: Any, connect: Any, key: Any) -> None:
    electrum, listener = await connect(server.port, on_outpoint=None)
    outpoint = OutPoint(chain.fund(key.script, SATS), 0)
    electrum.watch(outpoint, key.script)
    await listener.state(State.RUNNING)
    electrum.on_outpoint = listener.reports.put_nowait
    assert await listener.report() == OutpointReport(outpoint, 0, None)


async def test_a_failing_listener_is_told_again(chain: Any, server: Any, connect: Any, key: Any) -> None:
    failures = iter([True, False])

    async def listen(report: OutpointReport) -> None:
        if next(failures):
            raise RuntimeError("not now")
        await listener.reports.put(report)

    electrum, listener = await connect(server.port, on_outpoint=listen)
    outpoint = OutPoint(chain.fund(key.script, SATS), 0)
    electrum.watch(outpoint, key.script)
    assert await listener.report() == OutpointReport(outpoint, 0, None)


async def test_a_tiny_cache_changes_nothing(chain: Any, server: Any, connect: Any, key: Any) -> None:
    electrum, listener = await connect(server.port, cache_bytes=1)
    outpoints = [OutPoint(chain.fund(key.script, SATS), 0) for _ in range(3)]
    for outpoint in outpoints:
        electrum.watch(outpoint, key.script)
    assert {(await listener.report()).outpoint for _ in outpoints} == set(outpoints)
    chain.mine()
    assert {(await listener.report()).created for _ in outpoints} == {chain.height}
