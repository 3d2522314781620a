"""What all pages have around them: where to go, how the node is, what needs a person, and what kind of money it is."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from nicegui import ui

from cfd_web import models as m
from cfd_web.client import calls
from cfd_web.pages.drawing import CSS
from cfd_web.pages.place import Place, keep_fresh, quietly

PAGES: Final = {
    "/": "Trade",
    "/positions": "Positions",
    "/wallet": "Wallet",
    "/making": "Making",
    "/health": "Health",
    "/settings": "Settings",
}
MOST_NOTICES: Final = 5
TITLE: Final = "CFD node"
SIGN_OUT: Final = """
const session = await (await fetch("/api/v1/session")).json();
await fetch("/api/v1/session", {method: "DELETE", headers: {"X-CSRF-Token": session.csrf || ""}});
location.replace("/sign-in");
"""
HEALTH_WORDS: Final = {
    m.HealthLevel.GOOD: "All is well",
    m.HealthLevel.IMPAIRED: "Something does not run: see Health",
    m.HealthLevel.DOWN: "Nothing can be traded: see Health",
}
Waiting = list[tuple[str, str]]
"""Sentences, and the pages that they lead to."""


@contextmanager
def frame(here: Place) -> Iterator[None]:
    """Build the page's own content inside."""
    ui.colors(primary="#1f4e79")
    ui.add_css(CSS)
    with ui.header().classes("items-center gap-x-4 gap-y-0 max-md:px-3 max-md:py-1").props('aria-label="Pages"'):
        # on a phone the pages stand below how the node is
        with ui.row().classes("items-center gap-x-4 gap-y-0 max-md:gap-x-3 max-md:w-full max-md:order-last"):
            _links()
        ui.space().classes("max-md:hidden")
        with ui.element("div").classes("max-md:grow").props('role="status" aria-live="polite"'):
            chip = ui.link("", "/health").classes("text-white text-sm")
        ui.button(icon="logout", on_click=_sign_out).props('flat round dense color=white aria-label="Sign out"')
    banner = ui.label("").classes("w-full text-center bg-amber-300 text-black py-1 rounded")
    banner.visible = False
    notices = ui.column().classes("w-full max-w-6xl mx-auto gap-1 px-2")
    shown: Waiting = []

    async def refresh() -> None:
        nonlocal shown
        health = await quietly(here, calls.health())
        chip.text = health if isinstance(health, str) else HEALTH_WORDS[health.level]
        about = await quietly(here, calls.about())
        if not isinstance(about, str) and about.sandbox:
            banner.text = f"Sandbox ({about.network.value}): this money is worth nothing."
            banner.visible = True
        waiting = await _what_waits(here, health)
        if waiting != shown:
            shown = waiting
            _show(notices, shown)

    keep_fresh(here, refresh)
    with ui.column().classes("w-full max-w-6xl mx-auto p-2 gap-4"):
        yield


def _links() -> None:
    now = ui.context.client.request.url.path if ui.context.client.request else ""
    for path, name in PAGES.items():
        link = ui.link(name, path).classes("text-white no-underline text-base max-md:text-sm py-1")
        if now == path or (path != "/" and now.startswith(path)):
            link.classes("here").props('aria-current="page"')


async def _what_waits(here: Place, health: m.Health | str) -> Waiting:
    """What needs a person, wherever that person is."""
    said: Waiting = []
    waiting = await quietly(here, calls.requests())
    if not isinstance(waiting, str) and waiting:
        said.append((f"Requests that wait for you: {len(waiting)}", "/making"))
    rows = await quietly(here, calls.cfds(over=False))
    if not isinstance(rows, str):
        said += [(row.warning, f"/positions/{row.id}") for row in rows.cfds if row.warning]
    if not isinstance(health, str):
        said += [(sentence, "/health") for sentence in health.needs_person]
    return said


def _show(notices: ui.column, said: Waiting) -> None:
    """On top of the page, and as a count in the title of its tab."""
    ui.page_title(f"({len(said)}) {TITLE}" if said else TITLE)
    notices.clear()
    with notices:
        for text, path in said[:MOST_NOTICES]:
            _notice(text, path)
        if len(said) > MOST_NOTICES:
            _notice(f"and {len(said) - MOST_NOTICES} more", "/positions")


def _notice(text: str, path: str) -> None:
    bar = ui.row().classes("items-center gap-2 w-full border-l-4 border-amber-500 pl-2 no-wrap").props('role="alert"')
    with bar:
        ui.icon("warning", color="warning").props('aria-hidden="true"')
        ui.link(text, path).classes("plain-link")


def _sign_out() -> None:
    ui.run_javascript(SIGN_OUT)
