"""What several pages show alike: figures with their words explained, the payoff curve, and the common style."""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any, Final

from nicegui import ui

from cfd_core.values import SATS_PER_BTC
from cfd_web import models as m
from cfd_web.pages.wishes import Unit
from cfd_web.pages.wording import Wording

TERMS: Final = {
    "Margin": "What you lock; more than this you cannot lose.",
    "Your margin": "What you lock; more than this you cannot lose.",
    "Opening fee": "What the taker pays the maker for opening, whatever the quantity. It moves the payoff, not coins.",
    "Funding a day": "What the two sides pay each other for each day that the position is open. Plus: you pay.",
    "Transaction fees, about": "Your share of the bitcoin fees of opening and of ending the contract.",
    "Liquidation price": "At this price your margin is used up, and the position ends.",
    "Liquidation": "At this price your margin is used up, and the position ends.",
    "Expiry": "The oracle signs the price of this moment, and the position is paid out at it.",
    "Worst case": "The most that can still be lost, whatever anybody does.",
    "Rolled over by itself": "When the node moves the expiry forward, without a transaction.",
    "Fees so far": "Opening fee and funding until now. Plus: you owe them; they are part of the payoff.",
    "Gain": "While it is open: what settling at the present price would bring.",
    "Leverage": "How many times its margin a position is worth.",
    "Set aside": "For contracts that are being set up.",
    "Locked in contracts": "Your margins in open positions.",
    "Net position": "Contracts long less contracts short; one contract is one USD.",
    "Funding owed": "Fees that you owe all counterparties together. Minus: they owe you.",
    "Oracle event": "What the oracle has promised to sign a price for.",
    "Bid": "At this price takers sell (go short).",
    "Bid (you sell)": "At this price you sell: you gain when the price falls.",
    "Ask": "At this price takers buy (go long).",
    "Ask (you buy)": "At this price you buy: you gain when the price rises.",
    "Quantity, USD": "The number of contracts. One contract is one USD.",
    "Position": "Long gains when the price rises, short when it falls.",
    "Counterparty": "The node on the other side, by the fingerprint of its key.",
    "Needs you": "What does not go on well by itself.",
    "Block": "In which block of the chain it is.",
    "Rolls over": "When this node moves the expiry forward by itself.",
}
"""Words that not everybody knows; the glossary in the documents says more."""

CSS: Final = """
.nicegui-echart svg text { fill: currentColor !important; stroke: none !important }
.explained { text-decoration: underline dotted; text-underline-offset: 3px; cursor: help }
.q-table td, .q-table th { font-variant-numeric: tabular-nums }
.q-table td.wraps { white-space: normal; min-width: 9rem }
.q-table__grid-item-row { display: flex; justify-content: space-between; gap: 1rem }
.q-table__grid-item-value { text-align: right; overflow-wrap: anywhere; min-width: 0 }
.q-table__grid-item-card { position: relative }
.q-table__grid-item-card a.of-the-whole::after { content: ""; position: absolute; inset: 0 }
a.here { text-decoration: underline !important; text-underline-offset: 6px; text-decoration-thickness: 2px }
a:focus-visible, button:focus-visible, [tabindex]:focus-visible { outline: 3px solid #f59e0b; outline-offset: 2px }
:root { --link: #1f4e79; --bad: #b00020; --good: #146c2e }
.body--dark { --link: #8cc4f5; --bad: #ff8a80; --good: #7bd88f }
.q-page a, .plain-link { color: var(--link) }
.body--dark .q-btn--outline { --q-primary: #8cc4f5; --q-negative: #ff8a80 }
.bad { color: var(--bad) }
.good { color: var(--good) }
"""


PROMPT: Final = "transition-duration=100"
"""How dialogs come and go: at once to the eye."""
FAINT: Final = {"lineStyle": {"color": "#88888855"}}


def put_away(dialog: ui.dialog) -> None:
    """After its answer. A browser that went away has taken its dialogs with it."""
    if not dialog.is_deleted:
        dialog.delete()


def word(name: str, classes: str = "") -> None:
    """A name, with its explanation where there is one."""
    label = ui.label(name).classes(classes)
    if name in TERMS:
        explain(label, TERMS[name])


def explain(label: ui.label, meaning: str) -> None:
    """Dots below a text, and what it means for those who ask with the mouse, the keyboard or a screen reader."""
    label.classes("explained w-fit").props(f'tabindex=0 aria-description="{meaning}"')
    with label:
        ui.tooltip(meaning).classes("text-sm max-w-xs")


def figures(pairs: Iterable[tuple[str, str]]) -> None:
    """Names and values, one below the other."""
    with ui.grid(columns="auto auto").classes("w-full max-w-xl gap-x-6 gap-y-1"):
        for name, value in pairs:
            word(name)
            ui.label(value).classes("text-right font-medium tabular-nums")


def transaction(say: Wording, txid: str) -> None:
    """A transaction's id, which leads to the chosen explorer if there is one."""
    classes = "font-mono text-xs break-all"
    if target := say.wishes.link(txid):
        ui.link(txid, target, new_tab=True).classes(f"{classes} plain-link").props('rel="noreferrer noopener"')
    else:
        ui.label(txid).classes(classes)


def payoff(say: Wording, points: Iterable[m.PayoffPoint], price: Decimal | None) -> dict[str, Any]:
    """Gain over price. ECharts takes floats; these are for the eye only."""
    unit = 1 if say.unit is Unit.SATS else SATS_PER_BTC
    line: dict[str, Any] = {
        "type": "line",
        "showSymbol": False,
        "areaStyle": {"opacity": 0.15},
        "data": [[float(point.price), point.gain / unit] for point in points],
    }
    if price is not None:
        line["markLine"] = {
            "symbol": "none",
            "silent": True,
            "label": {"formatter": "price"},
            "data": [{"xAxis": float(price)}],
        }
    described = f"Gain in {say.unit.value} at each price when the position ends."
    return {
        "animation": False,
        "aria": {"enabled": True, "label": {"description": described}},
        "tooltip": {"trigger": "axis"},
        "xAxis": {
            "type": "value",
            "name": "USD",
            "min": "dataMin",
            "max": "dataMax",
            "axisLabel": {"hideOverlap": True},
            "splitLine": FAINT,
        },
        "yAxis": {"type": "value", "name": f"gain, {say.unit.value}", "splitLine": FAINT},
        "grid": {"left": 16, "right": 48, "top": 40, "bottom": 8, "containLabel": True},
        "series": [line],
    }


class Patch:
    """A part of a page that is drawn anew only when what it shows has changed: whoever reads there keeps the place."""

    def __init__(self, classes: str = "w-full") -> None:
        self._column = ui.column().classes(classes)
        self._shown: object = self

    def show(self, what: object, draw: Callable[[], None]) -> None:
        """`draw` draws `what`."""
        if what != self._shown:
            self._shown = what
            self._column.clear()
            with self._column:
                draw()


def problem(text: str) -> None:
    """What needs a person, or did not work."""
    ui.label(text).classes("bad font-medium").props('role="alert"')
