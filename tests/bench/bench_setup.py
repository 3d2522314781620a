"""What setting up the canonical contract C1 costs one party (performance.md, points 1 to 5).

One round is everything one party computes: derive all transactions and oracle points, sign every CET, the commit and
the refund, verify all of the other's. Rounds and the calibration (one ECDSA verification by libsecp256k1) take turns in
one run and the best of each counts; "scaled" is what the best round would take where the calibration costs 37 us.
"""

import argparse
import asyncio
import hashlib
import json
import os
import platform
import sys
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import AbstractContextManager
from decimal import Decimal
from pathlib import Path
from time import perf_counter
from typing import Any, Final

from attrs import frozen
from cfd_node.jobs import JobRunner
from coincurve import PrivateKey, PublicKey

from cfd_core.bitcoin.transaction import TxOut
from cfd_core.cfd.events import LockSigned, Recorded
from cfd_core.contract import dlc, jobs
from cfd_core.contract.draft import Draft, Party
from cfd_core.contract.funding import Funder, LockInput
from cfd_core.contract.scripts import RevisionPoints
from cfd_core.contract.terms import ContractTerms
from cfd_core.crypto.keys import CfdKeys, Keychain
from cfd_core.crypto.secp import public_key
from cfd_core.oracle import KNOWN_ORACLES, Announcement, Dialect, read_announcement, read_recorded_event
from cfd_core.protocols.contract_setup.messages import Signatures
from cfd_core.serial.stored import to_stored
from cfd_core.serial.wire import encode_message
from cfd_core.values import HOUR, CfdId, FeeRate, Network, OutPoint, Position, Role, Sats, Secret, Timestamp, Txid

EVENT: Final = Path(__file__).parents[1] / "vectors" / "olivia_bxbt_2021-10-04T22.json"
CFD: Final = CfdId("c1" * 16)
AUX: Final = hashlib.sha256(b"aux").digest()
REFERENCE_US: Final = 37.0
"""What one ECDSA verification costs on the machine that the targets are meant for."""
TARGET_SECONDS: Final = 0.12
TARGET_CETS: Final = 205
TARGET_BYTES: Final = 45_000
TARGET_SPEEDUP: Final = 1.6
CREATE_US: Final = 225.0
VERIFY_US: Final = 200.0
"""One constant-time encryption and one verification, composed of libsecp256k1's calls, on the reference machine."""
DDK_CETS: Final = 1_657
DDK_US: Final = 850.0 + 1_000.0
"""The reference's CETs for C1, and what the active Rust peer needs to create and verify one."""


@frozen
class Line:
    """One row: what was measured, what it is held against, and measured / reference."""

    name: str
    measured: float
    unit: str
    reference: float
    kind: str
    """`at most`, `at least`: a target; `reference`: only for comparison."""

    @property
    def ratio(self) -> float:
        return self.measured / self.reference

    @property
    def verdict(self) -> str:
        if self.kind == "reference":
            return ""
        return "met" if (self.ratio <= 1) == (self.kind == "at most") or self.ratio == 1 else "MISSED"


def announcement() -> Announcement:
    """Read anew each time, so that no round finds the points of another."""
    return read_announcement(Dialect.OLIVIA_V1, read_recorded_event(EVENT.read_bytes())[0], KNOWN_ORACLES["olivia"])


def keys(role: Role) -> CfdKeys:
    return Keychain.from_seed(Secret(role.value.encode() * 8), Network.REGTEST).cfd_keys(CFD, 0)


def party(role: Role) -> Party:
    own, seed = keys(role), hashlib.sha256(role.value.encode()).digest()
    coin = LockInput(OutPoint(Txid(seed.hex()), 0), TxOut(Sats(30_000_000), b"\x00\x14" + seed[:20]))
    funder = Funder(
        identity=public_key(own.identity).encode(),
        inputs=(coin,),
        change_script=b"\x00\x14" + seed[1:21],
        payout_script=b"\x00\x14" + seed[2:22],
    )
    return Party(funder, RevisionPoints(public_key(own.publish).encode(), public_key(own.revocation).encode()))


def draft(event: Announcement) -> Draft:
    """C1, nothing of it computed yet."""
    terms = ContractTerms(
        network=Network.REGTEST,
        product="BTCUSD-inverse",
        price=Decimal(54_000),
        quantity=3_500,
        taker_position=Position.LONG,
        taker_leverage=5,
        maker_leverage=1,
        event=event.event_id,
        digits=event.digits,
        opening_fee=Sats(0),
        funding_rate=Decimal(0),
        fee_rate=FeeRate(2),
        tolerance=Decimal("0.0035"),
    )
    return Draft(
        terms=terms,
        revision=terms.first_revision,
        announcements=(event,),
        maker=party(Role.MAKER),
        taker=party(Role.TAKER),
    )


