"""Coins set aside: enough, never twice, and still there after a restart."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from cfd_wallet import InsufficientFunds, Reservation, WalletError

from cfd_core.bitcoin.transaction import Transaction
from cfd_core.values import OutPoint, Sats

RATE = 10
INPUT_WEIGHT = 272
CHANGE_WEIGHT = 4 * 31


def outpoints(reservation: Reservation) -> set[OutPoint]:
    return {coin.outpoint for coin in reservation.coins}


async def test_coins_cover_the_amount_their_inputs_and_the_change(open_wallet: Any, fund: Any) -> None:
    wallet = await open_wallet()
    await fund(wallet, 50_000, 40_000, 30_000, 20_000)
    for number, amount in enumerate((1_000, 45_000, 80_000)):
        reservation = await wallet.reserve(f"r{number}", Sats(amount), RATE)
        brought = sum(coin.sats for coin in reservation.coins)
        weight = INPUT_WEIGHT * len(reservation.coins) + CHANGE_WEIGHT
        assert brought >= amount + RATE * weight / 4
        for coin in reservation.coins:
            previous = Transaction.parse(coin.previous_tx)
            output = previous.outputs[coin.outpoint.vout]
            assert (previous.txid, output.sats, output.script) == (coin.outpoint.txid, coin.sats, coin.script)
        await wallet.release(f"r{number}")


async def test_the_same_id_gives_the_same_coins(open_wallet: Any, fund: Any) -> None:
    wallet = await open_wallet()
    await fund(wallet, 50_000, 50_000)
    first = await wallet.reserve("a", Sats(20_000), RATE)
    assert await wallet.reserve("a", Sats(20_000), RATE) == first
    with pytest.raises(WalletError, match="is for 20,000 sats"):
        await wallet.reserve("a", Sats(20_001), RATE)
    with pytest.raises(WalletError, match="10 sat/vB"):
        await wallet.reserve("a", Sats(20_000), RATE + 1)


async def test_two_reservations_share_nothing(open_wallet: Any, fund: Any) -> None:
    wallet = await open_wallet()
    await fund(wallet, *([50_000] * 4))
    made = await asyncio.gather(*(wallet.reserve(f"r{n}", Sats(20_000), RATE) for n in range(4)))
    assert len({outpoint for each in made for outpoint in outpoints(each)}) == 4
    assert len({script for each in made for script in (each.change_script, each.payout_script)}) == 8
    balance = await wallet.balance()
    assert (balance.confirmed, balance.reserved) == (200_000, 200_000)
    with pytest.raises(InsufficientFunds) as caught:
        await wallet.reserve("one more", Sats(20_000), RATE)
    assert caught.value.available == 0
    assert caught.value.needed > 20_000


async def test_a_release_gives_the_coins_back(open_wallet: Any, fund: Any) -> None:
    wallet = await open_wallet()
    await fund(wallet, 50_000)
    first = await wallet.reserve("a", Sats(20_000), RATE)
    await wallet.release("a")
    await wallet.release("a")
    await wallet.release("never heard of")
    assert (await wallet.balance()).reserved == 0
    second = await wallet.reserve("b", Sats(30_000), RATE)
    assert outpoints(second) == outpoints(first)


async def test_abandoned_orders_do_not_use_up_addresses(open_wallet: Any, fund: Any) -> None:
    wallet = await open_wallet()
    await fund(wallet, 50_000)
    scripts = set()
    for number in range(5):
        reservation = await wallet.reserve(f"r{number}", Sats(20_000), RATE)
        scripts.add((reservation.change_script, reservation.payout_script))
        await wallet.release(f"r{number}")
    assert len(scripts) == 1


async def test_a_restart_forgets_nothing(tmp_path: Path, open_wallet: Any, fund: Any) -> None:
    path = tmp_path / "wallet.sqlite"
    wallet = await open_wallet(path=path)
    await fund(wallet, 50_000, 50_000)
    first = await wallet.reserve("a", Sats(20_000), RATE)
    spare = await wallet.reserve("b", Sats(20_000), RATE)
    await wallet.release("b")
    await wallet.stop()
    again = await open_wallet(path=path)
    assert await again.reserve("a", Sats(20_000), RATE) == first
    other = await again.reserve("c", Sats(20_000), RATE)
    assert not outpoints(other) & outpoints(first)
    assert other.change_script == spare.change_script
    assert json.loads((tmp_path / "wallet.sqlite.reservations").read_text())["version"] == 2
    assert not (tmp_path / "wallet.sqlite.reservations.new").exists()


async def test_a_reservation_that_cannot_be_written_is_none(
    tmp_path: Path, open_wallet: Any, fund: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    wallet = await open_wallet(path=tmp_path / "wallet.sqlite")
    await fund(wallet, 50_000)

    def full(*_: Any) -> None:
        raise OSError(28, "no space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("cfd_wallet.reservations.write_whole", full)
        with pytest.raises(WalletError, match="cannot be written: no space left"):
            await wallet.reserve("a", Sats(20_000), RATE)
    assert (await wallet.balance()).reserved == 0
    assert await wallet.reserve("a", Sats(30_000), RATE)


async def test_unconfirmed_coins_do_not_count(chain: Any, open_wallet: Any, fund: Any) -> None:
    wallet = await open_wallet()
    await fund(wallet, 50_000)
    chain.fund(await wallet.script(), 100_000)
    await wallet.sync()
    with pytest.raises(InsufficientFunds) as caught:
        await wallet.reserve("a", Sats(60_000), RATE)
    assert caught.value.needed > 60_000
    assert caught.value.available == 50_000
    assert str(caught.value).endswith("50,000 are available")


@pytest.mark.parametrize(
    ("amount", "rate"), [(0, 1), (-1, 1), (1, 1), (10_000, 0), (10_000, -1), (10_000, 2**70), (2**70, 1)]
)
async def test_impossible_wishes_are_refused(open_wallet: Any, fund: Any, amount: int, rate: int) -> None:
    wallet = await open_wallet()
    await fund(wallet, 50_000)
    with pytest.raises(WalletError):
        await wallet.reserve("a", Sats(amount), rate)
    assert (await wallet.balance()).reserved == 0
