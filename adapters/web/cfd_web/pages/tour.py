"""A short tour for the first visit: how the node is, where the money is, and what can become of it."""

from typing import Final

from attrs import evolve
from nicegui import ui

from cfd_web.pages.place import Place, remember

STEPS: Final = (
    (
        "How the node is",
        "On top of every page stands whether all is well. Health shows each part of the node: what it is doing, "
        "since when, and what you can do about it. These pages stay open whatever is down.",
        ("/health", "Health"),
    ),
    (
        "Where the money is",
        "Your coins are in this node's own wallet; nobody else can spend them. Whoever has the backup words has the "
        "coins: check that you have them before you send any here. Start with little.",
        ("/wallet", "Wallet"),
    ),
    (
        "What you can lose",
        "A position locks your margin together with the counterparty's. You can lose the margin, and the fees of "
        "the transactions, and nothing more. The ticket shows both before anything is sent.",
        ("/", "Trade"),
    ),
    (
        "How the money comes back",
        "You settle together with the counterparty, or alone by a force close, which takes longer. The rest the node "
        "does by itself, so let it run while a position is open.",
        ("/positions", "Positions"),
    ),
    (
        "When you are needed",
        "What needs you stands on top of every page and as a number in the title of this tab. Amounts in BTC, the "
        "form of figures and an explorer can be chosen under Settings.",
        ("/settings", "Settings"),
    ),
)


def tour(here: Place) -> None:
    """A card that goes through the steps, until it was seen once. It hinders nothing else."""
    if here.wishes.toured:
        return
    at = 0
    with ui.card().classes("w-full border-l-4 border-sky-600").props('role="region" aria-label="Tour"') as card:
        title = ui.label("").classes("text-lg")
        with ui.column().props('aria-live="polite"'):
            text = ui.label("").classes("max-w-3xl")
            link = ui.link("", "/").classes("plain-link")

        def show() -> None:
            title.text = f"{STEPS[at][0]} ({at + 1} of {len(STEPS)})"
            text.text = STEPS[at][1]
            link.text = f"Open {STEPS[at][2][1]}"
            link.props(f'href="{STEPS[at][2][0]}"')
            forth.text = "Next" if at + 1 < len(STEPS) else "Done"

        def go() -> None:
            nonlocal at
            at += 1
            if at == len(STEPS):
                end()
            else:
                show()

        def end() -> None:
            remember(here, evolve(here.wishes, toured=True), reload=False)
            card.delete()

        with ui.row():
            forth = ui.button("Next", on_click=go)
            ui.button("Skip the tour", on_click=end).props("outline")
        show()
