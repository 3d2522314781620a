"""ECDSA adaptor signatures of the DLC specification (ECDSA-adaptor.md): a signature, encrypted to a point.

Who holds the 162 bytes R(33) || R'(33) || s'(32) || e(32) || s(32) can check that the secret y of the encryption point
Y = y*G turns them into an ECDSA signature, and whoever later sees that signature learns y. With key x, digest m and
nonce k: R' = k*G, R = k*Y, r = x(R) mod ORDER, s' = (m + r*x) / k, and (e, s) proves that R' and R share one k.

Every step that depends on a secret, and how it is done (libsecp256k1, constant time, unless it says otherwise):

- the nonces k (of the signature) and a (of the proof): tagged hashes over the masked key, as libsecp256k1-zkp derives
  them. SHA-256 is `hashlib`'s, the mask one XOR of two 256-bit Python integers. A hash that is no valid scalar (once in
  2^128) is refused, not reduced;
- k*G, a*G: key generation. k*Y, a*Y: the ECDH call, its "hash" handing out the point, which is checked to be on the
  curve when it comes back;
- m + r*x and s = a + e*k: the library's scalar arithmetic on secret keys;
- the division by k, and by y in `decrypt`: ECDSA signing's own (`scalar_quotient_low`). It computes k*G a second time
  and the two must agree. No big-integer inverse of a secret is ever taken in Python;
- the sign of s': one `compare_digest`. The sign is public, as s' is.

`encrypt_sign` checks what it made through the equation of s': k * s' must be m + r*x, in scalars. That costs under 1 %;
the whole `verify` would double the price. The counterparty runs `verify` before anything depends on the signature.

All of `verify`, `first_invalid` and `recover` works on values the other side knows and runs in variable time.

`aux` is 32 bytes of fresh randomness per run. Nonces are safe without (they bind key, point and digest); with it, a
computer that miscalculates once and then repeats the job does not give two signatures on one nonce.
"""

import hashlib
from collections.abc import Sequence
from hmac import compare_digest
from typing import Final, NamedTuple

from cfd_core.crypto.secp import (
    ORDER,
    Point,
    PointAtInfinity,
    public_key,
    scalar_mul_add,
    scalar_negate,
    scalar_quotient_low,
    tag_prefix,
    tagged_hash,
    valid_scalar,
)
from cfd_core.errors import DecodeError, PeerViolation, RuleViolation
from cfd_core.values import Secret

SIZE: Final = 162
"""Bytes of an adaptor signature."""

_NONCE: Final = tag_prefix("ECDSAadaptor/non")
_PROOF: Final = tag_prefix("DLEQ")
_ZERO: Final = bytes(32)


class _Parts(NamedTuple):
    """An adaptor signature taken apart: both points on the curve, all scalars below ORDER, s' not zero."""

    nonce: Point  # R = k*Y
    base_nonce: Point  # R' = k*G
    s: int  # s'
    proof_e: int
    proof_s: int
    r: int  # x(R) mod ORDER, not zero


def encrypt_sign(key: Secret, encryption_point: Point, digest: bytes, aux: bytes) -> bytes:
    """Sign the 32-byte digest with `key` and encrypt the signature to `encryption_point`: 162 bytes.

    `aux` is 32 bytes of randomness. The result is checked (see the module's text) before it is returned.
    `RuleViolation` for an invalid key or a wrong length.
    """
    (signature,) = encrypt_sign_each(key, [encryption_point], [digest], aux)
    return signature


def encrypt_sign_each(
    key: Secret, encryption_points: Sequence[Point], digests: Sequence[bytes], aux: bytes
) -> list[bytes]:
    """`encrypt_sign` for many points and digests; what depends on the key and `aux` alone is computed once."""
    if len(aux) != 32:
        raise RuleViolation(f"aux has 32 bytes, not {len(aux)}")
    if len(encryption_points) != len(digests):
        raise RuleViolation(f"{len(digests)} digests to sign for {len(encryption_points)} encryption points")
    mask = tagged_hash("ECDSAadaptor/aux", aux)
    valid_scalar(key)
    return [_encrypt_sign(key, *each, mask) for each in zip(encryption_points, digests, strict=True)]


