"""Servers that lie: a named error for the caller, a new connection for the watcher, never an escape."""

import json
import math
from typing import Any

import pytest
from cfd_electrum import OutpointReport, ServerMisbehaved, ServerRefused, State, answers
from hypothesis import given
from hypothesis import strategies as st

from cfd_core.bitcoin.transaction import Transaction, TxIn, TxOut
from cfd_core.errors import DecodeError
from cfd_core.values import OutPoint, Sats, Txid

WANTED = Transaction((TxIn(OutPoint(Txid("11" * 32), 0)),), (TxOut(Sats(5), b"\x51"),))
OTHER = Transaction((TxIn(OutPoint(Txid("22" * 32), 0)),), (TxOut(Sats(5), b"\x51"),))
HISTORY = [{"tx_hash": WANTED.txid, "height": 5}]


async def running(liar: Any, connect: Any, answers_given: dict[str, Any], **options: Any) -> Any:
    server = await liar(answers_given)
    electrum, listener = await connect(server.port, network=None, **options)
    await listener.state(State.RUNNING)
    return electrum, listener, f"127.0.0.1:{server.port}"


@pytest.mark.parametrize(
    "answer", [OTHER.serialize().hex(), "", "zz", "0", 5, None, ["00"], {"hex": "00"}, WANTED.serialize().hex() + "00"]
)
async def test_a_wrong_transaction_is_an_error_that_names_the_server(liar: Any, connect: Any, answer: Any) -> None:
    electrum, _, name = await running(liar, connect, {"blockchain.transaction.get": lambda _: answer})
    with pytest.raises(ServerMisbehaved, match=name):
        await electrum.transaction(WANTED.txid)


async def test_a_transaction_larger_than_any_is_refused(liar: Any, connect: Any) -> None:
    electrum, _, name = await running(liar, connect, {"blockchain.transaction.get": lambda _: "00" * 500_000})
    with pytest.raises(ServerMisbehaved, match=name):
        await electrum.transaction(WANTED.txid)


@pytest.mark.parametrize(
    ("history", "transaction"),
    [
        (HISTORY, OTHER.serialize().hex()),
        (HISTORY, 7),
        ([{"tx_hash": "xx", "height": 5}], ""),
        ([{"tx_hash": WANTED.txid, "height": 5.5}], ""),
        ([{"tx_hash": WANTED.txid, "height": True}], ""),
        ([7], ""),
        ({"a": 1}, ""),
        (None, ""),
    ],
)
async def test_lies_about_a_watched_script_end_the_connection(
    liar: Any, connect: Any, history: Any, transaction: Any
) -> None:
    electrum, listener, name = await running(
        liar,
        connect,
        {
            "blockchain.scripthash.get_history": lambda _: history,
            "blockchain.transaction.get": lambda _: transaction,
        },
    )
    electrum.watch(WANTED.outpoint(0), b"\x51")
    health = await listener.state(State.DISCONNECTED)
    assert name in health.reason
    assert "misbehaved" in health.reason
    assert listener.reports.empty()


async def test_a_refused_history_is_a_trouble_that_is_tried_again(liar: Any, connect: Any) -> None:
    asked = []

    def history(_: list[Any]) -> Any:
        asked.append(1)
        return ValueError("history too large") if len(asked) < 3 else HISTORY

    electrum, listener, _ = await running(
        liar,
        connect,
        {
            "blockchain.scripthash.get_history": history,
            "blockchain.transaction.get": lambda _: WANTED.serialize().hex(),
        },
    )
    electrum.watch(WANTED.outpoint(0), b"\x51")
    assert await listener.report() == OutpointReport(WANTED.outpoint(0), 5, None)
    assert len(asked) == 3


async def test_a_trouble_is_seen_in_the_health(liar: Any, connect: Any) -> None:
    electrum, listener, _ = await running(
        liar, connect, {"blockchain.scripthash.get_history": lambda _: ValueError("history too large")}
    )
    electrum.watch(WANTED.outpoint(0), b"\x51")
    assert "history too large" in (await listener.state(State.RUNNING)).reason
    assert listener.reports.empty()


