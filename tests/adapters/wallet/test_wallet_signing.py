"""Two wallets fund one output: each signs its own inputs, and the engine of Bitcoin Core takes the result."""

import base64
from typing import Any

import pytest
from cfd_wallet import Reservation, WalletError
from embit.psbt import PSBT
from embit.script import Script
from embit.transaction import SIGHASH, TransactionOutput

from cfd_core.bitcoin.psbt import final_witnesses, unsigned_psbt
from cfd_core.bitcoin.transaction import Transaction, TxIn, TxOut
from cfd_core.values import Sats

RATE = 5
LOCK_SCRIPT = b"\x00\x20" + b"\x07" * 32
SHARE = Sats(60_000)


def lock(*reservations: Reservation, share: Sats = SHARE) -> tuple[Transaction, bytes]:
    """A joint transaction over all reserved coins, and its unsigned PSBT."""
    coins = [coin for reservation in reservations for coin in reservation.coins]
    total = sum(coin.sats for coin in coins)
    change = (total - 2_000 - share * len(reservations)) // len(reservations)
    tx = Transaction(
        tuple(TxIn(coin.outpoint) for coin in coins),
        (
            TxOut(Sats(share * len(reservations)), LOCK_SCRIPT),
            *(TxOut(Sats(change), reservation.change_script) for reservation in reservations),
        ),
    )
    spent = [TxOut(coin.sats, coin.script) for coin in coins]
    return tx, unsigned_psbt(tx, spent, {coin.outpoint: coin.previous_tx for coin in coins})


def finished(tx: Transaction, *signed: bytes) -> bytes:
    for raw in signed:
        for outpoint, witness in final_witnesses(raw).items():
            index = [tx_in.outpoint for tx_in in tx.inputs].index(outpoint)
            tx = tx.with_witness(index, witness)
    return tx.serialize()


@pytest.fixture
async def alice(open_wallet: Any, fund: Any) -> Any:
    wallet = await open_wallet("alice")
    await fund(wallet, 50_000, 40_000, 30_000)
    return wallet


@pytest.fixture
async def bob(open_wallet: Any, fund: Any) -> Any:
    wallet = await open_wallet("bob")
    await fund(wallet, 100_000, 25_000)
    return wallet


async def test_a_joint_transaction_is_valid(chain: Any, alice: Any, bob: Any) -> None:
    ours = await alice.reserve("cfd", SHARE, RATE)
    theirs = await bob.reserve("cfd", SHARE, RATE)
    tx, psbt = lock(ours, theirs)
    by_alice = await alice.sign("cfd", psbt)
    assert set(final_witnesses(by_alice)) == {coin.outpoint for coin in ours.coins}
    by_bob = await bob.sign("cfd", base64.b64encode(psbt).decode())
    raw = finished(tx, by_alice, by_bob)
    assert Transaction.parse(raw).txid == tx.txid
    assert chain.submit_transaction(raw) == tx.txid
    chain.mine()
    assert chain.place(tx.txid) is not None
    await alice.sync()
    change = tx.outputs[1].sats
    assert (await alice.balance()).confirmed == 120_000 - sum(coin.sats for coin in ours.coins) + change
    assert (await alice.balance()).reserved == 0


async def test_one_after_the_other_in_one_psbt(chain: Any, alice: Any, bob: Any) -> None:
    ours, theirs = await alice.reserve("cfd", SHARE, RATE), await bob.reserve("cfd", SHARE, RATE)
    tx, psbt = lock(ours, theirs)
    both = await bob.sign("cfd", await alice.sign("cfd", psbt))
    assert set(final_witnesses(both)) == {tx_in.outpoint for tx_in in tx.inputs}
    chain.submit_transaction(finished(tx, both))


async def test_signing_again_is_as_good(chain: Any, alice: Any) -> None:
    tx, psbt = lock(await alice.reserve("cfd", SHARE, RATE))
    await alice.sign("cfd", psbt)
    chain.submit_transaction(finished(tx, await alice.sign("cfd", psbt)))


async def test_an_unreserved_coin_of_ours_is_not_signed(alice: Any) -> None:
    first = await alice.reserve("one", Sats(20_000), RATE)
    second = await alice.reserve("two", Sats(20_000), RATE)
    _, psbt = lock(first, second, share=Sats(20_000))
    for name in ("one", "two"):
        with pytest.raises(WalletError, match="ours but not reserved"):
            await alice.sign(name, psbt)
    await alice.release("two")
    with pytest.raises(WalletError, match="ours but not reserved"):
        await alice.sign("one", psbt)


async def test_a_claimed_script_of_ours_is_not_signed(alice: Any, bob: Any) -> None:
    ours, theirs = await alice.reserve("cfd", SHARE, RATE), await bob.reserve("cfd", SHARE, RATE)
    _, psbt = lock(ours, theirs)
    parsed = PSBT.parse(psbt)
    parsed.inputs[-1].witness_utxo = TransactionOutput(5, Script(ours.coins[0].script))
    with pytest.raises(WalletError, match="ours but not reserved"):
        await alice.sign("cfd", parsed.serialize())


async def test_a_transaction_without_our_coins_is_refused(alice: Any, bob: Any) -> None:
    await alice.reserve("cfd", SHARE, RATE)
    _, psbt = lock(await bob.reserve("cfd", SHARE, RATE))
    with pytest.raises(WalletError, match="none of the reserved coins"):
        await alice.sign("cfd", psbt)


async def test_an_unknown_reservation_is_refused(alice: Any) -> None:
    _, psbt = lock(await alice.reserve("cfd", SHARE, RATE))
    with pytest.raises(WalletError, match="no reservation other"):
        await alice.sign("other", psbt)


@pytest.mark.parametrize("psbt", [b"", b"psbt\xff", b"\x00" * 50, "%%%", "", "cHNidP8=", "é"])
async def test_what_is_no_psbt_is_refused(alice: Any, psbt: bytes | str) -> None:
    await alice.reserve("cfd", SHARE, RATE)
    with pytest.raises(WalletError, match="not a PSBT"):
        await alice.sign("cfd", psbt)


async def test_lies_inside_the_psbt_change_nothing(chain: Any, alice: Any, bob: Any) -> None:
    ours, theirs = await alice.reserve("cfd", SHARE, RATE), await bob.reserve("cfd", SHARE, RATE)
    tx, psbt = lock(ours, theirs)
    parsed = PSBT.parse(psbt)
    for scope in parsed.inputs[: len(ours.coins)]:
        scope.witness_utxo = TransactionOutput(1, Script(scope.witness_utxo.script_pubkey.data))
        scope.non_witness_utxo = None
        scope.sighash_type = SIGHASH.NONE
    by_alice = await alice.sign("cfd", parsed.serialize())
    assert all(witness[0][-1] == SIGHASH.ALL for witness in final_witnesses(by_alice).values())
    chain.submit_transaction(finished(tx, by_alice, await bob.sign("cfd", psbt)))


async def test_scripts_of_a_signed_reservation_are_not_used_again(alice: Any) -> None:
    first = await alice.reserve("one", Sats(20_000), RATE)
    _, psbt = lock(first, share=Sats(20_000))
    await alice.sign("one", psbt)
    await alice.release("one")
    second = await alice.reserve("two", Sats(20_000), RATE)
    assert {second.change_script, second.payout_script}.isdisjoint({first.change_script, first.payout_script})