def _encrypt_sign(key: Secret, encryption_point: Point, digest: bytes, mask: bytes) -> bytes:
    if len(digest) != 32:
        raise RuleViolation(f"a digest has 32 bytes, not {len(digest)}")
    nonce_secret = _nonce(_NONCE, key.reveal(), mask, encryption_point.encode() + digest)
    base_nonce = public_key(nonce_secret)
    nonce = encryption_point.mul_secret(nonce_secret)
    s = _sign(key, nonce_secret, nonce, base_nonce, digest)
    proof = _prove(nonce_secret, mask, base_nonce, encryption_point, nonce)
    return nonce.encode() + base_nonce.encode() + s + proof


def verify(signature: bytes, key: Point, encryption_point: Point, digest: bytes) -> bool:
    """Whether `signature` holds `key`'s ECDSA signature of the 32-byte digest, encrypted to `encryption_point`.

    The specification's two equations, exactly. False if one fails; `DecodeError` if the bytes are malformed.
    """
    return first_invalid([signature], key, [encryption_point], [digest]) is None


def first_invalid(
    signatures: Sequence[bytes], key: Point, encryption_points: Sequence[Point], digests: Sequence[bytes]
) -> int | None:
    """`verify` for many signatures of one key: the index of the first that fails, None when all are valid.

    It looks no further than that one, and is an eighth faster than so many calls, for they share one modular inverse.
    `DecodeError` if any is malformed, `RuleViolation` if there are not as many points and digests as signatures.
    """
    if not len(signatures) == len(encryption_points) == len(digests):
        raise RuleViolation("each adaptor signature needs one encryption point and one digest")
    parts = [_parse(signature) for signature in signatures]
    inverses = _inverses([part.s for part in parts])
    each = zip(parts, inverses, encryption_points, digests, strict=True)
    return next(
        (
            index
            for index, (part, inverse, point, digest) in enumerate(each)
            if not _valid(part, inverse, key, point, digest)
        ),
        None,
    )


def decrypt(signature: bytes, secret: Secret) -> bytes:
    """The ECDSA signature inside, r || s in 64 bytes with low S; `secret` is the encryption point's scalar.

    It is valid if `verify` said so and the scalar is the right one; nothing is checked here but the form.
    """
    parts = _parse(signature)
    s = scalar_quotient_low(Secret(_bytes32(parts.s)), secret, public_key(secret))
    return _bytes32(parts.r) + s


def recover(signature: bytes, ecdsa_signature_compact: bytes, encryption_point: Point) -> Secret:
    """The encryption point's scalar, from an adaptor signature and the ECDSA signature (64 bytes) made from it.

    `PeerViolation` if the two do not belong together, `DecodeError` if either is malformed.
    """
    parts = _parse(signature)
    r, s = _parse_compact(ecdsa_signature_compact)
    if r != parts.r:
        raise PeerViolation("the signature was not made from this adaptor signature: their nonces differ")
    candidate = Secret(_bytes32(pow(s, -1, ORDER) * parts.s % ORDER))
    point = public_key(candidate)
    if point == encryption_point:
        return candidate
    if -point == encryption_point:
        return scalar_negate(candidate)
    raise PeerViolation("the signature was not made from this adaptor signature: it reveals another secret")


def _bytes32(value: int) -> bytes:
    return value.to_bytes(32, "big")


def _reduced(data: bytes) -> int:
    """A hash as a scalar."""
    return int.from_bytes(data, "big") % ORDER


def _x_scalar(point: Point) -> int:
    """The x coordinate as a scalar: the r of ECDSA."""
    return int.from_bytes(point.encode()[1:], "big") % ORDER


def _nonce(prefix: bytes, secret: bytes, mask: bytes, context: bytes) -> Secret:
    masked = _bytes32(int.from_bytes(secret, "big") ^ int.from_bytes(mask, "big"))
    return Secret(hashlib.sha256(prefix + masked + context).digest())


def _sign(key: Secret, nonce_secret: Secret, nonce: Point, base_nonce: Point, digest: bytes) -> bytes:
    """s' = (m + r*x) / k, its sign found by multiplying back, which is the self-check too."""
    dividend = scalar_mul_add(key, _bytes32(_x_scalar(nonce)), _bytes32(_reduced(digest)))
    low = scalar_quotient_low(dividend, nonce_secret, base_nonce)
    product = scalar_mul_add(nonce_secret, low, _ZERO)
    if compare_digest(product.reveal(), dividend.reveal()):
        return low
    if compare_digest(scalar_negate(product).reveal(), dividend.reveal()):
        return scalar_negate(Secret(low)).reveal()
    raise RuntimeError("a fresh adaptor signature does not satisfy its equation")


