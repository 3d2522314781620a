"""A maker's side: what is asked for, what is offered, what is at stake with whom, and who is kept out."""

from typing import Any, Final

from nicegui import ui

from cfd_web import models as m
from cfd_web.client import calls, new_key
from cfd_web.pages.drawing import figures, table
from cfd_web.pages.offering import offer_form
from cfd_web.pages.place import Place, ask, frame, keep_fresh, place, quietly
from cfd_web.pages.wording import sats, usd, utc

OFFERS: Final = (
    ("bid", "Bid", "right"),
    ("ask", "Ask", "right"),
    ("quantity", "Quantity, USD", "right"),
    ("funding", "Funding a day", "right"),
    ("expiry", "Expiry", "left"),
    ("published", "Published", "left"),
)
PEERS: Final = (
    ("peer", "Counterparty", "wrap"),
    ("state", "Connection", "left"),
    ("cfds", "Open", "right"),
    ("net", "Net position", "right"),
    ("margin", "Margin", "right"),
    ("gain", "Gain", "right"),
    ("expiry", "Next expiry", "left"),
)
EXPIRIES: Final = (
    ("expiry", "Expiry", "left"),
    ("cfds", "Open", "right"),
    ("net", "Net position", "right"),
    ("margin", "Margin", "right"),
    ("rolled", "Rolled over by themselves", "right"),
)


async def making_page() -> None:
    """Requests first: they wait for an answer."""
    here = place()
    with frame(here):
        ui.label("Requests that wait for you").classes("text-lg")
        waiting = ui.column().classes("w-full")
        ui.label("Your offers").classes("text-lg")
        offered = table(OFFERS, "id", "You offer nothing now.", selection="multiple")
        with ui.row():
            ui.button("Publish an offer", on_click=lambda: offer_form(here))
            ui.button("Withdraw the chosen ones", on_click=lambda: _withdraw(here, offered)).props("outline")
        ui.label("At stake").classes("text-lg")
        total = ui.column().classes("w-full")
        by_peer = table(PEERS, "peer", "Nothing is open with anybody.", selection="single")
        ui.button("Block the chosen counterparty", on_click=lambda: _block(here, by_peer)).props("outline")
        by_expiry = table(EXPIRIES, "expiry", "Nothing expires.")
        ui.label("Kept out").classes("text-lg")
        kept_out = ui.column().classes("w-full")

    async def refresh() -> None:
        await _show_requests(here, waiting)
        offers = await quietly(here, calls.own_offers())
        if not isinstance(offers, str):
            offered.rows = [_offer(offer) for offer in offers.offers]
        found = await quietly(here, calls.exposure())
        total.clear()
        with total:
            figures([("At stake", found)] if isinstance(found, str) else _total(found))
        if not isinstance(found, str):
            by_peer.rows, by_expiry.rows = list(map(_peer, found.by_peer)), list(map(_expiry, found.by_expiry))
        await _show_blocked(here, kept_out)

    keep_fresh(here, refresh)


# --- requests --------------------------------------------------------------------------------------------------------


async def _show_requests(here: Place, into: ui.column) -> None:
    found = await quietly(here, calls.requests())
    into.clear()
    with into:
        if isinstance(found, str) or not found:
            ui.label(found if isinstance(found, str) else "None.")
            return
        for request in found:
            with ui.card().classes("w-full").props('role="region" aria-label="Request"'):
                ui.label(_asked(request))
                ui.label(f"From {request.peer}; without an answer it is rejected at {utc(request.answer_by)}.").classes(
                    "text-sm break-all"
                )
                with ui.row():
                    ui.button("Accept", on_click=lambda request=request: _answer(here, request, yes=True))
                    ui.button("Reject", on_click=lambda request=request: _answer(here, request, yes=False)).props(
                        "outline"
                    )


