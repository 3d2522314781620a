"""Broadcasting, fetching, and checking a counterparty's outputs."""

from typing import Any

import pytest
from cfd_electrum import BroadcastRejected, ServerRefused

from cfd_core.bitcoin.transaction import Transaction, TxOut
from cfd_core.errors import DecodeError
from cfd_core.values import OutPoint, Sats, Txid

SATS = Sats(1_000_000)


@pytest.fixture
def coin(chain: Any, key: Any) -> OutPoint:
    outpoint = OutPoint(chain.fund(key.script, SATS), 0)
    chain.mine()
    return outpoint


async def test_broadcasting_twice_is_fine(chain: Any, client: Any, key: Any, coin: OutPoint) -> None:
    electrum, _ = client
    raw = key.spend(coin, SATS, 500)
    txid = Transaction.parse(raw).txid
    assert [await electrum.broadcast(raw) for _ in range(2)] == [txid, txid]
    chain.mine()
    assert await electrum.broadcast(raw) == txid


async def test_a_refusal_says_why(client: Any, key: Any, coin: OutPoint) -> None:
    electrum, _ = client
    await electrum.broadcast(key.spend(coin, SATS, 5_000))
    with pytest.raises(BroadcastRejected) as caught:
        await electrum.broadcast(key.spend(coin, SATS, 500))
    assert caught.value.reason
    assert "\n" not in caught.value.reason


async def test_a_spent_input_is_a_refusal(chain: Any, client: Any, key: Any, coin: OutPoint) -> None:
    electrum, _ = client
    await electrum.broadcast(key.spend(coin, SATS, 5_000))
    chain.mine()
    with pytest.raises(BroadcastRejected):
        await electrum.broadcast(key.spend(coin, SATS, 500))


async def test_no_transaction_is_our_mistake(client: Any) -> None:
    with pytest.raises(DecodeError):
        await client[0].broadcast(b"nonsense")


async def test_transactions_by_id(chain: Any, client: Any, coin: OutPoint) -> None:
    electrum, _ = client
    assert await electrum.transaction(coin.txid) == chain.transaction(coin.txid).raw
    with pytest.raises(ServerRefused):
        await electrum.transaction(Txid("ab" * 32))


async def test_a_fresh_chain_knows_no_fee_rate(client: Any) -> None:
    assert await client[0].fee_rate(6) is None


async def test_a_good_output_has_no_problems(client: Any, key: Any, coin: OutPoint) -> None:
    assert await client[0].check_outputs([(coin, TxOut(SATS, key.script))]) == []
    assert await client[0].check_outputs([]) == []


async def test_wrong_claims_are_named(client: Any, key: Any, another_key: Any, coin: OutPoint) -> None:
    claims = [
        (coin, TxOut(Sats(SATS + 1), key.script)),
        (coin, TxOut(SATS, another_key.script)),
        (OutPoint(coin.txid, 9), TxOut(SATS, key.script)),
        (OutPoint(Txid("ab" * 32), 0), TxOut(SATS, key.script)),
        (coin, TxOut(SATS, key.script)),
    ]
    assert await client[0].check_outputs(claims) == [
        f"{coin}: worth 1,000,000 sats, not 1,000,001",
        f"{coin}: pays another script",
        f"{coin.txid}:9: no such output",
        f"{'ab' * 32}:0: no such transaction",
    ]


async def test_an_unconfirmed_output_is_a_problem(chain: Any, client: Any, key: Any) -> None:
    coin = OutPoint(chain.fund(key.script, SATS), 0)
    assert await client[0].check_outputs([(coin, TxOut(SATS, key.script))]) == [f"{coin}: not confirmed"]


async def test_spent_outputs_are_a_problem(chain: Any, client: Any, key: Any, coin: OutPoint) -> None:
    claim = [(coin, TxOut(SATS, key.script))]
    await client[0].broadcast(key.spend(coin, SATS, 500))
    assert await client[0].check_outputs(claim) == [f"{coin}: spent, or not seen by the server"]
    chain.mine()
    assert await client[0].check_outputs(claim) == [f"{coin}: spent, or not seen by the server"]


async def test_an_immature_coinbase_is_a_problem(chain: Any, client: Any, key: Any) -> None:
    electrum, listener = client
    chain.mine(1, key.script)
    (txid,) = chain.block_txids(chain.height)
    claim = [(OutPoint(txid, 0), TxOut(chain.transaction(txid).outputs[0].sats, key.script))]
    assert await electrum.check_outputs(claim) == [f"{txid}:0: newly mined and not spendable yet"]
    mature = chain.height + 99
    chain.mine(99)
    while (await listener.tip())[0] < mature:
        pass
    assert await electrum.check_outputs(claim) == []
