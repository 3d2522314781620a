"""Positions: all of them."""

from typing import Any, Final

from nicegui import ui

from cfd_web import models as m
from cfd_web.client import calls
from cfd_web.models.changes import KINDS
from cfd_web.pages.frame import frame
from cfd_web.pages.place import Place, ask, keep_fresh, place, quietly
from cfd_web.pages.position import distance
from cfd_web.pages.tables import table, written
from cfd_web.pages.wording import Wording, ahead, utc

COLUMNS: Final = (
    ("id", "CFD", "left"),
    ("state", "State", "left"),
    ("position", "Position", "left"),
    ("price", "Opened at", "right"),
    ("margin", "Margin", "right"),
    ("gain", "Gain", "right"),
    ("liquidation", "Liquidation", "right"),
    ("expiry", "Expiry", "wrap"),
    ("warning", "Needs you", "wrap"),
)
CSV_COLUMNS: Final = [
    "id",
    "role",
    "peer",
    "product",
    "position",
    "price",
    "quantity",
    "leverage",
    "margin",
    "state",
    "opened_at",
    "expiry",
    "fees_owed",
    "realised",
    "over",
]


async def positions_page() -> None:
    """All CFDs, newest first."""
    here = place()
    with frame(here):
        held = table(COLUMNS, "key", "No position yet: take an offer on the Trade page.", inside="id")
        held.on("rowClick", lambda event: ui.navigate.to(event.args[1]["href"]))
        ui.button("Save as CSV", icon="download", on_click=lambda: _export(here)).props("outline no-caps")

    async def refresh() -> None:
        found = await quietly(here, calls.cfds())
        if not isinstance(found, str):
            held.rows = [_row(here.say, row, found.at) for row in found.cfds]

    keep_fresh(here, refresh, KINDS)


async def _export(here: Place) -> None:
    """All CFDs, for a spreadsheet: whole sats, times as text in UTC."""
    found = await ask(here, calls.cfds())
    if found is not None:
        rows = (
            {**row.model_dump(mode="json"), "opened_at": utc(row.opened_at), "expiry": utc(row.expiry)}
            for row in found.cfds
        )
        ui.download.content(written(CSV_COLUMNS, rows), "cfds.csv", "text/csv")


def _row(say: Wording, row: m.CfdRow, now: int) -> dict[str, Any]:
    return {
        "key": row.id,
        "id": row.id[:8],
        "href": f"/positions/{row.id}",
        "state": row.state,
        "position": f"{row.position.value} {row.leverage}x, {say.whole(row.quantity)} USD",
        "price": say.usd(row.price),
        "margin": say.money(row.margin),
        "gain": say.money(row.realised if row.over else row.unrealised, sign=True),
        "liquidation": say.usd(row.liquidation_price) + distance(say, row),
        "expiry": utc(row.expiry) if row.over else f"{utc(row.expiry)}, {ahead(row.expiry, now)}{_rolling(row, now)}",
        "warning": row.warning,
    }


def _rolling(row: m.CfdRow, now: int) -> str:
    return "" if row.rollover_at is None else f"; rolls over {ahead(row.rollover_at, now)}"
