"""A maker's side: what is asked for, what is offered, what is at stake with whom, and who is kept out."""

from collections.abc import Sequence
from typing import Any, Final

from nicegui import ui

from cfd_web import models as m
from cfd_web.client import calls
from cfd_web.pages.asking import do_if_agreed
from cfd_web.pages.drawing import Patch, figures
from cfd_web.pages.frame import frame
from cfd_web.pages.offering import offer_form
from cfd_web.pages.place import Place, ask, keep_fresh, place, quietly
from cfd_web.pages.tables import table
from cfd_web.pages.wording import Wording, ahead, utc

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

ROLLOVERS: Final = (
    ("id", "CFD", "left"),
    ("when", "Rolls over", "left"),
    ("expiry", "Expiry", "left"),
    ("position", "Position", "left"),
    ("funding", "Funding a day", "right"),
    ("owed", "Fees so far", "right"),
)
MOST_ROLLOVERS: Final = 50


async def making_page() -> None:
    """Requests first: they wait for an answer."""
    here = place()
    with frame(here):
        ui.label("Requests that wait for you").classes("text-lg")
        waiting = Patch()
        ui.label("Your offers").classes("text-lg")
        offered = table(OFFERS, "id", "You offer nothing now.", selection="multiple")
        with ui.row():
            ui.button("Publish an offer", on_click=lambda: offer_form(here))
            ui.button("Withdraw the chosen ones", on_click=lambda: _withdraw(here, offered)).props("outline")
        ui.label("At stake").classes("text-lg")
        total = Patch()
        by_peer = table(PEERS, "peer", "Nothing is open with anybody.", selection="single")
        ui.button("Block the chosen counterparty", on_click=lambda: _block(here, by_peer)).props("outline")
        by_expiry = table(EXPIRIES, "expiry", "Nothing expires.")
        ui.label("Rollovers due").classes("text-lg")
        due = table(ROLLOVERS, "key", "Nothing is rolled over by itself.", inside="id")
        ui.label("Kept out").classes("text-lg")
        kept_out = Patch()

    async def refresh() -> None:
        requests = await quietly(here, calls.requests())
        waiting.show(requests, lambda: _requests(here, requests))
        offers = await quietly(here, calls.own_offers())
        if not isinstance(offers, str):
            offered.rows = [_offer(here.say, offer) for offer in offers.offers]
        found = await quietly(here, calls.exposure())
        values = [("At stake", found)] if isinstance(found, str) else _total(here.say, found)
        total.show(values, lambda: figures(values))
        if not isinstance(found, str):
            by_peer.rows = [_peer(here.say, peer) for peer in found.by_peer]
            by_expiry.rows = [_expiry(here.say, expiry) for expiry in found.by_expiry]
        open_now = await quietly(here, calls.cfds(over=False))
        if not isinstance(open_now, str):
            due.rows = _rollovers(here.say, open_now)
        blocked = await quietly(here, calls.blocked())
        kept_out.show(blocked, lambda: _blocked(here, blocked))

    keep_fresh(here, refresh)


# --- requests --------------------------------------------------------------------------------------------------------


def _requests(here: Place, found: Sequence[m.Request] | str) -> None:
    if isinstance(found, str) or not found:
        ui.label(found if isinstance(found, str) else "None.")
        return
    for request in found:
        with ui.card().classes("w-full").props('role="region" aria-label="Request"'):
            ui.label(_asked(here.say, request))
            late = f"without an answer it is rejected at {utc(request.answer_by)}."
            ui.label(f"From {request.peer}; {late}").classes("text-sm break-all")
            with ui.row():
                ui.button("Accept", on_click=lambda request=request: _answer(here, request, yes=True))
                ui.button("Reject", on_click=lambda request=request: _answer(here, request, yes=False)).props("outline")


def _asked(say: Wording, request: m.Request) -> str:
    if request.kind is m.Request.Kind.SETTLEMENT:
        return f"Settle at {say.usd(request.price)}: you gain {say.money(request.gain, sign=True)}."
    return (
        f"Go {request.position.value} {say.whole(request.quantity)} USD at {say.usd(request.price)} "
        f"with {request.leverage}x: you lock {say.money(request.margin)}."
    )


