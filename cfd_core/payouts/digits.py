"""Ranges of outcomes as binary-digit prefixes, the form in which an oracle's digits can be waited for."""

from typing import Any, Final

from cfd_core.errors import RuleViolation
from cfd_core.values import DigitPrefix

MAX_DIGITS: Final = 32


def check_digits(digits: Any) -> int:
    """A number of binary digits an event may have: 1 to `MAX_DIGITS`."""
    if not isinstance(digits, int) or isinstance(digits, bool) or not 1 <= digits <= MAX_DIGITS:
        raise RuleViolation(f"an event has 1 to {MAX_DIGITS} binary digits, not {digits!r:.80}")
    return digits


def prefix_cover(start: int, end: int, digits: int) -> tuple[DigitPrefix, ...]:
    """The fewest prefixes that together stand for exactly `start` to `end` (both included), in order.

    Never more than two of each length. `RuleViolation` for a range that is empty or reaches beyond what `digits`
    digits can spell.
    """
    if not 0 <= start <= end < 1 << check_digits(digits):
        raise RuleViolation(f"not a range of outcomes of {digits} digits: {start} to {end}")
    cover = []
    while start <= end:
        free = _free_digits(start, end, digits)
        cover.append(DigitPrefix(digits - free, start >> free))
        start += 1 << free
    return tuple(cover)


def _free_digits(start: int, end: int, digits: int) -> int:
    """How many last digits may be left open by a prefix that begins at `start` and stays within `end`."""
    aligned = (start & -start).bit_length() - 1 if start else digits
    fitting = (end - start + 1).bit_length() - 1
    return min(aligned, fitting)
