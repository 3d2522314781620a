"""The form to publish an offer by hand. Bots use the API."""

from decimal import Decimal
from typing import Final

from nicegui import ui
from pydantic import ValidationError

from cfd_web import models as m
from cfd_web.client import calls, new_key
from cfd_web.pages.drawing import PROMPT, TERMS
from cfd_web.pages.place import Place, quietly

LEVERAGES: Final = (1, 2, 3, 5, 10)
NEAR: Final = Decimal("0.1")
LONG_PAYS: Final = "Plus: whoever is long pays whoever is short."


async def offer_form(here: Place) -> None:
    """Ask for the terms, and publish them."""
    keys: dict[m.NewOffer, str] = {}  # pressed twice, the same offer is published once; a corrected one is another
    doubted: list[m.NewOffer] = []
    with ui.dialog().props(PROMPT) as dialog, ui.card():
        ui.label("Publish an offer").classes("text-lg")
        ui.label("It can be taken for ten minutes, and takes the place of your other offers.")
        with ui.grid(columns=2):
            bid = ui.input("Bid, USD", placeholder="empty: none")
            asked = ui.input("Ask, USD", placeholder="empty: none")
            least = ui.number("From, USD", value=100, min=1, precision=0)
            most = ui.number("To, USD", value=10_000, min=1, precision=0)
            leverages = ui.select(list(LEVERAGES), value=[1, 2], multiple=True, label="Leverages for takers")
            own = ui.select(list(LEVERAGES), value=1, label="Your leverage")
            fee = ui.number("Opening fee, sats", value=0, min=0, precision=0).tooltip(TERMS["Opening fee"])
            funding = ui.input("Funding a day, %", value=here.say.written(Decimal("0.01"))).tooltip(LONG_PAYS)
        wrong = ui.label("").classes("bad").props('role="alert"')

        async def publish() -> None:
            try:
                wish = m.NewOffer(
                    bid=here.say.read(bid.value) if bid.value else None,
                    ask=here.say.read(asked.value) if asked.value else None,
                    min_quantity=int(least.value or 0),
                    max_quantity=int(most.value or 0),
                    leverages=tuple(leverages.value),
                    maker_leverage=own.value,
                    opening_fee=int(fee.value or 0),
                    funding_rate=here.say.read(funding.value) / 100,
                )
            except ValidationError as error:
                wrong.text = error.errors()[0]["msg"].removeprefix("Value error, ")
                return
            except ValueError as error:
                wrong.text = str(error)
                return
            if wish not in doubted and (far := await _far(here, wish)):
                doubted.append(wish)
                wrong.text = f"{far} Press again to publish it all the same."
                return
            done = await quietly(here, calls.publish(wish), key=keys.setdefault(wish, new_key()))
            if isinstance(done, str):
                wrong.text = done
            else:
                dialog.close()

        with ui.row():
            ui.button("Publish", on_click=publish)
            ui.button("No", on_click=dialog.close).props("outline")
    dialog.open()


async def _far(here: Place, wish: m.NewOffer) -> str:
    """What speaks for a slip of the hand: the furthest price is not near the market's; empty: nothing does."""
    market = await quietly(here, calls.price())
    if isinstance(market, str) or market.stale:
        return ""
    middle = (market.bid + market.ask) / 2
    off = max((price / middle - 1 for price in (wish.bid, wish.ask) if price is not None), key=abs)
    return f"That is {here.say.percent(off, digits=1)} from the market's price." if abs(off) > NEAR else ""