async def _answer(here: Place, request: m.Request, *, yes: bool) -> None:
    call = calls.accept(request.cfd) if yes else calls.reject(request.cfd, "rejected by the user")

    def draw() -> None:
        ui.label("Accept this?" if yes else "Reject this?").classes("text-lg")
        ui.label(_asked(here.say, request))

    await do_if_agreed(here, "Go on", draw, call, lambda done: f"{done.state}: {done.meaning}")


# --- offers ----------------------------------------------------------------------------------------------------------


def _offer(say: Wording, offer: m.Offer) -> dict[str, Any]:
    return {
        "id": offer.id,
        "bid": say.usd(offer.bid),
        "ask": say.usd(offer.ask),
        "quantity": f"{say.whole(offer.min_quantity)} to {say.whole(offer.max_quantity)}",
        "funding": say.percent(offer.funding_rate),
        "expiry": utc(offer.expiry),
        "published": utc(offer.published_at),
    }


async def _withdraw(here: Place, offered: ui.table) -> None:
    for row in offered.selected:
        await ask(here, calls.withdraw(row["id"]))
    offered.selected = []


# --- what is at stake ------------------------------------------------------------------------------------------------


def _total(say: Wording, found: m.Exposure) -> list[tuple[str, str]]:
    return [
        ("Net position", f"{say.whole(found.net_quantity, sign=True)} USD"),
        ("Margin", say.money(found.margin)),
        ("Gain", say.money(found.unrealised, sign=True)),
        ("Gained so far", say.money(found.realised, sign=True)),
        ("Funding owed", say.money(found.funding_owed, sign=True)),
        ("Accepted without asking, up to", say.money(found.accept_up_to)),
        ("Limit for each counterparty", "none" if found.limit_per_peer is None else say.money(found.limit_per_peer)),
        ("Limit for all", "none" if found.limit_total is None else say.money(found.limit_total)),
    ]


def _peer(say: Wording, found: m.PeerExposure) -> dict[str, Any]:
    return {
        "peer": found.peer,
        "state": ("connected" if found.connected else "not connected") + (", blocked" if found.blocked else ""),
        "cfds": say.whole(found.cfds),
        "net": f"{say.whole(found.long_quantity - found.short_quantity, sign=True)} USD",
        "margin": say.money(found.margin),
        "gain": say.money(found.unrealised, sign=True),
        "expiry": utc(found.next_expiry),
    }


def _expiry(say: Wording, found: m.ExpiryExposure) -> dict[str, Any]:
    return {
        "expiry": utc(found.expiry),
        "cfds": say.whole(found.cfds),
        "net": f"{say.whole(found.net_quantity, sign=True)} USD",
        "margin": say.money(found.margin),
        "rolled": say.whole(found.rolled_over_by_itself),
    }


def _rollovers(say: Wording, found: m.Cfds) -> list[dict[str, Any]]:
    """The soonest first."""
    coming = sorted((row.rollover_at, row.id, row) for row in found.cfds if row.rollover_at is not None)
    return [
        {
            "key": row.id,
            "id": row.id[:8],
            "href": f"/positions/{row.id}",
            "when": f"{utc(at)}, {ahead(at, found.at)}",
            "expiry": utc(row.expiry),
            "position": f"{row.position.value} {say.whole(row.quantity)} USD",
            "funding": say.percent(row.funding_rate),
            "owed": say.money(row.fees_owed, sign=True),
        }
        for at, _, row in coming[:MOST_ROLLOVERS]
    ]


async def _block(here: Place, by_peer: ui.table) -> None:
    for row in by_peer.selected:
        if await ask(here, calls.block(row["peer"])) is not None:
            ui.notify("Blocked. What is open with it runs on.")


def _blocked(here: Place, found: m.Blocked | str) -> None:
    if isinstance(found, str) or not found.peers:
        ui.label(found if isinstance(found, str) else "Nobody.")
        return
    for peer in found.peers:
        with ui.row().classes("items-center"):
            ui.label(peer).classes("font-mono text-sm break-all")
            ui.button("Let in again", on_click=lambda peer=peer: ask(here, calls.unblock(peer))).props("outline dense")