def _prove(nonce_secret: Secret, mask: bytes, base_nonce: Point, encryption_point: Point, nonce: Point) -> bytes:
    """DLEQ_prove: that `base_nonce` to G and `nonce` to `encryption_point` are the same scalar; e || s."""
    statement = hashlib.sha256(base_nonce.encode() + nonce.encode()).digest()
    a = _nonce(_PROOF, nonce_secret.reveal(), mask, encryption_point.encode() + statement)
    e = _challenge(
        base_nonce.encode() + encryption_point.encode() + nonce.encode(), public_key(a), encryption_point.mul_secret(a)
    )
    return _bytes32(e) + scalar_mul_add(nonce_secret, _bytes32(e), a.reveal()).reveal()


def _challenge(statement: bytes, commitment: Point, encrypted_commitment: Point) -> int:
    """e = H(R' || Y || R || a*G || a*Y) as a scalar, given the first three points as bytes."""
    return _reduced(hashlib.sha256(_PROOF + statement + commitment.encode() + encrypted_commitment.encode()).digest())


def _valid(parts: _Parts, inverse: int, key: Point, encryption_point: Point, digest: bytes) -> bool:
    if len(digest) != 32:
        raise RuleViolation(f"a digest has 32 bytes, not {len(digest)}")
    try:
        return _signed(parts, inverse, key, digest) and _proved(parts, encryption_point)
    except PointAtInfinity:
        return False


def _signed(parts: _Parts, inverse: int, key: Point, digest: bytes) -> bool:
    """(m/s')*G + (r/s')*X == R', the sign of R' included; `inverse` is 1/s'."""
    return key.mul_add_public(parts.r * inverse % ORDER, _reduced(digest) * inverse % ORDER) == parts.base_nonce


def _proved(parts: _Parts, encryption_point: Point) -> bool:
    """DLEQ_verify. A zero e or s is as good as a wrong one: nobody can find a challenge for it."""
    e, s = parts.proof_e, parts.proof_s
    if e == 0 or s == 0:
        return False
    minus_e = ORDER - e
    commitment = parts.base_nonce.mul_add_public(minus_e, s)
    encrypted = encryption_point.mul_public(_bytes32(s)) + parts.nonce.mul_public(_bytes32(minus_e))
    statement = parts.base_nonce.encode() + encryption_point.encode() + parts.nonce.encode()
    return _challenge(statement, commitment, encrypted) == e


def _inverses(values: Sequence[int]) -> list[int]:
    """1/v modulo ORDER for each v (none zero), for one inverse and three products each (Montgomery's trick)."""
    before = [1]
    for value in values:
        before.append(before[-1] * value % ORDER)
    rest = pow(before.pop(), -1, ORDER)
    inverses = []
    for value, product in zip(reversed(values), reversed(before), strict=True):
        inverses.append(rest * product % ORDER)
        rest = rest * value % ORDER
    return inverses[::-1]


def _parse(signature: bytes) -> _Parts:
    if len(signature) != SIZE:
        raise DecodeError(f"an adaptor signature has {SIZE} bytes, not {len(signature)}")
    s = int.from_bytes(signature[66:98], "big")
    e = int.from_bytes(signature[98:130], "big")
    proof_s = int.from_bytes(signature[130:], "big")
    if not 0 < s < ORDER or e >= ORDER or proof_s >= ORDER:
        raise DecodeError("a scalar of the adaptor signature is out of range")
    nonce, base_nonce = Point.parse(signature[:33]), Point.parse(signature[33:66])
    r = int.from_bytes(signature[1:33], "big") % ORDER
    if r == 0:
        raise DecodeError("the nonce of the adaptor signature makes no ECDSA signature")
    return _Parts(nonce, base_nonce, s, e, proof_s, r)


def _parse_compact(compact: bytes) -> tuple[int, int]:
    r, s = int.from_bytes(compact[:32], "big"), int.from_bytes(compact[32:], "big")
    if len(compact) != 64 or not 0 < r < ORDER or not 0 < s < ORDER:
        raise DecodeError("a compact signature is r and s, 32 bytes each, between 1 and the group order")
    return r, s
