"""The mempool's policy: fees, dust, standardness, chains, replacement."""

from typing import Any

import pytest
from cfd_regtest import Change, EmbeddedChain, OutOfCoins, Rejected, scripthash
from cfd_regtest.standard import PAY_TO_ANCHOR, dust_limit
from cfd_regtest.transactions import TxInput, make_tx

from cfd_core.values import OutPoint, Txid


def refused(chain: EmbeddedChain, raw: bytes, reason: str) -> None:
    before = chain.mempool()
    with pytest.raises(Rejected) as refusal:
        chain.submit_transaction(raw)
    assert refusal.value.reason.startswith(reason), refusal.value.reason
    assert chain.mempool() == before


def test_the_same_transaction_twice_is_fine(chain: EmbeddedChain, anyone: Any) -> None:
    tx = anyone.spend([anyone.coin(chain)], [(99_000, anyone.script)])
    assert chain.submit_transaction(tx.raw) == chain.submit_transaction(tx.raw) == tx.txid
    assert len(chain.mempool()) == 1
    chain.mine()
    refused(chain, tx.raw, "txn-already-known")


def test_another_witness_is_not_the_same(chain: EmbeddedChain, anyone: Any) -> None:
    coin = anyone.coin(chain)
    chain.submit_transaction(anyone.spend([coin], [(99_000, anyone.script)]).raw)
    other = anyone.spend([coin], [(99_000, anyone.script)], witness=(b"", b"\x51"))
    refused(chain, other.raw, "txn-same-nonwitness-data-in-mempool")


@pytest.mark.parametrize("raw", [b"", b"\x02\x00\x00\x00", b"\x00" * 60])
def test_undecodable(chain: EmbeddedChain, raw: bytes) -> None:
    refused(chain, raw, "TX decode failed")


def test_unknown_inputs(chain: EmbeddedChain, anyone: Any, unknown_txid: Txid) -> None:
    refused(chain, anyone.spend([OutPoint(unknown_txid, 0)], [(9_000, anyone.script)]).raw, "bad-txns-inputs-missing")
    parent = anyone.coin(chain, confirmed=False)
    beyond = anyone.spend([OutPoint(parent.txid, 9)], [(9_000, anyone.script)])
    refused(chain, beyond.raw, "bad-txns-inputs-missingorspent")


def test_relay_fee_floor_is_one_sat_per_vbyte(chain: EmbeddedChain, anyone: Any) -> None:
    coin = anyone.coin(chain)
    size = anyone.spend([coin], [(99_000, anyone.script)]).vsize
    refused(chain, anyone.spend([coin], [(100_000 - size + 1, anyone.script)]).raw, "min relay fee not met")
    chain.submit_transaction(anyone.spend([coin], [(100_000 - size, anyone.script)]).raw)


@pytest.mark.parametrize(
    ("script", "limit"),
    [
        (b"\x00\x14" + bytes(20), 294),
        (b"\x00\x20" + bytes(32), 330),
        (b"\x51\x20" + bytes(32), 330),
        (PAY_TO_ANCHOR, 240),
        (b"\x76\xa9\x14" + bytes(20) + b"\x88\xac", 546),
        (b"\xa9\x14" + bytes(20) + b"\x87", 540),
        (b"\x6a\x04abcd", 0),
    ],
)
def test_dust(chain: EmbeddedChain, anyone: Any, script: bytes, limit: int) -> None:
    assert dust_limit(script) == limit
    coin = anyone.coin(chain)
    if limit:
        refused(chain, anyone.spend([coin], [(90_000, anyone.script), (limit - 1, script)]).raw, "dust")
    chain.submit_transaction(anyone.spend([coin], [(90_000, anyone.script), (limit, script)]).raw)
    chain.mine()
    assert chain.mempool() == []


def test_an_anchor_is_spent_without_a_witness(chain: EmbeddedChain, anyone: Any) -> None:
    coin, purse = anyone.coin(chain), anyone.coin(chain, 50_000)
    commit = anyone.spend([coin], [(99_000, anyone.script), (240, PAY_TO_ANCHOR)])
    chain.submit_transaction(commit.raw)
    bare = anyone.spend([purse, OutPoint(commit.txid, 1)], [(40_000, anyone.script)])
    refused(chain, bare.raw, "bad-witness-nonstandard")
    bump = make_tx([bare.inputs[0], TxInput(OutPoint(commit.txid, 1))], bare.outputs)
    chain.submit_transaction(bump.raw)
    chain.mine()
    assert chain.height_of(commit.txid) == chain.height_of(bump.txid) == chain.height


