"""What BDK's wallet is asked about payments: an unsigned one, the history, the public descriptors."""

from collections.abc import Iterable
from typing import Any

import bdkpython as bdk

from cfd_core.values import MAX_FEE_RATE, OutPoint, Sats, Txid
from cfd_wallet.errors import InsufficientFunds, WalletError
from cfd_wallet.payments import HistoryEntry, WatchOnly
from cfd_wallet.trouble import insufficient, named


def script_of(address: str, network: Any) -> bytes:
    """The script of any kind of address; `WalletError` for another network's or none at all."""
    try:
        parsed = bdk.Address(address, network)
    except bdk.AddressParseError:
        raise WalletError(f"not an address of {network.name.lower()}: {address!r:.110}") from None
    return bytes(parsed.script_pubkey().to_bytes())


def unsigned_payment(
    wallet: Any, script: bytes, sats: Sats | None, rate: int, taken: Iterable[OutPoint], change: bytes
) -> bytes:
    """An unsigned payment from confirmed coins that are not `taken`; without `sats`, of all of them.

    In network serialisation. It says that it may be replaced (BIP 125). `InsufficientFunds`, or `WalletError`.
    """
    assert 1 <= rate <= MAX_FEE_RATE  # noqa: S101  # `Payment` has checked it
    held = [_bdk_outpoint(outpoint) for outpoint in sorted(taken)]
    builder = (
        bdk.TxBuilder()
        .fee_rate(bdk.FeeRate.from_sat_per_vb(rate))
        .exclude_unconfirmed()
        .unspendable(held)
        # not the default, which draws lots: a preview must say what will be
        .coin_selection(bdk.CoinSelectionAlgorithm.LARGEST_FIRST)
    )
    target = bdk.Script(script)
    if sats is None:
        builder = builder.drain_wallet().drain_to(target)
    else:
        builder = builder.add_recipient(target, bdk.Amount.from_sat(sats)).drain_to(bdk.Script(change))
    try:
        psbt = builder.finish(wallet)
    except (bdk.CreateTxError.CoinSelection, bdk.CreateTxError.InsufficientFunds) as error:
        raise insufficient(error, sats or Sats(0)) from error
    except bdk.CreateTxError.OutputBelowDustLimit:
        raise WalletError("that is less than what nodes relay: such an output could not be spent again") from None
    except bdk.CreateTxError.NoUtxosSelected:
        raise InsufficientFunds(1, 0) from None
    except bdk.CreateTxError as error:
        raise WalletError(f"no payment can be made of this: {named(error)}") from error
    return bytes(psbt.extract_tx_unchecked_fee_rate().serialize())


def history(wallet: Any) -> tuple[HistoryEntry, ...]:
    """Every transaction, newest first; unconfirmed ones lead."""
    entries = [_entry(wallet.tx_details(known.transaction.compute_txid())) for known in wallet.transactions()]
    return tuple(sorted(entries, key=lambda each: (each.height is not None, -(each.height or 0), -(each.at or 0))))


def _entry(details: Any) -> HistoryEntry:
    position = details.chain_position
    height, at = None, None
    if position.is_confirmed():
        block = position.confirmation_block_time
        height, at = int(block.block_id.height), int(block.confirmation_time)
    elif position.timestamp is not None:
        at = int(position.timestamp)
    fee = None if details.fee is None else Sats(int(details.fee.to_sat()))
    return HistoryEntry(Txid(str(details.txid)), int(details.balance_delta), fee, height, at)


def depth_of(wallet: Any, txid: Txid) -> int | None:
    """Confirmations of a transaction: 0 in the mempool, None when the wallet does not see it."""
    known = wallet.get_tx(bdk.Txid.from_string(txid))
    if known is None:
        return None
    if not known.chain_position.is_confirmed():
        return 0
    return int(wallet.latest_checkpoint().height + 1 - known.chain_position.confirmation_block_time.block_id.height)


def public_descriptors(wallet: Any) -> WatchOnly:
    """For wallets that only watch."""
    kinds = (bdk.KeychainKind.EXTERNAL, bdk.KeychainKind.INTERNAL)
    external, internal = (str(wallet.public_descriptor(kind)) for kind in kinds)
    if "prv" in external + internal:
        raise WalletError("a descriptor without private keys is not to be had")
    return WatchOnly(external, internal)


def _bdk_outpoint(outpoint: OutPoint) -> Any:
    return bdk.OutPoint(txid=bdk.Txid.from_string(outpoint.txid), vout=outpoint.vout)
