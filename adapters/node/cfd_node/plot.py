"""Draws a contract's payoff: what is exact, what the CETs pay, and how far the two are apart.

matplotlib is optional (`pip install "cfd-node[plot]"`) and imported only when something is drawn.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cfd_core.payouts import PayoutCurve, Schedule, ScheduleEntry
from cfd_core.values import SATS_PER_BTC, Position

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SUFFIXES: Final = (".png", ".svg")
_EXACT, _PAID, _MARK = "#1f2933", "#e8590c", "#868e96"
_POINTS_PER_STEP: Final = 8
_Line = tuple[list[float], list[float]]


class PlotError(Exception):
    """The chart could not be drawn or written; the message is one line for the user."""


def check_chart_path(path: Path) -> Path:
    """Refuse, before any work, a file name whose suffix is not one of `SUFFIXES`."""
    if path.suffix.lower() not in SUFFIXES:
        raise PlotError(f"a chart's file name must end in {' or '.join(SUFFIXES)}, not {path.name!r:.80}")
    return path


def write_chart(path: Path, curve: PayoutCurve, schedule: Schedule, tolerance: Fraction) -> None:
    """Write the chart of one contract to `path`, replacing what is there; `PlotError` if that cannot be done."""
    picture = _render(_draw(curve, schedule, tolerance), check_chart_path(path).suffix.lower())
    try:
        path.write_bytes(picture)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise PlotError(f"cannot write the chart to {str(path)!r:.200}: {reason}") from error


def _render(figure: "Figure", suffix: str) -> bytes:
    picture = BytesIO()
    figure.savefig(picture, format=suffix[1:], dpi=150)
    return picture.getvalue()


def _draw(curve: PayoutCurve, schedule: Schedule, tolerance: Fraction) -> "Figure":
    try:
        from matplotlib.figure import Figure
        from matplotlib.ticker import StrMethodFormatter
    except ImportError as error:
        raise PlotError('drawing needs matplotlib: pip install "cfd-node[plot]"') from error
    figure = Figure(figsize=(10, 7), layout="constrained")
    payoff, errors = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    low, high = _window(curve, schedule)
    shown = [entry for entry in schedule if entry.prefix.end(schedule.digits) >= low]
    shown = [entry for entry in shown if entry.prefix.start(schedule.digits) <= high]
    _draw_payoff(payoff, curve, _steps(shown, schedule.digits, low, high), (low, high))
    _draw_error(errors, _errors(shown, curve, schedule.digits, low, high), tolerance)
    payoff.set_title(_title(curve, schedule), loc="left", fontsize=11)
    errors.set_xlim(low, high)
    errors.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    errors.set_xlabel("settlement price (USD per BTC)")
    return figure


def _title(curve: PayoutCurve, schedule: Schedule) -> str:
    return (
        f"{curve.quantity:,} contracts at {curve.price:,f}, long {curve.long_leverage}x, short {curve.short_leverage}x"
        f"\n{len(schedule)} CETs, worst {float(100 * schedule.worst_error):.3f} % of the pool off"
    )


def _window(curve: PayoutCurve, schedule: Schedule) -> tuple[int, int]:
    """The prices where something happens: a little beyond both liquidations, or 2.5 times the opening price."""
    bottom = curve.liquidation_price(Position.LONG) or Fraction(0)
    top = curve.liquidation_price(Position.SHORT) or Fraction(curve.price) * 5 / 2
    margin = (top - bottom) / 10
    return max(0, int(bottom - margin)), max(1, min((1 << schedule.digits) - 1, int(top + margin)))


def _draw_payoff(axes: "Axes", curve: PayoutCurve, paid: _Line, window: tuple[int, int]) -> None:
    low, high = window
    prices = [low + (high - low) * Fraction(point, 800) for point in range(801)]
    exact = [float(curve.long_payout(price)) / SATS_PER_BTC for price in prices]
    axes.plot(*paid, color=_PAID, linewidth=1.6, label="paid by the CETs")
    axes.plot([float(price) for price in prices], exact, color=_EXACT, linewidth=0.9, label="exact")
    _mark_height(axes, curve.pool, "pool: the long gets all", high)
    _mark_height(axes, curve.long_margin, "long's margin", high)
    marks = {
        "long liquidated": curve.liquidation_price(Position.LONG),
        "opened": Fraction(curve.price),
        "short liquidated": curve.liquidation_price(Position.SHORT),
    }
    for row, (text, price) in enumerate(marks.items()):
        _mark_price(axes, price, text, row, window)
    axes.set_ylim(-0.04 * curve.pool / SATS_PER_BTC, 1.25 * curve.pool / SATS_PER_BTC)
    axes.set_ylabel("long gets (BTC); short gets the rest of the pool")
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False)


def _mark_height(axes: "Axes", sats: int, text: str, right: int) -> None:
    height = sats / SATS_PER_BTC
    axes.axhline(height, color=_MARK, linewidth=0.8, linestyle=":")
    axes.annotate(text, (right, height), (-4, 3), textcoords="offset points", ha="right", fontsize=8, color=_MARK)


def _mark_price(axes: "Axes", price: Fraction | None, text: str, row: int, window: tuple[int, int]) -> None:
    """A dotted line; each label has a row of its own, so that close prices stay readable."""
    if price is None or not window[0] <= price <= window[1]:
        return
    axes.axvline(float(price), color=_MARK, linewidth=0.8, linestyle=":")
    axes.annotate(
        f"{text} {float(price):,.0f}",
        (float(price), 1),
        (3 if 2 * price < sum(window) else -3, -11 * row - 4),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        ha="left" if 2 * price < sum(window) else "right",
        va="top",
        fontsize=8,
        color=_MARK,
    )


def _draw_error(axes: "Axes", errors: _Line, tolerance: Fraction) -> None:
    limit = float(100 * tolerance)
    axes.plot(*errors, color=_PAID, linewidth=0.7)
    for height in (-limit, limit):
        axes.axhline(height, color=_EXACT, linewidth=0.8, linestyle="--")
    axes.set_ylim(-1.4 * limit, 1.4 * limit)
    axes.annotate(f"tolerance ±{limit:g} %", (4, 4), xycoords="axes points", fontsize=8, color=_EXACT)
    axes.set_ylabel("paid − exact\n(% of the pool)")


def _steps(entries: Sequence[ScheduleEntry], digits: int, low: int, high: int) -> _Line:
    prices: list[float] = []
    paid: list[float] = []
    for entry in entries:
        prices += [max(low, entry.prefix.start(digits)), min(high, entry.prefix.end(digits))]
        paid += [entry.long / SATS_PER_BTC] * 2
    return prices, paid


def _errors(entries: Sequence[ScheduleEntry], curve: PayoutCurve, digits: int, low: int, high: int) -> _Line:
    prices: list[float] = []
    errors: list[float] = []
    for entry in entries:
        for price in _samples(max(low, entry.prefix.start(digits)), min(high, entry.prefix.end(digits))):
            prices.append(float(price))
            errors.append(float(100 * (entry.long - curve.long_payout(price)) / curve.pool))
    return prices, errors


def _samples(start: int, end: int) -> Iterator[Fraction]:
    for point in range(_POINTS_PER_STEP + 1):
        yield start + (end - start) * Fraction(point, _POINTS_PER_STEP)