@pytest.mark.parametrize(
    ("outputs", "reason"),
    [
        ([], "bad-txns-vout-empty"),
        ([(1_000, b"\x51")], "scriptpubkey"),
        ([(1_000, b"\x00\x15" + bytes(21))], "scriptpubkey"),
        ([(0, b"\x6a\x4c\x52" + bytes(82))], "scriptpubkey"),
        ([(0, b"\x6a\x01a"), (0, b"\x6a\x01b")], "multi-op-return"),
        ([(21 * 10**14, b"\x00\x14" + bytes(20))] * 2, "bad-txns-txouttotal-toolarge"),
    ],
)
def test_nonstandard_outputs(chain: EmbeddedChain, anyone: Any, outputs: list[Any], reason: str) -> None:
    coin = anyone.coin(chain)
    refused(chain, anyone.spend([coin], [*outputs, (9_000, anyone.script)] if outputs else []).raw, reason)


@pytest.mark.parametrize(("version", "reason"), [(0, "version"), (4, "version"), (0xFFFFFFFF, "version")])
def test_versions(chain: EmbeddedChain, anyone: Any, version: int, reason: str) -> None:
    refused(chain, anyone.spend([anyone.coin(chain)], [(99_000, anyone.script)], version=version).raw, reason)


def test_too_big(chain: EmbeddedChain, anyone: Any) -> None:
    outputs = [(400, anyone.script)] * 2_400
    refused(chain, anyone.spend([anyone.coin(chain, 2_000_000)], outputs).raw, "tx-size")


def test_a_coinbase_is_no_transaction(chain: EmbeddedChain) -> None:
    coinbase = chain.transaction(chain.block_txids(5)[0])
    assert coinbase is not None
    refused(chain, coinbase.raw, "coinbase")


def test_chains_are_mined_in_order(chain: EmbeddedChain, anyone: Any) -> None:
    coin = anyone.coin(chain, 1_000_000)
    txids = []
    for step in range(1, 25):
        tx = anyone.spend([coin], [(1_000_000 - 1_000 * step, anyone.script)])
        txids.append(chain.submit_transaction(tx.raw))
        coin = OutPoint(tx.txid, 0)
    chain.mine()
    assert chain.block_txids(chain.height)[1:] == txids


def test_chains_end_at_twenty_five(chain: EmbeddedChain, anyone: Any) -> None:
    coin = anyone.coin(chain, 1_000_000)
    for step in range(1, 26):
        tx = anyone.spend([coin], [(1_000_000 - 1_000 * step, anyone.script)])
        chain.submit_transaction(tx.raw)
        coin = OutPoint(tx.txid, 0)
    refused(chain, anyone.spend([coin], [(900_000, anyone.script)]).raw, "too-long-mempool-chain")


def test_a_conflict_needs_a_higher_rate_and_pays_for_its_own_relay(chain: EmbeddedChain, anyone: Any) -> None:
    coin = anyone.coin(chain)
    first = anyone.spend([coin], [(99_000, anyone.script)], sequence=0xFFFFFFFF)
    chain.submit_transaction(first.raw)
    size = first.vsize
    refused(chain, anyone.spend([coin], [(99_001, anyone.script)]).raw, "insufficient fee")
    refused(chain, anyone.spend([coin], [(99_000 - size + 1, anyone.script)]).raw, "insufficient fee")
    better = anyone.spend([coin], [(99_000 - size, anyone.script)])
    chain.submit_transaction(better.raw)
    assert [entry.tx.txid for entry in chain.mempool()] == [better.txid]


def test_a_replacement_takes_the_descendants_along_and_pays_for_them(chain: EmbeddedChain, anyone: Any) -> None:
    coin = anyone.coin(chain)
    parent = anyone.spend([coin], [(99_000, anyone.script)])
    child = anyone.spend([OutPoint(parent.txid, 0)], [(89_000, anyone.script)])
    for tx in (parent, child):
        chain.submit_transaction(tx.raw)
    refused(chain, anyone.spend([coin], [(90_000, anyone.script)]).raw, "insufficient fee")
    winner = anyone.spend([coin], [(80_000, anyone.script)])
    chain.submit_transaction(winner.raw)
    assert [entry.tx.txid for entry in chain.mempool()] == [winner.txid]
    assert chain.transaction(child.txid) is None


