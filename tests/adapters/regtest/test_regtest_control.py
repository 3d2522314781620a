"""One suite for every back end of the seam: the embedded chain and a real node must tell the same story."""

import asyncio
import logging
from typing import Any

import pytest
from aiorpcx import RPCError
from cfd_regtest import BitcoindControl, ChainControl, EmbeddedControl, NodeFailed, RealNode, scripthash
from cfd_regtest.bitcoind import Rpc
from cfd_regtest.transactions import parse_tx

from cfd_core.bitcoin.scripts import address
from cfd_core.errors import DecodeError
from cfd_core.values import Network, OutPoint, Timestamp, Txid

ALL_OUT = 100_000


async def paid(control: ChainControl, client: Any, anyone: Any, *, confirmed: bool = True) -> OutPoint:
    txid = await control.fund(anyone.script, ALL_OUT)
    if confirmed:
        await control.mine()
    tx = parse_tx(bytes.fromhex(await client.ask("blockchain.transaction.get", txid)))
    return OutPoint(txid, next(n for n, out in enumerate(tx.outputs) if out.script == anyone.script))


async def refusal(client: Any, raw: bytes) -> str:
    with pytest.raises(RPCError) as error:
        await client.ask("blockchain.transaction.broadcast", raw.hex())
    assert error.value.code == 1
    return str(error.value.message)


async def height_of(client: Any, anyone: Any, txid: str) -> int:
    history = await client.ask("blockchain.scripthash.get_history", scripthash(anyone.script))
    return next(int(item["height"]) for item in history if item["tx_hash"] == txid)


async def test_mined_blocks_are_visible_at_once(control: ChainControl, control_client: Any) -> None:
    before = await control.height()
    await control.mine(3)
    assert await control.height() == before + 3
    assert (await control_client.ask("blockchain.headers.subscribe"))["height"] == before + 3


async def test_blocks_bear_the_time_that_is_set(control: ChainControl) -> None:
    at = Timestamp(await control.time() + 5_000)
    await control.turn_to(at)
    await control.mine()
    assert await control.time() == at
    await control.mine(12)
    assert at <= await control.time() < at + 13 * 600


async def test_funds_are_visible_at_once_and_confirm(control: ChainControl, control_client: Any, anyone: Any) -> None:
    txid = await control.fund(address(anyone.script, Network.REGTEST), 54_321)
    assert await height_of(control_client, anyone, txid) == 0
    await control.mine()
    assert await height_of(control_client, anyone, txid) == await control.height()
    coins = await control_client.ask("blockchain.scripthash.listunspent", scripthash(anyone.script))
    assert [coin["value"] for coin in coins if coin["tx_hash"] == txid] == [54_321]


async def test_addresses_of_other_networks_are_refused(control: ChainControl) -> None:
    with pytest.raises(DecodeError):
        await control.fund("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", 10_000)


async def test_a_reorg_puts_transactions_back(control: ChainControl, control_client: Any, anyone: Any) -> None:
    coin = await paid(control, control_client, anyone)
    before = await control.height()
    await control.reorg(1)
    assert await control.height() == before + 1
    await control.mine()
    assert await height_of(control_client, anyone, coin.txid) == before + 2
    with pytest.raises(ValueError, match="blocks to replace"):
        await control.reorg(100_000)


async def test_the_timelock_of_twelve(control: ChainControl, control_client: Any, anyone: Any) -> None:
    coin = await paid(control, control_client, anyone)
    cet = anyone.spend([coin], [(99_000, anyone.script)], sequence=12)
    await control.mine(10)
    assert "non-BIP68-final" in await refusal(control_client, cet.raw)
    await control.mine()
    assert await control_client.ask("blockchain.transaction.broadcast", cet.raw.hex()) == cet.txid
    await control.mine()
    funded = await height_of(control_client, anyone, coin.txid)
    assert await height_of(control_client, anyone, cet.txid) == funded + 12


async def test_a_broadcast_may_be_repeated(control: ChainControl, control_client: Any, anyone: Any) -> None:
    coin = await paid(control, control_client, anyone)
    tx = anyone.spend([coin], [(99_000, anyone.script)])
    for _ in range(2):
        assert await control_client.ask("blockchain.transaction.broadcast", tx.raw.hex()) == tx.txid


