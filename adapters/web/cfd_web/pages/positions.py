"""Positions: all of them, and one with its life and what can be done about it."""

from typing import Any, Final

from nicegui import ui

from cfd_web import models as m
from cfd_web.client import Call, calls, new_key
from cfd_web.pages.place import Place, frame, keep_fresh, place, quietly
from cfd_web.pages.wording import sats, usd, utc

COLUMNS: Final = [
    {"name": name, "label": label, "field": name, "align": align, "sortable": True}
    for name, label, align in (
        ("id", "CFD", "left"),
        ("state", "State", "left"),
        ("position", "Position", "left"),
        ("quantity", "Quantity", "right"),
        ("price", "Opened at", "right"),
        ("margin", "Margin", "right"),
        ("gain", "Gain", "right"),
        ("liquidation", "Liquidation", "right"),
        ("expiry", "Expiry", "left"),
        ("warning", "", "left"),
    )
]
VERBS: Final = {
    m.CfdAction.ACCEPT: "Accept",
    m.CfdAction.REJECT: "Reject",
    m.CfdAction.ROLL_OVER: "Roll over",
    m.CfdAction.SETTLE: "Settle",
    m.CfdAction.FORCE_CLOSE: "Force close",
}
"""What has a button here. Choosing between two outcomes is rare and grave: `cfd` does it."""


async def positions_page() -> None:
    """All CFDs, newest first."""
    here = place()
    with frame(here):
        table = ui.table(columns=COLUMNS, rows=[], row_key="key").classes("w-full")
        table.on("rowClick", lambda event: ui.navigate.to(f"/positions/{event.args[1]['key']}"))

    async def refresh() -> None:
        found = await quietly(here, calls.cfds())
        if not isinstance(found, str):
            table.rows = [_row(row) for row in found.cfds]

    keep_fresh(here, refresh)


def _row(row: m.CfdRow) -> dict[str, Any]:
    return {
        "key": row.id,
        "id": row.id[:8],
        "state": row.state,
        "position": f"{row.position.value} {row.leverage}x",
        "quantity": f"{row.quantity:,}",
        "price": usd(row.price),
        "margin": sats(row.margin),
        "gain": sats(row.realised if row.over else row.unrealised, sign=True),
        "liquidation": usd(row.liquidation_price),
        "expiry": utc(row.expiry),
        "warning": row.warning,
    }


async def position_page(cfd_id: str) -> None:
    """One CFD."""
    here = place()
    with frame(here):
        body = ui.column().classes("w-full")

    async def refresh() -> None:
        found = await quietly(here, calls.cfd(cfd_id))
        body.clear()
        with body:
            if isinstance(found, str):
                ui.label(found)
            else:
                _detail(here, found)

    keep_fresh(here, refresh)


def _detail(here: Place, found: m.CfdDetail) -> None:
    row = found.row
    ui.label(f"{row.position.value.capitalize()} {row.quantity:,} USD at {usd(row.price)}").classes("text-2xl")
    ui.label(f"{row.state}: {row.meaning}").classes("text-lg")
    if row.warning:
        ui.label(row.warning).classes("text-negative").props('role="alert"')
    if found.progress is not None and found.progress.total:
        ui.label(f"{found.progress.protocol}: {found.progress.step}")
        ui.linear_progress(found.progress.done / found.progress.total, show_value=False)
    with ui.row():
        for action in row.actions:
            if action in VERBS:
                ui.button(VERBS[action], on_click=lambda action=action: _act(here, row, action))
    with ui.grid(columns=2).classes("w-full max-w-xl"):
        for name, value in _figures(row):
            ui.label(name)
            ui.label(value).classes("text-right font-medium")
    with ui.timeline(side="right"):
        for moment in found.timeline:
            ui.timeline_entry(moment.meaning, title=moment.title, subtitle=utc(moment.at))
    for tx in found.transactions:
        state = "not in a block" if tx.height is None else f"block {tx.height:,}"
        ui.label(f"{tx.kind}: {tx.txid}, {state}").classes("font-mono text-xs break-all")


def _figures(row: m.CfdRow) -> list[tuple[str, str]]:
    gain = row.realised if row.over else row.unrealised
    return [
        ("Margin", f"{sats(row.margin)} of {sats(row.pool)}"),
        ("Gain", sats(gain, sign=True)),
        ("Liquidation price", usd(row.liquidation_price)),
        ("Expiry", utc(row.expiry)),
        ("Rolled over by itself", utc(row.rollover_at) if row.rollover_at is not None else "no"),
        ("Fees so far, owed", sats(row.fees_owed, sign=True)),
        ("Worst case", sats(-row.worst_case)),
    ]


async def _act(here: Place, row: m.CfdRow, action: m.CfdAction) -> None:
    """Say what will happen, ask, and do it once."""
    if action in (m.CfdAction.ACCEPT, m.CfdAction.REJECT):
        sentences, obstacle = [f"{VERBS[action]} what the counterparty asks for?"], ""
    else:
        preview = await quietly(here, calls.preview(row.id, action))
        sentences, obstacle = ([], preview) if isinstance(preview, str) else (_means(preview), preview.obstacle)
    if obstacle:
        ui.notify(obstacle, type="negative")
        return
    key = new_key()
    with ui.dialog() as dialog, ui.card():
        ui.label(VERBS[action]).classes("text-lg")
        for sentence in sentences:
            ui.label(sentence)
        with ui.row():
            ui.button("Go on", on_click=lambda: dialog.submit("yes"))
            ui.button("No", on_click=dialog.close).props("outline")
    if await dialog == "yes":
        done = await quietly(here, _call(row.id, action), key=key)
        ui.notify(done if isinstance(done, str) else f"{done.state}: {done.meaning}")


def _means(preview: m.ActionPreview) -> list[str]:
    found = list(preview.steps)
    if preview.price is not None:
        found.append(f"At {usd(preview.price)}; you are paid {sats(preview.payout)} ({sats(preview.gain, sign=True)}).")
    found.append(f"It costs {sats(preview.fee)} of funding and about {sats(preview.chain_fee)} of transaction fees.")
    if preview.new_expiry is not None:
        found.append(f"The new expiry is {utc(preview.new_expiry)}.")
    if preview.money_back_at is not None:
        found.append(f"The money is back about {utc(preview.money_back_at)}.")
    return found


def _call(cfd_id: str, action: m.CfdAction) -> Call[m.CfdRow]:
    match action:
        case m.CfdAction.ACCEPT:
            return calls.accept(cfd_id)
        case m.CfdAction.REJECT:
            return calls.reject(cfd_id, "rejected by the user")
        case m.CfdAction.ROLL_OVER:
            return calls.roll_over(cfd_id)
        case m.CfdAction.SETTLE:
            return calls.settle(cfd_id)
        case m.CfdAction.FORCE_CLOSE:
            return calls.force_close(cfd_id)
        case m.CfdAction.CHOOSE:
            raise ValueError("an outcome is chosen with `cfd`")
