"""The points that CETs are encrypted to: the sum of the announced points of a prefix's digits."""

from collections.abc import Sequence

from cfd_core.crypto.secp import Point, PointAtInfinity
from cfd_core.errors import RuleViolation
from cfd_core.oracle.announcement import Announcement
from cfd_core.oracle.dialect import forged
from cfd_core.values import DigitPrefix

_ROOT = DigitPrefix(0, 0)


def adaptor_points(announcement: Announcement, prefixes: Sequence[DigitPrefix]) -> list[Point]:
    """One point per prefix, in the order given.

    Walks the tree of digits: with the prefixes in price order, one point addition per tree node. Any order gives the
    same points, only slower. `RuleViolation` for a prefix that is empty or longer than the event's digits;
    `PeerViolation` (culprit oracle) for an announcement made so that digits cancel out.
    """
    digit_points = announcement.digit_points
    path: list[Point] = []
    last = _ROOT
    points: list[Point] = []
    try:
        for prefix in prefixes:
            if not 1 <= prefix.length <= len(digit_points):
                raise RuleViolation(f"no adaptor point for {prefix} in an event of {len(digit_points)} digits")
            del path[_shared_length(last, prefix) :]
            for index in range(len(path), prefix.length):
                digit = digit_points[index][prefix.bit(index)]
                path.append(path[-1] + digit if path else digit)
            points.append(path[-1])
            last = prefix
    except PointAtInfinity as error:
        raise forged("the announcement's digit points cancel out") from error
    return points


def _shared_length(one: DigitPrefix, other: DigitPrefix) -> int:
    """How many leading digits two prefixes share."""
    length = min(one.length, other.length)
    differing = (one.value >> (one.length - length)) ^ (other.value >> (other.length - length))
    return length - differing.bit_length()
