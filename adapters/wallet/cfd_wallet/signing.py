"""Signing a transaction that others sign too: own reserved inputs, nothing else."""

import base64
import binascii
from typing import Any

from embit.psbt import PSBT
from embit.script import Script, Witness
from embit.transaction import Transaction, TransactionOutput

from cfd_core.values import OutPoint
from cfd_wallet.bdk import OpenWallet
from cfd_wallet.errors import WalletError
from cfd_wallet.values import Coin, Reservation


def read(psbt: bytes | str) -> Any:
    """A PSBT from its bytes or base64; `WalletError` for anything else."""
    try:
        return PSBT.parse(base64.b64decode(psbt, validate=True) if isinstance(psbt, str) else psbt)
    except (binascii.Error, Exception) as error:  # embit raises whatever its parser trips over
        raise WalletError("not a PSBT") from error


def own_inputs(wallet: OpenWallet, psbt: Any, reservation: Reservation) -> dict[int, Coin]:
    """Input index -> coin. `WalletError` if an input is ours but not reserved for this, or none is ours."""
    reserved = {coin.outpoint: coin for coin in reservation.coins}
    own: dict[int, Coin] = {}
    for index, scope in enumerate(psbt.inputs):
        outpoint = OutPoint(scope.txid.hex(), scope.vout)
        if outpoint in reserved:
            own[index] = reserved[outpoint]
        elif wallet.owns(outpoint) or (
            scope.witness_utxo and wallet.owns_script(scope.witness_utxo.script_pubkey.data)
        ):
            raise WalletError(f"input {outpoint} is ours but not reserved for this")
    if not own:
        raise WalletError("none of the reserved coins is an input of this transaction")
    return own


def sign(wallet: OpenWallet, psbt: Any, own: dict[int, Coin]) -> bytes:
    """The PSBT with final witnesses for `own` inputs, all else as it was.

    BDK sees a PSBT of our own making: amounts and scripts from our wallet, no sighash wishes, nothing foreign.
    """
    ours = PSBT(psbt.tx)
    for index, coin in own.items():
        ours.inputs[index].witness_utxo = TransactionOutput(coin.sats, Script(coin.script))
        ours.inputs[index].non_witness_utxo = Transaction.parse(coin.previous_tx)
    try:
        signed = PSBT.parse(base64.b64decode(wallet.sign(base64.b64encode(ours.serialize()).decode())))
    except Exception as error:
        raise WalletError(f"signing failed: {type(error).__name__}") from error
    for index, coin in own.items():
        witness = signed.inputs[index].final_scriptwitness
        if not isinstance(witness, Witness) or not witness.items:
            raise WalletError(f"input {coin.outpoint} could not be signed")
        psbt.inputs[index].final_scriptwitness = witness
    return bytes(psbt.serialize())
