"""Which node a page belongs to, and how pages ask it."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

from attrs import frozen
from nicegui import ui

from cfd_web import models as m
from cfd_web.client import AsyncClient, Call, ClientError, calls
from cfd_web.feed import Feed
from cfd_web.pages.drawing import CSS

T = TypeVar("T")

STATE: Final = "place"
LOOK_SECONDS: Final = 1.0
PAGES: Final = {"/": "Trade", "/positions": "Positions", "/wallet": "Wallet", "/making": "Making", "/health": "Health"}

MOST_NOTICES: Final = 5
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


@frozen
class Place:
    """One node's API, and how many changes it has told."""

    client: AsyncClient
    feed: Feed


def place() -> Place:
    """Of the page that is being built."""
    request = ui.context.client.request
    assert request is not None  # noqa: S101 - pages are built for requests
    found = getattr(request.state, STATE)
    assert isinstance(found, Place)  # noqa: S101
    return found


async def ask(here: Place, call: Call[T]) -> T | None:
    """The node's answer; what went wrong is shown to the user, and None."""
    try:
        return await here.client.ask(call)
    except ClientError as error:
        ui.notify(str(error), type="negative")
        return None


async def quietly(here: Place, call: Call[T], *, key: str | None = None) -> T | str:
    """The node's answer, or why there is none, to be shown in its place."""
    try:
        return await here.client.ask(call, key=key)
    except ClientError as error:
        return str(error)


def keep_fresh(here: Place, refresh: Callable[[], Awaitable[None]]) -> None:
    """Call `refresh` now and whenever the node has told of a change, while the page is open."""
    seen: tuple[str, int] | None = None

    async def look() -> None:
        nonlocal seen
        if here.feed.position != seen:
            seen = here.feed.position
            await refresh()

    ui.timer(LOOK_SECONDS, look)
    ui.timer(0, look, once=True)


@contextmanager
def frame(here: Place) -> Iterator[None]:
    """What all pages have around them: where to go, how the node is, and what kind of money it is."""
    ui.colors(primary="#1f4e79")
    ui.add_css(CSS)
    with ui.header().classes("items-center gap-x-4 gap-y-1").props('aria-label="Pages"'):
        _links()
        ui.space()
        with ui.element("div").props('role="status" aria-live="polite"'):
            chip = ui.link("", "/health").classes("text-white text-sm")
        ui.button(icon="logout", on_click=_sign_out).props('flat round dense color=white aria-label="Sign out"')
    banner = ui.label("").classes("w-full text-center bg-amber-300 text-black py-1 rounded")
    banner.visible = False
    notices = ui.column().classes("w-full max-w-6xl mx-auto gap-1 px-2")

    async def refresh() -> None:
        health = await quietly(here, calls.health())
        chip.text = health if isinstance(health, str) else HEALTH_WORDS[health.level]
        about = await quietly(here, calls.about())
        if not isinstance(about, str) and about.sandbox:
            banner.text = f"Sandbox ({about.network.value}): this money is worth nothing."
            banner.visible = True
        await _show_what_waits(here, notices)

    keep_fresh(here, refresh)
    with ui.column().classes("w-full max-w-6xl mx-auto p-2 gap-4"):
        yield


def _links() -> None:
    now = ui.context.client.request.url.path if ui.context.client.request else ""
    for path, name in PAGES.items():
        link = ui.link(name, path).classes("text-white no-underline text-base")
        if now == path or (path != "/" and now.startswith(path)):
            link.classes("here").props('aria-current="page"')


async def _show_what_waits(here: Place, notices: ui.column) -> None:
    """What needs a person, wherever that person is."""
    waiting = await quietly(here, calls.requests())
    rows = await quietly(here, calls.cfds(over=False))
    said = (
        [] if isinstance(waiting, str) or not waiting else [(f"Requests that wait for you: {len(waiting)}", "/making")]
    )
    if not isinstance(rows, str):
        said += [(row.warning, f"/positions/{row.id}") for row in rows.cfds if row.warning][:MOST_NOTICES]
    notices.clear()
    with notices:
        for text, path in said:
            with (
                ui.row()
                .classes("items-center gap-2 w-full border-l-4 border-amber-500 pl-2 no-wrap")
                .props('role="alert"')
            ):
                ui.icon("warning", color="warning").props('aria-hidden="true"')
                ui.link(text, path).classes("plain-link")


def _sign_out() -> None:
    ui.run_javascript(SIGN_OUT)
