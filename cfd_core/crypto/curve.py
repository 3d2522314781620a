"""Points and scalars of secp256k1, from libsecp256k1 through coincurve's raw bindings.

Two kinds of multiplication, told apart by name. `*_public` runs in variable time and is for scalars anybody may know.
`mul_secret`, `public_key` and the `scalar_*` functions use only libsecp256k1's constant-time routines.

A Python process cannot promise more than that: secret bytes are copied by the interpreter, are not wiped, and pass
through `bytes` objects. What is promised is that no branch, no table look-up and no big-integer arithmetic of ours
depends on them (`quotients` does arithmetic on products of secrets and blinds, which say nothing of either).

Every library call releases the interpreter lock. The library context is shared and never changed after import;
coincurve blinds it once with fresh randomness, which no result depends on.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from coincurve._libsecp256k1 import ffi, lib
from coincurve.context import GLOBAL_CONTEXT

from cfd_core.errors import DecodeError, RuleViolation
from cfd_core.values import Secret

ORDER: Final = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141
"""The number of points of secp256k1; scalars count modulo this."""

_CTX: Final[Any] = GLOBAL_CONTEXT.ctx
_new: Final[Any] = ffi.new
_buffer: Final[Any] = ffi.buffer
_PUBKEY: Final[Any] = ffi.typeof("secp256k1_pubkey *")
_BYTES32: Final[Any] = ffi.typeof("unsigned char[32]")
_BYTES33: Final[Any] = ffi.typeof("unsigned char[33]")
_BYTES64: Final[Any] = ffi.typeof("unsigned char[64]")
_BYTES65: Final[Any] = ffi.typeof("unsigned char[65]")
_LENGTH: Final[Any] = ffi.typeof("size_t *")
_ECDSA_SIGNATURE: Final[Any] = ffi.typeof("secp256k1_ecdsa_signature *")
_RECOVERABLE: Final[Any] = ffi.typeof("secp256k1_ecdsa_recoverable_signature *")
_ONE: Final = (1).to_bytes(32, "big")
_CANCELLED: Final = "the points cancel out: their sum is the point at infinity"
_INVALID: Final = "a secret scalar has 32 bytes and lies between 1 and the group order"


class PointAtInfinity(RuleViolation):
    """Points summed to the one group element that has no encoding. With foreign points in the sum, say whose."""


@ffi.callback("int(unsigned char *, unsigned char *, unsigned char *, void *)")  # type: ignore[untyped-decorator]
def _pass_through(output: Any, x: Any, y: Any, _data: Any) -> int:
    """An ECDH "hash" that hands out the shared point itself: x || y."""
    ffi.memmove(output, x, 32)
    ffi.memmove(output + 32, y, 32)
    return 1


@ffi.callback(  # type: ignore[untyped-decorator]
    "int(unsigned char *, unsigned char *, unsigned char *, unsigned char *, void *, unsigned int)"
)
def _given_nonce(nonce: Any, _message: Any, _key: Any, _algorithm: Any, data: Any, attempt: int) -> int:
    """An ECDSA nonce function that returns the 32 bytes it was given, once."""
    ffi.memmove(nonce, data, 32)
    return int(attempt == 0)


class Point:
    """A point of secp256k1 other than infinity. Immutable, hashable, picklable."""

    __slots__ = ("_encoded", "raw")

    def __init__(self, raw: Any, encoded: bytes | None = None) -> None:
        """Only for this module: `raw` is a library pubkey nobody changes any more. Others use `parse`."""
        self.raw = raw
        self._encoded = encoded

    @classmethod
    def parse(cls, data: bytes) -> "Point":
        """Read the 33-byte compressed encoding of SEC 1; `DecodeError` for anything else. Costs a square root."""
        raw = _new(_PUBKEY)
        if len(data) != 33 or not lib.secp256k1_ec_pubkey_parse(_CTX, raw, data, 33):
            raise DecodeError(f"not a compressed curve point: {data[:65].hex()}")
        return cls(raw, bytes(data))

    @classmethod
    def lift_x(cls, x: bytes) -> "Point":
        """The point with this 32-byte x and even y (BIP 340); `DecodeError` where there is none."""
        if len(x) != 32:
            raise DecodeError(f"an x coordinate has 32 bytes, not {len(x)}")
        return cls.parse(b"\x02" + x)

    @classmethod
    def sum(cls, points: Iterable["Point"]) -> "Point":
        """Sum of one or more points; `PointAtInfinity` when nothing is left."""
        raws = [point.raw for point in points]
        if not raws:
            raise RuleViolation("a sum needs at least one point")
        total = _new(_PUBKEY)
        if not lib.secp256k1_ec_pubkey_combine(_CTX, total, raws, len(raws)):
            raise PointAtInfinity(_CANCELLED)
        return cls(total)

    def encode(self) -> bytes:
        """The 33-byte compressed encoding of SEC 1."""
        if self._encoded is None:
            output = _new(_BYTES33)
            lib.secp256k1_ec_pubkey_serialize(_CTX, output, _new(_LENGTH, 33), self.raw, lib.SECP256K1_EC_COMPRESSED)
            self._encoded = _buffer(output)[:]
        return self._encoded

    def x_only(self) -> bytes:
        """The 32-byte x coordinate; which of the two y it had is lost."""
        return self.encode()[1:]

    def mul_public(self, scalar: bytes) -> "Point":
        """Multiply by a *public* 32-byte scalar in 1..ORDER-1, in variable time."""
        raw = _new(_PUBKEY, self.raw[0])
        if len(scalar) != 32 or not lib.secp256k1_ec_pubkey_tweak_mul(_CTX, raw, scalar):
            raise RuleViolation("a scalar has 32 bytes and lies between 1 and the group order")
        return Point(raw)

    def mul_add_public(self, factor: int, base_factor: int) -> "Point":
        """`factor` * this point + `base_factor` * GENERATOR, for *public* scalars, in variable time.

        The library does this in one pass only inside ECDSA key recovery, which, told a nonce point P with
        r = x(P) mod ORDER, returns (s*P - m*G) / r. So we ask with s = factor * r and m = -base_factor * r.
        A third faster than a multiplication and an addition. `factor` must not be 0 modulo ORDER.
        """
        encoded = self.encode()
        x = int.from_bytes(encoded[1:], "big")
        r = x % ORDER
        compact = (r << 256 | factor * r % ORDER).to_bytes(64, "big")
        message = (-base_factor * r % ORDER).to_bytes(32, "big")
        signature, raw = _new(_RECOVERABLE), _new(_PUBKEY)
        which = (encoded[0] & 1) | (2 if x >= ORDER else 0)
        lib.secp256k1_ecdsa_recoverable_signature_parse_compact(_CTX, signature, compact, which)
        if not lib.secp256k1_ecdsa_recover(_CTX, raw, signature, message):
            raise PointAtInfinity("the factor is zero, or the two products cancel out")
        return Point(raw)

    def mul_secret(self, scalar: Secret) -> "Point":
        """Multiply by a *secret* scalar in 1..ORDER-1, in constant time (the library's ECDH)."""
        output = _new(_BYTES65)
        output[0] = 4
        if not lib.secp256k1_ecdh(_CTX, output + 1, self.raw, _sized(scalar), _pass_through, ffi.NULL):
            raise _refusal(scalar)
        return _parse_uncompressed(_buffer(output)[:])

    def __add__(self, other: "Point") -> "Point":
        raw = _new(_PUBKEY)
        if not lib.secp256k1_ec_pubkey_combine(_CTX, raw, (self.raw, other.raw), 2):
            raise PointAtInfinity(_CANCELLED)
        return Point(raw)

    def __neg__(self) -> "Point":
        raw = _new(_PUBKEY, self.raw[0])
        lib.secp256k1_ec_pubkey_negate(_CTX, raw)
        return Point(raw)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Point) and lib.secp256k1_ec_pubkey_cmp(_CTX, self.raw, other.raw) == 0

    def __hash__(self) -> int:
        return hash(self.encode())

    def __repr__(self) -> str:
        return f"Point({self.encode().hex()})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _parse_uncompressed, (pack_points((self,)),)