def test_a_transaction_cannot_replace_its_own_parent(chain: EmbeddedChain, anyone: Any) -> None:
    coin = anyone.coin(chain)
    parent = anyone.spend([coin], [(99_000, anyone.script)])
    chain.submit_transaction(parent.raw)
    both = anyone.spend([coin, OutPoint(parent.txid, 0)], [(150_000, anyone.script)])
    refused(chain, both.raw, "bad-txns-spends-conflicting-tx")


def test_a_confirmed_rival_empties_the_mempool_of_the_other(chain: EmbeddedChain, anyone: Any) -> None:
    coin = anyone.coin(chain)
    waiting = anyone.spend([coin], [(99_000, anyone.script)])
    child = anyone.spend([OutPoint(waiting.txid, 0)], [(98_000, anyone.script)])
    for tx in (waiting, child):
        chain.submit_transaction(tx.raw)
    rival = anyone.spend([coin], [(95_000, anyone.script)])
    chain.mine(transactions=[rival.raw])
    assert chain.mempool() == []
    assert chain.height_of(rival.txid) == chain.height


def test_mining_nothing_leaves_the_mempool(chain: EmbeddedChain, anyone: Any) -> None:
    coin = anyone.coin(chain, confirmed=False)
    chain.mine(3, transactions=[])
    assert chain.place(coin.txid) is not None, "only the first block is the caller's"


def test_eviction_takes_descendants_along(chain: EmbeddedChain, anyone: Any, unknown_txid: Txid) -> None:
    coin = anyone.coin(chain, confirmed=False)
    child = anyone.spend([coin], [(99_000, anyone.script)])
    chain.submit_transaction(child.raw)
    chain.evict(coin.txid)
    assert chain.mempool() == []
    chain.evict(unknown_txid)


def test_version_three_goes_alone_or_in_pairs(chain: EmbeddedChain, anyone: Any) -> None:
    parent = anyone.spend([anyone.coin(chain)], [(49_000, anyone.script)] * 2, version=3)
    chain.submit_transaction(parent.raw)
    first, second = OutPoint(parent.txid, 0), OutPoint(parent.txid, 1)
    refused(chain, anyone.spend([first], [(48_000, anyone.script)]).raw, "TRUC-violation")
    child = anyone.spend([first], [(48_000, anyone.script)], version=3)
    chain.submit_transaction(child.raw)
    refused(chain, anyone.spend([second], [(48_000, anyone.script)], version=3).raw, "TRUC-violation")
    grandchild = anyone.spend([OutPoint(child.txid, 0)], [(47_000, anyone.script)], version=3)
    refused(chain, grandchild.raw, "TRUC-violation")


def test_fund_pays_exactly_and_spends_its_own_change(chain: EmbeddedChain, anyone: Any) -> None:
    txids = [chain.fund(anyone.script, 1_000_000_000) for _ in range(12)]
    assert len(set(txids)) == 12
    chain.mine()
    coins = chain.unspent(scripthash(anyone.script))
    assert [coin.sats for coin in coins] == [1_000_000_000] * 12
    assert all(coin.outpoint.vout == 0 for coin in coins)


def test_fund_without_money(anyone: Any) -> None:
    with EmbeddedChain() as poor:
        poor.mine(99)
        with pytest.raises(OutOfCoins, match="mine more blocks"):
            poor.fund(anyone.script, 1_000)
        poor.mine(2)
        with pytest.raises(OutOfCoins):
            poor.fund(anyone.script, 10_000_000_000)
        with pytest.raises(Rejected, match=r"^dust"):
            poor.fund(anyone.script, 100)
        assert poor.mempool() == []


def test_listeners_hear_of_blocks_and_transactions(chain: EmbeddedChain, anyone: Any) -> None:
    heard: list[Change] = []
    stop = chain.subscribe(heard.append)
    chain.fund(anyone.script, 10_000)
    chain.mine(2)
    assert [change.tip_moved for change in heard] == [False, True]
    assert heard[-1].height == chain.height
    assert heard[-1].tip == chain.tip
    stop()
    stop()
    chain.mine()
    assert len(heard) == 2
