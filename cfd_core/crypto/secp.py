"""The door to the curve library for the rest of the core: points, scalars (both from `curve`), hashes, signatures.

ECDSA as bitcoin wants it (strict DER, low S), Schnorr signatures of BIP 340. What signs checks its own signature before
it lets go of it. An invalid signature is False; a wrong length raises.
"""

import hashlib
from functools import lru_cache
from typing import Any, Final

from coincurve._libsecp256k1 import ffi, lib
from coincurve.context import GLOBAL_CONTEXT

from cfd_core.crypto.curve import (
    GENERATOR,
    ORDER,
    Point,
    PointAtInfinity,
    pack_points,
    public_key,
    scalar_mul_add,
    scalar_negate,
    scalar_product,
    scalar_quotient_low,
    scalar_sum,
    unpack_points,
    valid_scalar,
)
from cfd_core.errors import DecodeError, RuleViolation
from cfd_core.values import Secret

__all__ = [
    "GENERATOR",
    "ORDER",
    "Point",
    "PointAtInfinity",
    "compact_to_der",
    "der_to_compact",
    "ecdsa_sign",
    "ecdsa_verify",
    "low_s",
    "pack_points",
    "public_key",
    "scalar_mul_add",
    "scalar_negate",
    "scalar_product",
    "scalar_quotient_low",
    "scalar_sum",
    "schnorr_sign",
    "schnorr_signature_point",
    "schnorr_verify",
    "sha256",
    "tagged_hash",
    "unpack_points",
    "valid_scalar",
]

_CTX: Final[Any] = GLOBAL_CONTEXT.ctx
_EXTRA_MAGIC: Final = b"\xda\x6f\xb3\x8c"
_MAX_DER: Final = 72


def sha256(data: bytes) -> bytes:
    """SHA-256, once."""
    return hashlib.sha256(data).digest()


@lru_cache(maxsize=64)
def tag_prefix(tag: str) -> bytes:
    """The 64 bytes a tagged hash starts with: SHA-256 of the tag, twice over (BIP 340)."""
    return sha256(tag.encode()) * 2


def tagged_hash(tag: str, data: bytes) -> bytes:
    """SHA-256 in the domain `tag` (BIP 340)."""
    return hashlib.sha256(tag_prefix(tag) + data).digest()


def ecdsa_sign(key: Secret, digest: bytes, aux: bytes | None = None) -> bytes:
    """Sign a 32-byte digest: strict DER with low S, without a sighash byte.

    The nonce is RFC 6979's, so the same call gives the same signature; 32 bytes of `aux` make it another one.
    """
    _require_digest(digest)
    if aux is not None and len(aux) != 32:
        raise RuleViolation(f"auxiliary randomness has 32 bytes, not {len(aux)}")
    signature = ffi.new("secp256k1_ecdsa_signature *")
    extra = ffi.NULL if aux is None else ffi.from_buffer(aux)
    if not lib.secp256k1_ecdsa_sign(_CTX, signature, digest, valid_scalar(key), ffi.NULL, extra):
        raise RuntimeError("libsecp256k1 did not sign")
    der = _serialize_der(signature)
    if not ecdsa_verify(public_key(key), digest, der):
        raise RuntimeError("a fresh signature does not verify")
    return der


def ecdsa_verify(point: Point, digest: bytes, der: bytes) -> bool:
    """Whether `der` (strict DER, low S, no sighash byte) is the key's signature of the 32-byte digest."""
    _require_digest(digest)
    signature = _parse_der(der)
    return signature is not None and bool(lib.secp256k1_ecdsa_verify(_CTX, signature, digest, point.raw))


def compact_to_der(compact: bytes) -> bytes:
    """r || s in 64 bytes, as strict DER; `DecodeError` unless both lie between 1 and the group order."""
    signature = ffi.new("secp256k1_ecdsa_signature *")
    in_range = len(compact) == 64 and any(compact[:32]) and any(compact[32:])
    if not in_range or not lib.secp256k1_ecdsa_signature_parse_compact(_CTX, signature, compact):
        raise DecodeError("a compact signature is r and s, 32 bytes each, between 1 and the group order")
    return _serialize_der(signature)


