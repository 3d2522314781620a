"""From a payoff to the few payouts a contract can carry: one CET per digit prefix.

The outcomes of n binary digits are the leaves of a binary tree and a prefix is a node of it. The walk starts at
the root; a node becomes one CET if a single whole-sat payout is within the tolerance of the exact payoff at all of
its prices, otherwise its two halves are tried. The payoff never falls with the price, so a node's two end prices
decide. A node inside one that passes would pass too, hence no set of prefixes with the same tolerance is smaller.

This covers the flat ends as well: below one liquidation price and above the other the payoff is constant, so each
flat end costs only the nodes on the path along its border, and the tolerance lets a node reach over the border.

Neighbours hardly ever could share a payout, and so a transaction: the 201 entries of the canonical contract (see
the bench) need 198 different payouts at least. A CET per prefix it stays.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Final

from attrs import field, frozen

from cfd_core.errors import RuleViolation
from cfd_core.payouts.curve import PayoutCurve
from cfd_core.payouts.digits import check_digits
from cfd_core.payouts.exact import exact_rate
from cfd_core.values import DigitPrefix, Position, Sats

MAX_ENTRIES: Final = 4096
"""More CETs than this is a tolerance chosen by mistake, or to make us work."""
DEFAULT_TOLERANCE: Final = Fraction(25, 10_000)

_FALLS: Final = "a payoff must never fall as the price rises"
_Ratio = tuple[int, int]
"""Numerator and positive denominator, not reduced."""


@frozen
class ScheduleEntry:
    """What one CET pays, in sats, for all outcomes that begin with `prefix`."""

    prefix: DigitPrefix
    long: Sats
    short: Sats

    def payout(self, position: Position) -> Sats:
        return self.long if position is Position.LONG else self.short


@frozen
class Schedule:
    """All payouts of one contract, in price order. The prefixes partition 0 to 2**digits - 1."""

    entries: tuple[ScheduleEntry, ...] = field(repr=False)
    digits: int
    pool: Sats
    worst_error: Fraction
    """The largest |paid - exact| at any whole price, as a fraction of the pool."""

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[ScheduleEntry]:
        return iter(self.entries)

    def lookup(self, outcome: int) -> tuple[int, ScheduleEntry]:
        """Index and entry for an attested outcome; `RuleViolation` for one outside the event's digits."""
        index = _last_from(self.entries, outcome, self.digits)
        return index, self.entries[index]


def find(entries: Sequence[ScheduleEntry], outcome: int, digits: int) -> tuple[int, ScheduleEntry] | None:
    """Index and entry for an attested outcome among entries that need not cover all prices; None if none covers it.

    The entries are in price order and do not overlap, as in a `Schedule` or a `Liquidation`. `RuleViolation` for an
    outcome outside the event's digits.
    """
    index = _last_from(entries, outcome, digits)
    if index < 0 or not entries[index].prefix.covers(outcome, digits):
        return None
    return index, entries[index]


def _last_from(entries: Sequence[ScheduleEntry], outcome: int, digits: int) -> int:
    """Index of the last entry that begins at or below the outcome; -1 if all begin above."""
    if not 0 <= outcome < 1 << check_digits(digits):
        raise RuleViolation(f"outcome {outcome!r:.80} does not fit {digits} digits")
    return bisect_right(entries, outcome, key=lambda entry: entry.prefix.start(digits)) - 1


def check_tolerance(value: Decimal | Fraction) -> Fraction:
    """A tolerance as a fraction of the pool: above 0, at most 0.5, at most 12 decimals."""
    tolerance = exact_rate(value, "a tolerance")
    if not 0 < tolerance <= Fraction(1, 2):
        raise RuleViolation(f"a tolerance is above 0 and at most 0.5 of the pool, not {value}")
    return tolerance


def check_event(curve: PayoutCurve, digits: int) -> None:
    """`RuleViolation` for digits out of range, or too few to spell the opening price."""
    if curve.price >= 1 << check_digits(digits):
        raise RuleViolation(f"an event of {digits} digits cannot attest the opening price {curve.price}")


def build_schedule(curve: PayoutCurve, digits: int, tolerance: Decimal | Fraction) -> Schedule:
    """The smallest set of prefixes that pays within `tolerance` (a fraction of the pool) at every whole price.

    Deterministic: both parties derive the same schedule from the same terms. Each entry pays the long the middle of
    the node's exact payoffs, a half sat rounded up, and the short the rest of the pool. `RuleViolation` for digits
    or a tolerance out of range, an opening price the event cannot attest, a tolerance that whole sats cannot meet,
    or one that needs more than `MAX_ENTRIES` entries, and for a payoff that is seen to fall as the price rises.
    """
    checked = check_tolerance(tolerance)
    check_event(curve, digits)
    nodes = _walk(curve, digits, checked)
    if any(later[1] < earlier[1] for earlier, later in pairwise(nodes)):
        raise RuleViolation(_FALLS)
    pool = curve.pool
    entries = tuple(ScheduleEntry(prefix, Sats(paid), Sats(pool - paid)) for prefix, paid, _ in nodes)
    return Schedule(entries, digits, pool, _largest(error for _, _, error in nodes) / pool)


def _walk(curve: PayoutCurve, digits: int, tolerance: Fraction) -> list[tuple[DigitPrefix, int, _Ratio]]:
    """Depth first, lower half first: prefix, sats paid to the long and worst error in sats of each accepted node."""
    payoff = curve.long_payout_ratio
    limit = (tolerance.numerator * curve.pool, tolerance.denominator)
    accepted: list[tuple[DigitPrefix, int, _Ratio]] = []
    pending = [(0, 0, payoff(0), payoff((1 << digits) - 1))]
    while pending:
        length, value, low, high = pending.pop()
        paid = _middle(low, high)
        error = _error(paid, low, high)
        if _at_most(error, limit):
            if not _at_most(low, high):
                raise RuleViolation(_FALLS)
            if len(accepted) == MAX_ENTRIES:
                raise RuleViolation(f"tolerance {float(tolerance):.6g} of the pool needs more than {MAX_ENTRIES} CETs")
            accepted.append((DigitPrefix(length, value), paid, error))
            continue
        if length == digits:
            raise RuleViolation(
                f"tolerance {float(tolerance):.6g} of a pool of {curve.pool} sats is finer than whole sats can pay"
            )
        border = (2 * value + 1) << (digits - length - 1)
        pending.append((length + 1, 2 * value + 1, payoff(border), high))
        pending.append((length + 1, 2 * value, low, payoff(border - 1)))
    return accepted


def _middle(low: _Ratio, high: _Ratio) -> int:
    """The whole number nearest to the middle of the two; if any whole number is within reach of both, this is."""
    total = low[0] * high[1] + high[0] * low[1]
    double = low[1] * high[1]
    return (total + double) // (2 * double)


def _error(paid: int, low: _Ratio, high: _Ratio) -> _Ratio:
    """The larger of paid - low and high - paid; since low <= high this is the worst |paid - exact| between them."""
    over = (paid * low[1] - low[0], low[1])
    under = (high[0] - paid * high[1], high[1])
    return over if _at_most(under, over) else under


def _at_most(left: _Ratio, right: _Ratio) -> bool:
    return left[0] * right[1] <= right[0] * left[1]


def _largest(errors: Iterator[_Ratio]) -> Fraction:
    worst = (0, 1)
    for error in errors:
        if not _at_most(error, worst):
            worst = error
    return Fraction(*worst)
