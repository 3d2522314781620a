"""Liquidation at an hourly event: which outcomes end the contract early, and with which few prefixes.

At such an event only two ranges of prices matter: from 0 up to the highest price at which the long is owed nothing,
and from the lowest price at which the short is owed nothing up to the top. Each is covered from its far end towards
its threshold. A range of m outcomes counted from a far end takes one prefix for each 1 among m's binary digits, so
leaving a few outcomes uncovered next to the threshold saves most of them: that is the sliver, bounded by the slack.
In the sliver nothing happens at this event; the contract lives on to the next hour, or to its expiry.
"""

from bisect import bisect_left
from decimal import Decimal
from fractions import Fraction
from typing import Final

from attrs import field, frozen

from cfd_core.errors import RuleViolation
from cfd_core.payouts.curve import PayoutCurve
from cfd_core.payouts.digits import prefix_cover
from cfd_core.payouts.exact import exact_rate
from cfd_core.payouts.schedule import ScheduleEntry, check_event
from cfd_core.values import Position, Sats

DEFAULT_LIQUIDATION_SLACK: Final = Fraction(1, 200)


@frozen
class LiquidationRange:
    """The whole prices at which one side has lost everything, fees included: `covered` and `sliver` together."""

    position: Position
    threshold: int
    """The price of the range next to the opening price: the highest for the long, the lowest for the short."""
    covered: range
    """Prices with a CET, never empty; they reach to the end of the event's range."""
    sliver: range
    """Prices without one, between `covered` and the threshold (included); empty when all are covered."""


@frozen
class Liquidation:
    """What one hourly event may do to a contract."""

    long: LiquidationRange | None
    """None if no outcome takes all from the long."""
    short: LiquidationRange | None
    """None if no outcome takes all from the short: an inverse short at 1x has locked all it can lose."""
    entries: tuple[ScheduleEntry, ...] = field(repr=False)
    """In price order, the long's range first; for look-ups see `find`."""
    digits: int

    @property
    def long_at(self) -> int | None:
        """The highest whole price at which the long has lost everything."""
        return self.long.threshold if self.long else None

    @property
    def short_from(self) -> int | None:
        """The lowest whole price at which the short has lost everything."""
        return self.short.threshold if self.short else None

    @property
    def long_sliver(self) -> range:
        """Prices at which the long has lost everything but this event does not liquidate it; may be empty."""
        return self.long.sliver if self.long else range(0)

    @property
    def short_sliver(self) -> range:
        """Prices at which the short has lost everything but this event does not liquidate it; may be empty."""
        return self.short.sliver if self.short else range(0)


def check_slack(value: Decimal | Fraction) -> Fraction:
    """A liquidation slack as a fraction of the threshold price: 0 to 0.5, at most 12 decimals."""
    slack = exact_rate(value, "a liquidation slack")
    if not 0 <= slack <= Fraction(1, 2):
        raise RuleViolation(f"a liquidation slack is from 0 to 0.5 of the threshold price, not {value}")
    return slack


def build_liquidation(
    curve: PayoutCurve, digits: int, slack: Decimal | Fraction = DEFAULT_LIQUIDATION_SLACK
) -> Liquidation:
    """The fewest prefixes that leave at most `slack` of each threshold price uncovered, all inside their range.

    Deterministic: both parties derive the same from the same terms; of equally many prefixes, those with the smallest
    sliver. A range that is not empty has at least one prefix however short it is, because an oracle spells a price
    beyond its digits as the last outcome. `RuleViolation` for digits or a slack out of range, an opening price that the
    event cannot attest, or a contract of which one side has lost everything at every outcome: nothing is left to wait
    for, and its CET would need no attestation.
    """
    check_event(curve, digits)
    checked = check_slack(slack)
    long, short = _long_range(curve, digits, checked), _short_range(curve, digits, checked)
    entries = tuple(entry for found in (long, short) if found for entry in _entries(curve, digits, found))
    if any(entry.prefix.length == 0 for entry in entries):
        raise RuleViolation("one side has lost everything at every price of the event")
    return Liquidation(long, short, entries, digits)


def liquidation_entries(
    curve: PayoutCurve, digits: int, slack: Decimal | Fraction = DEFAULT_LIQUIDATION_SLACK
) -> tuple[ScheduleEntry, ...]:
    """What the CETs of one hourly event pay, in price order: all to the short below, all to the long above.

    See `build_liquidation`.
    """
    return build_liquidation(curve, digits, slack).entries


def _long_range(curve: PayoutCurve, digits: int, slack: Fraction) -> LiquidationRange | None:
    prices = range(1 << digits)
    size = bisect_left(prices, True, key=lambda x: curve.long_payout_ratio(x)[0] > 0)
    if not size:
        return None
    threshold = size - 1
    covered = _roundest(size, int(slack * threshold))
    return LiquidationRange(Position.LONG, threshold, prices[:covered], prices[covered:size])


def _short_range(curve: PayoutCurve, digits: int, slack: Fraction) -> LiquidationRange | None:
    prices = range(1 << digits)
    threshold = bisect_left(prices, True, key=lambda x: curve.long_payout_ratio(x) == (curve.pool, 1))
    if threshold == len(prices):
        return None
    first = len(prices) - _roundest(len(prices) - threshold, int(slack * threshold))
    return LiquidationRange(Position.SHORT, threshold, prices[first:], prices[threshold:first])


def _roundest(size: int, spare: int) -> int:
    """The number from `size - spare` (and 1) to `size` with the fewest binary ones; the largest of those.

    Clearing the last one costs least; once that goes too far, each number left in reach has as many ones or more.
    """
    while (rounder := size & (size - 1)) and size - rounder <= spare:
        size, spare = rounder, spare - (size - rounder)
    return size


def _entries(curve: PayoutCurve, digits: int, found: LiquidationRange) -> list[ScheduleEntry]:
    long = 0 if found.position is Position.LONG else curve.pool
    cover = prefix_cover(found.covered[0], found.covered[-1], digits)
    return [ScheduleEntry(prefix, Sats(long), Sats(curve.pool - long)) for prefix in cover]
