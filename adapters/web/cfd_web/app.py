"""The API as one ASGI application over a desk."""

import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, Final

from attrs import field, frozen
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cfd_core.values import Secret
from cfd_web import models as m
from cfd_web.access import Doorkeeper
from cfd_web.answers import Answers
from cfd_web.desk import Desk, Unsubscribe
from cfd_web.feed import Feed
from cfd_web.gate import Gate, GateSettings
from cfd_web.metrics import Metrics
from cfd_web.models.changes import CHANGE
from cfd_web.once import MoneyMoves
from cfd_web.problems import documented, handle_problems, nothing_else
from cfd_web.routes import PREFIX
from cfd_web.routes.events import event_routes
from cfd_web.routes.making import making_routes
from cfd_web.routes.node import node_routes
from cfd_web.routes.sessions import session_routes
from cfd_web.routes.trading import trading_routes
from cfd_web.routes.wallet import wallet_routes
from cfd_web.track import PriceTrack

OPENAPI: Final = f"{PREFIX}/openapi.json"


@frozen(kw_only=True)
class ApiSettings:
    """What the API is told once."""

    token: Secret = field(repr=False)
    gate: GateSettings = field(factory=GateSettings)


class Api:
    """The application, and what lives as long as it does. Call `open` before it serves, and `close` after."""

    def __init__(self, desk: Desk, answers: Answers, settings: ApiSettings, *, feed: Feed | None = None) -> None:
        self.feed = feed or Feed()
        self.moves = MoneyMoves(answers, desk.now)
        self.doorkeeper = Doorkeeper(settings.token, desk.now)
        self.metrics = Metrics(self.feed)
        self.track = PriceTrack()
        self.inner = _routed(desk, self)
        """The application without the gate, to hang pages on."""
        self.state: dict[str, object] = {}
        """Goes on with each request as part of `request.state`."""
        self.app: ASGIApp = Gate(_Counting(self.inner, self.metrics), self.doorkeeper, settings.gate, self.state)
        self.lifespan: Callable[[], AbstractAsyncContextManager[None]] = nullcontext
        """What else must live while the server serves."""
        self._desk = desk
        self._unsubscribe: Unsubscribe | None = None

    def open(self) -> None:
        """Listen to the desk's changes."""
        if self._unsubscribe is None:
            self._unsubscribe = self._desk.subscribe(self._told)

    def _told(self, change: m.Change) -> None:
        self.track.tell(change)
        self.feed.tell(change)

    async def close(self) -> None:
        """End all streams, and wait for requests that move money to be done."""
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
        self.feed.close()
        await self.moves.finish()


def _routed(desk: Desk, api: Api) -> FastAPI:
    app = FastAPI(
        title="A CFD node",
        version="1",
        description="All that a user interface or a program can ask of the node.",
        openapi_url=OPENAPI,
        docs_url=None,  # they would load their scripts from elsewhere
        redoc_url=None,
        generate_unique_id_function=_operation_id,
        responses=documented(400, 401, 403, 413, 421, 422, 500),
        redirect_slashes=False,
    )
    parts = (
        node_routes(desk.node),
        trading_routes(desk.trading, api.moves, api.track),
        wallet_routes(desk.wallet, api.moves),
        making_routes(desk.making, api.moves),
        session_routes(api.doorkeeper),
        event_routes(desk, api.feed, api.metrics),
    )
    for routes in parts:
        app.include_router(routes)
    known = [route for routes in parts for route in routes.routes if isinstance(route, APIRoute)]
    app.mount("/api", nothing_else(known))
    handle_problems(app, known)
    _describe(app, api.doorkeeper)
    return app


def _operation_id(route: APIRoute) -> str:
    return route.name


def _describe(app: FastAPI, doorkeeper: Doorkeeper) -> None:
    """What the routes do not know themselves: who may come in, and what the events carry."""
    plain: Callable[[], dict[str, Any]] = app.openapi

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = plain()
            parts = document.setdefault("components", {})
            changes = CHANGE.json_schema(ref_template="#/components/schemas/{model}", mode="serialization")
            parts.setdefault("schemas", {}).update(changes.pop("$defs"))
            parts["schemas"]["Change"] = changes
            parts["securitySchemes"] = {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": doorkeeper.cookie},
            }
            document["security"] = [{"token": []}, {"session": []}]
            document["paths"][f"{PREFIX}/session"]["post"]["security"] = []
        return app.openapi_schema or {}

    app.openapi = described  # type: ignore[method-assign]  # FastAPI's documented way


class _Counting:
    """Counts what the routes served; a stream counts when it has ended."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        status, began = 500, time.perf_counter()

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            route = scope.get("route")
            if isinstance(route, APIRoute):
                self._metrics.count(route.path, scope["method"], status, time.perf_counter() - began)
