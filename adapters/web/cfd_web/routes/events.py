"""The stream of changes, and figures for Prometheus."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Query
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from cfd_web.desk import Desk
from cfd_web.feed import Feed
from cfd_web.metrics import Metrics
from cfd_web.models.changes import KINDS
from cfd_web.problems import ApiProblem, documented
from cfd_web.routes import PREFIX

MAX_STREAMS: Final = 64
_STREAM: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "Events without end; each has an id, a name (its kind) and one line of JSON.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    },
    **documented(503),
}
_TEXT: Final[dict[int | str, dict[str, Any]]] = {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}


class _Stream(StreamingResponse):
    """Closes its generator at once when the client is gone."""

    def __init__(self, pieces: AsyncGenerator[bytes, None]) -> None:
        super().__init__(pieces, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})
        self._pieces = pieces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self._pieces):
            await super().__call__(scope, receive, send)


def event_routes(desk: Desk, feed: Feed, metrics: Metrics) -> APIRouter:
    """What the node tells by itself."""
    routes = APIRouter(prefix=PREFIX, tags=["events"])

    @routes.get("/events", response_class=Response, responses=_STREAM)
    async def events(
        kinds: Annotated[str, Query(max_length=200, pattern=r"^[a-z,]*$", description="Separated by commas.")] = "",
        last_event_id: Annotated[str, Header(max_length=40)] = "",
    ) -> Response:
        """Changes as server-sent events. With `Last-Event-ID`, what was missed comes first; a `reset` event says that
        too much was missed, and that everything must be read anew.
        """
        wanted = frozenset(kinds.split(",")) if kinds else frozenset()
        if not wanted <= KINDS:
            raise ApiProblem(422, "invalid_request", f"Kinds of events are {', '.join(sorted(KINDS))}.")
        if feed.readers >= MAX_STREAMS:
            raise ApiProblem(503, "unavailable", f"There are {MAX_STREAMS} streams already.", {"Retry-After": "5"})
        return _Stream(feed.read(last_event_id, wanted))

    @routes.get("/metrics", response_class=Response, responses=_TEXT)
    async def prometheus() -> Response:
        """Figures in Prometheus' text form."""
        return Response(await metrics.text(desk), media_type=metrics.MEDIA_TYPE)

    return routes
