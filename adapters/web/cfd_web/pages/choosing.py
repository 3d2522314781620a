"""The choice between two prices that an oracle signed for one event."""

from nicegui import ui

from cfd_web import models as m
from cfd_web.client import calls, new_key
from cfd_web.pages.drawing import PROMPT, put_away
from cfd_web.pages.place import Place, quietly
from cfd_web.pages.wording import Wording


async def choose(here: Place, row: m.CfdRow) -> None:
    """Show both prices and what they pay, and settle on the one that is pressed."""
    found = await quietly(here, calls.cfd(row.id))
    if isinstance(found, str) or not found.outcomes:
        ui.notify(found if isinstance(found, str) else "there is nothing to choose any more", type="negative")
        return
    page, key = ui.context.client, new_key()
    with page.content, ui.dialog().props(PROMPT) as dialog, ui.card():  # not among what is drawn anew
        ui.label("Which price counts?").classes("text-lg")
        ui.label("The oracle signed two prices for one event. Find out elsewhere which one is true.")
        ui.label("The counterparty chooses for itself: it may publish the payout of the other price before you.")
        for each in found.outcomes:
            ui.label(f"Oracle event {each.event}").classes("text-xs break-all opacity-80")
            ui.button(_means(here.say, each), on_click=lambda each=each: dialog.submit(each.outcome)).props("no-caps")
        ui.button("Neither", on_click=dialog.close).props("outline")
    outcome = await dialog
    put_away(dialog)
    if outcome is not None:
        done = await quietly(here, calls.choose(row.id, outcome), key=key)
        with page:
            ui.notify(done if isinstance(done, str) else f"{done.state}: {done.meaning}")


def _means(say: Wording, each: m.SignedOutcome) -> str:
    if each.payout is None:
        return f"{say.whole(each.outcome)}: nobody is paid by it"
    return f"{say.whole(each.outcome)}: you are paid {say.money(each.payout)} ({say.money(each.gain, sign=True)})"
