"""The Electrum protocol as a plain client sees it."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from aiorpcx import RPCError, connect_rs
from cfd_regtest import ElectrumServer, EmbeddedChain, scripthash
from cfd_regtest.blocks import internal
from cfd_regtest.electrum_session import MAX_SUBSCRIPTIONS
from cfd_regtest.transactions import sha256d

from cfd_core.values import OutPoint, Txid

NOBODY = "00" * 32


@asynccontextmanager
async def wire(server: ElectrumServer) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A bare TCP connection."""
    reader, writer = await asyncio.open_connection(server.host, server.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def refusal(client: Any, method: str, *arguments: Any) -> RPCError:
    with pytest.raises(RPCError) as error:
        await client.ask(method, *arguments)
    assert await client.ask("server.ping") is None, "the session goes on"
    return error.value


def climb(leaf: str, branch: list[str], index: int) -> str:
    node = internal(leaf)
    for sibling in map(internal, branch):
        node = sha256d(sibling + node if index & 1 else node + sibling)
        index >>= 1
    return node[::-1].hex()


async def test_server_methods(client: Any, server: ElectrumServer, chain: EmbeddedChain) -> None:
    features = await client.ask("server.features")
    assert features["genesis_hash"] == chain.hash_at(0)
    assert features["hosts"] == {"127.0.0.1": {"tcp_port": server.port, "ssl_port": None}}
    assert (features["protocol_min"], features["protocol_max"]) == ("1.4", "1.6")
    assert await client.ask("server.peers.subscribe") == []
    assert await client.ask("server.donation_address") == ""
    assert "regtest" in await client.ask("server.banner")


@pytest.mark.parametrize(
    ("wanted", "agreed"),
    [("1.4", "1.4"), ("1.4.2", "1.4.2"), (["1.4", "1.6"], "1.6"), (["1.2", "9.9"], "1.6"), (None, "1.4")],
)
async def test_versions(server: ElectrumServer, wanted: Any, agreed: str) -> None:

    async with connect_rs(server.host, server.port) as session:
        assert (await session.send_request("server.version", ["me", wanted, "more"]))[1] == agreed


@pytest.mark.parametrize("wanted", ["1.3", "9.0.", ["1.7", "2.0"], ["1.5", "1.4"], 1.4, ["1.4"], {"a": 1}, "x"])
async def test_versions_without_agreement_end_the_session(server: ElectrumServer, wanted: Any) -> None:

    async with connect_rs(server.host, server.port) as session:
        with pytest.raises(RPCError):
            await session.send_request("server.version", ["me", wanted])
        with pytest.raises((asyncio.CancelledError, RPCError)):  # the server hangs up
            await session.send_request("server.ping")


async def test_headers(client: Any, old_client: Any, chain: EmbeddedChain) -> None:
    assert await client.ask("blockchain.block.header", 7) == chain.header(7).hex()
    new = await client.ask("blockchain.block.headers", 108, 50)
    assert new == {"count": 3, "max": 2016, "headers": [chain.header(h).hex() for h in (108, 109, 110)]}
    old = await old_client.ask("blockchain.block.headers", 0, 2)
    assert old == {"count": 2, "max": 2016, "hex": (chain.header(0) + chain.header(1)).hex()}
    assert (await client.ask("blockchain.block.headers", 500, 2))["count"] == 0


async def test_header_proofs(client: Any, chain: EmbeddedChain) -> None:
    one = await client.ask("blockchain.block.header", 5, 100)
    assert climb(chain.hash_at(5), one["branch"], 5) == one["root"]
    many = await client.ask("blockchain.block.headers", 3, 8, 100)
    assert climb(chain.hash_at(10), many["branch"], 10) == many["root"] == one["root"]
    for heights in ((5, 4), (5, 111)):
        assert "out of range" in (await refusal(client, "blockchain.block.header", *heights)).message


async def test_header_subscription(client: Any, chain: EmbeddedChain) -> None:
    tip = await client.ask("blockchain.headers.subscribe")
    assert tip == {"height": 110, "hex": chain.header(110).hex()}
    chain.mine(3)
    assert await client.next_news() == (
        "blockchain.headers.subscribe",
        [{"height": 113, "hex": chain.header(113).hex()}],
    )
    chain.reorg(2)
    assert (await client.next_news())[1] == [{"height": 114, "hex": chain.header(114).hex()}]


async def test_status_follows_the_history(client: Any, chain: EmbeddedChain, anyone: Any) -> None:
    name = scripthash(anyone.script)

    def status(*parts: tuple[str, int]) -> str:
        return hashlib.sha256("".join(f"{txid}:{height}:" for txid, height in parts).encode()).hexdigest()

    async def news() -> Any:
        method, arguments = await client.next_news()
        assert (method, arguments[0]) == ("blockchain.scripthash.subscribe", name)
        return arguments[1]

    assert await client.ask("blockchain.scripthash.subscribe", name) is None
    coin = anyone.coin(chain, confirmed=False)
    assert await news() == status((coin.txid, 0))
    child = anyone.spend([coin], [(99_000, anyone.script)])
    chain.submit_transaction(child.raw)
    assert await news() == status((coin.txid, 0), (child.txid, -1))
    chain.mine(transactions=[chain.mempool()[0].tx.raw])
    assert await news() == status((coin.txid, 111), (child.txid, 0))
    chain.mine()
    assert await news() == status((coin.txid, 111), (child.txid, 112))
    chain.reorg(2)
    assert await news() == status((coin.txid, 0), (child.txid, -1))
    chain.evict(coin.txid)
    assert await news() is None


async def test_unsubscribing(client: Any, chain: EmbeddedChain, anyone: Any) -> None:
    name = scripthash(anyone.script)
    await client.ask("blockchain.scripthash.subscribe", name)
    assert await client.ask("blockchain.scripthash.unsubscribe", name) is True
    assert await client.ask("blockchain.scripthash.unsubscribe", name) is False
    await client.ask("blockchain.headers.subscribe")
    anyone.coin(chain)
    assert (await client.next_news())[0] == "blockchain.headers.subscribe"
    assert client.news.empty()


async def test_balance_history_and_coins(client: Any, chain: EmbeddedChain, anyone: Any) -> None:
    name = scripthash(anyone.script)
    coin = anyone.coin(chain)
    spend = anyone.spend([coin], [(60_000, anyone.script), (30_000, chain.own_script)])
    chain.submit_transaction(spend.raw)
    assert await client.ask("blockchain.scripthash.get_balance", name) == {"confirmed": 100_000, "unconfirmed": -40_000}
    waiting = {"tx_hash": spend.txid, "height": 0, "fee": 10_000}
    assert await client.ask("blockchain.scripthash.get_mempool", name) == [waiting]
    confirmed = {"tx_hash": coin.txid, "height": 111}
    assert await client.ask("blockchain.scripthash.get_history", name) == [confirmed, waiting]
    unspent = {"tx_hash": spend.txid, "tx_pos": 0, "height": 0, "value": 60_000}
    assert await client.ask("blockchain.scripthash.listunspent", name) == [unspent]
    chain.mine()
    assert await client.ask("blockchain.scripthash.listunspent", name) == [{**unspent, "height": 112}]
    for method in ("get_history", "listunspent", "get_mempool"):
        assert await client.ask(f"blockchain.scripthash.{method}", NOBODY) == []


async def test_transactions(client: Any, chain: EmbeddedChain, anyone: Any) -> None:
    tx = anyone.spend([anyone.coin(chain)], [(99_000, anyone.script)])
    assert await client.ask("blockchain.transaction.broadcast", tx.raw.hex()) == tx.txid
    assert await client.ask("blockchain.transaction.broadcast", tx.raw.hex()) == tx.txid
    assert await client.ask("blockchain.transaction.get", tx.txid) == tx.raw.hex()
    assert await client.ask("blockchain.transaction.get", tx.txid, True) == {"txid": tx.txid, "hex": tx.raw.hex()}
    chain.mine(2)
    verbose = await client.ask("blockchain.transaction.get", tx.txid, True)
    assert (verbose["confirmations"], verbose["blockhash"]) == (2, chain.hash_at(112))


async def test_a_refused_transaction_tells_the_reason(client: Any, anyone: Any, unknown_txid: Txid) -> None:
    tx = anyone.spend([OutPoint(unknown_txid, 0)], [(99_000, anyone.script)])
    error = await refusal(client, "blockchain.transaction.broadcast", tx.raw.hex())
    assert error.code == 1
    assert "bad-txns-inputs-missingorspent" in error.message


async def test_transaction_proofs(client: Any, chain: EmbeddedChain, anyone: Any) -> None:
    for _ in range(4):
        chain.fund(anyone.script, 5_000)
    chain.mine()
    height, root = chain.height, chain.header(chain.height)[36:68][::-1].hex()
    txids = chain.block_txids(height)
    assert len(txids) == 5
    for index, txid in enumerate(txids):
        proof = await client.ask("blockchain.transaction.get_merkle", txid, height)
        assert (proof["block_height"], proof["pos"]) == (height, index)
        assert climb(txid, proof["merkle"], index) == root
        found = {"tx_hash": txid, "merkle": proof["merkle"]}
        assert await client.ask("blockchain.transaction.id_from_pos", height, index, True) == found
        assert await client.ask("blockchain.transaction.id_from_pos", height, index) == txid
    assert "not in block" in (await refusal(client, "blockchain.transaction.get_merkle", txids[0], 5)).message
    assert "no tx at position" in (await refusal(client, "blockchain.transaction.id_from_pos", height, 5)).message
    assert "out of range" in (await refusal(client, "blockchain.transaction.id_from_pos", 0, 0)).message


async def test_fees(client: Any, old_client: Any, chain: EmbeddedChain, anyone: Any) -> None:
    assert await client.ask("blockchain.estimatefee", 6) == -1
    assert await client.ask("blockchain.estimatefee", 6, "ECONOMICAL") == -1
    assert await old_client.ask("blockchain.relayfee") == 0.00001
    assert (await refusal(client, "blockchain.relayfee")).code == -32601
    assert (await client.ask("mempool.get_info"))["minrelaytxfee"] == 0.00001
    assert await client.ask("mempool.get_fee_histogram") == []
    chain.fund(anyone.script, 5_000)
    ((rate, size),) = await client.ask("mempool.get_fee_histogram")
    assert (rate, size) == (2, chain.mempool()[0].tx.vsize)


@pytest.mark.parametrize(
    ("method", "arguments", "code"),
    [
        ("blockchain.nothing", [], -32601),
        ("", [], -32601),
        ("blockchain.block.header", [], -32602),
        ("blockchain.block.header", [1, 2, 3], -32602),
        ("blockchain.block.header", ["1"], 1),
        ("blockchain.block.header", [-1], 1),
        ("blockchain.block.header", [True], 1),
        ("blockchain.block.header", [1.5], 1),
        ("blockchain.block.header", [2**64], 1),
        ("blockchain.block.header", [111], 1),
        ("blockchain.block.header", [None], 1),
        ("blockchain.block.headers", [0, "all"], 1),
        ("blockchain.scripthash.subscribe", ["zz"], 1),
        ("blockchain.scripthash.subscribe", [5], 1),
        ("blockchain.scripthash.get_history", [{"a": []}], 1),
        ("blockchain.scripthash.get_balance", ["00" * 31], 1),
        ("blockchain.transaction.get", ["00" * 33], 1),
        ("blockchain.transaction.get", ["00" * 32], 2),
        ("blockchain.transaction.get_merkle", ["00" * 32, 1], 1),
        ("blockchain.transaction.broadcast", [""], 1),
        ("blockchain.transaction.broadcast", ["0"], 1),
        ("blockchain.transaction.broadcast", ["xx"], 1),
        ("blockchain.transaction.broadcast", ["00"], 1),
        ("blockchain.transaction.broadcast", [None], 1),
        ("blockchain.estimatefee", ["soon"], 1),
        ("blockchain.estimatefee", [6, "CHEAP"], 1),
        ("server.ping", ["x"], -32602),
    ],
)
async def test_bad_requests_are_errors(client: Any, method: str, arguments: list[Any], code: int) -> None:
    assert (await refusal(client, method, *arguments)).code == code


async def test_arguments_by_name(client: Any, chain: EmbeddedChain) -> None:
    by_name = await client.send_request("blockchain.block.header", {"height": 3, "cp_height": 0})
    assert by_name == chain.header(3).hex()
    with pytest.raises(RPCError):
        await client.send_request("blockchain.block.header", {"hight": 3})


async def test_verbose_must_be_yes_or_no(client: Any, chain: EmbeddedChain) -> None:
    error = await refusal(client, "blockchain.transaction.get", chain.block_txids(1)[0], "please")
    assert "boolean" in error.message


async def test_batches(client: Any, chain: EmbeddedChain) -> None:
    async with client.send_batch() as batch:
        for height in range(50):
            batch.add_request("blockchain.block.header", [height])
        batch.add_request("blockchain.nothing")
    assert [*batch.results[:50]] == [chain.header(height).hex() for height in range(50)]
    assert isinstance(batch.results[50], RPCError)


@pytest.mark.parametrize(
    "line", [b"", b"not json", b"[]", b"[" * 100_000, b"\xff\xfe", b'{"id":1}', b"7", b'{"method":5,"id":3}']
)
async def test_broken_lines_end_nothing(server: ElectrumServer, line: bytes) -> None:
    ping = json.dumps({"jsonrpc": "2.0", "id": 77, "method": "server.ping", "params": []}).encode()
    answer: Any = {}
    async with wire(server) as (reader, writer), asyncio.timeout(20):
        writer.write(line + b"\n" + ping + b"\n")
        while not (isinstance(answer, dict) and answer.get("id") == 77):
            answer = json.loads(await reader.readline())
    assert answer["result"] is None


async def test_a_line_over_the_limit_is_dropped(chain: EmbeddedChain) -> None:
    async with ElectrumServer(chain, max_request=1_000) as small, wire(small) as (reader, writer):
        writer.write(b'{"id":1,"method":"server.banner","params":["' + b"a" * 3_000_000 + b'"]}\n')
        writer.write(b'{"jsonrpc":"2.0","id":2,"method":"server.ping","params":[]}\n')
        assert json.loads(await asyncio.wait_for(reader.readline(), 20))["id"] == 2


async def test_subscriptions_are_limited(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_SUBSCRIPTIONS >= 1_000
    monkeypatch.setattr("cfd_regtest.electrum_session.MAX_SUBSCRIPTIONS", 2)
    for name in ("00" * 32, "11" * 32):
        await client.ask("blockchain.scripthash.subscribe", name)
    assert "subscriptions" in (await refusal(client, "blockchain.scripthash.subscribe", "22" * 32)).message


async def test_a_stopped_server_comes_back_on_its_port(chain: EmbeddedChain) -> None:
    server = ElectrumServer(chain)
    await server.start()
    await server.start()
    port = server.port
    async with wire(server) as (reader, _):
        await server.stop()
        await server.stop()
        assert await asyncio.wait_for(reader.read(), 20) == b""
    with pytest.raises(OSError, match="Connect call failed"):
        await asyncio.open_connection(server.host, port)
    await server.start()
    assert server.port == port
    await server.stop()


async def test_dropped_sessions_may_return(server: ElectrumServer) -> None:
    ping = b'{"jsonrpc":"2.0","id":2,"method":"server.ping","params":[]}\n'
    async with wire(server) as (reader, writer):
        writer.write(ping)
        await reader.readline()
        await server.drop_sessions()
        assert await asyncio.wait_for(reader.read(), 20) == b""
    async with wire(server) as (reader, writer):
        writer.write(ping)
        assert json.loads(await asyncio.wait_for(reader.readline(), 20))["id"] == 2


async def test_blocks_from_another_thread_are_announced(client: Any, chain: EmbeddedChain) -> None:
    await client.ask("blockchain.headers.subscribe")
    await asyncio.to_thread(chain.mine, 50)
    heights = [0]
    while heights[-1] < 160:
        heights.append((await client.next_news())[1][0]["height"])
    assert heights == sorted(set(heights))
