"""Hashes, ECDSA and Schnorr signatures.

`bip340_vectors.json` holds BIP 340's vectors: key, x-only key, aux, message, signature, whether it is valid.
"""

import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cfd_core.crypto import secp
from cfd_core.crypto.secp import (
    ORDER,
    PointAtInfinity,
    compact_to_der,
    der_to_compact,
    ecdsa_sign,
    ecdsa_verify,
    public_key,
    schnorr_sign,
    schnorr_signature_point,
    schnorr_verify,
    sha256,
    tagged_hash,
)
from cfd_core.errors import DecodeError, RuleViolation
from cfd_core.values import Secret

BIP340 = json.loads((Path(__file__).parent / "bip340_vectors.json").read_text())
KEY, DIGEST, AUX = Secret(sha256(b"key")), sha256(b"message"), sha256(b"aux")
POINT = public_key(KEY)
DER = ecdsa_sign(KEY, DIGEST)
scalars = st.one_of(st.sampled_from([1, 2, ORDER - 1]), st.integers(1, ORDER - 1)).map(
    lambda value: Secret(value.to_bytes(32, "big"))
)


def test_hashes() -> None:
    assert sha256(b"") == hashlib.sha256(b"").digest()
    tag = hashlib.sha256(b"BIP0340/challenge").digest()
    assert tagged_hash("BIP0340/challenge", b"data") == hashlib.sha256(tag + tag + b"data").digest()
    assert tagged_hash("a", b"data") != tagged_hash("b", b"data")


@settings(deadline=None)
@given(key=scalars, digest=st.binary(min_size=32, max_size=32), aux=st.none() | st.binary(min_size=32, max_size=32))
def test_ecdsa_round_trip(key: Secret, digest: bytes, aux: bytes | None) -> None:
    der = ecdsa_sign(key, digest, aux)
    assert ecdsa_verify(public_key(key), digest, der)
    compact = der_to_compact(der)
    assert compact_to_der(compact) == der
    assert int.from_bytes(compact[32:], "big") <= ORDER // 2


def test_ecdsa_is_deterministic_but_for_aux() -> None:
    assert ecdsa_sign(KEY, DIGEST) == DER
    assert ecdsa_sign(KEY, DIGEST, AUX) != DER


