"""Which node a page belongs to, who looks at it, and how pages ask."""

from collections.abc import Awaitable, Callable, Collection
from http.cookies import CookieError, SimpleCookie
from time import monotonic
from typing import Final, TypeVar

from attrs import evolve, field, frozen
from nicegui import ui
from starlette.requests import Request

from cfd_web.client import AsyncClient, Call, ClientError
from cfd_web.feed import Feed
from cfd_web.models.changes import KINDS
from cfd_web.pages.wishes import MOST, Wishes, locale_for
from cfd_web.pages.wording import Wording

T = TypeVar("T")

STATE: Final = "place"
LOOK_SECONDS: Final = 1.0
AGE_SECONDS: Final = 30.0
"""What is shown grows old by itself: countdowns and ages are drawn again after this."""
QUIET: Final = KINDS - {"price"}
"""All that does not come every second."""
KEEP_SECONDS: Final = 365 * 24 * 3600


@frozen
class Place:
    """One node's API and what it tells, and how the person at the page wants figures."""

    client: AsyncClient
    feed: Feed
    cookie: str
    """Its name, for the wishes."""
    say: Wording = field(factory=Wording)

    @property
    def wishes(self) -> Wishes:
        """The person's."""
        return self.say.wishes


def place() -> Place:
    """Of the page that is being built."""
    request = ui.context.client.request
    assert request is not None  # noqa: S101 - pages are built for requests
    found = getattr(request.state, STATE)
    assert isinstance(found, Place)  # noqa: S101
    wishes = Wishes.read(_cookie(request, found.cookie))
    return evolve(found, say=Wording(wishes, locale_for(wishes, request.headers.get("accept-language", ""))))


def _cookie(request: Request, name: str) -> str:
    """The raw value: Starlette's own reading would not tell a bad cookie header from none."""
    try:
        held = SimpleCookie(request.headers.get("cookie", "")[: 16 * MOST]).get(name)
    except CookieError:
        return ""
    return held.value if held else ""


def remember(here: Place, wishes: Wishes, *, reload: bool) -> None:
    """Keep the wishes in this browser; `reload` shows the page anew, as they want it."""
    kept = f"{here.cookie}={wishes.written()}; Path=/; Max-Age={KEEP_SECONDS}; SameSite=Strict"
    ui.run_javascript(f"document.cookie = '{kept}'; {'location.reload();' if reload else ''}")


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


def keep_fresh(here: Place, refresh: Callable[[], Awaitable[None]], kinds: Collection[str] = QUIET) -> None:
    """Call `refresh` now, whenever the node has told of a change of these kinds, and now and then, while the page is
    open.
    """
    seen: tuple[str, int] | None = None
    drawn = 0.0

    async def look() -> None:
        nonlocal seen, drawn
        position = here.feed.position_of(kinds)
        if position != seen or monotonic() - drawn > AGE_SECONDS:
            seen, drawn = position, monotonic()
            await refresh()

    ui.timer(LOOK_SECONDS, look)
    ui.timer(0, look, once=True)
