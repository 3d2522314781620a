"""Longer branches: what was confirmed waits again, indexes follow, other branches stay aside."""

from typing import Any

import pytest
from cfd_regtest import BlockRefused, EmbeddedChain, scripthash
from cfd_regtest.blocks import assemble

from cfd_core.values import OutPoint


def snapshot(chain: EmbeddedChain, name: str) -> tuple[object, ...]:
    return chain.height, chain.tip, chain.history(name), chain.unspent(name), chain.confirmed_balance(name)


def test_transactions_return_to_the_mempool_and_confirm_again(chain: EmbeddedChain, anyone: Any) -> None:
    coin = anyone.coin(chain)
    child = anyone.spend([coin], [(99_000, anyone.script)])
    chain.submit_transaction(child.raw)
    chain.mine()
    old_tip, height = chain.tip, chain.height
    chain.reorg(2)
    assert chain.height == height + 1
    assert old_tip not in [chain.hash_at(h) for h in range(chain.height + 1)]
    assert [entry.tx.txid for entry in chain.mempool()] == [coin.txid, child.txid]
    assert [item.height for item in chain.history(scripthash(anyone.script))] == [0, -1]
    chain.mine()
    assert chain.height_of(coin.txid) == chain.height_of(child.txid) == chain.height


def test_a_shallower_reorg_leaves_older_blocks_alone(chain: EmbeddedChain, anyone: Any) -> None:
    coin = anyone.coin(chain)
    place = chain.place(coin.txid)
    chain.mine(3)
    chain.reorg(3)
    assert chain.place(coin.txid) == place
    assert chain.mempool() == []


def test_a_double_spend_in_the_branch_wins(chain: EmbeddedChain, anyone: Any) -> None:
    coin = anyone.coin(chain)
    paid = anyone.spend([coin], [(99_000, anyone.script)])
    child = anyone.spend([OutPoint(paid.txid, 0)], [(98_000, anyone.script)])
    for tx in (paid, child):
        chain.submit_transaction(tx.raw)
    chain.mine()
    stolen = anyone.spend([coin], [(90_000, anyone.script)])
    chain.reorg(1, [stolen.raw])
    assert chain.transaction(paid.txid) is None
    assert chain.transaction(child.txid) is None
    assert chain.height_of(stolen.txid) == chain.height - 1
    assert chain.mempool() == []


def test_a_relative_lock_opens_again_when_its_coin_moves_up(chain: EmbeddedChain, anyone: Any) -> None:
    coin = anyone.coin(chain)
    chain.mine(11)
    cet = anyone.spend([coin], [(99_000, anyone.script)], sequence=12)
    chain.submit_transaction(cet.raw)
    chain.mine()
    chain.reorg(13)
    assert [entry.tx.txid for entry in chain.mempool()] == [coin.txid], "the CET is not final any more"
    chain.mine(12)
    chain.submit_transaction(cet.raw)


def test_a_spent_coinbase_that_vanishes_takes_its_spender_along(chain: EmbeddedChain, anyone: Any) -> None:
    chain.mine(script_pubkey=anyone.script)
    coinbase = OutPoint(chain.block_txids(chain.height)[0], 0)
    chain.mine(99)
    spend = anyone.spend([coinbase], [(4_999_000_000, anyone.script)])
    chain.submit_transaction(spend.raw)
    chain.reorg(100)
    assert chain.mempool() == []
    assert chain.history(scripthash(anyone.script)) == []


def test_going_back_undoes_every_index(chain: EmbeddedChain, anyone: Any) -> None:
    anyone.coin(chain)
    name = scripthash(anyone.script)
    before = snapshot(chain, name)
    spend = anyone.spend([chain.unspent(name)[0].outpoint], [(50_000, anyone.script), (40_000, anyone.script)])
    chain.mine(transactions=[spend.raw, anyone.spend([OutPoint(spend.txid, 1)], [(30_000, anyone.script)]).raw])
    chain.reorg(1)
    for entry in reversed(chain.mempool()):
        chain.evict(entry.tx.txid)
    assert snapshot(chain, name)[2:] == before[2:]


def test_a_side_branch_counts_only_when_longer(chain: EmbeddedChain) -> None:
    tip, fork, time = chain.tip, chain.hash_at(chain.height - 1), chain.median_time + 5_000
    rival = assemble(
        previous=fork, height=chain.height, time=time, script=b"\x51", transactions=[], fees=0, nonce=1 << 40
    )
    assert chain.submit_block(rival.serialize()) == rival.hash
    assert chain.tip == tip, "the first seen stays"
    longer = assemble(
        previous=rival.hash,
        height=chain.height + 1,
        time=time + 1,
        script=b"\x51",
        transactions=[],
        fees=0,
        nonce=1 << 41,
    )
    chain.submit_block(longer.serialize())
    assert chain.tip == longer.hash


def test_a_branch_with_a_bad_block_at_its_end_counts_as_far_as_it_is_good(chain: EmbeddedChain) -> None:
    old_tip, previous, height = chain.tip, chain.hash_at(chain.height - 1), chain.height
    blocks = []
    for step in range(3):
        block = assemble(
            previous=previous,
            height=height + step,
            time=chain.median_time + 5_000 + step,
            script=b"\x51",
            transactions=[],
            fees=1 if step == 1 else 0,
            nonce=1 << 40 | step,
        )
        blocks.append(block)
        previous = block.hash
    chain.submit_block(blocks[0].serialize())
    with pytest.raises(BlockRefused, match=r"^bad-cb-amount"):
        chain.submit_block(blocks[1].serialize())
    with pytest.raises(BlockRefused, match="bad-prevblk"):
        chain.submit_block(blocks[2].serialize())
    assert chain.height == height
    assert chain.tip in (old_tip, blocks[0].hash)
    chain.mine(2)
    assert chain.height == height + 2


@pytest.mark.parametrize("depth", [0, -1, 111])
def test_depths_there_are_not(chain: EmbeddedChain, depth: int) -> None:
    tip = chain.tip
    with pytest.raises(ValueError, match="blocks to replace"):
        chain.reorg(depth)
    assert chain.tip == tip


def test_down_to_the_first_block(chain: EmbeddedChain) -> None:
    chain.reorg(110)
    assert chain.height == 111
    assert len(chain.headers(0, 1_000)) == 112


def test_heights_outside_the_chain(chain: EmbeddedChain) -> None:
    for height in (-1, 111):
        with pytest.raises(IndexError, match="no block at height"):
            chain.header(height)
    for height in (-1, 0, 111):
        with pytest.raises(IndexError, match="no block at height"):
            chain.block_txids(height)