async def test_replacement(control: ChainControl, control_client: Any, anyone: Any) -> None:
    coin = await paid(control, control_client, anyone)
    first = anyone.spend([coin], [(99_000, anyone.script)], sequence=0xFFFFFFFF)
    await control_client.ask("blockchain.transaction.broadcast", first.raw.hex())
    same = anyone.spend([coin], [(99_000, b"\x00\x14" + bytes(20))])
    assert "insufficient fee" in await refusal(control_client, same.raw)
    better = anyone.spend([coin], [(90_000, anyone.script)])
    assert await control_client.ask("blockchain.transaction.broadcast", better.raw.hex()) == better.txid
    await control.mine()
    assert await height_of(control_client, anyone, better.txid) == await control.height()
    assert "bad-txns-inputs-missingorspent" in await refusal(control_client, first.raw)


@pytest.mark.parametrize(
    ("outputs", "options", "reason"),
    [
        ([(99_000, None)], {"locktime": 400_000_000}, "non-final"),
        ([(99_000, None)], {"witness": (b"\x52",)}, "script-verify-flag-failed"),
        ([(100_001, None)], {}, "bad-txns-in-belowout"),
        ([(100_000, None)], {}, "min relay fee not met"),
        ([(90_000, None), (329, None)], {}, "dust"),
        ([(90_000, None), (239, b"\x51\x02\x4e\x73")], {}, "dust"),
        ([(90_000, None), (293, b"\x00\x14" + bytes(20))], {}, "dust"),
        ([(90_000, None), (9_000, b"\x51")], {}, "scriptpubkey"),
        ([(90_000, None)], {"version": 4}, "version"),
        ([(90_000, None), (0, b"\x6a\x4c\x5a" + bytes(90))], {}, "scriptpubkey"),
    ],
)
async def test_reasons(
    control: ChainControl,
    control_client: Any,
    anyone: Any,
    outputs: list[tuple[int, bytes | None]],
    options: dict[str, Any],
    reason: str,
) -> None:
    coin = await paid(control, control_client, anyone)
    tx = anyone.spend([coin], [(sats, script or anyone.script) for sats, script in outputs], **options)
    assert reason in await refusal(control_client, tx.raw)


@pytest.mark.parametrize("script", [b"\x51\x02\x4e\x73", b"\x6a\x04abcd"])
async def test_anchors_and_data_are_relayed(
    control: ChainControl, control_client: Any, anyone: Any, script: bytes
) -> None:
    coin = await paid(control, control_client, anyone)
    tx = anyone.spend([coin], [(90_000, anyone.script), (240 if script[0] == 0x51 else 0, script)])
    assert await control_client.ask("blockchain.transaction.broadcast", tx.raw.hex()) == tx.txid


async def test_unknown_inputs(control: ChainControl, control_client: Any, anyone: Any, unknown_txid: Txid) -> None:
    del control
    tx = anyone.spend([OutPoint(unknown_txid, 0)], [(9_000, anyone.script)])
    assert "bad-txns-inputs-missingorspent" in await refusal(control_client, tx.raw)


async def test_a_chain_of_unconfirmed_ones(control: ChainControl, control_client: Any, anyone: Any) -> None:
    coin = await paid(control, control_client, anyone, confirmed=False)
    child = anyone.spend([coin], [(99_000, anyone.script)])
    await control_client.ask("blockchain.transaction.broadcast", child.raw.hex())
    await control.mine()
    assert await height_of(control_client, anyone, child.txid) == await control.height()


async def test_the_embedded_control_stops_what_it_started() -> None:
    async with EmbeddedControl() as control:
        host, port = control.electrum
        assert port > 0

    with pytest.raises(OSError, match="Connect call failed"):
        await asyncio.open_connection(host, port)


async def test_no_bitcoind_there(unused_tcp_port: int) -> None:
    with pytest.raises(NodeFailed, match="does not answer listwallets"):
        async with BitcoindControl(f"http://a:b@127.0.0.1:{unused_tcp_port}", "127.0.0.1", unused_tcp_port):
            raise AssertionError("entered")


@pytest.mark.realnode
async def test_a_script_without_an_address(real_node: RealNode) -> None:
    control = real_node.control()
    async with control:
        with pytest.raises(NodeFailed, match="no address pays"):
            await control.fund(b"\x6a\x01a", 1_000)
    with pytest.raises(NodeFailed, match="is closed"):
        await control.mine()


async def test_the_password_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"authorization: basic YTpodW50ZXIy" in head.replace(b"Authorization: Basic", b"authorization: basic")
        body = b'{"result": 5, "error": null}'
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body))
        writer.close()

    caplog.set_level(logging.DEBUG)
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as fake:
        port = fake.sockets[0].getsockname()[1]
        rpc = Rpc(f"http://a:hunter2@127.0.0.1:{port}")
        assert await rpc.call("getblockcount") == 5
        await rpc.close()
    assert "127.0.0.1" in caplog.text
    assert "hunter2" not in caplog.text
