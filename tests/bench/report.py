"""How the benchmark programs tell what they found: figures beside targets and references, as a table and as JSON.

Every program measures with `Turns`: the jobs that are compared run in alternation, in many short rounds, by the
processor time of the thread, and ratios are medians of the rounds' own ratios, or of the best rounds of each. So other
work on the machine disturbs all of them alike. `calibration` is what absolute times are scaled by.
"""

import argparse
import hashlib
import json
import os
import platform
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from time import perf_counter, thread_time
from typing import Any, Final, Literal

from attrs import asdict, frozen
from coincurve import PrivateKey, PublicKey

REFERENCE_US: Final = 37.0
"""What one ECDSA verification by libsecp256k1 costs on the machine that the targets are meant for."""


@frozen
class Figure:
    """One line: what was measured, what it ought to be, and what others need."""

    target: int
    """The number of the target in the design's list; 0: none, for information."""
    name: str
    measured: float
    unit: str = ""
    limit: float | None = None
    kind: Literal["at most", "at least"] = "at most"
    reference: float | None = None
    source: str = ""
    """What the reference is, and where from."""

    @property
    def verdict(self) -> str:
        if self.limit is None:
            return ""
        within = self.measured <= self.limit if self.kind == "at most" else self.measured >= self.limit
        return "met" if within else "MISSED"

    @property
    def ratio(self) -> float | None:
        """Measured to reference."""
        return self.measured / self.reference if self.reference else None


@frozen
class Report:
    """All that one program found."""

    program: str
    figures: tuple[Figure, ...]
    details: Mapping[str, Any]
    """Whatever the figures were made from, in words of the program's own."""
    notes: tuple[str, ...] = ()
    """What a reader must know, such as a peer that could not be measured."""

    def write(self, path: Path) -> None:
        whole = {"program": self.program, "machine": machine(), "notes": self.notes, "details": self.details}
        figures = [{**asdict(figure), "verdict": figure.verdict} for figure in self.figures]
        path.write_text(json.dumps({**whole, "figures": figures}, indent=2) + "\n")


def machine() -> dict[str, Any]:
    """Where and when, and how busy it was."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="minutes"),  # noqa: TID251 - a program may look at the clock
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "ecdsa_verify_us": round(min(calibration() for _ in range(200)), 1),
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())


_KEY = PrivateKey(hashlib.sha256(b"key").digest())
_DIGEST = hashlib.sha256(b"message").digest()
_SIGNATURE = _KEY.sign(_DIGEST, hasher=None)
_PUBLIC = PublicKey(_KEY.public_key.format())


def calibration() -> float:
    """Microseconds of one ECDSA verification by libsecp256k1, from ten."""
    begun = thread_time()
    for _ in range(10):
        _PUBLIC.verify(_SIGNATURE, _DIGEST, hasher=None)
    return (thread_time() - begun) * 1e5


def processor_seconds(work: Callable[[], object]) -> float:
    """Of this thread, for one call."""
    begun = thread_time()
    work()
    return thread_time() - begun


def wall_seconds(work: Callable[[], object]) -> float:
    begun = perf_counter()
    work()
    return perf_counter() - begun


class Turns:
    """Jobs that were measured in alternation."""

    def __init__(self, jobs: Mapping[str, Callable[[], float]], rounds: int) -> None:
        """Each job returns how long it took, in a unit of its own."""
        self.taken: dict[str, list[float]] = {name: [] for name in jobs}
        for _ in range(rounds):
            for name, job in jobs.items():
                self.taken[name].append(job())

    def best(self, name: str) -> float:
        return min(self.taken[name])

    def ratio(self, one: str, other: str) -> float:
        """The first to the second: the median of the rounds'."""
        return median(a / b for a, b in zip(self.taken[one], self.taken[other], strict=True))

    def best_ratio(self, one: str, other: str) -> float:
        """The first's best round to the second's: for jobs so short that some rounds are left in peace."""
        return self.best(one) / self.best(other)

    def scaled(self, name: str) -> float:
        """What a job would take where the calibration (the job "calibration", in microseconds) costs 37 us."""
        return self.ratio(name, "calibration") * REFERENCE_US


# --- tables ----------------------------------------------------------------------------------------------------------


def number(value: float | None) -> str:
    """Three digits that count, and thousands apart."""
    if value is None:
        return ""
    if value == int(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 100 else f"{value:.2f}" if abs(value) >= 1 else f"{value:.4f}"


ROW: Final = "{:<2} {:<58}{:>12} {:<6}{:>17} {:<7}{:>12}{:>8}  {}"


def heading() -> str:
    return ROW.format("#", "what", "measured", "", "target", "", "reference", "ratio", "the reference is")


def row(figure: Figure) -> str:
    limit = "" if figure.limit is None else f"{figure.kind} {number(figure.limit)}"
    cells = (str(figure.target or ""), figure.name, number(figure.measured), figure.unit, limit, figure.verdict)
    return ROW.format(*cells, number(figure.reference), number(figure.ratio), figure.source).rstrip()


def show(report: Report) -> None:
    print(f"\n{report.program}")
    for note in report.notes:
        print(f"!!! {note} !!!")
    print(heading(), *map(row, report.figures), sep="\n", flush=True)


# --- programs --------------------------------------------------------------------------------------------------------


def run(description: str | None, rounds: int, measure: Callable[[int], Report]) -> None:
    """The command line that every program has: `--rounds N` and `--json FILE`."""
    parser = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    parser.add_argument("--json", metavar="FILE", type=Path, help="write every figure to FILE")
    parser.add_argument("--rounds", type=int, default=rounds, help=f"more rounds, steadier figures (default {rounds})")
    arguments = parser.parse_args()
    report = measure(max(1, arguments.rounds))
    if arguments.json is not None:
        report.write(arguments.json)
    show(report)