@pytest.mark.parametrize(
    "line",
    [
        b"this is not JSON\n",
        b"[]\n",
        b"[" * 100_000 + b"\n",
        b"\xff\xfe\n",
        b'{"jsonrpc": "2.0", "id": 99, "result": 1}\n',
        b'{"jsonrpc": "2.0", "id": [1], "result": 1}\n',
        b'{"id": 1' + b"0" * 5_000 + b"}\n",
        b'[{"jsonrpc":"2.0","id":1,"result":1},{"jsonrpc":"2.0","id":"x","result":1}]\n',
        b'{"jsonrpc":"2.0","method":"blockchain.headers.subscribe","params":[{"height":-1,"hex":""}]}\n',
        b'{"jsonrpc":"2.0","method":"blockchain.scripthash.subscribe","params":["xx",null]}\n',
    ],
    ids=range(10),
)
async def test_garbage_ends_the_connection(liar: Any, connect: Any, line: bytes) -> None:
    electrum, listener, name = await running(liar, connect, {"blockchain.estimatefee": lambda _: line})
    with pytest.raises(Exception, match=name):
        await electrum.fee_rate(6)
    assert name in (await listener.state(State.DISCONNECTED)).reason


async def test_an_oversized_message_ends_the_connection(liar: Any, connect: Any) -> None:
    electrum, listener, name = await running(
        liar, connect, {"blockchain.estimatefee": lambda _: b"x" * 200_000}, max_message=100_000
    )
    with pytest.raises(Exception, match="more than 100,000 bytes"):
        await electrum.fee_rate(6)
    assert name in (await listener.state(State.DISCONNECTED)).reason


@pytest.mark.parametrize("tip", [None, {}, {"height": 1, "hex": "00"}, {"height": "1", "hex": "00" * 80}, "tip"])
async def test_a_malformed_tip_ends_the_connection(liar: Any, connect: Any, tip: Any) -> None:
    server = await liar({"blockchain.headers.subscribe": lambda _: tip})
    _, listener = await connect(server.port, network=None)
    assert "headers.subscribe" in (await listener.state(State.DISCONNECTED)).reason


async def test_a_broadcast_confirmed_under_another_id(liar: Any, connect: Any) -> None:
    electrum, _, name = await running(liar, connect, {"blockchain.transaction.broadcast": lambda _: OTHER.txid})
    with pytest.raises(ServerMisbehaved, match=name):
        await electrum.broadcast(WANTED.serialize())


@pytest.mark.parametrize("code", [-101, -102, -32603])
async def test_a_busy_server_is_no_verdict_on_a_transaction(liar: Any, connect: Any, code: int) -> None:
    electrum, _, _ = await running(
        liar,
        connect,
        {
            "blockchain.transaction.broadcast": lambda _: (
                b'{"jsonrpc":"2.0","id":2,"error":{"code":%d,"message":"no"}}\n' % code
            )
        },
    )
    with pytest.raises(ServerRefused) as caught:
        await electrum.broadcast(WANTED.serialize())
    assert caught.value.code == code


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=70)
    | st.sampled_from(["ab" * 32, "00" * 80]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["tx_hash", "height", "tx_pos", "value", "hex"]), inner, max_size=5)
    ),
    max_leaves=12,
)


@given(json_values)
def test_decoders_raise_nothing_but_decode_errors(value: Any) -> None:
    for decode in (answers.tip, answers.history, answers.unspent, answers.status, answers.header, answers.fee_rate):
        try:
            decoded = decode(value)
        except DecodeError:
            continue
        assert decoded is None or isinstance(decoded, answers.Tip | dict | str | bytes | int)


@pytest.mark.parametrize(
    ("btc_per_kvb", "rate"),
    [(-1, None), (-1.0, None), (0.00001, 1), (0.00001001, 2), (0.0005, 50), (0, 1), (0.02, 2000)],
)
def test_fee_rates_are_rounded_up(btc_per_kvb: float, rate: int | None) -> None:
    assert answers.fee_rate(json.loads(json.dumps(btc_per_kvb))) == rate


@pytest.mark.parametrize("value", [-2, -0.5, math.nan, math.inf, 0.0200001, 1e300, 10**400, True, "0.0001", None, []])
def test_absurd_fee_rates_are_refused(value: Any) -> None:
    with pytest.raises(DecodeError):
        answers.fee_rate(value)
