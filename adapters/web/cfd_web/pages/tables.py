"""Tables: as such on a wide screen, with a card for each row on a phone; and rows for a spreadsheet."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal

from nicegui import ui

from cfd_web.pages.drawing import TERMS

# What Quasar draws by itself on a phone knows neither links nor explanations, so both forms are said here.
_NAME: Final = """<span v-if="COL.meaning" class="explained" tabindex="0" :aria-description="COL.meaning"
    >{{ COL.label }}<q-tooltip class="text-sm max-w-xs">{{ COL.meaning }}</q-tooltip></span
    ><span v-else>{{ COL.label }}</span>"""
_VALUE: Final = """<a v-if="COL.link && props.row.href" class="plain-link" :href="props.row.href"
    :class="COL.link == 'here' && 'of-the-whole'" :target="COL.link == 'out' ? '_blank' : null"
    :rel="COL.link == 'out' ? 'noreferrer noopener' : null">{{ COL.value }}</a
    ><span v-else>{{ COL.value }}</span>"""
_HEADER: Final = f'<q-th :props="props">{_NAME.replace("COL", "props.col")}</q-th>'
_CELL: Final = (
    f"""<q-td :props="props">{_VALUE.replace("COL.value", "props.value").replace("COL", "props.col")}</q-td>"""
)
_CARD: Final = f"""<div class="q-table__grid-item col-12"><div class="q-table__grid-item-card q-table__card">
    <q-checkbox v-if="CHOOSE" v-model="props.selected" aria-label="Choose this row" dense class="q-mb-sm" />
    <div v-for="col in props.cols.filter(col => col.value)" :key="col.name" class="q-table__grid-item-row">
    <div class="q-table__grid-item-title">{_NAME.replace("COL", "col")}</div>
    <div class="q-table__grid-item-value">{_VALUE.replace("COL", "col")}</div></div></div></div>"""


def table(
    columns: Iterable[tuple[str, str, str]],
    key: str,
    nothing: str,
    *,
    inside: str = "",
    outside: str = "",
    selection: Literal["single", "multiple"] | None = None,
) -> ui.table:
    """`columns` are name, title and side (`left`, `right` or `wrap`). The column `inside` leads to the row's `href`, a
    page of this node, and `outside` to one of somebody else; a row without `href` leads nowhere.
    """
    links = {inside: "here", outside: "out"}
    described = [
        {
            "name": name,
            "label": title,
            "field": name,
            "align": "left" if side == "wrap" else side,
            "classes": "wraps" if side == "wrap" else "",
            "meaning": TERMS.get(title, ""),
            "link": links.get(name, ""),
        }
        for name, title, side in columns
    ]
    made = ui.table(columns=described, rows=[], row_key=key, selection=selection).classes("w-full")
    for slot, label in (("header", "Choose all"), ("body", "Choose this row")):
        made.add_slot(f"{slot}-selection", f'<q-checkbox v-model="props.selected" aria-label="{label}" />')
    made.add_slot("header-cell", _HEADER)
    made.add_slot("body-cell", _CELL)
    made.add_slot("item", _CARD.replace("CHOOSE", "true" if selection else "false"))
    made.add_slot("no-data", f"<span>{nothing}</span>")
    return made.props(':grid="Quasar.Screen.lt.md" hide-selected-banner')


def written(names: Sequence[str], rows: Iterable[Mapping[str, object]]) -> str:
    """Rows as CSV, after a line of names. A text that a spreadsheet would take for a formula gets a quote before it."""
    text = io.StringIO()
    writer = csv.DictWriter(text, names, extrasaction="ignore", lineterminator="\r\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _harmless(row.get(name)) for name in names})
    return text.getvalue()


def _harmless(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t")) else value
