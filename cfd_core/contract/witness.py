"""Checking the witness a counterparty brings for an input of the lock, before ours leaves."""

from collections.abc import Sequence

from cfd_core.bitcoin import scripts
from cfd_core.bitcoin.scripts import ScriptKind
from cfd_core.bitcoin.transaction import SIGHASH_ALL, Transaction, TxOut
from cfd_core.crypto import secp
from cfd_core.errors import CfdError, PeerViolation


def check_witness(tx: Transaction, index: int, spent: Sequence[TxOut], witness: Sequence[bytes]) -> None:
    """`PeerViolation` unless `witness` validly spends input `index` with SIGHASH_ALL (or taproot's default).

    `spent` are the outputs that all inputs spend, in order.
    """
    kind = scripts.script_kind(spent[index].script)
    check = _p2wpkh if kind is ScriptKind.P2WPKH else _p2tr
    try:
        valid = check(tx, index, spent, witness)
    except CfdError:
        valid = False
    if not valid:
        raise PeerViolation(f"the signature for lock input {index} is not valid")


def _p2wpkh(tx: Transaction, index: int, spent: Sequence[TxOut], witness: Sequence[bytes]) -> bool:
    if len(witness) != 2 or len(witness[0]) < 2 or witness[0][-1] != SIGHASH_ALL:
        return False
    signature, key = witness
    key_hash = spent[index].script[2:]
    if scripts.hash160(key) != key_hash:
        return False
    code = b"\x76\xa9\x14" + key_hash + b"\x88\xac"
    digest = tx.sighash_v0(index, code, spent[index].sats)
    return secp.ecdsa_verify(secp.Point.parse(key), digest, signature[:-1])


def _p2tr(tx: Transaction, index: int, spent: Sequence[TxOut], witness: Sequence[bytes]) -> bool:
    if len(witness) != 1 or len(witness[0]) not in (64, 65):
        return False
    signature = witness[0]
    sighash = signature[64] if len(signature) == 65 else 0
    if len(signature) == 65 and sighash != SIGHASH_ALL:
        return False
    digest = tx.sighash_taproot(index, spent, sighash)
    return secp.schnorr_verify(spent[index].script[2:], digest, signature[:64])
