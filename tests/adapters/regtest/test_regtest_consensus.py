"""Consensus as the embedded chain enforces it, in the mempool and, past the mempool, in blocks."""

from pathlib import Path
from typing import Any

import pytest
from cfd_regtest import BlockRefused, EmbeddedChain, Rejected
from cfd_regtest.blocks import assemble, parse_block
from cfd_regtest.transactions import Tx

from cfd_core.values import OutPoint

CET_TIMELOCK = 12
HOUR_IN_512_SECONDS = 8 | 1 << 22


def refused_both_ways(chain: EmbeddedChain, tx: Tx, mempool_reason: str, block_reason: str) -> None:
    """Policy's verdict and the kernel's agree, and neither changes the chain."""
    tip = chain.tip
    with pytest.raises(Rejected, match=f"^{mempool_reason}"):
        chain.submit_transaction(tx.raw)
    with pytest.raises(BlockRefused, match=f"^{block_reason}"):
        chain.mine(transactions=[tx.raw])
    assert chain.tip == tip
    assert chain.mempool() == []


def test_an_hundred_and_one_blocks_give_one_mature_coinbase() -> None:
    with EmbeddedChain() as chain:
        hashes = chain.mine(101)
        assert chain.height == 101
        assert chain.tip == hashes[-1] == chain.hash_at(101)
        chain.fund(chain.own_script, 4_000_000_000)
        chain.mine()
        assert chain.mempool() == []


def test_relative_timelock_of_twelve_blocks(chain: EmbeddedChain, anyone: Any) -> None:
    coin = anyone.coin(chain)
    funded = chain.height
    cet = anyone.spend([coin], [(99_000, anyone.script)], sequence=CET_TIMELOCK)
    for confirmations in range(1, CET_TIMELOCK):
        assert chain.height - funded + 1 == confirmations
        refused_both_ways(chain, cet, "non-BIP68-final", "bad-txns-nonfinal")
        chain.mine()
    assert chain.submit_transaction(cet.raw) == cet.txid
    chain.mine()
    assert chain.height_of(cet.txid) == funded + CET_TIMELOCK


def test_a_relative_lock_on_an_unconfirmed_coin_waits_for_its_block(chain: EmbeddedChain, anyone: Any) -> None:
    coin = anyone.coin(chain, confirmed=False)
    locked = anyone.spend([coin], [(99_000, anyone.script)], sequence=1)
    with pytest.raises(Rejected, match=r"^non-BIP68-final"):
        chain.submit_transaction(locked.raw)
    chain.mine()
    assert chain.submit_transaction(locked.raw) == locked.txid


def test_version_one_has_no_relative_locks(chain: EmbeddedChain, anyone: Any) -> None:
    coin = anyone.coin(chain)
    free = anyone.spend([coin], [(99_000, anyone.script)], sequence=CET_TIMELOCK, version=1)
    chain.submit_transaction(free.raw)
    chain.mine()
    assert chain.place(free.txid) is not None


def test_relative_timelock_in_seconds(chain: EmbeddedChain, anyone: Any) -> None:
    coin = anyone.coin(chain)
    locked = anyone.spend([coin], [(99_000, anyone.script)], sequence=HOUR_IN_512_SECONDS)
    for _ in range(6):
        refused_both_ways(chain, locked, "non-BIP68-final", "bad-txns-nonfinal")
        chain.mine()
    # 8 * 512 s of median time; blocks come every 600 s
    chain.submit_transaction(locked.raw)
    chain.mine()
    assert chain.place(locked.txid) is not None


@pytest.mark.parametrize("ahead", [0, 1, 3])
def test_absolute_locktime_by_height(chain: EmbeddedChain, anyone: Any, ahead: int) -> None:
    coin = anyone.coin(chain)
    locked = anyone.spend([coin], [(99_000, anyone.script)], locktime=chain.height + ahead)
    for _ in range(ahead):
        refused_both_ways(chain, locked, "non-final", "bad-txns-nonfinal")
        chain.mine()
    assert chain.submit_transaction(locked.raw) == locked.txid


def test_absolute_locktime_by_median_time(chain: EmbeddedChain, anyone: Any) -> None:
    coin = anyone.coin(chain)
    locked = anyone.spend([coin], [(99_000, anyone.script)], locktime=chain.median_time + 1_000)
    for _ in range(2):
        refused_both_ways(chain, locked, "non-final", "bad-txns-nonfinal")
        chain.mine()
    assert chain.submit_transaction(locked.raw) == locked.txid


def test_immature_coinbase(chain: EmbeddedChain, anyone: Any) -> None:
    chain.mine(script_pubkey=anyone.script)
    coinbase = OutPoint(chain.block_txids(chain.height)[0], 0)
    spend = anyone.spend([coinbase], [(4_999_000_000, anyone.script)])
    chain.mine(98)
    refused_both_ways(chain, spend, "bad-txns-premature-spend-of-coinbase", "bad-txns-premature-spend-of-coinbase")
    chain.mine()
    assert chain.submit_transaction(spend.raw) == spend.txid
    chain.mine()
    assert chain.height_of(spend.txid) == chain.height


def test_bad_script(chain: EmbeddedChain, anyone: Any) -> None:
    coin = anyone.coin(chain)
    wrong = anyone.spend([coin], [(99_000, anyone.script)], witness=(b"\x52",))
    refused_both_ways(chain, wrong, "mandatory-script-verify-flag-failed", "block-script-verify-flag-failed")


