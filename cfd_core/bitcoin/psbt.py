"""BIP 174: how the wallet is asked to sign its inputs of a transaction, and how its answer is read."""

from collections.abc import Callable, Mapping, Sequence

from embit.psbt import PSBT
from embit.script import Script, Witness
from embit.transaction import Transaction as EmbitTransaction
from embit.transaction import TransactionOutput

from cfd_core.bitcoin.transaction import Transaction, TxOut
from cfd_core.errors import DecodeError
from cfd_core.values import OutPoint, Sats


def unsigned_psbt(tx: Transaction, spent: Sequence[TxOut], previous: Mapping[OutPoint, bytes]) -> bytes:
    """A PSBT for `tx`; `spent` are the outputs its inputs spend, in order.

    `previous` holds whole earlier transactions where known: signers want them for P2WPKH inputs.
    """
    psbt = PSBT(tx.without_witnesses()._embit())
    for scope, tx_in, out in zip(psbt.inputs, tx.inputs, spent, strict=True):
        scope.witness_utxo = TransactionOutput(out.sats, Script(out.script))
        if tx_in.outpoint in previous:
            scope.non_witness_utxo = EmbitTransaction.parse(previous[tx_in.outpoint])
    return bytes(psbt.serialize())


def final_witnesses(raw: bytes) -> dict[OutPoint, tuple[bytes, ...]]:
    """The finished witness stacks in a signer's answer, by outpoint."""
    try:
        psbt = PSBT.parse(raw)
        pairs = [(scope.vin, scope.final_scriptwitness) for scope in psbt.inputs]
    except Exception as error:  # embit raises whatever its parser trips over
        raise DecodeError("the signer's answer is not a PSBT") from error
    return {
        OutPoint(vin.txid.hex(), vin.vout): tuple(witness.items)
        for vin, witness in pairs
        if isinstance(witness, Witness) and witness.items
    }


def with_final_witnesses(raw: bytes, sign: Callable[[Transaction, int, TxOut], tuple[bytes, ...]]) -> bytes:
    """A signer's answer to `raw`: `sign` gives the witness of an input by its place and the output it spends.

    An empty witness leaves the input unsigned.
    """
    psbt = PSBT.parse(raw)
    tx = Transaction.parse(psbt.tx.serialize())
    for index, scope in enumerate(psbt.inputs):
        spent = TxOut(Sats(scope.witness_utxo.value), scope.witness_utxo.script_pubkey.data)
        witness = sign(tx, index, spent)
        if witness:
            scope.final_scriptwitness = Witness(list(witness))
    return bytes(psbt.serialize())
