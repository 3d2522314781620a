"""Positions: all of them, and one with its life and what can be done about it."""

from typing import Any, Final

from nicegui import ui

from cfd_web import models as m
from cfd_web.client import Call, calls, new_key
from cfd_web.pages.choosing import choose
from cfd_web.pages.drawing import figures, link_column, payoff, problem, table, written
from cfd_web.pages.place import Place, ask, frame, keep_fresh, place, quietly
from cfd_web.pages.wording import progress, sats, usd, utc

COLUMNS: Final = (
    ("id", "CFD", "left"),
    ("state", "State", "left"),
    ("position", "Position", "left"),
    ("quantity", "Quantity, USD", "right"),
    ("price", "Opened at", "right"),
    ("margin", "Margin", "right"),
    ("gain", "Gain", "right"),
    ("liquidation", "Liquidation", "right"),
    ("expiry", "Expiry", "left"),
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
VERBS: Final = {
    m.CfdAction.ACCEPT: "Accept",
    m.CfdAction.REJECT: "Reject",
    m.CfdAction.ROLL_OVER: "Roll over",
    m.CfdAction.SETTLE: "Settle",
    m.CfdAction.FORCE_CLOSE: "Force close",
    m.CfdAction.CHOOSE: "Choose a price",
}


async def positions_page() -> None:
    """All CFDs, newest first."""
    here = place()
    with frame(here):
        held = table(COLUMNS, "key", "No position yet: take an offer on the Trade page.")
        link_column(held, "id", "/positions/")
        held.on("rowClick", lambda event: ui.navigate.to(f"/positions/{event.args[1]['key']}"))
        ui.button("Save as CSV", icon="download", on_click=lambda: _export(here)).props("outline no-caps")

    async def refresh() -> None:
        found = await quietly(here, calls.cfds())
        if not isinstance(found, str):
            held.rows = [_row(row) for row in found.cfds]

    keep_fresh(here, refresh)


async def _export(here: Place) -> None:
    """All CFDs, for a spreadsheet: whole sats, times as text in UTC."""
    found = await ask(here, calls.cfds())
    if found is not None:
        rows = (
            {**row.model_dump(mode="json"), "opened_at": utc(row.opened_at), "expiry": utc(row.expiry)}
            for row in found.cfds
        )
        ui.download.content(written(CSV_COLUMNS, rows), "cfds.csv", "text/csv")


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
        buttons = ui.row()
        body = ui.column().classes("w-full")
    offered: tuple[m.CfdAction, ...] = ()

    async def refresh() -> None:
        nonlocal offered
        found = await quietly(here, calls.cfd(cfd_id))
        if not isinstance(found, str) and found.row.actions != offered:  # whoever is about to press one keeps it
            offered = found.row.actions
            buttons.clear()
            with buttons:
                _buttons(here, found.row)
        body.clear()
        with body:
            if isinstance(found, str):
                ui.label(found)
            else:
                _detail(found)

    keep_fresh(here, refresh)


def _detail(found: m.CfdDetail) -> None:
    row = found.row
    ui.label(f"{row.position.value.capitalize()} {row.quantity:,} USD at {usd(row.price)}").classes("text-2xl")
    ui.label(f"{row.state}: {row.meaning}").classes("text-lg").props('aria-live="polite"')
    if row.next is not None:
        when = utc(row.next.at) if row.next.at is not None else f"block {row.next.height:,}"
        ui.label(f"By itself, at {when}: {row.next.what}")
    if row.warning:
        problem(row.warning)
    if found.progress is not None:
        ui.label(progress(found.progress))
        if found.progress.total:
            ui.linear_progress(found.progress.done / found.progress.total, show_value=False).props(
                'aria-label="Progress"'
            )
    with ui.row().classes("w-full items-start max-md:flex-col gap-6"):
        with ui.column().classes("grow"):
            figures(_figures(row))
        if found.payoff:
            with ui.column().classes("grow min-w-[50%] max-md:w-full"):
                ui.label("What you gain or lose, by the price at the end").classes("font-medium")
                ui.echart(payoff(found.payoff, row.price), renderer="svg").classes("w-full h-64")
    _life(found)


def _buttons(here: Place, row: m.CfdRow) -> None:
    for action in row.actions:
        ui.button(VERBS[action], on_click=lambda action=action: _act(here, row, action)).props(
            "outline color=negative" if action is m.CfdAction.FORCE_CLOSE else ""
        )


def _life(found: m.CfdDetail) -> None:
    """What happened, with the transactions."""
    ui.label("Its life so far").classes("text-lg")
    with ui.timeline(side="right"):
        for moment in found.timeline:
            with ui.timeline_entry(moment.meaning, title=moment.title, subtitle=utc(moment.at)):
                if moment.txid is not None:
                    ui.label(moment.txid).classes("font-mono text-xs break-all")
    if found.transactions:
        ui.label("Its transactions").classes("text-lg")
    for tx in found.transactions:
        state = "not in a block yet" if tx.height is None else f"block {tx.height:,}, {tx.confirmations:,} deep"
        ui.label(f"{tx.kind}: {tx.txid}, {state}").classes("font-mono text-xs break-all")
    ui.label(f"Oracle event {found.event}").classes("text-xs break-all opacity-80")


def _figures(row: m.CfdRow) -> list[tuple[str, str]]:
    gain = row.realised if row.over else row.unrealised
    percent = "" if row.profit_percent is None else f" ({row.profit_percent:+.1f} %)"
    return [
        ("Margin", f"{sats(row.margin)} of {sats(row.pool)}"),
        ("Gain", sats(gain, sign=True) + percent),
        ("Liquidation price", usd(row.liquidation_price)),
        ("Expiry", utc(row.expiry)),
        ("Rolled over by itself", utc(row.rollover_at) if row.rollover_at is not None else "no"),
        ("Fees so far", sats(row.fees_owed, sign=True)),
        ("Worst case", sats(-row.worst_case)),
    ]


async def _act(here: Place, row: m.CfdRow, action: m.CfdAction) -> None:
    """Say what will happen, ask, and do it once."""
    if action is m.CfdAction.CHOOSE:
        await choose(here, row)
        return
    if action in (m.CfdAction.ACCEPT, m.CfdAction.REJECT):
        sentences, obstacle = [f"{VERBS[action]} what the counterparty asks for?"], ""
    else:
        preview = await quietly(here, calls.preview(row.id, action))
        sentences, obstacle = ([], preview) if isinstance(preview, str) else (_means(preview), preview.obstacle)
    if obstacle:
        ui.notify(obstacle, type="negative")
        return
    key = new_key()
    with ui.context.client.content, ui.dialog() as dialog, ui.card():  # not among what is drawn anew
        ui.label(f"{VERBS[action]}?").classes("text-lg")
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
            raise ValueError("which of the outcomes")
