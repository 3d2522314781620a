"""The wallet: what is in it, an address, sending with a preview, and what happened."""

from typing import Any, Final

from nicegui import ui
from pydantic import ValidationError

from cfd_web import models as m
from cfd_web.client import calls, new_key
from cfd_web.pages.place import Place, ask, frame, keep_fresh, place, quietly
from cfd_web.pages.wording import sats, utc

COLUMNS: Final = [
    {"name": name, "label": label, "field": name, "align": align}
    for name, label, align in (
        ("when", "When", "left"),
        ("what", "What", "left"),
        ("net", "Amount", "right"),
        ("fee", "Fee", "right"),
        ("height", "Block", "right"),
        ("txid", "Transaction", "left"),
    )
]


async def wallet_page() -> None:
    """Balance, deposit, send, history."""
    here = place()
    with frame(here):
        figures = ui.grid(columns=2).classes("w-full max-w-xl")
        with ui.row().classes("items-center"):
            fresh = ui.button("New address")
            address = ui.label("").classes("font-mono break-all")
        fresh.on_click(lambda: _deposit(here, address))
        _send_form(here)
        table = ui.table(columns=COLUMNS, rows=[], row_key="txid").classes("w-full")

    async def refresh() -> None:
        wallet = await quietly(here, calls.wallet())
        figures.clear()
        with figures:
            for name, value in [("Wallet", wallet)] if isinstance(wallet, str) else _figures(wallet):
                ui.label(name)
                ui.label(value).classes("text-right font-medium")
        history = await quietly(here, calls.history())
        if not isinstance(history, str):
            table.rows = [_row(entry) for entry in history.entries]

    keep_fresh(here, refresh)


def _figures(wallet: m.Wallet) -> list[tuple[str, str]]:
    old = " (the last sync failed)" if wallet.stale else ""
    return [
        ("Spendable", sats(wallet.spendable)),
        ("Set aside for contracts under way", sats(wallet.reserved)),
        ("On its way in", sats(wallet.pending)),
        ("Locked in contracts", sats(wallet.locked)),
        ("As of", utc(wallet.synced_at) + old),
    ]


def _row(entry: m.HistoryEntry) -> dict[str, Any]:
    return {
        "when": utc(entry.at),
        "what": entry.label,
        "net": sats(entry.net, sign=True),
        "fee": sats(entry.fee),
        "height": "not yet" if entry.height is None else f"{entry.height:,}",
        "txid": entry.txid,
    }


async def _deposit(here: Place, label: ui.label) -> None:
    found = await ask(here, calls.new_address())
    if found is not None:
        label.text = found.address


def _send_form(here: Place) -> None:
    with ui.card().classes("w-full"):
        ui.label("Send").classes("text-lg")
        with ui.row().classes("items-end w-full"):
            address = ui.input("Address").classes("grow")
            amount = ui.number("Sats", min=1, precision=0)
            everything = ui.checkbox("Everything")
            rate = ui.number("sat/vB (empty: normal)", min=1, precision=0)
        amount.bind_enabled_from(everything, "value", backward=lambda drain: not drain)

        async def preview() -> None:
            try:
                wish = m.Send(
                    address=(address.value or "").strip(),
                    sats=None if everything.value or not amount.value else int(amount.value),
                    drain=bool(everything.value),
                    fee_rate=int(rate.value) if rate.value else None,
                )
            except ValidationError as error:
                ui.notify(error.errors()[0]["msg"].removeprefix("Value error, "), type="negative")
                return
            await _confirm(here, wish)

        ui.button("Preview", on_click=preview)


async def _confirm(here: Place, wish: m.Send) -> None:
    found = await ask(here, calls.preview_send(wish))
    if found is None:
        return
    key = new_key()
    with ui.dialog() as dialog, ui.card():
        ui.label(f"{sats(found.sats)} to").classes("text-lg")
        ui.label(found.address).classes("font-mono break-all")
        ui.label(f"Fee {sats(found.fee)} ({found.fee_rate} sat/vB); {sats(found.left)} stay in the wallet.")
        for warning in (*found.warnings, *filter(None, [found.obstacle])):
            ui.label(warning).classes("text-negative")
        with ui.row():
            if not found.obstacle:
                ui.button("Send", on_click=lambda: dialog.submit("yes"))
            ui.button("No", on_click=dialog.close).props("outline")
    if await dialog == "yes":
        sent = await quietly(here, calls.send(wish), key=key)
        ui.notify(sent if isinstance(sent, str) else f"Sent: {sent.txid}")