def der_to_compact(der: bytes) -> bytes:
    """r || s in 64 bytes from strict DER (no sighash byte), high S allowed; `DecodeError` for anything else."""
    signature = _parse_der(der)
    if signature is None:
        raise DecodeError(f"not a strictly DER encoded signature: {der[:80].hex()}")
    output = ffi.new("unsigned char[64]")
    lib.secp256k1_ecdsa_signature_serialize_compact(_CTX, output, signature)
    compact = bytes(ffi.buffer(output))
    if not any(compact[:32]) or not any(compact[32:]):
        raise DecodeError("r and s of a signature lie between 1 and the group order")
    return compact


def low_s(compact: bytes) -> bytes:
    """The same signature (r || s in 64 bytes) with the lower of its two s; `DecodeError` as in `compact_to_der`.

    Consensus takes either, so whoever reads signatures from a block must too; nodes relay, and we make, the low one.
    """
    compact_to_der(compact)
    s = int.from_bytes(compact[32:], "big")
    return compact if 2 * s <= ORDER else compact[:32] + (ORDER - s).to_bytes(32, "big")


def schnorr_sign(key: Secret, message: bytes, aux: bytes) -> bytes:
    """BIP 340 signature (64 bytes) of a message of any length, with 32 bytes of auxiliary randomness."""
    if len(aux) != 32:
        raise RuleViolation(f"auxiliary randomness has 32 bytes, not {len(aux)}")
    pair = ffi.new("secp256k1_keypair *")
    output = ffi.new("unsigned char[64]")
    ndata = ffi.from_buffer(aux)
    extra = ffi.new("secp256k1_schnorrsig_extraparams *", {"magic": _EXTRA_MAGIC, "noncefp": ffi.NULL, "ndata": ndata})
    if not lib.secp256k1_keypair_create(_CTX, pair, valid_scalar(key)) or not lib.secp256k1_schnorrsig_sign_custom(
        _CTX, output, message, len(message), pair, extra
    ):
        raise RuntimeError("libsecp256k1 did not sign")
    signature = bytes(ffi.buffer(output))
    if not schnorr_verify(public_key(key).x_only(), message, signature):
        raise RuntimeError("a fresh signature does not verify")
    return signature


def schnorr_verify(public_x: bytes, message: bytes, signature: bytes) -> bool:
    """Whether `signature` (64 bytes) is BIP 340's for this 32-byte x-only key; False for an x that is on no point."""
    if len(public_x) != 32 or len(signature) != 64:
        raise DecodeError(f"an x-only key has 32 bytes and a signature 64, not {len(public_x)} and {len(signature)}")
    key = ffi.new("secp256k1_xonly_pubkey *")
    if not lib.secp256k1_xonly_pubkey_parse(_CTX, key, public_x):
        return False
    return bool(lib.secp256k1_schnorrsig_verify(_CTX, signature, message, len(message), key))


def schnorr_signature_point(public_x: bytes, nonce_x: bytes, digest: bytes) -> Point:
    """s * GENERATOR for the BIP 340 signature (nonce_x, s) of the 32-byte digest, known before s is.

    The DLC specification's R + H(R || P || digest) * P with both points lifted to even y. `DecodeError` for an x
    that is on no point, `PointAtInfinity` if they cancel out.
    """
    _require_digest(digest)
    key, nonce = Point.lift_x(public_x), Point.lift_x(nonce_x)
    challenge = int.from_bytes(tagged_hash("BIP0340/challenge", nonce_x + public_x + digest), "big") % ORDER
    return nonce + key.mul_public(challenge.to_bytes(32, "big"))


def _require_digest(digest: bytes) -> None:
    if len(digest) != 32:
        raise RuleViolation(f"a digest has 32 bytes, not {len(digest)}")


def _serialize_der(signature: Any) -> bytes:
    output = ffi.new("unsigned char[]", _MAX_DER)
    length = ffi.new("size_t *", _MAX_DER)
    lib.secp256k1_ecdsa_signature_serialize_der(_CTX, output, length, signature)
    return bytes(ffi.buffer(output, length[0]))


def _parse_der(der: bytes) -> Any:
    """The library's signature, or None unless encoding it again gives the same bytes."""
    signature = ffi.new("secp256k1_ecdsa_signature *")
    if len(der) > _MAX_DER or not lib.secp256k1_ecdsa_signature_parse_der(_CTX, signature, der, len(der)):
        return None
    return signature if _serialize_der(signature) == der else None
