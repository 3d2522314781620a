"""The page that is always there: how each service is, in plain words, and what can be done about it."""

from typing import Final

from nicegui import ui

from cfd_web import models as m
from cfd_web.client import calls
from cfd_web.pages.place import Place, ask, frame, keep_fresh, place, quietly
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


async def health_page() -> None:
    """A card for each service, and the node's latest words."""
    here = place()
    with frame(here):
        sentences = ui.column()
        cards = ui.grid(columns=3).classes("w-full max-md:!grid-cols-1")
        with ui.expansion("Log", icon="notes").classes("w-full"):
            lines = ui.column().classes("font-mono text-xs gap-0")

    async def refresh() -> None:
        found = await quietly(here, calls.health())
        if isinstance(found, str):
            return
        sentences.clear()
        with sentences:
            for sentence in found.needs_person:
                ui.label(sentence).classes("text-negative").props('role="alert"')
        cards.clear()
        with cards:
            for service in found.services:
                _card(here, service, found.at)
        log = await quietly(here, calls.log(limit=50))
        lines.clear()
        with lines:
            for line in () if isinstance(log, str) else log.lines:
                ui.label(f"{utc(line.at)}  {line.level.value:7}  {line.text}")

    keep_fresh(here, refresh)


def _card(here: Place, service: m.ServiceHealth, now: int) -> None:
    icon, colour = ICONS[service.state]
    with ui.card().props(f'role="region" aria-label="{_plain(service.title)}"'):
        with ui.row().classes("items-center"):
            ui.icon(icon, color=colour).classes("text-2xl")
            ui.label(service.title).classes("text-lg font-medium")
        ui.label(f"{service.state.value}, for {ago(service.since, now).removesuffix(' ago')}")
        if service.reason:
            ui.label(service.reason)
        if service.next_try_at is not None:
            ui.label(f"The next try is at {utc(service.next_try_at)}.")
        if service.last_good:
            ui.label(f"Last known: {service.last_good}, {ago(service.last_good_at, now)}").classes("text-sm opacity-70")
        with ui.row():
            for action in service.actions:
                ui.button(VERBS[action], on_click=lambda action=action: _act(here, service.name, action)).props(
                    "outline"
                )


async def _act(here: Place, name: str, action: m.ServiceAction) -> None:
    done = await ask(here, calls.act_on_service(name, action))
    if done is not None:
        ui.notify(f"{done.title}: {done.state.value}")


def _plain(text: str) -> str:
    return "".join(character for character in text if character.isalnum() or character in " ()-:.")