def pack_points(points: Sequence[Point]) -> bytes:
    """For another process, 65 bytes each: with both coordinates, so that who reads them need not take square roots."""
    output, length = _new("unsigned char[]", 65 * len(points)), _new(_LENGTH, 65)
    for index, point in enumerate(points):
        lib.secp256k1_ec_pubkey_serialize(_CTX, output + 65 * index, length, point.raw, lib.SECP256K1_EC_UNCOMPRESSED)
    packed: bytes = _buffer(output)[:]
    return packed


def unpack_points(packed: bytes) -> tuple[Point, ...]:
    """The points of `pack_points`; `DecodeError` for anything else."""
    return tuple(_parse_uncompressed(packed[at : at + 65]) for at in range(0, len(packed), 65))


def _parse_uncompressed(data: bytes) -> Point:
    """Read 4 || x || y; the other encoding of SEC 1 is x and whether y is odd."""
    raw = _new(_PUBKEY)
    if len(data) != 65 or not lib.secp256k1_ec_pubkey_parse(_CTX, raw, data, 65):
        raise DecodeError("not an uncompressed curve point")
    return Point(raw, (b"\x03" if data[64] & 1 else b"\x02") + data[1:33])


GENERATOR: Final = Point.parse(bytes.fromhex("0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"))
"""G, the standard base point."""