def test_every_flipped_bit_of_an_ecdsa_signature_fails() -> None:
    for bit in range(8 * len(DER)):
        flipped = bytearray(DER)
        flipped[bit // 8] ^= 1 << bit % 8
        assert not ecdsa_verify(POINT, DIGEST, bytes(flipped)), bit


def test_ecdsa_of_another_key_or_digest_is_false() -> None:
    assert not ecdsa_verify(public_key(Secret(AUX)), DIGEST, DER)
    assert not ecdsa_verify(POINT, AUX, DER)


def test_high_s_is_no_signature_but_decodes() -> None:
    compact = der_to_compact(DER)
    high = compact[:32] + (ORDER - int.from_bytes(compact[32:], "big")).to_bytes(32, "big")
    assert not ecdsa_verify(POINT, DIGEST, compact_to_der(high))
    assert der_to_compact(compact_to_der(high)) == high


def der(r: bytes, s: bytes) -> bytes:
    body = b"\x02" + bytes([len(r)]) + r + b"\x02" + bytes([len(s)]) + s
    return b"\x30" + bytes([len(body)]) + body


@pytest.mark.parametrize(
    "malformed",
    [
        b"",
        b"\x30\x00",
        DER + b"\x01",
        DER[:-1],
        DER + b"\x00" * 100,
        der(b"\x00\x01", b"\x01"),
        der(b"\x81", b"\x01"),
        der(b"\x00", b"\x01"),
        der(b"\x01", b"\x00"),
        der(b"", b"\x01"),
        der(b"\x01" + bytes(32), b"\x01"),
        der(b"\x00" + ORDER.to_bytes(32, "big"), b"\x01"),
        b"\x30\x81" + DER[1:],
    ],
)
def test_loose_der_is_refused(malformed: bytes) -> None:
    assert not ecdsa_verify(POINT, DIGEST, malformed)
    with pytest.raises(DecodeError):
        der_to_compact(malformed)


@pytest.mark.parametrize(
    "malformed",
    [
        b"",
        bytes(64),
        bytes(32) + DIGEST,
        DIGEST + bytes(32),
        DIGEST * 2 + b"\x01",
        ORDER.to_bytes(32, "big") + DIGEST,
        DIGEST + ORDER.to_bytes(32, "big"),
    ],
)
def test_compact_out_of_range_is_refused(malformed: bytes) -> None:
    with pytest.raises(DecodeError, match="compact signature"):
        compact_to_der(malformed)


@pytest.mark.parametrize(("key", "public_x", "aux", "message", "signature", "valid"), BIP340)
def test_bip340_vectors(key: str, public_x: str, aux: str, message: str, signature: str, valid: bool) -> None:
    args = bytes.fromhex(public_x), bytes.fromhex(message), bytes.fromhex(signature)
    assert schnorr_verify(*args) is valid
    if key:
        secret = Secret(bytes.fromhex(key))
        assert public_key(secret).x_only() == args[0]
        assert schnorr_sign(secret, args[1], bytes.fromhex(aux)) == args[2]


@settings(deadline=None)
@given(key=scalars, message=st.binary(max_size=200))
def test_schnorr_messages_of_any_length(key: Secret, message: bytes) -> None:
    public_x = public_key(key).x_only()
    signature = schnorr_sign(key, message, AUX)
    assert schnorr_verify(public_x, message, signature)
    assert not schnorr_verify(public_x, message + b"\x00", signature)


@settings(deadline=None)
@given(key=scalars, digest=st.binary(min_size=32, max_size=32))
def test_signature_point_is_known_before_the_signature(key: Secret, digest: bytes) -> None:
    signature = schnorr_sign(key, digest, AUX)
    expected = public_key(Secret(signature[32:]))
    assert schnorr_signature_point(public_key(key).x_only(), signature[:32], digest) == expected


def test_wrong_lengths() -> None:
    x, signature = POINT.x_only(), schnorr_sign(KEY, DIGEST, AUX)
    for bad_x, bad_signature in ((x[:-1], signature), (x, signature[:-1]), (x + b"\x00", signature)):
        with pytest.raises(DecodeError, match="32 bytes and a signature 64"):
            schnorr_verify(bad_x, DIGEST, bad_signature)
    with pytest.raises(DecodeError, match="32 bytes"):
        schnorr_signature_point(x[:-1], x, DIGEST)
    with pytest.raises(DecodeError, match="curve point"):
        schnorr_signature_point(x, bytes(31) + b"\x05", DIGEST)
    for digest in (b"", DIGEST[:-1], DIGEST + b"\x00"):
        with pytest.raises(RuleViolation, match="32 bytes"):
            ecdsa_sign(KEY, digest)
        with pytest.raises(RuleViolation, match="32 bytes"):
            ecdsa_verify(POINT, digest, DER)
        with pytest.raises(RuleViolation, match="32 bytes"):
            schnorr_signature_point(x, x, digest)
        with pytest.raises(RuleViolation, match="32 bytes"):
            schnorr_sign(KEY, DIGEST, digest)
        with pytest.raises(RuleViolation, match="32 bytes"):
            ecdsa_sign(KEY, DIGEST, digest)


def test_infinity_is_a_rule_violation_of_its_own() -> None:
    with pytest.raises(PointAtInfinity, match="cancel out"):
        _ = POINT + -POINT
    assert issubclass(PointAtInfinity, RuleViolation)


def test_of_two_s_the_lower_one_is_taken() -> None:
    """A block may hold either; the signature is the same."""
    key, digest = Secret(b"\x07" * 32), bytes(range(32))
    compact = secp.der_to_compact(secp.ecdsa_sign(key, digest))
    high = compact[:32] + (secp.ORDER - int.from_bytes(compact[32:], "big")).to_bytes(32, "big")
    assert not secp.ecdsa_verify(secp.public_key(key), digest, secp.compact_to_der(high))
    assert secp.low_s(high) == compact == secp.low_s(compact)


@pytest.mark.parametrize("compact", [b"", bytes(63), bytes(64), b"\xff" * 64, b"\x01" * 65, b"\x01" * 32 + bytes(32)])
def test_no_lower_s_of_what_is_no_signature(compact: bytes) -> None:
    with pytest.raises(DecodeError):
        secp.low_s(compact)
