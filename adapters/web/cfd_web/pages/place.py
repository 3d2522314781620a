"""Which node a page belongs to, and how pages ask it."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

from attrs import frozen
from nicegui import ui

from cfd_web import models as m
from cfd_web.client import AsyncClient, Call, ClientError, calls
from cfd_web.feed import Feed

T = TypeVar("T")

STATE: Final = "place"
LOOK_SECONDS: Final = 1.0
PAGES: Final = {"/": "Trade", "/positions": "Positions", "/wallet": "Wallet", "/health": "Health"}

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
    seen = -1

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
    with ui.header().classes("items-center gap-4"):
        for path, name in PAGES.items():
            ui.link(name, path).classes("text-white no-underline text-base")
        ui.space()
        chip = ui.label("").classes("text-sm").props('role="status" aria-live="polite"')
    banner = ui.label("").classes("w-full text-center bg-amber-300 text-black")
    banner.visible = False

    async def refresh() -> None:
        health = await quietly(here, calls.health())
        chip.text = health if isinstance(health, str) else HEALTH_WORDS[health.level]
        about = await quietly(here, calls.about())
        if not isinstance(about, str) and about.sandbox:
            banner.text = f"Sandbox ({about.network.value}): this money is worth nothing."
            banner.visible = True

    keep_fresh(here, refresh)
    with ui.column().classes("w-full max-w-6xl mx-auto p-2 gap-4"):
        yield
