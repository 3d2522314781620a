"""Showing that one has the backup words, without typing all of them."""

from nicegui import ui
from pydantic import ValidationError

from cfd_web import models as m
from cfd_web.client import calls
from cfd_web.pages.drawing import PROMPT, put_away
from cfd_web.pages.place import Place, ask
from cfd_web.pages.wording import utc


async def check_backup(here: Place) -> None:
    """Ask for a few of the words; they are compared and forgotten."""
    question = await ask(here, calls.backup_question())
    if question is None:
        return
    with ui.dialog().props(PROMPT) as dialog, ui.card():
        ui.label("Do you have the backup words?").classes("text-lg")
        if question.confirmed_at is not None:
            ui.label(f"You showed it last on {utc(question.confirmed_at)}.")
        fields = {number: ui.input(f"Word {number}", password=True) for number in question.ask}
        verdict = ui.label("").props('role="alert"')

        async def check() -> None:
            verdict.text = await _verdict(
                here, {number: (field.value or "").strip() for number, field in fields.items()}
            )

        with ui.row():
            ui.button("Check", on_click=check)
            ui.button("Close", on_click=dialog.close).props("outline")
    await dialog
    put_away(dialog)


async def _verdict(here: Place, words: dict[int, str]) -> str:
    try:
        answer = m.BackupAnswer(words=words)
    except ValidationError:
        return "A word is three to eight small letters."
    found = await ask(here, calls.check_backup(answer))
    if found is None:
        return ""
    return "All are right: you can restore this wallet." if found.right else "At least one word is wrong."
