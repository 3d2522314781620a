"""What is signed: our midstate, embit and Bitcoin Core's script engine agree."""

import hashlib
from collections.abc import Callable, Sequence

import pytest
from embit.transaction import Transaction as EmbitTransaction
from hypothesis import given
from hypothesis import strategies as st

from cfd_core.bitcoin import scripts
from cfd_core.bitcoin.midstate import OneInputDigest, compact_size, encode_output
from cfd_core.bitcoin.transaction import Transaction, TxIn, TxOut
from cfd_core.crypto import secp
from cfd_core.crypto.secp import public_key
from cfd_core.values import OutPoint, Sats, Secret, Txid

KEY = Secret(hashlib.sha256(b"a key").digest())
PUBLIC = public_key(KEY)
P2WPKH = b"\x00\x14" + scripts.hash160(PUBLIC.encode())
P2TR = b"\x51\x20" + PUBLIC.x_only()

outs = st.lists(st.builds(TxOut, st.integers(0, 2**50).map(Sats), st.binary(max_size=300)), min_size=1, max_size=3).map(
    tuple
)


@given(
    txid=st.binary(min_size=32, max_size=32),
    vout=st.integers(0, 2**32 - 1),
    sequence=st.integers(0, 2**32 - 1),
    code=st.binary(max_size=600),
    sats=st.integers(0, 2**50),
    outputs=outs,
)
def test_the_midstate_gives_the_digest_of_the_whole_transaction(
    txid: bytes, vout: int, sequence: int, code: bytes, sats: int, outputs: tuple[TxOut, ...]
) -> None:
    spent = TxIn(OutPoint(Txid(txid.hex()), vout), sequence)
    quick = OneInputDigest.of(spent, code, Sats(sats))
    tx = Transaction((spent,), outputs)
    assert quick.digest(outputs) == tx.sighash_v0(0, code, Sats(sats))
    encoded = b"".join(encode_output(out.sats, out.script) for out in outputs)
    assert quick.digest_encoded(encoded) == quick.digest(outputs)
    assert encoded in EmbitTransaction.parse(tx.serialize()).serialize()


@pytest.mark.parametrize(
    ("number", "encoded"), [(0, "00"), (252, "fc"), (253, "fdfd00"), (300, "fd2c01"), (65_535, "fdffff")]
)
def test_compact_size(number: int, encoded: str) -> None:
    assert compact_size(number).hex() == encoded


@pytest.mark.parametrize("sighash", [0, 1])
def test_the_script_engine_accepts_both_kinds_of_input(
    accepts: Callable[[Transaction, Sequence[TxOut]], bool], sighash: int
) -> None:
    spent = (TxOut(Sats(50_000), P2WPKH), TxOut(Sats(70_000), P2TR))
    tx = Transaction(
        (TxIn(OutPoint(Txid("11" * 32), 0)), TxIn(OutPoint(Txid("22" * 32), 1))), (TxOut(Sats(110_000), P2TR),)
    )
    code = b"\x76\xa9\x14" + P2WPKH[2:] + b"\x88\xac"
    der = secp.ecdsa_sign(KEY, tx.sighash_v0(0, code, Sats(50_000)))
    schnorr = secp.schnorr_sign(KEY, tx.sighash_taproot(1, spent, sighash), bytes(32)) + bytes([sighash] * sighash)
    signed = tx.with_witness(0, (der + b"\x01", PUBLIC.encode())).with_witness(1, (schnorr,))
    assert accepts(signed, spent)
    assert not accepts(signed.with_witness(1, (bytes(64),)), spent)
    assert not accepts(signed, (TxOut(Sats(50_001), P2WPKH), spent[1]))


def test_real_inputs_weigh_what_is_counted() -> None:
    """Never more than counted; a signature may be a little shorter than the longest."""
    tx = Transaction((TxIn(OutPoint(Txid("11" * 32), 0)),), (TxOut(Sats(1), P2TR),))
    body = tx.weight - 41 * 4 + 2
    for nonce in range(200):
        der = secp.ecdsa_sign(KEY, hashlib.sha256(bytes([nonce])).digest())
        weight = tx.with_witness(0, (der + b"\x01", PUBLIC.encode())).weight - body
        assert 0 <= scripts.input_weight(P2WPKH) - weight <= 8
    for signature in (bytes(64), bytes(65)):
        weight = tx.with_witness(0, (signature,)).weight - body
        assert 0 <= scripts.input_weight(P2TR) - weight <= 1
    one_more = Transaction(tx.inputs, (*tx.outputs, TxOut(Sats(5), P2WPKH)))
    assert one_more.weight - tx.weight == scripts.output_weight(P2WPKH)