@frozen
class Theirs:
    """What the counterparty (the taker) sends."""

    commit: bytes
    refund: bytes
    cets: bytes

    @classmethod
    def make(cls) -> "Theirs":
        whole, secret = draft(announcement()), keys(Role.TAKER)
        cets = jobs.sign_cets(dlc.sign_cets_job(whole, secret, AUX))
        return cls(*small_signatures(whole, Role.TAKER), cets)


def small_signatures(whole: Draft, role: Role) -> tuple[bytes, bytes]:
    """On the commit and on the refund."""
    return dlc.sign_commit(whole, role, keys(role), AUX), dlc.sign_refund(whole, keys(role))


def check_small(whole: Draft, theirs: Theirs) -> None:
    dlc.check_commit(whole, Role.MAKER, theirs.commit)
    dlc.check_refund(whole, Role.MAKER, theirs.refund)


Laps = dict[str, float]


def setup(theirs: Theirs) -> Laps:
    """One party's work (the maker's), in seconds by part."""
    whole, secret = draft(announcement()), keys(Role.MAKER)
    laps: Laps = {}

    def lap(name: str, work: Callable[[], Any]) -> Any:
        begun = perf_counter()
        result = work()
        laps[name] = perf_counter() - begun
        return result

    lap("schedule", lambda: whole.schedule)
    lap("transactions and digests", lambda: (whole.commit_digest, whole.refund_digest, whole.cet_digests))
    lap("oracle points", lambda: whole.packed_points)
    lap("fingerprint", lambda: whole.fingerprint)
    lap("sign CETs", lambda: jobs.sign_cets(dlc.sign_cets_job(whole, secret, AUX)))
    lap("sign commit and refund", lambda: small_signatures(whole, Role.MAKER))
    lap("verify commit and refund", lambda: check_small(whole, theirs))
    wrong = lap("verify CETs", lambda: jobs.verify_cets(dlc.verify_cets_job(whole, Role.MAKER, theirs.cets)))
    if wrong is not None:
        sys.exit(f"CET signature {wrong} did not verify")
    laps["all"] = sum(laps.values())
    return laps


def calibration() -> Callable[[], float]:
    """Microseconds of one ECDSA verification by libsecp256k1, the message hashed before."""
    key, digest = PrivateKey(hashlib.sha256(b"key").digest()), hashlib.sha256(b"message").digest()
    signature, public = key.sign(digest, hasher=None), PublicKey(key.public_key.format())

    def once() -> float:
        begun = perf_counter()
        for _ in range(100):
            public.verify(signature, digest, hasher=None)
        return (perf_counter() - begun) * 1e4

    return once


async def workers_seconds(executor: Executor, workers: int, theirs: Theirs, rounds: int) -> float:
    """Best time to sign and verify all CETs through the node's job runner."""
    whole = draft(announcement())
    signing = dlc.sign_cets_job(whole, keys(Role.MAKER), AUX)
    verifying = dlc.verify_cets_job(whole, Role.MAKER, theirs.cets)
    runner, best = JobRunner(executor, workers), float("inf")
    await runner.sign(signing)  # starts the workers
    for _ in range(rounds):
        begun = perf_counter()
        await runner.sign(signing)
        if await runner.verify(verifying) is not None:
            sys.exit("a CET signature did not verify")
        best = min(best, perf_counter() - begun)
    return best


def workers(theirs: Theirs, rounds: int) -> dict[str, float]:
    """Seconds by kind of executor."""
    kinds: dict[str, tuple[Callable[[int], AbstractContextManager[Executor]], int]] = {
        "1 thread": (ThreadPoolExecutor, 1),
        "2 threads": (ThreadPoolExecutor, 2),
        "2 processes": (ProcessPoolExecutor, 2),
    }
    found: dict[str, float] = {}
    for name, (make, count) in kinds.items():
        with make(count) as executor:
            found[name] = asyncio.run(workers_seconds(executor, count, theirs, rounds))
    return found


def cores(rounds: int) -> float:
    """What two threads gain on this machine at present at best: by hashing, without the interpreter lock."""

    def hashing(_: object) -> None:
        hashlib.pbkdf2_hmac("sha256", b"", b"", 50_000)

    alone = together = float("inf")
    with ThreadPoolExecutor(2) as executor:
        for _ in range(rounds):
            begun = perf_counter()
            hashing(None)
            middle = perf_counter()
            list(executor.map(hashing, range(2)))
            alone, together = min(alone, middle - begun), min(together, perf_counter() - middle)
    return 2 * alone / together


