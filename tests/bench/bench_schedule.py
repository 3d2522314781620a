"""Benchmark: the payout schedule of the canonical contract C1 (performance.md, point 1) and how fast it is built.

A program, not a test: `python tests/bench/bench_schedule.py [-o result.json] [--fast]` (pyperf's options). It prints
each figure next to its reference; the JSON carries the counts as metadata.
"""

from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import pyperf  # type: ignore[import-untyped]

from cfd_core.payouts import INVERSE_BTC_USD, PayoutCurve, build_schedule, prefix_cover

C1 = PayoutCurve(INVERSE_BTC_USD, 54_000, 3_500, 5, 1)
DIGITS = 20
TOLERANCES = (Decimal("0.0035"), Decimal("0.0025"), Decimal("0.001"))
TARGET_CETS = 205


def equal_ranges() -> tuple[int, Fraction]:
    """The reference's way on C1: CETs, and worst error between its ends as a fraction of the pool.

    200 equally spaced prices from the long's liquidation to twice the opening price, each range between them paid at
    its middle, a flat range on either side (beyond twice the price its error is far larger and not counted here).
    """
    first, last = 45_000, 108_000
    borders = [first + (last - first) * step // 199 for step in range(200)]
    ranges = [(low, high - 1) for low, high in pairwise(borders)]
    worst = max(_range_error(low, high) for low, high in ranges)
    ends = [(0, first - 1), (last, (1 << DIGITS) - 1)]
    return sum(len(prefix_cover(low, high, DIGITS)) for low, high in ranges + ends), worst / C1.pool


def _range_error(low: int, high: int) -> Fraction:
    paid = C1.long_payout((low + high) // 2)
    return max(paid - C1.long_payout(low), C1.long_payout(high) - paid)


def percent(value: Fraction | Decimal) -> str:
    return f"{float(100 * value):.4f} %"


def main() -> None:
    runner = pyperf.Runner(processes=3, values=5)
    lines = []
    for tolerance in TOLERANCES:
        schedule = build_schedule(C1, DIGITS, tolerance)
        name = f"schedule of C1 at {float(100 * tolerance):g} %"
        runner.metadata[f"cets at {tolerance}"] = len(schedule)
        runner.metadata[f"worst error at {tolerance}"] = percent(schedule.worst_error)
        timing = runner.bench_func(name, build_schedule, C1, DIGITS, tolerance)
        if timing is not None and not runner.args.worker:
            lines.append(
                f"{name}: {len(schedule)} CETs, worst error {percent(schedule.worst_error)} of the pool,"
                f" built in {1000 * timing.median():.2f} ms"
            )
    if not runner.args.worker:
        _report(lines)


def _report(lines: list[str]) -> None:
    count, worst = equal_ranges()
    schedule = build_schedule(C1, DIGITS, TOLERANCES[0])
    met = len(schedule) <= TARGET_CETS and schedule.worst_error <= Fraction(TOLERANCES[0])
    print(*lines, sep="\n")
    print(f"reference, equal ranges: {count} CETs, worst error {percent(worst)} up to twice the price")
    print(f"target: at most {TARGET_CETS} CETs within 0.35 %: {'met' if met else 'MISSED'}")


if __name__ == "__main__":
    main()
