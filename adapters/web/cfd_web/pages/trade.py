"""Offers of all makers, and the ticket to take one of them."""

from typing import Any, Final

from nicegui import ui
from pydantic import ValidationError

from cfd_core.values import Position
from cfd_web import models as m
from cfd_web.client import calls
from cfd_web.pages.asking import do_if_agreed
from cfd_web.pages.drawing import TERMS, Patch, figures, payoff
from cfd_web.pages.frame import frame
from cfd_web.pages.market import Market
from cfd_web.pages.place import Place, keep_fresh, place, quietly
from cfd_web.pages.tables import table
from cfd_web.pages.tour import tour
from cfd_web.pages.wording import Wording, utc

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
        tour(here)
        market = Market(here)
        offered = table(COLUMNS, "id", "No maker offers anything now.", selection="single")
        absent = ui.column()
        ticket = Ticket(here)
    offered.on_select(lambda event: ticket.choose(event.selection[0]["id"] if event.selection else ""))

    async def refresh() -> None:
        offers = await quietly(here, calls.offers())
        if isinstance(offers, str):
            return
        ticket.offers = {offer.id: offer for maker in offers.makers for offer in maker.offers}
        offered.rows = [_row(here.say, maker, offer) for maker in offers.makers for offer in maker.offers]
        absent.clear()
        with absent:
            for maker in offers.makers:
                if not maker.connected:
                    ui.label(f"{maker.name or maker.peer} is not connected: {maker.reason}")
        await ticket.follow()
        offered.selected = [row for row in offered.rows if row["id"] == ticket.chosen]

    keep_fresh(here, market.refresh, {"price", "service"})
    keep_fresh(here, refresh)


def _row(say: Wording, maker: m.Maker, offer: m.Offer) -> dict[str, Any]:
    return {
        "id": offer.id,
        "maker": maker.name or maker.peer,
        "bid": say.usd(offer.bid),
        "ask": say.usd(offer.ask),
        "quantity": f"{say.whole(offer.min_quantity)} to {say.whole(offer.max_quantity)}",
        "leverages": ", ".join(f"{leverage}x" for leverage in offer.leverages),
        "fee": say.money(offer.opening_fee),
        "funding": say.percent(offer.funding_rate),
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
        self._turn = 0
        """Of the preview that was asked for last; an earlier one that comes later is not shown."""
        with ui.card().classes("w-full"):
            self._hint = ui.label(CHOOSE).classes("text-lg").props('aria-live="polite"')
            with ui.row().classes("items-end"):
                self._side = ui.toggle({"long": "Buy (long)", "short": "Sell (short)"}, value="long")
                self._quantity = ui.number("Quantity, USD", min=1, precision=0).tooltip(TERMS["Quantity, USD"])
                self._leverage = ui.select([1], value=1, label="Leverage").classes("w-24").tooltip(TERMS["Leverage"])
            with ui.row().classes("w-full items-start max-md:flex-col gap-6"):
                self._figures = Patch("grow")
                with ui.column().classes("grow min-w-[50%] max-md:w-full") as self._picture:
                    ui.label("What you gain or lose, by the price at the end").classes("font-medium")
                    self._chart = ui.echart(payoff(here.say, (), None), renderer="svg").classes("w-full h-64")
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
        self._turn += 1
        turn, order = self._turn, self._order()
        if order is None:
            return self._show("How much?" if self.chosen in self.offers else CHOOSE, None)
        found = await quietly(self._here, calls.preview_order(order))
        if turn != self._turn:
            return None  # the inputs have moved on
        if isinstance(found, str):
            return self._show(found, None)
        return self._show(found.obstacle or "This is what it would mean:", found)

    def _order(self) -> m.Order | None:
        """What the inputs say."""
        offer = self.offers.get(self.chosen)
        if offer is None or not self._quantity.value:
            return None
        try:
            return m.Order(
                maker=offer.maker,
                offer=offer.id,
                position=Position(self._side.value),
                quantity=int(self._quantity.value),
                leverage=int(self._leverage.value or 1),
            )
        except ValidationError:  # nobody means a quantity below one, or a billion
            return None

    def _show(self, hint: str, found: m.OrderPreview | None) -> None:
        self._hint.text, self._take.enabled = hint, found is not None and not found.obstacle
        values = _figures(self._here.say, found)
        self._figures.show(values, lambda: figures(values))
        self._picture.visible = found is not None
        if found is not None:
            self._chart.options.update(payoff(self._here.say, found.payoff, found.price))
            self._chart.update()

    async def _confirm(self) -> None:
        """Ask about what the inputs say at this moment, whatever is being shown."""
        order, say = self._order(), self._here.say
        if order is None:
            return
        found = await quietly(self._here, calls.preview_order(order))
        if isinstance(found, str) or found.obstacle:
            ui.notify(found if isinstance(found, str) else found.obstacle, type="negative")
            return

        def draw() -> None:
            title = f"Go {order.position.value} {say.whole(order.quantity)} USD with {order.leverage}x?"
            ui.label(title).classes("text-lg")
            figures(_figures(say, found))
            ui.label("The margin is locked once both have signed; until then either side can still step back.")

        taken = await do_if_agreed(self._here, "Take it", draw, calls.take(order), lambda _: "")
        if taken is not None:
            ui.navigate.to(f"/positions/{taken.id}")


def _flow(say: Wording, paid: int) -> str:
    return f"you {'get' if paid < 0 else 'pay'} {say.money(abs(paid))}"


def _figures(say: Wording, found: m.OrderPreview | None) -> list[tuple[str, str]]:
    if found is None:
        return []
    return [
        ("Price", say.usd(found.price)),
        ("Your margin", say.money(found.margin)),
        ("Opening fee", _flow(say, found.opening_fee)),
        ("Funding a day", _flow(say, found.funding_per_day)),
        ("Transaction fees, about", say.money(found.chain_fee)),
        ("Liquidation price", say.usd(found.liquidation_price)),
        ("Expiry", utc(found.expiry)),
        ("Worst case", say.money(-found.worst_case)),
        ("In the wallet", say.money(found.spendable)),
    ]
