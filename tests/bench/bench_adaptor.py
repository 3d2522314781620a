"""What one adaptor signature costs, next to the bare library calls it is made of (target 3).

"bare" is the same sequence of calls straight on libsecp256k1 and SHA-256, with every argument and result prepared: what
comes on top is Python's integers, objects and copies. Create and verify are what a contract setup runs: `sign_cets` and
`verify_cets` on a batch, points and digests unpacked, signatures packed. The best round of each counts.
"""

import hashlib
from collections.abc import Callable
from functools import partial
from typing import Any, Final, TypeVar

from coincurve._libsecp256k1 import ffi, lib
from coincurve.context import GLOBAL_CONTEXT

from cfd_core.contract import jobs
from cfd_core.crypto import adaptor
from cfd_core.crypto.curve import _pass_through
from cfd_core.crypto.secp import GENERATOR, Point, public_key, sha256
from cfd_core.values import Secret
from tests.bench.report import REFERENCE_US, Figure, Report, Turns, calibration, processor_seconds, run

BATCH: Final = 25
"""Signatures in one round of a job: a few milliseconds, so that some rounds are left in peace on a busy machine."""
COMPOSED_CREATE_US: Final = 225.0
COMPOSED_VERIFY_US: Final = 200.0
"""Composed of libsecp256k1's calls by the design's author, on the reference machine."""
TARGET: Final = 1.1

Job = TypeVar("Job")

CTX: Final[Any] = GLOBAL_CONTEXT.ctx
KEY, DIGEST, AUX = Secret(sha256(b"key")), sha256(b"message"), sha256(b"aux")
PUBLIC = public_key(KEY)
LOCKS = [Secret(sha256(b"lock %d" % number)) for number in range(BATCH)]
POINTS = [public_key(lock) for lock in LOCKS]
SIGNATURES = [adaptor.encrypt_sign(KEY, point, DIGEST, AUX) for point in POINTS]
COMPACTS = [adaptor.decrypt(*pair) for pair in zip(SIGNATURES, LOCKS, strict=True)]


def fresh_points() -> tuple[Point, ...]:
    """The same points without their remembered encodings, as they come out of a sum."""
    return tuple(point + GENERATOR + -GENERATOR for point in POINTS)


def bare_create(number: int) -> Callable[[], None]:
    """2 key generations, 2 constant-time multiplications, scalars (6 products, 3 sums), codecs, hashes. No inverse."""
    nonce, other = sha256(b"nonce %d" % number), sha256(b"other nonce %d" % number)
    base, raw, point = POINTS[number].raw, ffi.new("secp256k1_pubkey *"), ffi.new("unsigned char[65]", b"\x04")
    after = point + 1
    encoded, length, scalar = ffi.new("unsigned char[33]"), ffi.new("size_t *", 33), ffi.new("unsigned char[32]", other)
    masked, statement = bytes(64 + 32 + 65), bytes(64 + 5 * 33)

    def run() -> None:
        lib.secp256k1_ec_seckey_verify(CTX, nonce)
        hashlib.sha256(masked).digest()
        for secret in (nonce, other):
            hashlib.sha256(masked).digest()
            lib.secp256k1_ec_pubkey_create(CTX, raw, secret)
            lib.secp256k1_ec_pubkey_serialize(CTX, encoded, length, raw, lib.SECP256K1_EC_COMPRESSED)
            lib.secp256k1_ecdh(CTX, after, base, secret, _pass_through, ffi.NULL)
            lib.secp256k1_ec_pubkey_parse(CTX, raw, point, 65)
            lib.secp256k1_ec_pubkey_serialize(CTX, encoded, length, raw, lib.SECP256K1_EC_COMPRESSED)
            lib.secp256k1_ec_seckey_tweak_mul(CTX, scalar, nonce)
            lib.secp256k1_ec_seckey_tweak_add(CTX, scalar, nonce)
        lib.secp256k1_ec_seckey_verify(CTX, nonce)
        lib.secp256k1_ec_seckey_tweak_add(CTX, scalar, other)
        for _ in ("blinded", "unblinded", "quotient", "checked"):
            lib.secp256k1_ec_seckey_tweak_mul(CTX, scalar, nonce)
        for _ in ("blind", "statement"):
            hashlib.sha256(masked).digest()
        hashlib.sha256(statement).digest()

    return run