def sizes(theirs: Theirs) -> dict[str, int]:
    """Bytes of what is stored and sent for one revision."""
    whole = draft(announcement())
    signed = LockSigned(
        maker=whole.maker,
        taker=whole.taker,
        own_commit=small_signatures(whole, Role.MAKER)[0],
        their_commit=theirs.commit,
        their_refund=theirs.refund,
        cets_sha256=hashlib.sha256(theirs.cets).digest(),
        at=Timestamp(whole.announcements[0].maturity - 24 * HOUR),
    )
    stored = to_stored(Recorded(CFD, 2, signed, theirs.cets))
    message = Signatures(CFD, theirs.commit, theirs.refund, theirs.cets)
    return {
        "stored revision": len(theirs.cets) + len(stored.payload),
        "signatures message": len(encode_message(message)),
    }


def measure(rounds: int) -> dict[str, Any]:
    """All figures, as `--json` writes them."""
    theirs, calibrate = Theirs.make(), calibration()
    best: Laps = {}
    verify_us = float("inf")
    for _ in range(rounds):
        verify_us = min(verify_us, calibrate())
        for name, seconds in setup(theirs).items():
            best[name] = min(best.get(name, seconds), seconds)
    return {
        "contract": "C1",
        "cets": len(draft(announcement()).schedule),
        "worst_error": float(draft(announcement()).schedule.worst_error),
        "ecdsa_verify_us": verify_us,
        "setup_seconds": best,
        "workers_seconds": workers(theirs, rounds),
        "cores_to_spare": cores(rounds),
        "bytes": sizes(theirs),
        "machine": {"cpu": platform.machine(), "cores": os.cpu_count(), "python": platform.python_version()},
    }


def lines(result: dict[str, Any]) -> list[Line]:
    """The figures next to what they are held against."""
    cets, best, pools = result["cets"], result["setup_seconds"], result["workers_seconds"]
    scale = REFERENCE_US / result["ecdsa_verify_us"]
    scaled = best["all"] * scale
    alone = pools["1 thread"]
    return [
        Line("CETs of C1", cets, "", TARGET_CETS, "at most"),
        Line("worst error, share of the pool", 100 * result["worst_error"], "%", 0.35, "at most"),
        Line("setup, one thread, scaled", 1000 * scaled, "ms", 1000 * TARGET_SECONDS, "at most"),
        Line("times faster than DDK, scaled", DDK_CETS * DDK_US / 1e6 / scaled, "x", 20, "at least"),
        Line("one CET signed, scaled", 1e6 * best["sign CETs"] * scale / cets, "us", CREATE_US, "reference"),
        Line("one CET verified, scaled", 1e6 * best["verify CETs"] * scale / cets, "us", VERIFY_US, "reference"),
        Line("cores to spare for two threads", result["cores_to_spare"], "x", 2, "reference"),
        Line("2 threads", alone / pools["2 threads"], "x", TARGET_SPEEDUP, "at least"),
        Line("2 processes", alone / pools["2 processes"], "x", TARGET_SPEEDUP, "at least"),
        *(Line(name, size, "bytes", TARGET_BYTES, "at most") for name, size in result["bytes"].items()),
    ]


def show(result: dict[str, Any]) -> None:
    us = result["ecdsa_verify_us"]
    print(f"Calibration: ECDSA verification {us:.1f} us (reference machine {REFERENCE_US:g} us)")
    print("Best setup, not scaled, ms: ", end="")
    print(", ".join(f"{name} {1000 * seconds:.1f}" for name, seconds in result["setup_seconds"].items()))
    print(f"{'line':<32}{'measured':>12}{'':7}{'against':>22}{'ratio':>8}")
    for line in lines(result):
        against = f"{line.kind} {line.reference:,g}"
        figure = f"{line.measured:,.0f}" if line.unit in ("", "bytes") else f"{line.measured:,.2f}"
        print(f"{line.name:<32}{figure:>12} {line.unit:<6}{against:>22}{line.ratio:>8.2f}  {line.verdict}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--json", metavar="FILE", type=Path, help="write every figure to FILE")
    parser.add_argument("--rounds", type=int, default=20, help="the best of so many rounds counts (default 20)")
    arguments = parser.parse_args()
    result = measure(max(1, arguments.rounds))
    show(result)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
