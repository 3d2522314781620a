"""Making, signing and replacing payments; on the wallet's thread."""

from collections.abc import Iterator
from typing import Final

from attrs import evolve

from cfd_core.bitcoin.psbt import final_witnesses, unsigned_psbt
from cfd_core.bitcoin.transaction import Transaction, TxIn, TxOut
from cfd_core.values import MAX_FEE_RATE, OutPoint, Sats
from cfd_wallet import signing
from cfd_wallet.bdk import OpenWallet
from cfd_wallet.errors import InsufficientFunds, WalletError
from cfd_wallet.payments import FINAL_DEPTH, Payment, Preview, Progress, Withdrawal, WithdrawalStatus
from cfd_wallet.values import Coin
from cfd_wallet.withdrawals import WithdrawalBook

RELAY_FEE_RATE: Final = 1
"""sat/vB that nodes want for each replacement, on top of all that was paid before (BIP 125)."""
DUST: Final = 546
"""Sats; no kind of output needs more."""
_CHANGE_SCRIPT: Final = b"\x00\x14" + bytes(20)
_WITNESS: Final = (bytes(72), bytes(33))


def preview(wallet: OpenWallet, payment: Payment, taken: set[OutPoint]) -> Preview:
    """What `payment` would be; `InsufficientFunds` or `WalletError` if it cannot be."""
    tx, coins = _plan(wallet, payment, taken, _CHANGE_SCRIPT)
    brought, vsize = sum(coin.sats for coin in coins), _signed_size(tx)
    arrives = _arriving(wallet, tx, payment)
    change = Sats(sum(out.sats for out in tx.outputs) - arrives)
    free = Sats(sum(coin.sats for coin in wallet.largest_first(taken)))
    return Preview(arrives, Sats(brought - arrives - change), vsize, change, Sats(free - brought + change))


def plan(wallet: OpenWallet, key: str, payment: Payment, taken: set[OutPoint]) -> Withdrawal:
    """A withdrawal that is not signed yet, with a change script of its own."""
    _plan(wallet, payment, taken, _CHANGE_SCRIPT)  # refused before an address of ours is used up for it
    change = wallet.script(change=True)
    tx, coins = _plan(wallet, payment, taken, change)
    return Withdrawal(key, payment, coins, change, tx.serialize())


def sign(wallet: OpenWallet, withdrawal: Withdrawal) -> Withdrawal:
    """With its next version signed; one that is signed already stays as it is."""
    tx = Transaction.parse(withdrawal.unsigned)
    if any(Transaction.parse(raw).txid == tx.txid for raw in withdrawal.signed):
        return withdrawal
    coins = {coin.outpoint: coin for coin in withdrawal.coins}
    spent = [coins[tx_in.outpoint] for tx_in in tx.inputs]
    psbt = signing.read(unsigned_psbt(tx, [TxOut(coin.sats, coin.script) for coin in spent], {}))
    witnesses = final_witnesses(signing.sign(wallet, psbt, dict(enumerate(spent))))
    for index, coin in enumerate(spent):
        tx = tx.with_witness(index, witnesses[coin.outpoint])
    return evolve(withdrawal, signed=(*withdrawal.signed, tx.serialize()))


def replace(wallet: OpenWallet, withdrawal: Withdrawal, rate: int, taken: set[OutPoint]) -> Withdrawal:
    """With a next version that pays `rate` sat/vB, and enough more than the last for nodes to take it (BIP 125).

    The fee comes from the change, then from more coins; when everything was withdrawn, from what arrives.
    """
    if not 1 <= rate <= MAX_FEE_RATE:
        raise WalletError(f"a fee rate is from 1 to {MAX_FEE_RATE:,} sat/vB, not {rate:,}")
    if not withdrawal.signed or withdrawal.final:
        raise WalletError("only a withdrawal that is on its way can pay more")
    last = Transaction.parse(withdrawal.signed[-1])
    paid = _fee(withdrawal, last)
    if rate * last.vsize <= paid:
        raise WalletError(f"it pays {_rate(paid, last)} sat/vB already")
    coins = withdrawal.coins
    more = wallet.largest_first(taken) if withdrawal.payment.sats is not None else iter(())
    while True:
        made = _outputs(wallet, withdrawal, coins, last, paid, rate)
        if made is not None:
            return evolve(withdrawal, coins=coins, unsigned=made.serialize())
        coins = (*coins, _next(more))


def _next(more: Iterator[Coin]) -> Coin:
    coin = next(more, None)
    if coin is None:
        raise InsufficientFunds(1, 0)
    return coin


