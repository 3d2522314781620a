"""Withdrawals: what the preview says is what happens, each id pays once, and a stuck one can pay more."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from cfd_regtest import EmbeddedChain
from cfd_wallet import EVERYTHING, InsufficientFunds, Payment, Progress, WalletError
from cfd_wallet import paying as paying_module
from hypothesis import given
from hypothesis import strategies as st

from cfd_core.bitcoin.scripts import address
from cfd_core.bitcoin.transaction import Transaction
from cfd_core.values import Network, Sats

OUTSIDE = b"\x00\x14" + b"\x07" * 20
TARGET = address(OUTSIDE, Network.REGTEST)


def _pay(sats: int | None, rate: int = 5) -> Payment:
    return Payment(TARGET, None if sats is None else Sats(sats), rate)


def _received(raw: bytes) -> int:
    return sum(out.sats for out in Transaction.parse(raw).outputs if out.script == OUTSIDE)


async def test_what_the_preview_says_is_what_happens(open_wallet: Any, fund: Any, chain: EmbeddedChain) -> None:
    wallet = await open_wallet()
    await fund(wallet, 100_000, 60_000)
    seen = await wallet.preview(_pay(70_000))
    assert seen.sats + seen.fee + seen.change + (seen.left - seen.change) == 160_000
    assert seen.fee >= 5 * (seen.vsize - 2)
    done = await wallet.withdraw("w", _pay(70_000))
    assert (done.progress, done.sats, done.fee) == (Progress.SIGNED, 70_000, seen.fee)
    assert _received(done.transaction) == 70_000
    assert 5 <= done.rate <= 6
    held = await wallet.balance()
    assert held.confirmed - held.reserved == 160_000 - seen.sats - seen.fee - seen.change
    chain.submit_transaction(done.transaction)
    await wallet.sync()
    (pending,) = await wallet.withdrawals()
    assert pending.progress is Progress.PENDING
    chain.mine()
    await wallet.sync()
    (confirmed,) = await wallet.withdrawals()
    assert confirmed.progress is Progress.CONFIRMED
    balance = await wallet.balance()
    assert (balance.confirmed, balance.reserved, balance.pending) == (seen.left, 0, 0)
    with pytest.raises(WalletError, match="confirmed already"):
        await wallet.replace("w", 50)
    chain.mine(5)
    await wallet.sync()
    assert await wallet.withdrawals() == ()
    with pytest.raises(WalletError, match="confirmed already"):
        await wallet.replace("w", 50)


async def test_everything_leaves_but_what_is_set_aside(open_wallet: Any, fund: Any, chain: EmbeddedChain) -> None:
    wallet = await open_wallet()
    await fund(wallet, 100_000, 60_000, 30_000)
    reserved = await wallet.reserve("a contract", Sats(50_000), 5)
    kept = sum(coin.sats for coin in reserved.coins)
    seen = await wallet.preview(_pay(EVERYTHING))
    assert (seen.sats + seen.fee, seen.change, seen.left) == (190_000 - kept, 0, 0)
    done = await wallet.withdraw("w", _pay(EVERYTHING))
    assert _received(done.transaction) == done.sats == seen.sats
    chain.submit_transaction(done.transaction)
    chain.mine()
    await wallet.sync()
    balance = await wallet.balance()
    assert (balance.confirmed, balance.reserved) == (kept, kept)
    with pytest.raises(InsufficientFunds):
        await wallet.preview(_pay(EVERYTHING))


async def test_reservations_and_withdrawals_never_share_a_coin(open_wallet: Any, fund: Any) -> None:
    wallet = await open_wallet()
    await fund(wallet, *([50_000] * 4))
    made = await asyncio.gather(
        *(wallet.withdraw(f"w{n}", _pay(30_000)) for n in range(2)),
        *(wallet.reserve(f"r{n}", Sats(30_000), 5) for n in range(2)),
    )
    spent = [tx_in.outpoint for each in made[:2] for tx_in in Transaction.parse(each.transaction).inputs]
    spent += [coin.outpoint for each in made[2:] for coin in each.coins]
    assert len(set(spent)) == len(spent) == 4
    with pytest.raises(InsufficientFunds):
        await wallet.withdraw("w2", _pay(1_000))
    with pytest.raises(InsufficientFunds):
        await wallet.reserve("r2", Sats(1_000), 5)


async def test_an_id_pays_once_however_often_it_is_used(open_wallet: Any, fund: Any, tmp_path: Path) -> None:
    path = tmp_path / "wallet.sqlite"
    wallet = await open_wallet(path=path)
    await fund(wallet, 100_000, 60_000)
    first = await wallet.withdraw("w", _pay(20_000))
    assert await wallet.withdraw("w", _pay(20_000)) == first
    with pytest.raises(WalletError, match="an id is used once"):
        await wallet.withdraw("w", _pay(20_001))
    await wallet.stop()
    again = await open_wallet(path=path)
    assert await again.withdraw("w", _pay(20_000)) == first
    assert await again.withdrawals() == (first,)
    for bad in ("", "x" * 101, "a\nb"):
        with pytest.raises(WalletError, match="id has 1 to 100"):
            await again.withdraw(bad, _pay(1_000))


@pytest.mark.parametrize("when", ["before it is signed", "before the signature is stored"])
async def test_a_crash_between_storing_and_signing_pays_once(
    open_wallet: Any, fund: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    path = tmp_path / "wallet.sqlite"
    wallet = await open_wallet(path=path)
    await fund(wallet, 100_000, 60_000)

    def crash(*args: Any) -> Any:
        if when == "before the signature is stored":
            signed(*args)
        raise SystemError("power cut")

    signed = paying_module.sign
    with monkeypatch.context() as patched:
        patched.setattr(paying_module, "sign", crash)
        with pytest.raises(SystemError):
            await wallet.withdraw("w", _pay(20_000))
    await wallet.stop()
    again = await open_wallet(path=path)
    (found,) = await again.withdrawals()
    assert _received(found.transaction) == 20_000
    assert await again.withdraw("w", _pay(20_000)) == found
    assert (await again.balance()).reserved >= 20_000


async def test_a_stuck_withdrawal_pays_more_and_only_one_version_confirms(
    open_wallet: Any, fund: Any, chain: EmbeddedChain
) -> None:
    wallet = await open_wallet()
    await fund(wallet, 100_000, 60_000)
    first = await wallet.withdraw("w", _pay(50_000, 1))
    chain.submit_transaction(first.transaction)
    await wallet.sync()
    with pytest.raises(WalletError, match="1 sat/vB already"):
        await wallet.replace("w", 1)
    second = await wallet.replace("w", 20)
    chain.submit_transaction(second.transaction)  # full replace-by-fee rules: it refuses what pays too little
    assert (second.sats, _received(second.transaction)) == (50_000, 50_000)
    assert second.rate >= 20
    await wallet.sync()
    third = await wallet.replace("w", 21)
    chain.submit_transaction(third.transaction)
    chain.mine()
    await wallet.sync()
    (status,) = await wallet.withdrawals()
    assert (status.progress, status.txid) == (Progress.CONFIRMED, third.txid)
    assert (await wallet.balance()).confirmed == 160_000 - 50_000 - third.fee
    sent = [entry for entry in await wallet.history() if entry.withdrawal == "w"]
    assert [(entry.txid, entry.net, entry.fee) for entry in sent] == [(third.txid, -50_000 - third.fee, third.fee)]


async def test_a_replacement_takes_more_coins_when_the_change_does_not_suffice(
    open_wallet: Any, fund: Any, chain: EmbeddedChain
) -> None:
    wallet = await open_wallet()
    await fund(wallet, 50_000, 60_000)
    first = await wallet.withdraw("w", _pay(58_500, 2))
    chain.submit_transaction(first.transaction)
    await wallet.sync()
    second = await wallet.replace("w", 100)
    assert len(Transaction.parse(second.transaction).inputs) == 2
    chain.submit_transaction(second.transaction)
    with pytest.raises(InsufficientFunds):
        await wallet.replace("w", 400)
    assert (await wallet.withdrawals())[0].txid == second.txid


async def test_a_replaced_drain_takes_the_fee_from_what_arrives(
    open_wallet: Any, fund: Any, chain: EmbeddedChain
) -> None:
    wallet = await open_wallet()
    await fund(wallet, 20_000)
    first = await wallet.withdraw("w", _pay(EVERYTHING, 2))
    chain.submit_transaction(first.transaction)
    second = await wallet.replace("w", 50)
    chain.submit_transaction(second.transaction)
    assert second.sats + second.fee == 20_000
    assert second.fee >= 50 * 100
    with pytest.raises(WalletError, match="eat what is withdrawn"):
        await wallet.replace("w", 200)


async def test_an_earlier_version_may_confirm_after_all(open_wallet: Any, fund: Any, chain: EmbeddedChain) -> None:
    wallet = await open_wallet()
    await fund(wallet, 100_000)
    first = await wallet.withdraw("w", _pay(50_000, 2))
    await wallet.replace("w", 20)
    chain.submit_transaction(first.transaction)
    chain.mine()
    await wallet.sync()
    (status,) = await wallet.withdrawals()
    assert (status.txid, status.fee) == (first.txid, first.fee)


async def test_a_reorg_brings_a_withdrawal_back_to_what_is_owed(
    open_wallet: Any, fund: Any, chain: EmbeddedChain
) -> None:
    wallet = await open_wallet()
    await fund(wallet, 100_000)
    first = await wallet.withdraw("w", _pay(50_000, 2))
    chain.submit_transaction(first.transaction)
    chain.mine()
    await wallet.sync()
    chain.reorg(1)
    await wallet.sync()
    (status,) = await wallet.withdrawals()
    assert status.progress is not Progress.CONFIRMED
    assert status.transaction == first.transaction


@pytest.mark.parametrize(
    "target", ["", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx", "x" * 90]
)
async def test_addresses_of_other_networks_and_nonsense_are_refused(open_wallet: Any, fund: Any, target: str) -> None:
    wallet = await open_wallet()
    await fund(wallet, 100_000)
    with pytest.raises(WalletError, match="not an address of regtest"):
        await wallet.withdraw("w", Payment(target, Sats(10_000), 2))
    assert await wallet.withdrawals() == ()


@pytest.mark.parametrize(
    "target", ["2MzQwSSnBHWHqSAqtTVQ6v47XtaisrJa1Vc", "mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn", TARGET]
)
async def test_every_kind_of_address_can_be_paid(
    open_wallet: Any, fund: Any, chain: EmbeddedChain, target: str
) -> None:
    wallet = await open_wallet()
    await fund(wallet, 100_000)
    done = await wallet.withdraw("w", Payment(target, Sats(10_000), 2))
    chain.submit_transaction((await wallet.replace("w", 30)).transaction)
    assert done.sats == 10_000


@pytest.mark.parametrize(("sats", "rate"), [(0, 5), (-1, 5), (1, 0), (1, 2_001), (21_000_000 * 10**8 + 1, 5)])
def test_impossible_wishes_are_refused(sats: int, rate: int) -> None:
    with pytest.raises(WalletError):
        _pay(sats, rate)


async def test_dust_is_refused_before_anything_is_stored(open_wallet: Any, fund: Any) -> None:
    wallet = await open_wallet()
    await fund(wallet, 100_000)
    with pytest.raises(WalletError, match="less than what nodes relay"):
        await wallet.withdraw("w", _pay(100))
    assert await wallet.withdrawals() == ()
    assert (await wallet.balance()).reserved == 0


async def test_previews_use_up_no_address(open_wallet: Any, fund: Any) -> None:
    wallet, other = await open_wallet(), await open_wallet()
    await fund(wallet, 100_000)
    for _ in range(60):  # more than the gap that a restore searches
        await wallet.preview(_pay(10_000))
    change = {out.script for out in Transaction.parse((await wallet.withdraw("w", _pay(10_000))).transaction).outputs}
    await fund(other, 50_000)
    first = {out.script for out in Transaction.parse((await other.withdraw("w", _pay(10_000))).transaction).outputs}
    assert change == first, "both wallets are of one seed, and both gave their first change address"


async def test_the_history_tells_what_came_and_went(open_wallet: Any, fund: Any, chain: EmbeddedChain) -> None:
    wallet = await open_wallet()
    await fund(wallet, 100_000)
    chain.fund(await wallet.script(), 7_000)
    await wallet.sync()
    newest, oldest = await wallet.history()
    assert (newest.net, newest.height, oldest.net, oldest.height) == (7_000, None, 100_000, 111)
    assert oldest.at is not None
    assert oldest.withdrawal is None


async def test_descriptors_to_watch_hold_no_private_key(open_wallet: Any, master_key: Any) -> None:
    wallet = await open_wallet()
    shown = await wallet.watch_only()
    assert shown.external.startswith("wpkh([")
    assert "/84'/1'/0']tpub" in shown.external
    assert "/0/*)#" in shown.external
    assert "/1/*)#" in shown.internal
    assert "prv" not in shown.external + shown.internal
    assert master_key("alice").reveal().decode() not in shown.external


@pytest.mark.parametrize("damage", [b"", b"{}", b'{"version": 2, "withdrawals": []}', b'{"version": 1}'])
async def test_a_damaged_book_of_withdrawals_is_refused_and_left_alone(
    open_wallet: Any, tmp_path: Path, damage: bytes
) -> None:
    (tmp_path / "wallet.sqlite.withdrawals").write_bytes(damage)
    with pytest.raises(WalletError, match="cannot be read"):
        await open_wallet(path=tmp_path / "wallet.sqlite")
    assert (tmp_path / "wallet.sqlite.withdrawals").read_bytes() == damage


@given(st.text(max_size=120))
def test_no_text_is_taken_for_an_address_by_accident(text: str) -> None:
    try:
        payment = Payment(text, Sats(1_000), 1)
    except WalletError:
        return
    assert payment.address == text
