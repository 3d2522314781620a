"""The simulated chain holds the rules that the protocols lean on."""

from cfd_core.bitcoin.transaction import Transaction, TxIn, TxOut
from cfd_core.testing import SimChain, SimWallet
from cfd_core.values import OutPoint, Sats


def spend(coin: OutPoint, sats: int, sequence: int = 0xFFFFFFFD) -> Transaction:
    return Transaction((TxIn(coin, sequence),), (TxOut(Sats(sats), b"\x51"),))


def test_a_replacement_must_pay_more_and_takes_the_children_along() -> None:
    chain = SimChain()
    coin = SimWallet("w", chain).coins[0].outpoint(0)
    first = spend(coin, 4_999_000)
    child = spend(first.outpoint(0), 4_998_000)
    assert chain.submit(first)
    assert chain.submit(child)
    assert not chain.submit(spend(coin, 4_998_500)), "more than the parent, but less than both"
    better = spend(coin, 4_990_000)
    assert chain.submit(better)
    assert chain.waiting == [better.txid]
    assert chain.spender(first.outpoint(0)) is None
    chain.mine()
    assert not chain.submit(spend(coin, 4_000_000)), "what is in a block is not replaced"


def test_nothing_is_spent_twice_or_out_of_nowhere() -> None:
    chain = SimChain()
    coin = SimWallet("w", chain).coins[0].outpoint(0)
    assert not chain.submit(spend(OutPoint(coin.txid, 7), 1))
    assert not chain.submit(spend(OutPoint.parse("ab" * 32 + ":0"), 1))
    assert not chain.submit(spend(coin, 5_000_001)), "more than there is"


def test_a_relative_timelock_counts_from_the_parents_block() -> None:
    chain = SimChain()
    parent = spend(SimWallet("w", chain).coins[0].outpoint(0), 4_999_000)
    child = spend(parent.outpoint(0), 4_998_000, sequence=12)
    assert chain.submit(parent)
    assert not chain.submit(child)
    chain.mine(11)
    assert not chain.submit(child), "it could not stand in the next block"
    chain.mine()
    assert chain.submit(child)
    chain.reorg(12)
    assert child.txid not in chain.transactions, "its parent waits again"
    assert chain.waiting == [parent.txid]


def test_in_a_spike_a_child_pays_for_its_parent() -> None:
    chain = SimChain()
    parent = spend(SimWallet("w", chain).coins[0].outpoint(0), 4_999_900)
    assert chain.submit(parent)
    chain.block_rate = 10
    chain.mine(3)
    assert chain.places[parent.txid] == 0
    assert chain.submit(spend(parent.outpoint(0), 4_990_000))
    chain.mine()
    assert chain.waiting == []


def test_what_pays_too_little_is_evicted_or_never_taken() -> None:
    chain = SimChain()
    wallet = SimWallet("w", chain)
    cheap = spend(wallet.coins[0].outpoint(0), 4_999_900)
    assert chain.submit(cheap)
    chain.relay_floor = 50
    assert not chain.submit(spend(wallet.coins[1].outpoint(0), 4_999_900))
    chain.purge()
    assert cheap.txid not in chain.places


def test_a_forgetful_reorg_loses_transactions() -> None:
    chain = SimChain()
    tx = spend(SimWallet("w", chain).coins[0].outpoint(0), 4_999_000)
    assert chain.submit(tx)
    chain.mine()
    chain.reorg(1, forget=True)
    assert tx.txid not in chain.places
    assert chain.submit(tx)


def test_a_copy_goes_its_own_way() -> None:
    chain = SimChain()
    twin = chain.copy()
    assert twin.submit(spend(SimWallet("v", twin).coins[0].outpoint(0), 1_000))
    assert chain.waiting == []
