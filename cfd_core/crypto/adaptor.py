"""ECDSA adaptor signatures of the DLC specification (ECDSA-adaptor.md): a signature, encrypted to a point.

Who holds the 162 bytes R(33) || R'(33) || s'(32) || e(32) || s(32) can check that the secret y of the encryption point
Y = y*G turns them into an ECDSA signature, and whoever later sees that signature learns y. With key x, digest m and
nonce k: R' = k*G, R = k*Y, r = x(R) mod ORDER, s' = (m + r*x) / k, and (e, s) proves that R' and R share one k.

Every step that depends on a secret, and how it is done (libsecp256k1, constant time, unless it says otherwise):

- the nonces k (of the signature) and a (of the proof): tagged hashes over the masked key, as libsecp256k1-zkp derives
  them; the blind b of each k: such a hash over the masked k, under a tag of our own. SHA-256 is `hashlib`'s, the mask
  one XOR of two 256-bit Python integers. A hash that is no valid scalar (once in 2^128) is refused, not reduced;
- k*G, a*G: key generation. k*Y, a*Y: the ECDH call, its "hash" handing out the point, which is checked to be on the
  curve when it comes back;
- m + r*x and s = a + e*k: the library's scalar arithmetic on secret keys;
- the division by k: `secret_quotients`. Python inverts only the products k*b, which tell nothing of k without b, and
  b is a hash that takes k to compute; products and quotients are the library's. The division by y in `decrypt`: ECDSA
  signing's own (`scalar_quotient_low`). No big-integer inverse of a secret is ever taken in Python.

What was made is checked before it leaves, against a computer that miscalculates. Each s' by its equation: k * s' must
be m + r*x, in scalars, one `compare_digest`. All k*G of a run by their sum: it must be (the sum of the k)*G, a point
computed from another scalar, so that a mistake is not made twice alike; of several, all must cancel out to go unseen.
Of R = k*Y there was and is no second computation: a wrong R makes a proof and a signature that do not verify, with a
nonce that signs nothing else (see `aux`), so it gives nothing away and the counterparty refuses it. All this costs
some 2 %; the whole `verify` would double the price. The counterparty runs that before anything depends on it.

All of `verify`, `first_invalid` and `recover` works on values the other side knows and runs in variable time.

`aux` is 32 bytes of fresh randomness per run. Nonces are safe without (they bind key, point and digest); with it, a
computer that miscalculates once and then repeats the job does not give two signatures on one nonce.
"""

import hashlib
from collections.abc import Sequence
from hmac import compare_digest
from typing import Final, NamedTuple

from cfd_core.crypto.quotients import inverses, secret_quotients
from cfd_core.crypto.secp import (
    ORDER,
    Point,
    PointAtInfinity,
    public_key,
    scalar_mul_add,
    scalar_negate,
    scalar_product,
    scalar_quotient_low,
    scalar_sum,
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
_BLIND: Final = tag_prefix("cfd/adaptor/blind")


class _Parts(NamedTuple):
    """An adaptor signature taken apart: both points on the curve, all scalars below ORDER, s' not zero."""

    nonce: Point  # R = k*Y
    base_nonce: Point  # R' = k*G
    s: int  # s'
    proof_e: int
    proof_s: int
    r: int  # x(R) mod ORDER, not zero


class _Begun(NamedTuple):
    """An adaptor signature in the making, up to the division."""

    encryption_point: Point
    nonce_secret: Secret  # k
    nonce: Point  # R = k*Y
    base_nonce: Point  # R' = k*G
    dividend: Secret  # m + r*x
    blind: Secret  # b


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
    begun = [_begin(key, *each, mask) for each in zip(encryption_points, digests, strict=True)]
    if not begun:
        return []
    nonces = [each.nonce_secret for each in begun]
    if Point.sum(each.base_nonce for each in begun) != public_key(scalar_sum(nonces)):
        raise RuntimeError("a nonce's point does not belong to the nonce")
    quotients = secret_quotients([each.dividend for each in begun], nonces, [each.blind for each in begun])
    return [_finish(*each, mask) for each in zip(begun, quotients, strict=True)]


def _begin(key: Secret, encryption_point: Point, digest: bytes, mask: bytes) -> _Begun:
    if len(digest) != 32:
        raise RuleViolation(f"a digest has 32 bytes, not {len(digest)}")
    context = encryption_point.encode() + digest
    nonce_secret = _nonce(_NONCE, key.reveal(), mask, context)
    base_nonce = public_key(nonce_secret)
    nonce = encryption_point.mul_secret(nonce_secret)
    dividend = scalar_mul_add(key, _bytes32(_x_scalar(nonce)), _bytes32(_reduced(digest)))
    blind = _nonce(_BLIND, nonce_secret.reveal(), mask, context)
    return _Begun(encryption_point, nonce_secret, nonce, base_nonce, dividend, blind)


def _finish(begun: _Begun, quotient: Secret, mask: bytes) -> bytes:
    """The 162 bytes, once the quotient is seen to be s' = (m + r*x) / k."""
    encryption_point, nonce_secret, nonce, base_nonce, dividend, _ = begun
    if not compare_digest(scalar_product(nonce_secret, quotient.reveal()).reveal(), dividend.reveal()):
        raise RuntimeError("a fresh adaptor signature does not satisfy its equation")
    proof = _prove(nonce_secret, mask, base_nonce, encryption_point, nonce)
    return nonce.encode() + base_nonce.encode() + quotient.reveal() + proof


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
    inverted = inverses([part.s for part in parts])
    each = zip(parts, inverted, encryption_points, digests, strict=True)
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
