"""The wallet: what is in it, an address, sending with a preview, and what happened."""

from typing import Any, Final

import segno
from nicegui import ui
from pydantic import ValidationError

from cfd_web import models as m
from cfd_web.client import calls
from cfd_web.pages.asking import do_if_agreed
from cfd_web.pages.backup import check_backup
from cfd_web.pages.drawing import Patch, figures
from cfd_web.pages.frame import frame
from cfd_web.pages.place import Place, ask, keep_fresh, place, quietly
from cfd_web.pages.tables import table, written
from cfd_web.pages.wording import Wording, utc

COLUMNS: Final = (
    ("when", "When", "left"),
    ("what", "What", "left"),
    ("net", "Amount", "right"),
    ("fee", "Fee", "right"),
    ("height", "Block", "right"),
    ("txid", "Transaction", "left"),
)
CSV_COLUMNS: Final = ("at", "label", "net", "fee", "height", "txid", "cfd")
ALL: Final = 1_000
"""Entries that an export asks for; the API gives no more at once."""


async def wallet_page() -> None:
    """Balance, deposit, send, history."""
    here = place()
    with frame(here):
        balance = Patch()
        with ui.card().classes("w-full"):
            ui.label("Receive").classes("text-lg")
            shown = ui.column()
            ui.button("New address").on_click(lambda: _deposit(here, shown))
        _send_form(here)
        history = table(COLUMNS, "txid", "No transactions yet.", outside="txid")
        with ui.row():
            ui.button("Save as CSV", icon="download", on_click=lambda: _export(here)).props("outline no-caps")
            ui.button("Check the backup words", on_click=lambda: check_backup(here)).props("outline no-caps")

    async def refresh() -> None:
        wallet = await quietly(here, calls.wallet())
        values = [("Wallet", wallet)] if isinstance(wallet, str) else _figures(here.say, wallet)
        balance.show(values, lambda: figures(values))
        found = await quietly(here, calls.history())
        if not isinstance(found, str):
            history.rows = [_row(here.say, entry) for entry in found.entries]

    keep_fresh(here, refresh)


async def _export(here: Place) -> None:
    """The newest transactions, for a spreadsheet: whole sats, times as text in UTC."""
    found = await ask(here, calls.history(limit=ALL))
    if found is not None:
        rows = ({**entry.model_dump(mode="json"), "at": utc(entry.at)} for entry in found.entries)
        ui.download.content(written(CSV_COLUMNS, rows), "wallet.csv", "text/csv")


def _figures(say: Wording, wallet: m.Wallet) -> list[tuple[str, str]]:
    old = " (the last sync failed)" if wallet.stale else ""
    return [
        ("Spendable", say.money(wallet.spendable)),
        ("Set aside", say.money(wallet.reserved)),
        ("On its way in", say.money(wallet.pending)),
        ("Locked in contracts", say.money(wallet.locked)),
        ("As of", utc(wallet.synced_at) + old),
    ]


def _row(say: Wording, entry: m.HistoryEntry) -> dict[str, Any]:
    return {
        "when": utc(entry.at),
        "what": entry.label,
        "net": say.money(entry.net, sign=True),
        "fee": say.money(entry.fee),
        "height": "not yet" if entry.height is None else say.whole(entry.height),
        "txid": entry.txid,
        "href": say.wishes.link(entry.txid),
    }


async def _deposit(here: Place, shown: ui.column) -> None:
    """A fresh address, as text and as a picture for a phone's camera."""
    found = await ask(here, calls.new_address())
    if found is None:
        return
    shown.clear()
    with shown:
        ui.label(found.address).classes("font-mono break-all")
        picture = segno.make_qr(found.uri, error="m").svg_inline(scale=4, border=4, light="white")
        ui.html(picture, sanitize=False).props('role="img" aria-label="QR code of the address"')


def _send_form(here: Place) -> None:
    with ui.card().classes("w-full"):
        ui.label("Send").classes("text-lg")
        with ui.row().classes("items-end w-full"):
            address = ui.input("Address").classes("grow")
            amount = ui.input("Amount, " + here.say.unit.value)
            everything = ui.checkbox("Everything")
            rate = ui.number("Fee rate, sat/vB", min=1, precision=0, placeholder="normal").props(
                'hint="Empty: as usual"'
            )
        amount.bind_enabled_from(everything, "value", backward=lambda drain: not drain)

        async def preview() -> None:
            try:
                typed = "" if everything.value else (amount.value or "").strip()
                wish = m.Send(
                    address=(address.value or "").strip(),
                    sats=here.say.read_money(typed) if typed else None,
                    drain=bool(everything.value),
                    fee_rate=int(rate.value) if rate.value else None,
                )
            except ValidationError as error:
                ui.notify(error.errors()[0]["msg"].removeprefix("Value error, "), type="negative")
                return
            except ValueError as error:
                ui.notify(str(error), type="negative")
                return
            await _confirm(here, wish)

        ui.button("Preview", on_click=preview)


async def _confirm(here: Place, wish: m.Send) -> None:
    found = await ask(here, calls.preview_send(wish))
    if found is None:
        return

    def draw() -> None:
        ui.label(f"{here.say.money(found.sats)} to").classes("text-lg")
        ui.label(found.address).classes("font-mono break-all")
        left = here.say.money(found.left)
        ui.label(f"Fee {here.say.money(found.fee)} ({found.fee_rate} sat/vB); {left} stay in the wallet.")
        for warning in (*found.warnings, *filter(None, [found.obstacle])):
            ui.label(warning).classes("bad").props('role="alert"')

    await do_if_agreed(
        here, "" if found.obstacle else "Send", draw, calls.send(wish), lambda sent: f"Sent: {sent.txid}"
    )
