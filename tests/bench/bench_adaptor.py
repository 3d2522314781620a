"""What one adaptor signature costs, next to the bare library calls it is made of. Run it: `--json` for machines.

"bare" is the same sequence of calls straight on libsecp256k1 and SHA-256, with every argument and result prepared: what
comes on top is Python's integers, objects and copies. Both are measured in turns in one run, on a hundred different
inputs, and the best round of each is shown, so a busy machine disturbs the ratio little. "verify" is `verify_each` on a
hundred signatures, what a contract setup calls. The calibration is one ECDSA verification in the same run.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from time import perf_counter
from typing import Any

from coincurve._libsecp256k1 import ffi, lib
from coincurve.context import GLOBAL_CONTEXT

from cfd_core.crypto import adaptor
from cfd_core.crypto.curve import _given_nonce, _pass_through
from cfd_core.crypto.secp import GENERATOR, Point, public_key, sha256
from cfd_core.values import Secret

CTX = GLOBAL_CONTEXT.ctx
KEY, DIGEST, AUX = Secret(sha256(b"key")), sha256(b"message"), sha256(b"aux")
PUBLIC = public_key(KEY)
LOCKS = [Secret(sha256(b"lock %d" % number)) for number in range(100)]
POINTS = [public_key(lock) for lock in LOCKS]
SIGNATURES = [adaptor.encrypt_sign(KEY, point, DIGEST, AUX) for point in POINTS]
COMPACTS = [adaptor.decrypt(*pair) for pair in zip(SIGNATURES, LOCKS, strict=True)]


def fresh_points() -> list[Point]:
    """The same points without their remembered encodings, as they come out of a sum."""
    return [point + GENERATOR + -GENERATOR for point in POINTS]


def bare_create(number: int) -> Callable[[], None]:
    """2 key generations, 2 constant-time multiplications, 1 ECDSA signature (the division), scalars, codecs, hashes."""
    nonce, other = sha256(b"nonce %d" % number), sha256(b"other nonce %d" % number)
    base, raw, point = POINTS[number].raw, ffi.new("secp256k1_pubkey *"), ffi.new("unsigned char[65]", b"\x04")
    after, signature, divisor = point + 1, ffi.new("secp256k1_ecdsa_signature *"), ffi.from_buffer(nonce)
    encoded, length, scalar = ffi.new("unsigned char[33]"), ffi.new("size_t *", 33), ffi.new("unsigned char[32]", other)
    compact, masked, statement = ffi.new("unsigned char[64]"), bytes(64 + 32 + 65), bytes(64 + 5 * 33)

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
        lib.secp256k1_ec_seckey_tweak_add(CTX, scalar, nonce)
        lib.secp256k1_ecdsa_sign(CTX, signature, DIGEST, nonce, _given_nonce, divisor)
        lib.secp256k1_ecdsa_signature_serialize_compact(CTX, compact, signature)
        lib.secp256k1_ec_seckey_tweak_mul(CTX, scalar, nonce)
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


def bare_ecdsa_verify(number: int) -> Callable[[], None]:
    signature = ffi.new("secp256k1_ecdsa_signature *")
    lib.secp256k1_ecdsa_signature_parse_compact(CTX, signature, COMPACTS[number])
    return partial(lib.secp256k1_ecdsa_verify, CTX, signature, DIGEST, PUBLIC.raw)


def timed(calls: list[Callable[[], Any]]) -> float:
    start = perf_counter()
    for call in calls:
        call()
    return (perf_counter() - start) / len(calls) * 1e6


def jobs() -> dict[str, list[Callable[[], Any]]]:
    """What one round times, each a hundred calls."""
    points = fresh_points()
    seen = fresh_points()
    return {
        "ecdsa_verify": [bare_ecdsa_verify(number) for number in range(100)],
        "create": [partial(adaptor.encrypt_sign, KEY, point, DIGEST, AUX) for point in points],
        "create_bare": [bare_create(number) for number in range(100)],
        "verify": [
            partial(adaptor.verify, signature, PUBLIC, point, DIGEST)
            for signature, point in zip(SIGNATURES, seen, strict=True)
        ],
        "verify_bare": [bare_verify(number) for number in range(100)],
        "verify_each": [partial(adaptor.first_invalid, SIGNATURES, PUBLIC, fresh_points(), [DIGEST] * 100)],
        "decrypt": [partial(adaptor.decrypt, *pair) for pair in zip(SIGNATURES, LOCKS, strict=True)],
        "recover": [partial(adaptor.recover, *three) for three in zip(SIGNATURES, COMPACTS, POINTS, strict=True)],
        "point_addition": [partial(Point.sum, (point, PUBLIC)) for point in points],
    }


def create_and_verify(points: list[Point]) -> bool:
    signatures = [adaptor.encrypt_sign(KEY, point, DIGEST, AUX) for point in points]
    return adaptor.first_invalid(signatures, PUBLIC, points, [DIGEST] * len(points)) is None


def speedup(executor: Executor, rounds: int) -> float:
    """How many times faster two workers are than one, on 8 batches of 100 signatures made and verified."""
    batches = [fresh_points() for _ in range(8)]
    list(executor.map(create_and_verify, [POINTS[:1]] * 4))
    best_one = best_two = float("inf")
    for _ in range(rounds):
        start = perf_counter()
        alone = all(map(create_and_verify, batches))
        middle = perf_counter()
        together = all(executor.map(create_and_verify, batches))
        best_one, best_two = min(best_one, middle - start), min(best_two, perf_counter() - middle)
        if not alone or not together:
            sys.exit("a signature did not verify")
    return best_one / best_two


def measure(rounds: int) -> dict[str, float]:
    best: dict[str, float] = {}
    for _ in range(rounds):
        for name, calls in jobs().items():
            best[name] = min(best.get(name, float("inf")), timed(calls))
    best["verify_each"] /= 100
    with ThreadPoolExecutor(2) as threads:
        in_threads = speedup(threads, max(1, rounds // 10))
    with ProcessPoolExecutor(2) as processes:
        in_processes = speedup(processes, max(1, rounds // 10))
    return {
        **{f"{name}_us": round(value, 2) for name, value in best.items()},
        "create_ratio": round(best["create"] / best["create_bare"], 3),
        "verify_ratio": round(best["verify_each"] / best["verify_bare"], 3),
        "verify_single_ratio": round(best["verify"] / best["verify_bare"], 3),
        "two_threads": round(in_threads, 2),
        "two_processes": round(in_processes, 2),
    }


def show(result: dict[str, float]) -> None:
    scale = result["ecdsa_verify_us"] / 37
    print(f"ECDSA verification (calibration, reference machine 37 us) {result['ecdsa_verify_us']:8.1f} us")
    for name, ours, reference in (("create", "create", 225), ("verify", "verify_each", 200)):
        print(
            f"{name}: {result[f'{ours}_us']:.1f} us, bare calls {result[f'{name}_bare_us']:.1f} us, "
            f"ratio {result[f'{name}_ratio']:.2f} (target 1.1); reference composition here {reference * scale:.0f} us"
        )
    print(f"verify, one at a time: {result['verify_us']:.1f} us, ratio {result['verify_single_ratio']:.2f}")
    for name in ("decrypt", "recover", "point_addition"):
        print(f"{name}: {result[f'{name}_us']:.1f} us")
    print(f"two workers: threads {result['two_threads']:.2f}x, processes {result['two_processes']:.2f}x (target 1.6)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of lines")
    parser.add_argument("--rounds", type=int, default=30, help="rounds of 100 calls each (default 30)")
    arguments = parser.parse_args()
    result = measure(max(1, arguments.rounds))
    if arguments.json:
        print(json.dumps(result))
    else:
        show(result)


if __name__ == "__main__":
    main()
