"""Children that pay for their parents, in fee spikes, on both regtest chains."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen
from cfd_regtest import ChainControl, Rejected
from cfd_wallet import BdkWallet, InsufficientFunds, WalletError

from cfd_core.bitcoin.psbt import final_witnesses, unsigned_psbt
from cfd_core.bitcoin.scripts import ANCHOR_SATS, P2A_SCRIPT
from cfd_core.bitcoin.transaction import RBF_SEQUENCE, Transaction, TxIn, TxOut
from cfd_core.values import MAX_FEE_RATE, Sats

LOCK_SCRIPT = b"\x00\x20" + b"\x07" * 32
ANCHOR = TxOut(ANCHOR_SATS, P2A_SCRIPT)
VOUT = 1


@frozen
class Parent:
    """A signed transaction whose output 1 is to be bumped, and its fee."""

    tx: Transaction
    fee: Sats

    @property
    def raw(self) -> bytes:
        return self.tx.serialize()

    def rate_with(self, child: Transaction, coins: Sequence[int]) -> float:
        return (self.fee + self.child_fee(child, coins)) / (self.tx.vsize + child.vsize)

    def child_fee(self, child: Transaction, coins: Sequence[int]) -> int:
        return self.tx.outputs[VOUT].sats + sum(coins) - sum(out.sats for out in child.outputs)


async def parent_from(bob: BdkWallet, output: TxOut, rate: int = 2, name: str = "parent") -> Parent:
    """At `rate` sat/vB: a lock, the output to bump, change."""
    reserved = await bob.reserve(name, Sats(50_000), rate)
    coins = reserved.coins

    def unsigned(change: int) -> Transaction:
        outputs = (TxOut(Sats(20_000), LOCK_SCRIPT), output, TxOut(Sats(change), reserved.change_script))
        return Transaction(tuple(TxIn(coin.outpoint) for coin in coins), outputs)

    tx = unsigned(1_000)
    for index in range(len(coins)):
        tx = tx.with_witness(index, (bytes(71), bytes(33)))
    fee = rate * tx.vsize
    tx = unsigned(sum(coin.sats for coin in coins) - 20_000 - output.sats - fee)
    spent = [TxOut(coin.sats, coin.script) for coin in coins]
    witnesses = final_witnesses(await bob.sign(name, unsigned_psbt(tx, spent, {})))
    for index, coin in enumerate(coins):
        tx = tx.with_witness(index, witnesses[coin.outpoint])
    return Parent(tx, Sats(fee))


async def anchored(rich: Any, rate: int = 2) -> Parent:
    return await parent_from(await rich(100_000), ANCHOR, rate)


def check_form(child: Transaction, parent: Parent) -> None:
    assert child.inputs[0].outpoint == parent.tx.outpoint(VOUT)
    assert child.version == 2
    assert {tx_in.sequence for tx_in in child.inputs} == {RBF_SEQUENCE}
    assert len(child.outputs) == 1


async def test_an_anchor_in_a_spike_and_a_higher_one(control: ChainControl, rich: Any) -> None:
    alice, parent = await rich(60_000), await anchored(rich)
    await control.broadcast(parent.raw)
    await control.spike(20)
    await control.mine()
    assert await control.confirmed(parent.tx.txid) is None

    raw = await alice.bump("commit", parent.raw, VOUT, parent.fee, 20)
    first = Transaction.parse(raw)
    check_form(first, parent)
    assert first.inputs[0].witness == ()
    assert 20 <= parent.rate_with(first, [60_000]) < 20.2
    assert await control.refusal(raw) is None
    await control.broadcast(raw)

    await control.spike(40)
    await control.mine()
    assert await control.confirmed(parent.tx.txid) is None
    assert await alice.bump("commit", parent.raw, VOUT, parent.fee, 20) == raw
    second_raw = await alice.bump("commit", parent.raw, VOUT, parent.fee, 40)
    second = Transaction.parse(second_raw)
    check_form(second, parent)
    assert second.outputs[0].script == first.outputs[0].script
    assert 40 <= parent.rate_with(second, [60_000]) < 40.4
    assert await control.broadcast(second_raw) == second.txid
    assert str(await control.refusal(raw)).startswith("insufficient fee")

    await control.mine()
    assert await control.confirmed(parent.tx.txid) == await control.confirmed(second.txid) == await control.height()
    assert await control.confirmed(first.txid) is None
    await control.spike(0)
    await alice.sync()
    await alice.release("commit")
    balance = await alice.balance()
    assert (balance.confirmed, balance.pending, balance.reserved) == (second.outputs[0].sats, 0, 0)


async def test_an_own_output_pays_alone(control: ChainControl, rich: Any) -> None:
    alice = await rich()
    parent = await parent_from(await rich(100_000), TxOut(Sats(30_000), await alice.script()))
    # the wallet has not heard of the parent: its bytes are enough
    raw = await alice.bump("cet", parent.raw, VOUT, parent.fee, 25)
    child = Transaction.parse(raw)
    check_form(child, parent)
    assert len(child.inputs) == 1
    assert 25 <= parent.rate_with(child, []) < 25.3
    await control.broadcast(parent.raw)
    await control.broadcast(raw)
    await alice.sync()
    assert (await alice.balance()).pending == child.outputs[0].sats
    better = await alice.bump("cet", parent.raw, VOUT, parent.fee, 26)
    await control.broadcast(better)
    await alice.sync()
    assert (await alice.balance()).pending == Transaction.parse(better).outputs[0].sats
    await control.spike(26)
    await control.mine()
    assert await control.confirmed(parent.tx.txid) == await control.height()
    await control.spike(0)
    await alice.sync()
    assert (await alice.balance()).confirmed == Transaction.parse(better).outputs[0].sats


async def test_a_small_own_output_needs_coins(control: ChainControl, rich: Any) -> None:
    alice = await rich(40_000)
    parent = await parent_from(await rich(100_000), TxOut(Sats(1_000), await alice.script()))
    await control.broadcast(parent.raw)
    await alice.sync()
    raw = await alice.bump("cet", parent.raw, VOUT, parent.fee, 30)
    assert len(Transaction.parse(raw).inputs) == 2
    assert parent.rate_with(Transaction.parse(raw), [40_000]) >= 30
    assert await control.refusal(raw) is None


async def test_more_coins_for_a_higher_rate(control: ChainControl, rich: Any) -> None:
    alice, parent = await rich(5_000, 5_000, 5_000, 5_000), await anchored(rich)
    await control.broadcast(parent.raw)
    spent: set[Any] = set()
    for rate in (10, 11, 12, 20, 30, 31):
        raw = await alice.bump("commit", parent.raw, VOUT, parent.fee, rate)
        child = Transaction.parse(raw)
        coins = {tx_in.outpoint for tx_in in child.inputs[1:]}
        assert coins >= spent
        assert parent.rate_with(child, [5_000] * len(coins)) >= rate
        assert await control.broadcast(raw) == child.txid
        assert (await alice.balance()).reserved == 5_000 * len(coins)
        spent = coins
    assert len(spent) > 1


async def test_a_rate_that_is_paid_already(control: ChainControl, rich: Any) -> None:
    alice, parent = await rich(40_000), await anchored(rich, rate=30)
    raw = await alice.bump("commit", parent.raw, VOUT, parent.fee, 5)
    child = Transaction.parse(raw)
    assert child.vsize <= parent.child_fee(child, [40_000]) <= child.vsize + 1  # the relay minimum
    assert await alice.bump("commit", parent.raw, VOUT, parent.fee, 10) == raw
    assert await alice.bump("commit", parent.raw, VOUT, parent.fee, 31) != raw
    await control.broadcast(parent.raw)
    assert await control.refusal(raw) is None


async def test_a_restart_forgets_no_bump(control: ChainControl, rich: Any, tmp_path: Path) -> None:
    path, name = tmp_path / "wallet.sqlite", f"restarted {tmp_path.name}"
    alice = await rich(20_000, 20_000, path=path, name=name)
    parent = await anchored(rich)
    await control.broadcast(parent.raw)
    raw = await alice.bump("commit", parent.raw, VOUT, parent.fee, 20)
    await control.broadcast(raw)
    await alice.stop()
    again = await rich(path=path, name=name)
    assert await again.bump("commit", parent.raw, VOUT, parent.fee, 20) == raw
    assert await again.bump("commit", parent.raw, VOUT, parent.fee, 3) == raw
    better = await again.bump("commit", parent.raw, VOUT, parent.fee, 50)
    await control.broadcast(better)
    await again.stop()
    third = await rich(path=path, name=name)
    assert await third.bump("commit", parent.raw, VOUT, parent.fee, 50) == better


async def test_coins_of_a_bump_are_set_aside(open_wallet: Any, fund: Any) -> None:
    alice, bob = await open_wallet("alice"), await open_wallet("bob")
    await fund(alice, 20_000)
    await fund(bob, 100_000)
    parent = await parent_from(bob, ANCHOR)
    raw = await alice.bump("commit", parent.raw, VOUT, parent.fee, 20)
    assert (await alice.balance()).reserved == 20_000
    with pytest.raises(InsufficientFunds):
        await alice.reserve("cfd", Sats(5_000), 2)
    with pytest.raises(WalletError, match="commit is a bump, not"):
        await alice.reserve("commit", Sats(5_000), 2)
    with pytest.raises(WalletError, match="commit is a bump, not"):
        await alice.sign("commit", b"")
    await alice.release("commit")
    await alice.reserve("cfd", Sats(5_000), 2)
    with pytest.raises(InsufficientFunds):
        await alice.bump("commit", parent.raw, VOUT, parent.fee, 20)
    with pytest.raises(WalletError, match="cfd is a reservation, not"):
        await alice.bump("cfd", parent.raw, VOUT, parent.fee, 20)
    await alice.release("cfd")
    assert Transaction.parse(await alice.bump("commit", parent.raw, VOUT, parent.fee, 20)).inputs[1:] != ()
    assert Transaction.parse(raw).inputs[0].outpoint == parent.tx.outpoint(VOUT)


async def test_the_last_sat(open_wallet: Any, fund: Any) -> None:
    """A coin that just suffices is enough, one sat less is not."""
    bob = await open_wallet("bob")
    await fund(bob, 100_000)
    parent = await parent_from(bob, ANCHOR)
    probe = await open_wallet("probe")
    await fund(probe, 50_000)
    child = Transaction.parse(await probe.bump("commit", parent.raw, VOUT, parent.fee, 20))
    exact = 50_000 - (child.outputs[0].sats - 294)
    for sats, enough in ((exact, True), (exact - 1, False)):
        wallet = await open_wallet(f"wallet {sats}")
        await fund(wallet, sats)
        if enough:
            raw = await wallet.bump("commit", parent.raw, VOUT, parent.fee, 20)
            assert Transaction.parse(raw).outputs[0].sats == 294
        else:
            with pytest.raises(InsufficientFunds) as caught:
                await wallet.bump("commit", parent.raw, VOUT, parent.fee, 20)
            assert caught.value.available == sats
            assert caught.value.needed > sats
            assert (await wallet.balance()).reserved == 0


async def test_a_replacement_that_cannot_be_paid_leaves_the_last(open_wallet: Any, fund: Any) -> None:
    alice, bob = await open_wallet("alice"), await open_wallet("bob")
    await fund(alice, 10_000)
    await fund(bob, 100_000)
    parent = await parent_from(bob, ANCHOR)
    raw = await alice.bump("commit", parent.raw, VOUT, parent.fee, 20)
    with pytest.raises(InsufficientFunds):
        await alice.bump("commit", parent.raw, VOUT, parent.fee, 200)
    assert await alice.bump("commit", parent.raw, VOUT, parent.fee, 20) == raw


async def test_an_output_has_one_bump(open_wallet: Any, fund: Any) -> None:
    alice, bob = await open_wallet("alice"), await open_wallet("bob")
    await fund(alice, 20_000, 20_000)
    await fund(bob, 100_000, 90_000)
    parent = await parent_from(bob, ANCHOR)
    await alice.bump("one", parent.raw, VOUT, parent.fee, 20)
    with pytest.raises(WalletError, match="set aside for something else"):
        await alice.bump("two", parent.raw, VOUT, parent.fee, 20)
    other = await parent_from(bob, ANCHOR, name="other")
    with pytest.raises(WalletError, match="this bump is for"):
        await alice.bump("one", other.raw, VOUT, other.fee, 20)


async def test_a_reserved_coin_is_not_bumped(open_wallet: Any, fund: Any) -> None:
    alice = await open_wallet("alice")
    await fund(alice, 20_000)
    (coin,) = (await alice.reserve("cfd", Sats(5_000), 2)).coins
    with pytest.raises(WalletError, match="set aside for something else"):
        await alice.bump("b", coin.previous_tx, coin.outpoint.vout, Sats(300), 20)


@pytest.mark.parametrize(
    ("vout", "fee", "rate", "reason"),
    [
        (0, 300, 20, "neither an anchor nor ours"),
        (2, 300, 20, "neither an anchor nor ours"),
        (3, 300, 20, "no output 3"),
        (-1, 300, 20, "no output -1"),
        (1, -1, 20, "fee of -1"),
        (1, 2**60, 20, "fee of"),
        (1, 300, 0, "0 sat/vB"),
        (1, 300, -1, "-1 sat/vB"),
        (1, 300, MAX_FEE_RATE + 1, "cannot be paid"),
    ],
)
async def test_impossible_bumps(open_wallet: Any, fund: Any, vout: int, fee: int, rate: int, reason: str) -> None:
    alice, bob = await open_wallet("alice"), await open_wallet("bob")
    await fund(alice, 2_000_000)
    await fund(bob, 100_000)
    parent = await parent_from(bob, ANCHOR)
    with pytest.raises(WalletError, match=reason):
        await alice.bump("b", parent.raw, vout, Sats(fee), rate)
    assert (await alice.balance()).reserved == 0
    assert await alice.bump("b", parent.raw, 1, parent.fee, MAX_FEE_RATE)


async def test_what_is_no_signed_parent(open_wallet: Any, fund: Any) -> None:
    bob = await open_wallet("bob")
    await fund(bob, 100_000)
    parent = await parent_from(bob, ANCHOR)
    for broken in (b"", parent.raw[:-1], parent.raw + b"\x00"):
        with pytest.raises(WalletError, match="no transaction"):
            await bob.bump("b", broken, VOUT, parent.fee, 20)
    with pytest.raises(WalletError, match="not signed"):
        await bob.bump("b", parent.tx.without_witnesses().serialize(), VOUT, parent.fee, 20)


async def test_a_bump_that_cannot_be_written_is_none(
    tmp_path: Path, open_wallet: Any, fund: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = await open_wallet("alice", tmp_path / "wallet.sqlite"), await open_wallet("bob")
    await fund(alice, 20_000)
    await fund(bob, 100_000)
    parent = await parent_from(bob, ANCHOR)

    def full(*_: Any) -> None:
        raise OSError(28, "no space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("cfd_wallet.reservations.write_whole", full)
        with pytest.raises(WalletError, match="cannot be written"):
            await alice.bump("commit", parent.raw, VOUT, parent.fee, 20)
    assert (await alice.balance()).reserved == 0
    assert await alice.bump("commit", parent.raw, VOUT, parent.fee, 20)


async def test_a_book_of_the_first_version_opens(tmp_path: Path, open_wallet: Any, fund: Any) -> None:
    path, beside = tmp_path / "wallet.sqlite", tmp_path / "wallet.sqlite.reservations"
    alice = await open_wallet("alice", path)
    await fund(alice, 20_000)
    reserved = await alice.reserve("cfd", Sats(5_000), 2)
    await alice.stop()
    written = beside.read_text()
    beside.write_text(written.replace('"version": 2', '"version": 1').replace(' "bumps": {},\n', ""))
    assert "bumps" not in beside.read_text()
    assert await (await open_wallet("alice", path)).reserve("cfd", Sats(5_000), 2) == reserved


async def test_the_chain_refuses_what_pays_too_little(control: ChainControl, rich: Any) -> None:
    """The rules that the replacements keep are really there: the first child again is no replacement."""
    alice, parent = await rich(60_000), await anchored(rich)
    await control.broadcast(parent.raw)
    low = await alice.bump("commit", parent.raw, VOUT, parent.fee, 20)
    high = await alice.bump("commit", parent.raw, VOUT, parent.fee, 21)
    await control.broadcast(high)
    with pytest.raises(Rejected, match="insufficient fee"):
        await control.broadcast(low)


async def test_coins_that_cost_more_than_they_bring_are_left(open_wallet: Any, fund: Any) -> None:
    alice, bob = await open_wallet("alice"), await open_wallet("bob")
    await fund(alice, 2_000, 1_000)
    await fund(bob, 100_000)
    parent = await parent_from(bob, ANCHOR)
    with pytest.raises(InsufficientFunds) as caught:
        await alice.bump("commit", parent.raw, VOUT, parent.fee, 100)
    assert caught.value.available == 0
    await fund(alice, 60_000)
    raw = await alice.bump("commit", parent.raw, VOUT, parent.fee, 100)
    assert len(Transaction.parse(raw).inputs) == 2
    assert (await alice.balance()).reserved == 60_000


async def test_a_coinbase_pays_when_it_is_mature(chain: Any, open_wallet: Any, fund: Any) -> None:
    alice, bob = await open_wallet("alice"), await open_wallet("bob")
    await fund(bob, 100_000)
    parent = await parent_from(bob, ANCHOR)
    chain.mine(1, await alice.script())
    chain.submit_transaction(parent.raw)
    chain.mine(98)
    await alice.sync()
    with pytest.raises(InsufficientFunds):
        await alice.bump("commit", parent.raw, VOUT, parent.fee, 20)
    chain.mine()
    await alice.sync()
    raw = await alice.bump("commit", parent.raw, VOUT, parent.fee, 20)
    chain.submit_transaction(raw)


async def test_a_bigger_replacement_pays_a_higher_rate_than_the_last(control: ChainControl, rich: Any) -> None:
    parent = await anchored(rich)
    probe = Transaction.parse(await (await rich(60_000)).bump("probe", parent.raw, VOUT, parent.fee, 20))
    just_enough = 60_000 - probe.outputs[0].sats + 300
    alice = await rich(just_enough, 5_000)
    await control.broadcast(parent.raw)
    first = Transaction.parse(await alice.bump("commit", parent.raw, VOUT, parent.fee, 20))
    assert len(first.inputs) == 2
    await control.broadcast(first.serialize())
    second = Transaction.parse(await alice.bump("commit", parent.raw, VOUT, parent.fee, 21))
    assert len(second.inputs) == 3
    fees = parent.child_fee(first, [just_enough]), parent.child_fee(second, [just_enough, 5_000])
    assert parent.rate_with(second, [just_enough, 5_000]) > 22  # more than was asked: the rate of the last binds
    assert fees[1] / second.vsize > fees[0] / first.vsize
    assert await control.broadcast(second.serialize()) == second.txid


async def test_a_replacement_pays_for_its_own_relay(control: ChainControl, rich: Any) -> None:
    alice, parent = await rich(60_000), await anchored(rich)
    await control.broadcast(parent.raw)
    first = Transaction.parse(await alice.bump("commit", parent.raw, VOUT, Sats(1_000_000), 5))
    await control.broadcast(first.serialize())
    size = parent.child_fee(first, [60_000])  # at 1 sat/vB
    # a parent of which the child at 6 sat/vB needs to pay one sat more than the last
    fee = Sats(6 * (parent.tx.vsize + size) - size - 1)
    second = Transaction.parse(await alice.bump("commit", parent.raw, VOUT, fee, 6))
    assert parent.child_fee(second, [60_000]) == 2 * size
    assert await control.broadcast(second.serialize()) == second.txid