def _asked(request: m.Request) -> str:
    if request.kind is m.Request.Kind.SETTLEMENT:
        return f"Settle at {usd(request.price)}: you gain {sats(request.gain, sign=True)}."
    return (
        f"Go {request.position.value} {request.quantity:,} USD at {usd(request.price)} with {request.leverage}x: "
        f"you lock {sats(request.margin)}."
    )


async def _answer(here: Place, request: m.Request, *, yes: bool) -> None:
    call = calls.accept(request.cfd) if yes else calls.reject(request.cfd, "rejected by the user")
    key = new_key()
    with ui.context.client.content, ui.dialog() as dialog, ui.card():  # not among what is drawn anew
        ui.label("Accept this?" if yes else "Reject this?").classes("text-lg")
        ui.label(_asked(request))
        with ui.row():
            ui.button("Go on", on_click=lambda: dialog.submit("yes"))
            ui.button("No", on_click=dialog.close).props("outline")
    if await dialog == "yes":
        done = await quietly(here, call, key=key)
        ui.notify(done if isinstance(done, str) else f"{done.state}: {done.meaning}")


# --- offers ----------------------------------------------------------------------------------------------------------


def _offer(offer: m.Offer) -> dict[str, Any]:
    return {
        "id": offer.id,
        "bid": usd(offer.bid),
        "ask": usd(offer.ask),
        "quantity": f"{offer.min_quantity:,} to {offer.max_quantity:,}",
        "funding": f"{(offer.funding_rate * 100).normalize():+f} %",
        "expiry": utc(offer.expiry),
        "published": utc(offer.published_at),
    }


async def _withdraw(here: Place, offered: ui.table) -> None:
    for row in offered.selected:
        await ask(here, calls.withdraw(row["id"]))
    offered.selected = []


# --- what is at stake ------------------------------------------------------------------------------------------------


def _total(found: m.Exposure) -> list[tuple[str, str]]:
    return [
        ("Net position", f"{found.net_quantity:+,} USD"),
        ("Margin", sats(found.margin)),
        ("Gain", sats(found.unrealised, sign=True)),
        ("Gained so far", sats(found.realised, sign=True)),
        ("Funding owed", sats(found.funding_owed, sign=True)),
        ("Accepted without asking, up to", sats(found.accept_up_to)),
        ("Limit for each counterparty", "none" if found.limit_per_peer is None else sats(found.limit_per_peer)),
        ("Limit for all", "none" if found.limit_total is None else sats(found.limit_total)),
    ]


def _peer(found: m.PeerExposure) -> dict[str, Any]:
    return {
        "peer": found.peer,
        "state": ("connected" if found.connected else "not connected") + (", blocked" if found.blocked else ""),
        "cfds": f"{found.cfds:,}",
        "net": f"{found.long_quantity - found.short_quantity:+,} USD",
        "margin": sats(found.margin),
        "gain": sats(found.unrealised, sign=True),
        "expiry": utc(found.next_expiry),
    }


def _expiry(found: m.ExpiryExposure) -> dict[str, Any]:
    return {
        "expiry": utc(found.expiry),
        "cfds": f"{found.cfds:,}",
        "net": f"{found.net_quantity:+,} USD",
        "margin": sats(found.margin),
        "rolled": f"{found.rolled_over_by_itself:,}",
    }


async def _block(here: Place, by_peer: ui.table) -> None:
    for row in by_peer.selected:
        if await ask(here, calls.block(row["peer"])) is not None:
            ui.notify("Blocked. What is open with it runs on.")


async def _show_blocked(here: Place, into: ui.column) -> None:
    found = await quietly(here, calls.blocked())
    into.clear()
    with into:
        if isinstance(found, str) or not found.peers:
            ui.label(found if isinstance(found, str) else "Nobody.")
            return
        for peer in found.peers:
            with ui.row().classes("items-center"):
                ui.label(peer).classes("font-mono text-sm break-all")
                ui.button("Let in again", on_click=lambda peer=peer: ask(here, calls.unblock(peer))).props(
                    "outline dense"
                )