def bare_verify(number: int) -> Callable[[], None]:
    """2 points parsed, 2 two-scalar and 2 one-scalar multiplications, 1 addition, encodings, 1 hash. No inverse."""
    signature, factor, statement = SIGNATURES[number], sha256(b"factor %d" % number), bytes(64 + 5 * 33)
    raws = [ffi.new("secp256k1_pubkey *") for _ in range(2)]
    total, recoverable = ffi.new("secp256k1_pubkey *"), ffi.new("secp256k1_ecdsa_recoverable_signature *")
    other, compact = sha256(factor), signature[1:33] + factor
    encoded, length = ffi.new("unsigned char[33]"), ffi.new("size_t *", 33)

    def run() -> None:
        for at, raw in zip((0, 33), raws, strict=True):
            lib.secp256k1_ec_pubkey_parse(CTX, raw, signature[at : at + 33], 33)
            lib.secp256k1_ecdsa_recoverable_signature_parse_compact(CTX, recoverable, compact, 1)
            lib.secp256k1_ecdsa_recover(CTX, total, recoverable, other)
            lib.secp256k1_ec_pubkey_serialize(CTX, encoded, length, total, lib.SECP256K1_EC_COMPRESSED)
            lib.secp256k1_ec_pubkey_tweak_mul(CTX, raw, factor)
        lib.secp256k1_ec_pubkey_cmp(CTX, total, PUBLIC.raw)
        lib.secp256k1_ec_pubkey_combine(CTX, total, raws, 2)
        lib.secp256k1_ec_pubkey_serialize(CTX, encoded, length, total, lib.SECP256K1_EC_COMPRESSED)
        hashlib.sha256(statement).digest()

    return run


def each(calls: list[Callable[[], Any]]) -> Callable[[], float]:
    """Microseconds per call of a round."""

    def round_of_calls() -> float:
        return processor_seconds(lambda: [call() for call in calls]) / len(calls) * 1e6

    return round_of_calls


def _per_signature(work: Callable[[Job], Any], job: Job) -> float:
    """Microseconds."""
    return processor_seconds(lambda: work(job)) / BATCH * 1e6


def bare() -> dict[str, Callable[[], float]]:
    """The floor, for this and other programs."""
    return {
        "create, bare": each([bare_create(number) for number in range(BATCH)]),
        "verify, bare": each([bare_verify(number) for number in range(BATCH)]),
    }


def packed_jobs() -> tuple[jobs.SignCetsJob, jobs.VerifyCetsJob]:
    """The batch as a contract setup has it, nothing remembered from an earlier round."""
    digests, signatures = DIGEST * BATCH, b"".join(SIGNATURES)
    return (
        jobs.SignCetsJob(KEY, digests, fresh_points(), AUX),
        jobs.VerifyCetsJob(PUBLIC.encode(), digests, fresh_points(), signatures),
    )


def ours() -> dict[str, Callable[[], float]]:
    return {
        "create": lambda: _per_signature(jobs.sign_cets, packed_jobs()[0]),
        "verify": lambda: _per_signature(jobs.verify_cets, packed_jobs()[1]),
        "decrypt": each([partial(adaptor.decrypt, *pair) for pair in zip(SIGNATURES, LOCKS, strict=True)]),
        "recover": each([partial(adaptor.recover, *all_) for all_ in zip(SIGNATURES, COMPACTS, POINTS, strict=True)]),
        "point addition": each([partial(Point.sum, (point, GENERATOR)) for point in POINTS]),
    }


def measure(rounds: int) -> Report:
    turns = Turns({"calibration": calibration, **bare(), **ours()}, rounds)
    figures = [
        Figure(3, f"{name}, times the bare calls", turns.best_ratio(name, f"{name}, bare"), "x", TARGET)
        for name in ("create", "verify")
    ]
    references = {"create": COMPOSED_CREATE_US, "verify": COMPOSED_VERIFY_US}
    for name in ("create", "create, bare", "verify", "verify, bare", "decrypt", "recover", "point addition"):
        reference = references.get(name)
        source = "the design's composition" if reference else ""
        scaled = turns.best_ratio(name, "calibration") * REFERENCE_US
        figures.append(Figure(0, f"{name}, scaled", scaled, "us", None, "at most", reference, source))
    best = {name: round(turns.best(name), 2) for name in turns.taken}
    return Report("bench_adaptor", tuple(figures), {"best_us": best, "scaled_to_us": REFERENCE_US})


if __name__ == "__main__":
    run(__doc__, 200, measure)
