"""Offers of all makers, and the ticket to take one of them."""

from typing import Any, Final

from nicegui import ui

from cfd_core.values import Position
from cfd_web import models as m
from cfd_web.client import calls, new_key
from cfd_web.pages.drawing import figures, payoff, table
from cfd_web.pages.place import Place, frame, keep_fresh, place, quietly
from cfd_web.pages.wording import sats, usd, utc

CHOOSE: Final = "Choose an offer above."
COLUMNS: Final = (
    ("maker", "Maker", "left"),
    ("bid", "Bid (you sell)", "right"),
    ("ask", "Ask (you buy)", "right"),
    ("quantity", "Quantity, USD", "right"),
    ("leverages", "Leverage", "left"),
    ("fee", "Opening fee", "right"),
    ("funding", "Funding a day", "right"),
    ("expiry", "Expiry", "left"),
    ("obstacle", "Not now because", "wrap"),
)


async def trade_page() -> None:
    """The market, the offers, and the ticket."""
    here = place()
    with frame(here):
        market = ui.label("").classes("text-xl").props('aria-live="polite"')
        offered = table(COLUMNS, "id", "No maker offers anything now.", selection="single")
        absent = ui.column()
        ticket = Ticket(here)
    offered.on_select(lambda event: ticket.choose(event.selection[0]["id"] if event.selection else ""))

    async def refresh() -> None:
        price = await quietly(here, calls.price())
        market.text = f"No market price: {price}" if isinstance(price, str) else _market(price)
        offers = await quietly(here, calls.offers())
        if isinstance(offers, str):
            return
        ticket.offers = {offer.id: offer for maker in offers.makers for offer in maker.offers}
        offered.rows = [_row(maker, offer) for maker in offers.makers for offer in maker.offers]
        absent.clear()
        with absent:
            for maker in offers.makers:
                if not maker.connected:
                    ui.label(f"{maker.name or maker.peer} is not connected: {maker.reason}")
        await ticket.follow()
        offered.selected = [row for row in offered.rows if row["id"] == ticket.chosen]

    keep_fresh(here, refresh)


def _market(price: m.MarketPrice) -> str:
    return f"Market: {usd(price.bid)} / {usd(price.ask)}" + (" (old)" if price.stale else "")


def _row(maker: m.Maker, offer: m.Offer) -> dict[str, Any]:
    return {
        "id": offer.id,
        "maker": maker.name or maker.peer,
        "bid": usd(offer.bid),
        "ask": usd(offer.ask),
        "quantity": f"{offer.min_quantity:,} to {offer.max_quantity:,}",
        "leverages": ", ".join(f"{leverage}x" for leverage in offer.leverages),
        "fee": sats(offer.opening_fee),
        "funding": f"{(offer.funding_rate * 100).normalize():+f} %",
        "expiry": utc(offer.expiry),
        "obstacle": offer.obstacle,
    }


class Ticket:
    """What to take of the chosen offer, and what that would mean, as the inputs move."""

    def __init__(self, here: Place) -> None:
        self._here = here
        self.offers: dict[str, m.Offer] = {}
        self.chosen = ""
        """The offer's id; empty: none."""
        self._kind = ("", "")
        """Maker and product of the chosen offer."""
        self._order: m.Order | None = None
        self._found: m.OrderPreview | None = None
        with ui.card().classes("w-full"):
            self._hint = ui.label(CHOOSE).classes("text-lg").props('aria-live="polite"')
            with ui.row().classes("items-end"):
                self._side = ui.toggle({"long": "Buy (long)", "short": "Sell (short)"}, value="long")
                self._quantity = ui.number("Quantity, USD", min=1, precision=0)
                self._leverage = ui.select([1], value=1, label="Leverage").classes("w-24")
            with ui.row().classes("w-full items-start max-md:flex-col gap-6"):
                self._figures = ui.column().classes("grow")
                with ui.column().classes("grow min-w-[50%] max-md:w-full") as self._picture:
                    ui.label("What you gain or lose, by the price at the end").classes("font-medium")
                    self._chart = ui.echart(payoff((), None), renderer="svg").classes("w-full h-64")
            self._take = ui.button("Take the offer", on_click=self._confirm)
        for element in (self._side, self._quantity, self._leverage):
            element.on_value_change(self.preview)
        self._take.enabled = False

    async def choose(self, offer_id: str) -> None:
        """Take over an offer's limits."""
        self.chosen = offer_id
        offer = self.offers.get(offer_id)
        if offer is not None:
            self._kind = (offer.maker, offer.product)
            self._quantity.value = offer.min_quantity
            self._leverage.set_options(list(offer.leverages), value=offer.leverages[0])
        await self.preview()

    async def follow(self) -> None:
        """The offers have changed: go on with what took the chosen one's place."""
        if self.chosen and self.chosen not in self.offers:
            heirs = [offer.id for offer in self.offers.values() if (offer.maker, offer.product) == self._kind]
            self.chosen = heirs[0] if heirs else self.chosen
        await self.preview()

    async def preview(self) -> None:
        """What the order would mean now; nothing is sent."""
        offer, self._order = self.offers.get(self.chosen), None
        if offer is None:
            return self._show(CHOOSE, None)
        if not self._quantity.value:
            return self._show("How much?", None)
        order = m.Order(
            maker=offer.maker,
            offer=offer.id,
            position=Position(self._side.value),
            quantity=int(self._quantity.value),
            leverage=int(self._leverage.value or 1),
        )
        found = await quietly(self._here, calls.preview_order(order))
        if isinstance(found, str):
            return self._show(found, None)
        self._order = None if found.obstacle else order
        return self._show(found.obstacle or "This is what it would mean:", found)

    def _show(self, hint: str, found: m.OrderPreview | None) -> None:
        self._hint.text, self._take.enabled, self._found = hint, self._order is not None, found
        self._figures.clear()
        with self._figures:
            figures(_figures(found))
        self._picture.visible = found is not None
        if found is not None:
            self._chart.options.update(payoff(found.payoff, found.price))
            self._chart.update()

    async def _confirm(self) -> None:
        order, key = self._order, new_key()
        if order is None:
            return
        with ui.dialog() as dialog, ui.card():
            ui.label(f"Go {order.position.value} {order.quantity:,} USD with {order.leverage}x?").classes("text-lg")
            figures(_figures(self._found))
            ui.label("The margin is locked once both have signed; until then either side can still step back.")
            with ui.row():
                ui.button("Take it", on_click=lambda: dialog.submit("yes"))
                ui.button("No", on_click=dialog.close).props("outline")
        if await dialog == "yes":
            taken = await quietly(self._here, calls.take(order), key=key)
            if isinstance(taken, str):
                ui.notify(taken, type="negative")
            else:
                ui.navigate.to(f"/positions/{taken.id}")


def _figures(found: m.OrderPreview | None) -> list[tuple[str, str]]:
    if found is None:
        return []
    return [
        ("Price", usd(found.price)),
        ("Your margin", sats(found.margin)),
        ("Opening fee", sats(found.opening_fee)),
        ("Funding a day", sats(found.funding_per_day, sign=True)),
        ("Transaction fees, about", sats(found.chain_fee)),
        ("Liquidation price", usd(found.liquidation_price)),
        ("Expiry", utc(found.expiry)),
        ("Worst case", sats(-found.worst_case)),
        ("In the wallet", sats(found.spendable)),
    ]
