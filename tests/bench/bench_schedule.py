"""How many CETs the canonical contract C1 needs, and how far they pay from the exact payoff (target 1).

The worst error is looked for here at all 1,048,576 prices an event of 20 digits can attest, in whole numbers, and held
against what the schedule says of itself.
"""

from fractions import Fraction
from itertools import pairwise
from typing import Final

from cfd_core.payouts import INVERSE_BTC_USD, PayoutCurve, Schedule, build_schedule, prefix_cover
from cfd_core.values import DigitPrefix
from tests.bench.c1 import DIGITS, TOLERANCE
from tests.bench.report import Figure, Report, Turns, calibration, processor_seconds, run

C1: Final = PayoutCurve(INVERSE_BTC_USD, 54_000, 3_500, 5, 1)
TARGET_CETS: Final = 205


def reference_ranges() -> list[tuple[int, int]]:
    """The reference's way on C1: 200 equally spaced prices from the long's liquidation to twice the opening price.

    Each range between them is paid at its middle, and on either side is a flat one.
    """
    first, last = 45_000, 108_000
    borders = [first + (last - first) * step // 199 for step in range(200)]
    ranges = [(low, high - 1) for low, high in pairwise(borders)]
    return [(0, first - 1), *ranges, (last, (1 << DIGITS) - 1)]


def reference_cets() -> list[tuple[DigitPrefix, int]]:
    """Its CETs: each range's prefixes, and what they pay the long."""
    ranges = reference_ranges()
    paid = [round(C1.long_payout((low + high) // 2)) for low, high in ranges]
    covers = [prefix_cover(low, high, DIGITS) for low, high in ranges]
    return [(prefix, sats) for sats, cover in zip(paid, covers, strict=True) for prefix in cover]


def reference_error() -> Fraction:
    """Worst between the ends of the reference's ranges, as a share of the pool; beyond them it is far larger."""
    return max(_range_error(low, high) for low, high in reference_ranges()[1:-1]) / C1.pool


def _range_error(low: int, high: int) -> Fraction:
    paid = C1.long_payout((low + high) // 2)
    return max(paid - C1.long_payout(low), C1.long_payout(high) - paid)


def worst_error(schedule: Schedule) -> Fraction:
    """The worst |paid - exact| of all prices, by asking every one of them, as a share of the pool."""
    worst = (0, 1)
    for entry in schedule:
        first = entry.prefix.start(DIGITS)
        for price in range(first, first + (1 << (DIGITS - entry.prefix.length))):
            top, bottom = C1.long_payout_ratio(price)
            error = abs(entry.long * bottom - top)
            if error * worst[1] > worst[0] * bottom:
                worst = (error, bottom)
    return Fraction(*worst) / C1.pool


def measure(rounds: int) -> Report:
    schedule = build_schedule(C1, DIGITS, TOLERANCE)
    worst = worst_error(schedule)
    if worst != schedule.worst_error:
        raise SystemExit("the schedule does not know its worst error")
    build = Turns(
        {
            "calibration": calibration,
            "build": lambda: 1e3 * processor_seconds(lambda: build_schedule(C1, DIGITS, TOLERANCE)),
        },
        rounds,
    )
    cets, theirs = len(reference_cets()), float(100 * reference_error())
    ranges = "200 equal ranges"
    return Report(
        "bench_schedule",
        (
            Figure(1, "CETs of C1", len(schedule), "", TARGET_CETS, "at most", cets, ranges),
            Figure(1, "worst error at any whole price", float(100 * worst), "%", 0.35, "at most", theirs, ranges),
            Figure(0, "building the schedule of C1, scaled", build.scaled("build"), "ms"),
        ),
        {"tolerance": str(TOLERANCE), "prices_checked": 1 << DIGITS, "build_ms": build.best("build")},
    )


if __name__ == "__main__":
    run(__doc__, 50, measure)
