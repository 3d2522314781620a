"""What one adaptor signature costs, next to the bare library calls it is made of. Run it: `--json` for machines.

"bare" is the same sequence of curve operations called straight on libsecp256k1 with everything prepared: no hashing, no
integers, no objects, no checks. Both are measured in turns in one run and the best round of each is shown, so a busy
machine disturbs the ratio little. The calibration is one ECDSA verification on the same machine in the same run.
"""

import argparse
import json
import sys
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from itertools import repeat
from time import perf_counter
from typing import Any

from coincurve._libsecp256k1 import ffi, lib
from coincurve.context import GLOBAL_CONTEXT

from cfd_core.crypto import adaptor
from cfd_core.crypto.curve import _given_nonce, _pass_through
from cfd_core.crypto.secp import GENERATOR, ORDER, Point, public_key, sha256
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


def bare_create() -> Callable[[], None]:
    """2 key generations, 2 constant-time multiplications, 1 ECDSA signature for the division, encodings."""
    nonce, other = sha256(b"nonce"), sha256(b"other nonce")
    base, raw, point = POINTS[0].raw, ffi.new("secp256k1_pubkey *"), ffi.new("unsigned char[65]", b"\x04")
    after, signature, divisor = point + 1, ffi.new("secp256k1_ecdsa_signature *"), ffi.from_buffer(nonce)
    encoded, length, scalar = ffi.new("unsigned char[33]"), ffi.new("size_t *", 33), ffi.new("unsigned char[32]", other)

    def run() -> None:
        for secret in (nonce, other):
            lib.secp256k1_ec_pubkey_create(CTX, raw, secret)
            lib.secp256k1_ec_pubkey_serialize(CTX, encoded, length, raw, lib.SECP256K1_EC_COMPRESSED)
            lib.secp256k1_ecdh(CTX, after, base, secret, _pass_through, ffi.NULL)
            lib.secp256k1_ec_pubkey_parse(CTX, raw, point, 65)
            lib.secp256k1_ec_pubkey_serialize(CTX, encoded, length, raw, lib.SECP256K1_EC_COMPRESSED)
            lib.secp256k1_ec_seckey_tweak_mul(CTX, scalar, nonce)
            lib.secp256k1_ec_seckey_tweak_add(CTX, scalar, nonce)
        lib.secp256k1_ecdsa_sign(CTX, signature, DIGEST, nonce, _given_nonce, divisor)

    return run


def bare_verify() -> Callable[[], None]:
    """2 points parsed, 2 two-scalar and 2 one-scalar multiplications, 1 addition, 1 modular inverse, encodings."""
    signature, factor = SIGNATURES[0], sha256(b"factor")
    number, order = int.from_bytes(factor, "big"), ORDER
    raws = [ffi.new("secp256k1_pubkey *") for _ in range(2)]
    total, recoverable = ffi.new("secp256k1_pubkey *"), ffi.new("secp256k1_ecdsa_recoverable_signature *")
    lib.secp256k1_ecdsa_recoverable_signature_parse_compact(CTX, recoverable, signature[1:33] + factor, 1)
    encoded, length = ffi.new("unsigned char[33]"), ffi.new("size_t *", 33)

    def run() -> None:
        pow(number, -1, order)
        for at, raw in zip((0, 33), raws, strict=True):
            lib.secp256k1_ec_pubkey_parse(CTX, raw, signature[at : at + 33], 33)
            lib.secp256k1_ecdsa_recover(CTX, total, recoverable, DIGEST)
            lib.secp256k1_ec_pubkey_serialize(CTX, encoded, length, total, lib.SECP256K1_EC_COMPRESSED)
            lib.secp256k1_ec_pubkey_tweak_mul(CTX, raw, factor)
        lib.secp256k1_ec_pubkey_combine(CTX, total, raws, 2)
        lib.secp256k1_ec_pubkey_serialize(CTX, encoded, length, total, lib.SECP256K1_EC_COMPRESSED)

    return run


def bare_ecdsa_verify() -> Callable[[], None]:
    signature = ffi.new("secp256k1_ecdsa_signature *")
    lib.secp256k1_ecdsa_signature_parse_compact(CTX, signature, COMPACTS[0])
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
        "ecdsa_verify": [bare_ecdsa_verify()] * 100,
        "create": [partial(adaptor.encrypt_sign, KEY, point, DIGEST, AUX) for point in points],
        "create_bare": [bare_create()] * 100,
        "verify": [
            partial(adaptor.verify, signature, PUBLIC, point, DIGEST)
            for signature, point in zip(SIGNATURES, seen, strict=True)
        ],
        "verify_bare": [bare_verify()] * 100,
        "decrypt": [partial(adaptor.decrypt, *pair) for pair in zip(SIGNATURES, LOCKS, strict=True)],
        "recover": [partial(adaptor.recover, *three) for three in zip(SIGNATURES, COMPACTS, POINTS, strict=True)],
        "point_addition": [partial(Point.sum, (point, PUBLIC)) for point in points],
    }


def create_and_verify(points: list[Point]) -> bool:
    signatures = [adaptor.encrypt_sign(KEY, point, DIGEST, AUX) for point in points]
    return all(map(adaptor.verify, signatures, repeat(PUBLIC), points, repeat(DIGEST)))


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
    with ThreadPoolExecutor(2) as threads:
        in_threads = speedup(threads, max(1, rounds // 10))
    with ProcessPoolExecutor(2) as processes:
        in_processes = speedup(processes, max(1, rounds // 10))
    return {
        **{f"{name}_us": round(value, 2) for name, value in best.items()},
        "create_ratio": round(best["create"] / best["create_bare"], 3),
        "verify_ratio": round(best["verify"] / best["verify_bare"], 3),
        "two_threads": round(in_threads, 2),
        "two_processes": round(in_processes, 2),
    }


def show(result: dict[str, float]) -> None:
    scale = result["ecdsa_verify_us"] / 37
    print(f"ECDSA verification (calibration, reference machine 37 us) {result['ecdsa_verify_us']:8.1f} us")
    for name, reference in (("create", 225), ("verify", 200)):
        print(
            f"{name}: {result[f'{name}_us']:.1f} us, bare calls {result[f'{name}_bare_us']:.1f} us, "
            f"ratio {result[f'{name}_ratio']:.2f} (target 1.1); reference composition here {reference * scale:.0f} us"
        )
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
