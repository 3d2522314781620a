"""The gate: nothing reaches the app that does not come from where it should, with what it needs, and in bounds."""

import asyncio
import hmac
from collections.abc import Mapping
from contextlib import suppress
from http.cookies import CookieError, SimpleCookie
from typing import Final

from attrs import frozen
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cfd_web.access import Doorkeeper, Session
from cfd_web.problems import ApiProblem

LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "[::1]"})
API: Final = "/api/"
SIGN_IN: Final = "/api/v1/session"
SIGN_IN_PAGE: Final = "/sign-in"
"""The only page that strangers see; others lead them here."""
CSRF_HEADER: Final = "X-CSRF-Token"
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
SECURITY_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
API_HEADERS: Final = {"Cache-Control": "no-store", "Content-Security-Policy": "default-src 'none'"}
PAGE_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' "
    "'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; frame-ancestors 'none'; form-action 'self'"
}
"""Nothing is loaded from anywhere else. Pages are built in the browser, which needs the two `unsafe`."""


@frozen(kw_only=True)
class GateSettings:
    """What the gate lets through."""

    hosts: frozenset[str] = LOOPBACK
    """Names (without port) under which this node may be asked. A foreign page that resolves its own name to this
    machine is kept out by them.
    """
    body_limit: int = 64 * 1024
    """Bytes of a request's body."""
    body_seconds: float = 30
    """How long a body may take to arrive."""


class Gate:
    """ASGI middleware. Everything is shut unless it is shown to be allowed; the session, if any, goes on in
    `scope["state"]["session"]`.
    """

    def __init__(
        self, app: ASGIApp, doorkeeper: Doorkeeper, settings: GateSettings, state: Mapping[str, object]
    ) -> None:
        """`state` goes on with each request as part of its own."""
        self._app, self._doorkeeper, self._settings, self._state = app, doorkeeper, settings, state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        outward = _dressed(send, api=scope["path"].startswith(API))
        try:
            self._check(scope)
            inward = receive if scope["type"] == "websocket" else await self._whole_body(scope, receive)
        except ApiProblem as problem:
            await _refuse(problem, scope, receive, outward)
            return
        with suppress(Exception):  # `handle_problems` has logged and answered it
            await self._app(scope, inward, outward)

    # --- where from, and who --------------------------------------------------------------------------------------

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        host = _only(headers, "host") or ""
        if _name_of(host) not in self._settings.hosts:
            raise ApiProblem(421, "wrong_host", "This node is not to be asked under that name.")
        self._check_origin(headers, host, scope["path"])
        session = self._check_visitor(headers, scope)
        scope["state"] = {**scope.get("state", {}), **self._state, "session": session}

    def _check_origin(self, headers: Headers, host: str, path: str) -> None:
        origin, site = _only(headers, "origin"), headers.get("sec-fetch-site")
        if origin is not None and origin not in (f"http://{host}", f"https://{host}"):
            raise ApiProblem(403, "foreign_origin", "A page from elsewhere may not ask this node.")
        if path.startswith(API) and site not in (None, "same-origin", "none"):
            raise ApiProblem(403, "foreign_origin", "A page from elsewhere may not ask this node.")

    def _check_visitor(self, headers: Headers, scope: Scope) -> Session | None:
        method, path = scope.get("method", "GET"), scope["path"]
        bearer = _only(headers, "authorization")
        if bearer is not None:
            scheme, _, token = bearer.partition(" ")
            if scheme.lower() == "bearer" and self._doorkeeper.knows(token.strip()):
                return None
            raise _stranger()
        session = self._doorkeeper.session(_cookie(headers, self._doorkeeper.cookie))
        if session is None:
            if (method, path) == ("POST", SIGN_IN) or path == SIGN_IN_PAGE:
                return None
            raise _stranger() if path.startswith(API) or method not in SAFE else _visitor()
        if method not in SAFE and (method, path) != ("POST", SIGN_IN):
            _check_csrf(headers, session)
        return session

    # --- how much -------------------------------------------------------------------------------------------------

    async def _whole_body(self, scope: Scope, receive: Receive) -> Receive:
        """The body in one piece, before the app sees any of it."""
        if not scope["path"].startswith(API):
            return receive
        length = Headers(scope=scope).get("content-length", "0")
        if not length.isdigit() or len(length) > 12 or int(length) > self._settings.body_limit:
            raise self._too_large()
        try:
            async with asyncio.timeout(self._settings.body_seconds):
                body = await self._read(receive)
        except TimeoutError:
            raise ApiProblem(408, "too_slow", "The request did not arrive in time.") from None
        pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return pending.pop() if pending else await receive()

        return replay

    async def _read(self, receive: Receive) -> bytes:
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return bytes(body)  # gone; the app hears so next
            body += message.get("body", b"")
            if len(body) > self._settings.body_limit:
                raise self._too_large()
            if not message.get("more_body", False):
                return bytes(body)

    def _too_large(self) -> ApiProblem:
        return ApiProblem(413, "too_large", f"A request has at most {self._settings.body_limit:,} bytes.")


def _stranger() -> ApiProblem:
    sentence = "Show the node's token: `Authorization: Bearer ...`, or sign in."
    return ApiProblem(401, "not_authorized", sentence, {"WWW-Authenticate": "Bearer"})


def _visitor() -> ApiProblem:
    """A person who opened a page."""
    return ApiProblem(303, "not_authorized", "Sign in.", {"Location": SIGN_IN_PAGE, "Cache-Control": "no-store"})


def _check_csrf(headers: Headers, session: Session) -> None:
    given = headers.get(CSRF_HEADER, "")
    if headers.get("origin") is None or not hmac.compare_digest(given.encode(), session.csrf.encode()):
        raise ApiProblem(403, "no_csrf_token", f"A browser's request needs its Origin and {CSRF_HEADER}.")


def _only(headers: Headers, name: str) -> str | None:
    """A header that must not be there twice: two readers might each believe another one."""
    found = headers.getlist(name)
    if len(found) > 1:
        raise ApiProblem(400, "bad_request", f"There is more than one {name} header.")
    return found[0] if found else None


def _name_of(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name.lower() if colon and port.isascii() and port.isdigit() else host.lower()


def _cookie(headers: Headers, name: str) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(name)
    except CookieError:
        return ""
    return found.value if found else ""


def _dressed(send: Send, *, api: bool) -> Send:
    async def dressed(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in {**SECURITY_HEADERS, **(API_HEADERS if api else PAGE_HEADERS)}.items():
                headers.setdefault(name, value)
        await send(message)

    return dressed


async def _refuse(problem: ApiProblem, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": problem.message})
    else:
        await problem.response()(scope, receive, send)
