"""Where the market's price has been while the API was open: fine for half an hour, coarse for a day."""

from collections import deque
from typing import Final

from cfd_web import models as m

HALF_HOUR: Final = 30 * 60
DAY: Final = 24 * 60 * 60
STEPS: Final = {m.PriceSpan.RECENT: (5, HALF_HOUR), m.PriceSpan.DAY: (60, DAY)}
"""Seconds between two points, and from the first to the last."""


class PriceTrack:
    """Bounded: it forgets what is older than its spans. A feed that is silent leaves a gap."""

    def __init__(self) -> None:
        self._lines = {span: _Line(step, length) for span, (step, length) in STEPS.items()}

    def tell(self, change: m.Change) -> None:
        """Take note of a price; other changes are no concern of it."""
        if isinstance(change, m.PriceChanged):
            point = m.PricePoint(at=change.price.at, bid=change.price.bid, ask=change.price.ask)
            for line in self._lines.values():
                line.add(point)

    def history(self, span: m.PriceSpan) -> m.PriceHistory:
        """The prices of a span, oldest first."""
        return m.PriceHistory(span=span, step=STEPS[span][0], points=self._lines[span].points())


class _Line:
    """The last price in each step of time."""

    def __init__(self, step: int, length: int) -> None:
        self._step, self._length = step, length
        self._points: deque[m.PricePoint] = deque(maxlen=length // step)

    def add(self, point: m.PricePoint) -> None:
        # A clock that was turned back makes what came later untrue; a point of the same step is replaced.
        while self._points and self._points[-1].at // self._step >= point.at // self._step:
            self._points.pop()
        self._points.append(point)

    def points(self) -> tuple[m.PricePoint, ...]:
        newest = self._points[-1].at if self._points else 0
        return tuple(point for point in self._points if point.at > newest - self._length)
