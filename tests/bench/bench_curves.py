"""How error, time, memory and stored bytes grow: over two decades of CETs and of CFDs, and with rollovers.

Each curve is one party's figures at a handful of sizes, the time in processor time of this machine. The exponents say
how they grow: 1 is in proportion. `plots.py` draws the curves.
"""

import math
import tempfile
from collections.abc import Sequence
from contextlib import closing
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Final

from cfd_store import SqlStore, sqlite_url

from cfd_core.contract import dlc, jobs
from cfd_core.engine import Engine
from cfd_core.payouts import build_schedule, prefix_cover
from cfd_core.serial.stored import read_events
from cfd_core.values import Role
from tests.bench.bench_maker import Metered, append, loaded
from tests.bench.bench_schedule import C1
from tests.bench.c1 import AUX, DIGITS, announcement, draft, keys
from tests.bench.report import Figure, Report, processor_seconds, run

Curve = list[tuple[float, float]]
"""Points (size, figure), by size."""

TOLERANCES: Final = tuple(Decimal(text) for text in ("0.05", "0.02", "0.01", "0.0035", "0.0015", "0.0007", "0.00035"))
RANGES: Final = (20, 50, 100, 200, 500, 1_000)
CFDS: Final = (10, 30, 100, 300, 1_000)
ROLLOVERS: Final = 48
COPIES: Final = 100
"""Of the CFD whose memory is measured."""


def errors() -> Curve:
    """Worst error in per cent of the pool, by CETs of ours."""
    schedules = [build_schedule(C1, DIGITS, tolerance) for tolerance in TOLERANCES]
    return [(len(one), float(100 * one.worst_error)) for one in schedules]


def equal_range_errors() -> Curve:
    """The same for so many ranges of equal width between liquidation and twice the price."""
    return [_equal_ranges(count) for count in RANGES]


def _equal_ranges(count: int) -> tuple[float, float]:
    first, last = 45_000, 108_000
    borders = [first + (last - first) * step // (count - 1) for step in range(count)]
    ranges = [(low, high - 1) for low, high in pairwise(borders)]
    outside = [(0, first - 1), (last, (1 << DIGITS) - 1)]
    worst = max(_error(low, high) for low, high in ranges) / C1.pool
    return sum(len(prefix_cover(low, high, DIGITS)) for low, high in ranges + outside), float(100 * worst)


def _error(low: int, high: int) -> Fraction:
    paid = C1.long_payout((low + high) // 2)
    return max(paid - C1.long_payout(low), C1.long_payout(high) - paid)


def setup_times(rounds: int) -> Curve:
    """Milliseconds to derive, sign and verify (our own signatures), by CETs; the best of the rounds."""
    return [_setup(tolerance, rounds) for tolerance in TOLERANCES]


def _setup(tolerance: Decimal, rounds: int) -> tuple[float, float]:
    best, cets = math.inf, 0
    for _ in range(rounds):
        whole, own = draft(announcement(), tolerance), keys(Role.TAKER)

        def work() -> None:
            packed = jobs.sign_cets(dlc.sign_cets_job(whole, own, AUX))  # noqa: B023 - called before the next round
            jobs.verify_cets(dlc.verify_cets_job(whole, Role.MAKER, packed))  # noqa: B023

        best, cets = min(best, processor_seconds(work)), len(whole.entries)
    return cets, 1e3 * best


def many_cfds(pair: Metered) -> tuple[Curve, Curve]:
    """Milliseconds to load an engine, and kB that it takes, by CFDs."""
    times, memory = [], []
    for count in CFDS:
        records = pair.crowd(count - 1)
        events = list(read_events(records))
        times.append((float(count), 1e3 * processor_seconds(lambda: Engine.load(pair.maker.settings, events))))  # noqa: B023
        memory.append((float(count), loaded(pair.maker.settings, records)[0]))
    return times, memory


def rolled(pair: Metered, folder: Path) -> tuple[Curve, Curve, Curve]:
    """Bytes of events stored, packed revisions kept, and kB of memory of one CFD, by rollovers."""
    events, revisions, memory = [], [], []
    with closing(SqlStore(sqlite_url(folder / "events.sqlite"), "bench")) as store:
        append(store, pair.maker.log)
        for number in range(ROLLOVERS + 1):
            if number:
                pair.roll(store)
            own = [record for record in pair.maker.records if record.stream == pair.taker.cfd.id]
            events.append((float(number), float(sum(len(record.payload) for record in own))))
            revisions.append((float(number), float(sum(map(len, pair.maker.revisions.values())))))
            if number % 8 == 0:
                kilobytes = [loaded(pair.maker.settings, pair.crowd(count))[0] for count in (0, COPIES)]
                memory.append((float(number), (kilobytes[1] - kilobytes[0]) / COPIES))
    return events, revisions, memory


def exponent(curve: Sequence[tuple[float, float]]) -> float:
    """The slope between the ends on logarithmic axes: 1 for what grows in proportion."""
    (first, low), (last, high) = curve[0], curve[-1]
    return math.log(high / low) / math.log(last / first)


def slope(curve: Sequence[tuple[float, float]]) -> float:
    """Per unit of size, between the ends."""
    (first, low), (last, high) = curve[0], curve[-1]
    return (high - low) / (last - first)


def measure(rounds: int) -> Report:
    pair = Metered(0, tolerance=Decimal("0.05"))
    load_ms, load_kb = many_cfds(pair)
    with tempfile.TemporaryDirectory(prefix="cfd-bench-") as name:
        events, revisions, memory = rolled(pair, Path(name))
    setup = setup_times(rounds)
    curves = {
        "error_by_cets": errors(),
        "error_by_cets_of_equal_ranges": equal_range_errors(),
        "setup_ms_by_cets": setup,
        "load_ms_by_cfds": load_ms,
        "memory_kb_by_cfds": load_kb,
        "event_bytes_by_rollovers": events,
        "revision_bytes_by_rollovers": revisions,
        "memory_kb_by_rollovers": memory,
    }
    ends = f"{setup[0][0]:.0f} to {setup[-1][0]:,.0f}"
    return Report(
        "bench_curves",
        (
            Figure(2, f"growth of the setup's time over {ends} CETs", exponent(setup), "power", 1.1, "at most"),
            Figure(
                6, f"growth of memory over {CFDS[0]} to {CFDS[-1]:,} CFDs", exponent(load_kb), "power", 1.1, "at most"
            ),
            Figure(
                6, f"growth of loading over {CFDS[0]} to {CFDS[-1]:,} CFDs", exponent(load_ms), "power", 1.1, "at most"
            ),
            Figure(5, "memory of a CFD, for each revoked revision", 1e3 * slope(memory), "bytes", 1_000, "at most"),
            Figure(5, "growth of the revisions kept, for each rollover", slope(revisions), "bytes", 0, "at most"),
            Figure(0, "events stored, for each rollover", slope(events), "bytes"),
            Figure(0, "memory of a CFD with no revoked revision", memory[0][1], "kB"),
        ),
        curves,
    )


if __name__ == "__main__":
    run(__doc__, 3, measure)
