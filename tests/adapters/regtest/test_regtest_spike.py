"""Fee spikes, and what a story asks of the chain: broadcasts, reasons, heights. The same on either back end."""

from typing import Any

import pytest
from cfd_regtest import ChainControl, EmbeddedChain, Rejected
from cfd_regtest.transactions import Tx, parse_tx

from cfd_core.values import OutPoint, Txid

ANCHOR = b"\x51\x02\x4e\x73"
ALL_IN = 100_000


async def coins(control: ChainControl, client: Any, anyone: Any, count: int = 1) -> list[OutPoint]:
    found = []
    for _ in range(count):
        txid = await control.fund(anyone.script, ALL_IN)
        tx = parse_tx(bytes.fromhex(await client.ask("blockchain.transaction.get", txid)))
        found.append(OutPoint(txid, next(n for n, out in enumerate(tx.outputs) if out.script == anyone.script)))
    await control.mine()
    return found


def paying(anyone: Any, spent: list[OutPoint], brought: int, rate: int, *more: tuple[int, bytes]) -> Tx:
    """A transaction at exactly `rate` sat/vB that leaves the rest to its output 0."""
    size = anyone.spend(spent, [(0, anyone.script), *more]).vsize
    rest = brought - sum(sats for sats, _ in more) - rate * size
    tx: Tx = anyone.spend(spent, [(rest, anyone.script), *more])
    return tx


async def test_a_block_takes_what_pays(control: ChainControl, control_client: Any, anyone: Any) -> None:
    first, second, third = await coins(control, control_client, anyone, 3)
    cheap, fair, dear = (
        paying(anyone, [coin], ALL_IN, rate) for coin, rate in ((first, 19), (second, 20), (third, 21))
    )
    for tx in (cheap, fair, dear):
        assert await control.broadcast(tx.raw) == tx.txid
    await control.spike(20)
    await control.mine()
    height = await control.height()
    assert [await control.confirmed(tx.txid) for tx in (cheap, fair, dear)] == [None, height, height]
    await control.mine(2)
    assert await control.refusal(cheap.raw) is None
    assert await control.confirmed(cheap.txid) is None
    await control.spike(0)
    await control.mine()
    assert await control.confirmed(cheap.txid) == height + 3


async def test_a_child_pays_for_its_parent(control: ChainControl, control_client: Any, anyone: Any) -> None:
    (coin,) = await coins(control, control_client, anyone)
    parent = paying(anyone, [coin], ALL_IN, 2, (240, ANCHOR))
    child = anyone.spend([OutPoint(parent.txid, 0)], [(parent.outputs[0].sats - 5_000, anyone.script)])
    await control.broadcast(parent.raw)
    await control.spike(20)
    await control.mine()
    assert await control.confirmed(parent.txid) is None
    await control.broadcast(child.raw)
    await control.mine()
    assert await control.confirmed(parent.txid) == await control.confirmed(child.txid) == await control.height()
    await control.spike(0)


async def test_a_child_that_does_not_pay_enough(control: ChainControl, control_client: Any, anyone: Any) -> None:
    (coin,) = await coins(control, control_client, anyone)
    parent = paying(anyone, [coin], ALL_IN, 30)
    child = paying(anyone, [OutPoint(parent.txid, 0)], parent.outputs[0].sats, 19)
    for tx in (parent, child):
        await control.broadcast(tx.raw)
    await control.spike(20)
    await control.mine()
    # together they would reach it, but a miner takes the parent alone
    assert await control.confirmed(parent.txid) == await control.height()
    assert await control.confirmed(child.txid) is None
    await control.spike(0)


async def test_negative_rates(control: ChainControl) -> None:
    with pytest.raises(ValueError, match="fee rate of -1"):
        await control.spike(-1)


async def test_reasons_without_a_broadcast(
    control: ChainControl, control_client: Any, anyone: Any, unknown_txid: Txid
) -> None:
    (coin,) = await coins(control, control_client, anyone)
    locked = anyone.spend([coin], [(90_000, anyone.script)], sequence=3)
    await control.mine()
    for _ in range(2):  # asking changes nothing
        assert str(await control.refusal(locked.raw)).startswith("non-BIP68-final")
    with pytest.raises(Rejected, match=r"^non-BIP68-final"):
        await control.broadcast(locked.raw)
    await control.mine()
    assert await control.refusal(locked.raw) is None
    assert await control.refusal(locked.raw) is None
    for _ in range(2):
        assert await control.broadcast(locked.raw) == locked.txid
    assert await control.refusal(locked.raw) is None
    rival = anyone.spend([coin], [(90_000, b"\x00\x14" + bytes(20))])
    assert str(await control.refusal(rival.raw)).startswith("insufficient fee")
    for lost in (b"", b"\x00", locked.raw[:-1], locked.raw + b"\x00"):
        assert str(await control.refusal(lost)).startswith("TX decode failed")
        with pytest.raises(Rejected, match=r"^TX decode failed"):
            await control.broadcast(lost)
    foreign = anyone.spend([OutPoint(unknown_txid, 0)], [(9_000, anyone.script)])
    with pytest.raises(Rejected, match=r"^bad-txns-inputs-missingorspent"):
        await control.broadcast(foreign.raw)


async def test_heights(control: ChainControl, control_client: Any, anyone: Any, unknown_txid: Txid) -> None:
    (coin,) = await coins(control, control_client, anyone)
    height = await control.height()
    assert await control.confirmed(coin.txid) == height
    assert await control.confirmed(unknown_txid) is None
    await control.reorg(1)
    assert await control.confirmed(coin.txid) is None
    await control.mine()
    assert await control.confirmed(coin.txid) == height + 2


async def test_a_broadcast_is_visible_at_once(control: ChainControl, control_client: Any, anyone: Any) -> None:
    (coin,) = await coins(control, control_client, anyone)
    tx = anyone.spend([coin], [(0, b"\x6a\x04abcd"), (90_000, b"\x00\x14" + coin.vout.to_bytes(20, "big"))])
    await control.broadcast(tx.raw)
    assert await control_client.ask("blockchain.transaction.get", tx.txid) == tx.raw.hex()


def test_a_spike_holds_for_chosen_bodies_only_if_mined_from_the_pool(chain: EmbeddedChain, anyone: Any) -> None:
    cheap = paying(anyone, [anyone.coin(chain)], ALL_IN, 1)
    chain.submit_transaction(cheap.raw)
    chain.min_block_fee_rate = 5
    chain.mine(transactions=[cheap.raw])
    assert chain.height_of(cheap.txid) == chain.height
