"""The market's price, as figures and as a chart."""

from typing import Any, Final

from nicegui import ui

from cfd_web import models as m
from cfd_web.client import calls
from cfd_web.pages.drawing import FAINT, explain
from cfd_web.pages.place import Place, quietly
from cfd_web.pages.wording import ago

SPANS: Final = {m.PriceSpan.RECENT.value: "Half an hour", m.PriceSpan.DAY.value: "A day"}
GAP: Final = 150
"""Seconds without a price that are drawn as a gap; some feeds speak once a minute."""


class Market:
    """Bid and ask, and where they have been since the node was started."""

    def __init__(self, here: Place) -> None:
        self._here = here
        self._drawn: tuple[str, int] = ("", 0)
        with ui.row().classes("w-full items-center"):
            self._now = ui.label("").classes("text-xl").props('aria-live="off"')
            explain(self._now, "Bid: at what one can sell. Ask: at what one can buy. Contracts settle at the oracle's.")
            ui.space()
            self._span = ui.toggle(SPANS, value=m.PriceSpan.RECENT.value, on_change=self.draw).props("no-caps dense")
        self._chart = ui.echart(_chart(None), renderer="svg").classes("w-full h-56")

    async def refresh(self) -> None:
        """The price now; the chart only when it has a new point."""
        price = await quietly(self._here, calls.price())
        if isinstance(price, str):
            self._now.text = f"No market price: {price}"
        else:
            say = self._here.say
            self._now.text = f"Market: {say.usd(price.bid)} / {say.usd(price.ask)}" + (" (old)" if price.stale else "")
        await self.draw()

    async def draw(self) -> None:
        """The chart, if it is not as it should be."""
        found = await quietly(self._here, calls.price_history(m.PriceSpan(self._span.value)))
        if isinstance(found, str):
            return
        self._chart.visible = len(found.points) > 1
        newest = found.points[-1].at // found.step if found.points else 0
        if self._drawn != (self._span.value, newest):
            self._drawn = (self._span.value, newest)
            self._chart.options.update(_chart(found))
            self._chart.update()


def _chart(found: m.PriceHistory | None) -> dict[str, Any]:
    """Bid and ask over time. ECharts takes floats and milliseconds; these are for the eye only."""
    return {
        "animation": False,
        "useUTC": True,
        "aria": {"enabled": True, "label": {"description": _in_words(found)}},
        "tooltip": {"trigger": "axis"},
        "legend": {"top": 0, "right": 8, "textStyle": {"color": "#888888"}},
        "xAxis": {"type": "time", "axisLabel": {"hideOverlap": True}, "splitLine": {"show": False}},
        "yAxis": {"type": "value", "name": "USD", "scale": True, "splitLine": FAINT},
        "grid": {"left": 16, "right": 24, "top": 32, "bottom": 8, "containLabel": True},
        "series": [_line("bid", "#0f766e", found), _line("ask", "#b45309", found)],
    }


def _line(name: str, colour: str, found: m.PriceHistory | None) -> dict[str, Any]:
    data: list[list[float | None]] = []
    before = None
    for point in found.points if found else ():
        if found and before is not None and point.at - before > max(GAP, 2 * found.step):
            data.append([(before + 1) * 1000, None])
        data.append([point.at * 1000, float(getattr(point, name))])
        before = point.at
    line = {"type": "line", "name": name, "showSymbol": False, "step": "end", "data": data}
    return {**line, "lineStyle": {"width": 1.5, "color": colour}, "itemStyle": {"color": colour}}


def _in_words(found: m.PriceHistory | None) -> str:
    """For those who do not see it."""
    if not found or not found.points:
        return "No price is known yet."
    lowest, highest = min(p.bid for p in found.points), max(p.ask for p in found.points)
    long = ago(found.points[0].at, found.points[-1].at).removesuffix(" ago")
    return f"The market's price in the last {long}: from {lowest:,} to {highest:,} USD."