def test_bad_signature(chain: EmbeddedChain, anyone: Any) -> None:
    chain.fund(anyone.script, 50_000)
    paid = chain.mempool()[0].tx
    chain.evict(paid.txid)
    signature, key = paid.inputs[0].witness
    outpoint = paid.inputs[0].outpoint
    forged = anyone.spend([outpoint], [(60_000, anyone.script)], witness=(signature, key))
    refused_both_ways(chain, forged, "mandatory-script-verify-flag-failed", "block-script-verify-flag-failed")


def test_double_spend_of_a_confirmed_coin(chain: EmbeddedChain, anyone: Any) -> None:
    coin = anyone.coin(chain)
    chain.submit_transaction(anyone.spend([coin], [(99_000, anyone.script)]).raw)
    chain.mine()
    second = anyone.spend([coin], [(90_000, anyone.script)])
    refused_both_ways(chain, second, "bad-txns-inputs-missingorspent", "bad-txns-inputs-missingorspent")


def test_making_money(chain: EmbeddedChain, anyone: Any) -> None:
    coin = anyone.coin(chain)
    rich = anyone.spend([coin], [(100_001, anyone.script)])
    refused_both_ways(chain, rich, "bad-txns-in-belowout", "bad-txns-in-belowout")


def test_the_same_coin_twice_in_one_transaction(chain: EmbeddedChain, anyone: Any) -> None:
    coin = anyone.coin(chain)
    twice = anyone.spend([coin, coin], [(99_000, anyone.script)])
    refused_both_ways(chain, twice, "bad-txns-inputs-duplicate", "bad-txns-inputs-duplicate")


def test_a_greedy_coinbase(chain: EmbeddedChain) -> None:
    block = assemble(
        previous=chain.tip,
        height=chain.height + 1,
        time=chain.median_time + 10_000,
        script=chain.own_script,
        transactions=[],
        fees=1,
        nonce=7,
    )
    tip = chain.tip
    with pytest.raises(BlockRefused, match=r"^bad-cb-amount"):
        chain.submit_block(block.serialize())
    assert chain.tip == tip


def test_fees_go_to_the_coinbase(chain: EmbeddedChain, anyone: Any) -> None:
    coin = anyone.coin(chain)
    parent = anyone.spend([coin], [(90_000, anyone.script)])
    child = anyone.spend([OutPoint(parent.txid, 0)], [(70_000, anyone.script)])
    chain.mine(transactions=[parent.raw, child.raw])
    coinbase = chain.transaction(chain.block_txids(chain.height)[0])
    assert coinbase is not None
    assert coinbase.outputs[0].sats == 5_000_000_000 + 30_000


def test_a_block_from_elsewhere(chain: EmbeddedChain) -> None:
    with EmbeddedChain() as other:
        hashes = other.mine(112)
        blocks = [other._known[each].serialize() for each in hashes]
    for raw in blocks:
        chain.submit_block(raw)
    assert chain.tip == hashes[-1]
    assert chain.submit_block(blocks[-1]) == hashes[-1], "a known block is no news and no error"


@pytest.mark.parametrize("damage", [b"", b"\x00" * 80, b"\xff" * 200])
def test_bytes_that_are_no_block(chain: EmbeddedChain, damage: bytes) -> None:
    with pytest.raises(BlockRefused, match=r"^undecodable"):
        chain.submit_block(damage)


def test_a_block_without_work_or_parent(chain: EmbeddedChain) -> None:
    good = assemble(
        previous="11" * 32, height=1, time=1_400_000_000, script=b"\x51", transactions=[], fees=0, nonce=1
    ).serialize()
    with pytest.raises(BlockRefused, match="prev-blk-not-found"):
        chain.submit_block(good)
    headers = (good[:76] + n.to_bytes(4, "little") + good[80:] for n in range(100))
    lazy = next(raw for raw in headers if parse_block(raw).hash[0] in "89abcdef")
    with pytest.raises(BlockRefused, match="high-hash"):
        chain.submit_block(lazy)


def test_block_times_are_the_callers(chain: EmbeddedChain) -> None:
    del chain
    with EmbeddedChain(start_time=1_600_000_000, interval=60) as timed:
        timed.mine(3)
        times = [int.from_bytes(timed.header(h)[68:72], "little") for h in (1, 2, 3)]
        assert times == [1_600_000_000, 1_600_000_060, 1_600_000_120]
        timed.mine(2, time=1_700_000_000)
        assert int.from_bytes(timed.header(5)[68:72], "little") == 1_700_000_060
        with pytest.raises(BlockRefused, match="time-too-old"):
            timed.mine(time=1_500_000_000)
        with pytest.raises(BlockRefused, match="time-too-new"):
            timed.mine(time=4_000_000_000)
        assert timed.height == 5


def test_closing_removes_the_folder_and_is_idempotent() -> None:
    chain = EmbeddedChain()
    folder = chain._folder.name
    chain.mine(2)
    chain.close()
    chain.close()
    assert not Path(folder).exists()


def test_two_chains_keep_apart() -> None:
    with EmbeddedChain() as one, EmbeddedChain() as two:
        one.mine(3)
        with pytest.raises(BlockRefused, match="time-too-old"):
            one.mine(time=1)
        two.mine(5)
        assert (one.height, two.height) == (3, 5)
