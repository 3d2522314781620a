"""The page that is always there: how each service is, in plain words, and what can be done about it."""

from collections.abc import Sequence
from typing import Final

from nicegui import ui

from cfd_web import models as m
from cfd_web.client import calls
from cfd_web.pages.drawing import PROMPT, Patch, put_away
from cfd_web.pages.frame import frame
from cfd_web.pages.place import Place, ask, keep_fresh, place, quietly
from cfd_web.pages.wording import ago, utc

ICONS: Final = {
    m.ServiceState.RUNNING: ("check_circle", "positive"),
    m.ServiceState.DEGRADED: ("warning", "warning"),
    m.ServiceState.STARTING: ("hourglass_empty", "info"),
    m.ServiceState.WAITING: ("hourglass_empty", "info"),
    m.ServiceState.BACKOFF: ("error", "negative"),
    m.ServiceState.STOPPED: ("cancel", "negative"),
}
VERBS: Final = {
    m.ServiceAction.START: "Start",
    m.ServiceAction.STOP: "Stop",
    m.ServiceAction.RESTART: "Restart",
    m.ServiceAction.NEXT_SERVER: "Another server",
}
MOST_LINES: Final = 50
MOST_SEARCHED: Final = 1_000
"""Lines among which one service's are looked for; the API gives no more at once."""


async def health_page() -> None:
    """A card for each service, and the node's latest words."""
    here = place()
    cards: dict[str, _Card] = {}
    with frame(here):
        all_cards = ui.grid(columns=3).classes("w-full max-md:!grid-cols-1")
        with ui.expansion("Log", icon="notes").classes("w-full"):
            lines = Patch("font-mono text-xs gap-0")

    async def refresh() -> None:
        found = await quietly(here, calls.health())
        if isinstance(found, str):
            return
        for service in found.services:
            if service.name not in cards:
                with all_cards:
                    cards[service.name] = _Card(here, service)
            cards[service.name].show(service, _said(service, found.at))
        log = await quietly(here, calls.log(limit=MOST_LINES))
        if not isinstance(log, str):
            lines.show(log, lambda: _lines(log.lines))

    keep_fresh(here, refresh)


def _said(service: m.ServiceHealth, now: int) -> list[str]:
    """How it is, in sentences."""
    said = [f"{service.state.value}, for {ago(service.since, now).removesuffix(' ago')}", service.reason]
    if service.next_try_at is not None:
        said.append(f"The next try is at {utc(service.next_try_at)}.")
    if service.last_good:
        said.append(f"Last known: {service.last_good}, {ago(service.last_good_at, now)}")
    return [sentence for sentence in said if sentence]


class _Card:
    """One service. How long it has been so moves every few seconds: the buttons stay, so that no press is lost."""

    def __init__(self, here: Place, service: m.ServiceHealth) -> None:
        self._here = here
        with ui.card().classes("w-full h-full").props(f'role="region" aria-label="{_plain(service.title)}"'):
            with ui.row().classes("items-center"):
                self._icon = Patch("w-auto")
                ui.label(service.title).classes("text-lg font-medium")
            self._said, self._buttons = Patch(), Patch()

    def show(self, service: m.ServiceHealth, said: list[str]) -> None:
        """How it is now."""
        self._icon.show(service.state, lambda: _icon(service))
        self._said.show(said, lambda: _sentences(said))
        self._buttons.show(service.actions, lambda: _buttons(self._here, service))


def _icon(service: m.ServiceHealth) -> None:
    icon, colour = ICONS[service.state]
    ui.icon(icon, color=colour).classes("text-2xl").props('aria-hidden="true"')


def _sentences(said: list[str]) -> None:
    for sentence in said:
        ui.label(sentence)


def _buttons(here: Place, service: m.ServiceHealth) -> None:
    with ui.row():
        for action in service.actions:
            ui.button(VERBS[action], on_click=lambda action=action: _act(here, service.name, action)).props("outline")
        ui.button("Show log", on_click=lambda: _show_log(here, service)).props("outline")


async def _show_log(here: Place, service: m.ServiceHealth) -> None:
    """What the node logged about this service, newest last."""
    found = await ask(here, calls.log(limit=MOST_SEARCHED, level=m.LogLevel.DEBUG))
    if found is None:
        return
    about = [line for line in found.lines if line.service == service.name][-MOST_LINES:]
    with ui.context.client.content, ui.dialog().props(PROMPT) as dialog, ui.card().classes("w-full max-w-4xl"):
        ui.label(f"Log: {service.title}").classes("text-lg")
        with ui.column().classes("font-mono text-xs gap-0"):
            _lines(about)
            if not about:
                ui.label("Nothing was logged about it lately.")
        ui.button("Close", on_click=dialog.close).props("outline")
    await dialog
    put_away(dialog)


def _lines(lines: Sequence[m.LogLine]) -> None:
    for line in lines:
        ui.label(f"{utc(line.at)}  {line.level.value:7}  {line.text}").classes("break-all")


async def _act(here: Place, name: str, action: m.ServiceAction) -> None:
    with ui.context.client:  # the button may be gone by then
        done = await ask(here, calls.act_on_service(name, action))
        if done is not None:
            ui.notify(f"{done.title}: {done.state.value}")


def _plain(text: str) -> str:
    return "".join(character for character in text if character.isalnum() or character in " ()-:.")