def _outputs(
    wallet: OpenWallet, withdrawal: Withdrawal, coins: tuple[Coin, ...], last: Transaction, paid: int, rate: int
) -> Transaction | None:
    """The replacement with these coins; None if they do not suffice."""
    payment, script = withdrawal.payment, wallet.script_of(withdrawal.payment.address)
    brought = sum(coin.sats for coin in coins)
    known = {tx_in.outpoint: tx_in for tx_in in last.inputs}
    first = last.inputs[0]
    inputs = tuple(known.get(coin.outpoint, TxIn(coin.outpoint, sequence=first.sequence)) for coin in coins)
    bare = evolve(last, inputs=inputs).without_witnesses()
    if payment.sats is None:
        whole = evolve(bare, outputs=(TxOut(Sats(brought), script),))
        left = brought - _due(whole, last, paid, rate)
        if left < DUST:
            raise WalletError("the fee would eat what is withdrawn")
        return evolve(bare, outputs=(TxOut(Sats(left), script),))
    target = TxOut(payment.sats, script)
    with_change = evolve(bare, outputs=(target, TxOut(Sats(0), withdrawal.change_script)))
    change = brought - payment.sats - _due(with_change, last, paid, rate)
    if change >= DUST:
        return evolve(bare, outputs=(target, TxOut(Sats(change), withdrawal.change_script)))
    without = evolve(bare, outputs=(target,))
    return without if brought - payment.sats >= _due(without, last, paid, rate) else None


def _due(tx: Transaction, last: Transaction, paid: int, rate: int) -> int:
    """The least fee of `tx` as a replacement of `last`. The second rule compares rates, which nodes round."""
    size = _signed_size(tx)
    return max(rate * size, paid + size * RELAY_FEE_RATE, paid * size // last.vsize + size // 1_000 + 1)


def _plan(
    wallet: OpenWallet, payment: Payment, taken: set[OutPoint], change: bytes
) -> tuple[Transaction, tuple[Coin, ...]]:
    script = wallet.script_of(payment.address)
    tx = Transaction.parse(wallet.unsigned_payment(script, payment.sats, payment.rate, taken, change))
    return tx, tuple(wallet.coin(tx_in.outpoint) for tx_in in tx.inputs)


def _arriving(wallet: OpenWallet, tx: Transaction, payment: Payment) -> Sats:
    if payment.sats is not None:
        return payment.sats
    script = wallet.script_of(payment.address)
    return Sats(sum(out.sats for out in tx.outputs if out.script == script))


def _signed_size(tx: Transaction) -> int:
    return evolve(tx, inputs=tuple(evolve(tx_in, witness=_WITNESS) for tx_in in tx.inputs)).vsize


def _fee(withdrawal: Withdrawal, tx: Transaction) -> int:
    coins = {coin.outpoint: coin.sats for coin in withdrawal.coins}
    return sum(coins[tx_in.outpoint] for tx_in in tx.inputs) - sum(out.sats for out in tx.outputs)


def _rate(fee: int, tx: Transaction) -> int:
    return (2 * fee + tx.vsize) // (2 * tx.vsize)


def status(wallet: OpenWallet, withdrawal: Withdrawal) -> WithdrawalStatus:
    """Where it is. The wallet sees at most one of its versions in the best chain and mempool."""
    versions = [Transaction.parse(raw) for raw in withdrawal.signed]
    depths = {tx.txid: wallet.depth_of(tx.txid) for tx in versions}
    confirmed = [tx for tx in versions if (depths[tx.txid] or 0) > 0]
    tx = confirmed[0] if confirmed else versions[-1]
    seen = any(depth is not None for depth in depths.values())
    progress = Progress.CONFIRMED if confirmed else Progress.PENDING if seen else Progress.SIGNED
    fee = _fee(withdrawal, tx)
    arrives = _arriving(wallet, tx, withdrawal.payment)
    return WithdrawalStatus(
        withdrawal.id,
        withdrawal.payment,
        progress,
        tx.txid,
        arrives,
        Sats(fee),
        _rate(fee, tx),
        tx.serialize(),
    )


def settle(wallet: OpenWallet, book: WithdrawalBook) -> None:
    """Mark those as final that lie deep enough."""
    for each in book.all():
        depths = (wallet.depth_of(Transaction.parse(raw).txid) for raw in each.signed if not each.final)
        if any((depth or 0) >= FINAL_DEPTH for depth in depths):
            book.mark_final(each.id)
