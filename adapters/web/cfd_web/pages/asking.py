"""Questions before anything is done that cannot be taken back, and what came of it."""

from collections.abc import Callable
from typing import TypeVar

from nicegui import ui

from cfd_web.client import Call, new_key
from cfd_web.pages.drawing import PROMPT, put_away
from cfd_web.pages.place import Place, quietly

T = TypeVar("T")


async def agreed(yes: str, draw: Callable[[], None]) -> bool:
    """Whether the user presses `yes` below what `draw` describes; empty: there is nothing to agree to. The question is
    not among what is drawn anew, so it stays while prices come.
    """
    with ui.context.client.content, ui.dialog().props(PROMPT) as dialog, ui.card():
        draw()
        with ui.row():
            if yes:
                ui.button(yes, on_click=lambda: dialog.submit("yes"))
            ui.button("No" if yes else "Close", on_click=dialog.close).props("outline")
    answer = await dialog
    put_away(dialog)
    return bool(answer == "yes")


async def do_if_agreed(
    here: Place, yes: str, draw: Callable[[], None], call: Call[T], done: Callable[[T], str]
) -> T | None:
    """Ask, do it once, and tell what came of it; None: not done. The button that led here may be gone by then."""
    page, key = ui.context.client, new_key()
    if not await agreed(yes, draw):
        return None
    answer = await quietly(here, call, key=key)
    with page:
        if isinstance(answer, str):
            ui.notify(answer, type="negative")
            return None
        if told := done(answer):
            ui.notify(told)
    return answer