def valid_scalar(scalar: Secret) -> bytes:
    """The bytes of a secret scalar; `RuleViolation` unless they are 32 and spell 1..ORDER-1."""
    value = _sized(scalar)
    if not lib.secp256k1_ec_seckey_verify(_CTX, value):
        raise RuleViolation(_INVALID)
    return value


def _sized(scalar: Secret) -> bytes:
    """The 32 bytes of a scalar, for library calls that check its range themselves."""
    value = scalar.reveal()
    if len(value) != 32:
        raise RuleViolation(_INVALID)
    return value


def _refusal(scalar: Secret) -> Exception:
    """Why a library call failed: an invalid scalar, or (never, as far as we know) something else."""
    valid_scalar(scalar)
    return RuntimeError("libsecp256k1 refused a valid scalar")


def public_key(key: Secret) -> Point:
    """`key` * GENERATOR, in constant time."""
    raw = _new(_PUBKEY)
    if not lib.secp256k1_ec_pubkey_create(_CTX, raw, _sized(key)):
        raise _refusal(key)
    return Point(raw)


def scalar_sum(scalars: Iterable[Secret]) -> Secret:
    """Sum modulo ORDER of one or more secret scalars, in constant time.

    `RuleViolation` when there is none, when one is invalid, or when they cancel out on the way or at the end.
    """
    values = [valid_scalar(scalar) for scalar in scalars]
    if not values:
        raise RuleViolation("a sum needs at least one scalar")
    total = _new(_BYTES32, values[0])
    for value in values[1:]:
        if not lib.secp256k1_ec_seckey_tweak_add(_CTX, total, value):
            raise RuleViolation("the scalars cancel out")
    return Secret(_buffer(total)[:])


def scalar_mul_add(scalar: Secret, factor: bytes, addend: bytes) -> Secret:
    """`scalar` * `factor` + `addend` modulo ORDER, in constant time in all three.

    `factor` spells 1..ORDER-1 and `addend` 0..ORDER-1 in 32 bytes each; `RuleViolation` for
    others and for a zero result.
    """
    result = _new(_BYTES32, _sized(scalar))
    if len(factor) != 32 or not lib.secp256k1_ec_seckey_tweak_mul(_CTX, result, factor):
        raise RuleViolation("scalar and factor have 32 bytes and lie between 1 and the group order")
    if len(addend) != 32 or not lib.secp256k1_ec_seckey_tweak_add(_CTX, result, addend):
        raise RuleViolation("the addend is not below the group order, or the result is zero")
    return Secret(_buffer(result)[:])


def scalar_product(scalar: Secret, factor: bytes) -> Secret:
    """`scalar` * `factor` modulo ORDER, in constant time in both; `RuleViolation` unless both spell 1..ORDER-1."""
    result = _new(_BYTES32, _sized(scalar))
    if len(factor) != 32 or not lib.secp256k1_ec_seckey_tweak_mul(_CTX, result, factor):
        raise RuleViolation("scalar and factor have 32 bytes and lie between 1 and the group order")
    return Secret(_buffer(result)[:])


def scalar_negate(scalar: Secret) -> Secret:
    """`-scalar` modulo ORDER, in constant time."""
    result = _new(_BYTES32, valid_scalar(scalar))
    lib.secp256k1_ec_seckey_negate(_CTX, result)
    return Secret(_buffer(result)[:])


def scalar_quotient_low(dividend: Secret, divisor: Secret, divisor_point: Point) -> bytes:
    """`dividend / divisor` or its negative modulo ORDER, whichever is at most ORDER/2; in constant time in both.

    The library inverts a secret in one place, ECDSA signing: with key d and nonce k it returns plus or minus
    (m + r*d) / k, where r = x(k*G) mod ORDER. With d = 1 and m = dividend - r that is the quotient, low as
    BIP 62 wants. `divisor_point` is `divisor` * GENERATOR; signing computes it again and we compare, so
    a miscalculation is caught.
    """
    r = int.from_bytes(divisor_point.encode()[1:], "big") % ORDER
    message = _new(_BYTES32, _sized(dividend))
    if not lib.secp256k1_ec_seckey_tweak_add(_CTX, message, (ORDER - r).to_bytes(32, "big")):
        valid_scalar(dividend)
        message = bytes(32)  # both terms are valid, so the one reason to refuse was that they cancel out
    signature = _new(_ECDSA_SIGNATURE)
    nonce = ffi.from_buffer(_sized(divisor))
    if not lib.secp256k1_ecdsa_sign(_CTX, signature, message, _ONE, _given_nonce, nonce):
        raise _refusal(divisor)
    compact = _new(_BYTES64)
    lib.secp256k1_ecdsa_signature_serialize_compact(_CTX, compact, signature)
    result: bytes = _buffer(compact)[:]
    if result[:32] != r.to_bytes(32, "big"):
        raise RuntimeError("the divisor's point does not belong to the divisor")
    return result[32:]
