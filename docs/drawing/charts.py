"""Charts of the payout maths, drawn by matplotlib from whole numbers, whose fingerprint each file carries."""

import hashlib
import json
import os
from decimal import Decimal
from fractions import Fraction
from io import StringIO
from typing import Any

import matplotlib as mpl
from attrs import frozen
from matplotlib.figure import Figure

from cfd_core.payouts import INVERSE_BTC_USD, PayoutCurve, build_schedule
from cfd_core.values import Position
from docs.drawing.sheet import ACCENTS, SOFT

Line = list[tuple[int, int]]


@frozen
class Chart:
    """Named lines over whole numbers, and how they are shown."""

    lines: dict[str, Line]
    x_label: str
    y_label: str
    steps: bool = False
    logarithmic: bool = False
    marks: tuple[int, ...] = ()
    """Prices with a dotted line, such as liquidation prices."""

    @property
    def fingerprint(self) -> str:
        """Of the numbers, not of the picture: other versions of matplotlib may draw the same otherwise."""
        return hashlib.sha256(json.dumps(self.lines, sort_keys=True).encode()).hexdigest()

    def svg(self) -> str:
        """The file's text."""
        os.environ["SOURCE_DATE_EPOCH"] = "0"  # the picture is the same whenever it is drawn
        with mpl.rc_context({"svg.hashsalt": "cfd", "svg.fonttype": "none"}), StringIO() as file:
            self._figure().savefig(file, format="svg")
            return f"{file.getvalue()}<!-- numbers: {self.fingerprint} -->\n"

    def _figure(self) -> Figure:
        figure = Figure(figsize=(7.5, 3.6), layout="constrained")
        axes = figure.subplots()
        for colour, (name, line) in zip(ACCENTS, self.lines.items(), strict=False):
            xs, ys = zip(*line, strict=True)
            how: dict[str, Any] = {"drawstyle": "steps-post"} if self.steps and name != "exact" else {}
            axes.plot(xs, ys, label=name, color=colour, linewidth=1.4, **how)
        for mark in self.marks:
            axes.axvline(mark, color=SOFT, linestyle=":")
        if self.logarithmic:
            axes.set_xscale("log")
            axes.set_yscale("log")
        else:
            axes.xaxis.set_major_formatter("{x:,.0f}")
            axes.yaxis.set_major_formatter("{x:,.0f}")
        axes.set_xlabel(self.x_label)
        axes.set_ylabel(self.y_label)
        axes.grid(color="#e9ecef")
        if len(self.lines) > 1:
            axes.legend(frameon=False)
        return figure


def _curve(long: int, short: int) -> PayoutCurve:
    return PayoutCurve(INVERSE_BTC_USD, price=Decimal(50_000), quantity=1_000, long_leverage=long, short_leverage=short)


def payoffs() -> Chart:
    """The exact payout of a long at three leverages, against a short at 1x."""
    prices = range(20_000, 120_001, 500)
    lines = {
        f"long at {leverage}x": [(x, round(_curve(leverage, 1).payout(Position.LONG, x))) for x in prices]
        for leverage in (1, 2, 5)
    }
    return Chart(lines, "price at expiry, USD", "payout of the long, sats")


def steps() -> Chart:
    """What the CETs pay beside what is exact, at a tolerance coarse enough to be seen."""
    curve = _curve(2, 2)
    schedule = build_schedule(curve, digits=20, tolerance=Decimal("0.02"))
    prices = range(25_000, 115_001, 250)
    exact = [(x, round(curve.payout(Position.LONG, x))) for x in prices]
    paid = [(entry.prefix.start(20), int(entry.long)) for entry in schedule]
    inside = [(x, y) for x, y in paid if prices[0] <= x <= prices[-1]]
    ends = [
        (prices[0], int(schedule.lookup(prices[0])[1].long)),
        *inside,
        (prices[-1], int(schedule.lookup(prices[-1])[1].long)),
    ]
    marks = tuple(round(price) for p in Position if (price := curve.liquidation_price(p)) is not None)
    name = f"paid, by {len(schedule)} CETs"
    return Chart(
        {"exact": exact, name: ends}, "price at expiry, USD", "payout of the long, sats", steps=True, marks=marks
    )


def tolerances() -> Chart:
    """How many CETs a tolerance costs (in millionths of the pool)."""
    curve = _curve(5, 1)
    tried = (500, 1_000, 2_500, 5_000, 10_000, 20_000, 50_000)
    counts = [(each, len(build_schedule(curve, digits=20, tolerance=Fraction(each, 1_000_000)))) for each in tried]
    return Chart({"CETs": counts}, "tolerance, millionths of the pool", "CETs", logarithmic=True)
