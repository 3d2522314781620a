"""What setting up the canonical contract C1 costs one party, next to those who do the same job otherwise (target 2).

One round is everything one party computes: derive all transactions and oracle points, sign every CET, the commit and
the refund, verify all of the other's. DDK, the active Rust peer, takes its turns in the same run, on an event of as
many digits: with the CETs of the reference's 200 ranges, whose worst error is that of our 201, and with our 201. Only
its adaptor signatures count, not its transactions. The third reference is what libsecp256k1-zkp's native module would
need for the reference's CETs, at the design's 122 us and 140 us and this run's calibration, without any of the rest.
"""

from collections.abc import Callable
from typing import Any, Final

from cfd_core.contract import dlc, jobs
from cfd_core.values import Role
from tests.bench.bench_adaptor import bare
from tests.bench.bench_schedule import C1, reference_cets
from tests.bench.c1 import AUX, DIGITS, Theirs, announcement, check_small, draft, keys, small_signatures
from tests.bench.ddk import DESIGN_US, CetSet, Ddk, NotHere
from tests.bench.report import REFERENCE_US, Figure, Report, Turns, calibration, processor_seconds, run

TARGET_MS: Final = 120.0
NATIVE_US: Final = 122.0 + 140.0
"""libsecp256k1-zkp's native adaptor module, one signature made and one verified, where the calibration costs 37 us."""
FASTER_THAN_DDK: Final = 20.0
FASTER_THAN_NATIVE: Final = 6.0
SAME_ACCURACY: Final = "DDK at the same accuracy (the reference's CETs)"
SAME_CETS: Final = "DDK on our CETs"


class Setup:
    """One party's work (the maker's), by part."""

    def __init__(self) -> None:
        self.theirs = Theirs.make()
        self.laps: dict[str, list[float]] = {}

    def milliseconds(self) -> float:
        """One round, of processor time."""
        whole, secret = draft(announcement()), keys(Role.MAKER)
        parts: dict[str, Callable[[], Any]] = {
            "schedule": lambda: whole.schedule,
            "transactions and digests": lambda: (whole.commit_digest, whole.refund_digest, whole.cet_digests),
            "oracle points": lambda: whole.packed_points,
            "fingerprint": lambda: whole.fingerprint,
            "sign CETs": lambda: jobs.sign_cets(dlc.sign_cets_job(whole, secret, AUX)),
            "sign commit and refund": lambda: small_signatures(whole, Role.MAKER),
            "verify commit and refund": lambda: check_small(whole, self.theirs),
            "verify CETs": lambda: self._verify(dlc.verify_cets_job(whole, Role.MAKER, self.theirs.cets)),
        }
        total = 0.0
        for name, work in parts.items():
            took = 1e3 * processor_seconds(work)
            self.laps.setdefault(name, []).append(took)
            total += took
        return total

    @staticmethod
    def _verify(job: jobs.VerifyCetsJob) -> None:
        if jobs.verify_cets(job) is not None:
            raise SystemExit("a CET signature did not verify")


def ddk_sets() -> dict[str, CetSet]:
    whole = draft(announcement())
    return {
        SAME_ACCURACY: CetSet(DIGITS, int(C1.pool), reference_cets()),
        SAME_CETS: CetSet(DIGITS, int(C1.pool), [(entry.prefix, entry.long) for entry in whole.entries]),
    }


def measured_with_ddk(setup: Setup, rounds: int) -> tuple[Turns, str]:
    with Ddk(ddk_sets()) as ddk:
        theirs = {name: (lambda name=name: 1e3 * ddk.seconds(name)) for name in ddk_sets()}
        return Turns({"calibration": calibration, "setup": setup.milliseconds, **theirs}, rounds), ddk.version


def ddk_figures(turns: Turns) -> list[Figure]:
    """Measured live."""
    figures = []
    for name, limit in ((SAME_ACCURACY, FASTER_THAN_DDK), (SAME_CETS, None)):
        faster, milliseconds = turns.ratio(name, "setup"), turns.scaled(name)
        figures.append(Figure(2, f"times faster than {name}", faster, "x", limit, "at least"))
        figures.append(Figure(0, f"{name}, scaled", milliseconds, "ms", None, "at most"))
    return figures


def unmeasured_figures(setup_ms: float) -> list[Figure]:
    """Where DDK is not to be had: no figure of this run, only the design's beside ours."""
    design = len(reference_cets()) * DESIGN_US / 1e3
    return [Figure(0, "setup beside DDK", setup_ms, "ms", None, "at most", design, "the design; NOT MEASURED HERE")]


def measure(rounds: int) -> Report:
    setup = Setup()
    turns = Turns({"calibration": calibration, "setup": setup.milliseconds, **bare()}, rounds)
    setup_ms, cets = turns.scaled("setup"), len(draft(announcement()).entries)
    floor = cets * (turns.scaled("create, bare") + turns.scaled("verify, bare")) / 1e3
    native = len(reference_cets()) * NATIVE_US / 1e3
    notes: tuple[str, ...] = ()
    details: dict[str, Any] = {"scaled_to_us": REFERENCE_US, "best": {n: turns.best(n) for n in turns.taken}}
    try:
        with_ddk, version = measured_with_ddk(setup, max(2, rounds // 8))
        peer, details["ddk"] = ddk_figures(with_ddk), {"version": version, "milliseconds": with_ddk.taken}
    except NotHere as reason:
        peer, notes = unmeasured_figures(setup_ms), (f"DDK WAS NOT MEASURED: {reason}",)
    details["laps_ms"] = {name: min(laps) for name, laps in setup.laps.items()}
    own = "the bare library calls for our CETs"
    figures = [
        Figure(
            2, "contract setup of C1, one party, one thread, scaled", setup_ms, "ms", TARGET_MS, "at most", floor, own
        ),
        *peer,
        Figure(
            2,
            "times faster than zkp's native module, the reference's CETs",
            native / setup_ms,
            "x",
            FASTER_THAN_NATIVE,
            "at least",
        ),
        Figure(0, "zkp's native module, the reference's CETs", native, "ms"),
        *(
            Figure(0, f"of it: {name}, not scaled", took, "ms")
            for name, took in sorted(details["laps_ms"].items(), key=lambda lap: -lap[1])
        ),
    ]
    return Report("bench_setup", tuple(figures), details, notes)


if __name__ == "__main__":
    run(__doc__, 24, measure)
