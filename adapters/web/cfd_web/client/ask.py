"""Asking a node over HTTP: blocking or with asyncio."""

import secrets
from collections.abc import AsyncGenerator, Collection, Iterator
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import httpx
from attrs import frozen
from httpx_sse import EventSource, ServerSentEvent, SSEError
from pydantic import ValidationError

from cfd_web import models as m
from cfd_web.access import Access
from cfd_web.client.calls import Call
from cfd_web.feed import HEARTBEAT_SECONDS, READY, RESET
from cfd_web.models.changes import CHANGE
from cfd_web.routes import PREFIX

T = TypeVar("T")

TIMEOUT: Final = 60.0
"""Seconds for an answer. A request that moves money may wait for a peer, or for the disk."""


class ClientError(Exception):
    """The sentence says what went wrong."""


class NotRunning(ClientError):
    """Nobody answers where the node should be, or it stopped to answer half-way.

    Whether what was asked has happened is not known: ask again with the same key.
    """


class ApiError(ClientError):
    """The node answered, and did not do it."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


@frozen
class Told:
    """One thing the node told by itself. `change` None: read everything anew, what follows is complete from here."""

    id: str
    """To go on from."""
    change: m.Change | None


def new_key() -> str:
    """A fresh idempotency key."""
    return secrets.token_hex(16)


class Client:
    """Blocking. `transport` is for tests."""

    def __init__(self, access: Access, *, transport: httpx.BaseTransport | None = None) -> None:
        self._http = httpx.Client(**_options(access), transport=transport)

    def ask(self, call: Call[T], *, key: str | None = None) -> T:
        """Ask, and read the answer. `key`: to ask for the same thing again; None: a new one where one is needed."""
        try:
            response = self._http.request(**_request(call, key))
        except httpx.HTTPError as error:
            raise _gone(error) from error
        return _answer(call, response)

    def events(self, kinds: Collection[str] = (), last_event_id: str = "") -> Iterator[Told]:
        """What the node tells, until the connection ends; `NotRunning` when there was none."""
        try:
            with self._http.stream(**_subscription(kinds, last_event_id)) as response:
                if response.is_error:
                    response.read()
                    raise _problem(response)
                yield from (_told(event) for event in EventSource(response).iter_sse() if event.data)
        except (httpx.HTTPError, SSEError) as error:
            raise _gone(error) from error

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncClient:
    """The same with asyncio."""

    def __init__(self, access: Access, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._http = httpx.AsyncClient(**_options(access), transport=transport)

    async def ask(self, call: Call[T], *, key: str | None = None) -> T:
        """As `Client.ask`."""
        try:
            response = await self._http.request(**_request(call, key))
        except httpx.HTTPError as error:
            raise _gone(error) from error
        return _answer(call, response)

    async def events(self, kinds: Collection[str] = (), last_event_id: str = "") -> AsyncGenerator[Told, None]:
        """As `Client.events`; close the generator (`contextlib.aclosing`) to leave early."""
        try:
            async with self._http.stream(**_subscription(kinds, last_event_id)) as response:
                if response.is_error:
                    await response.aread()
                    raise _problem(response)
                async for event in EventSource(response).aiter_sse():
                    if event.data:
                        yield _told(event)
        except (httpx.HTTPError, SSEError) as error:
            raise _gone(error) from error

    async def close(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def _options(access: Access) -> dict[str, Any]:
    return {
        "base_url": access.url + PREFIX,
        "headers": {"Authorization": f"Bearer {access.token.reveal().decode()}"},
        "timeout": httpx.Timeout(TIMEOUT, connect=10),
        "trust_env": False,  # no proxy of the environment sees the token
    }


def _request(call: Call[Any], key: str | None) -> dict[str, Any]:
    headers = {"Idempotency-Key": key or new_key()} if call.moves_money else {}
    content = None if call.body is None else call.body.model_dump_json().encode()
    if content is not None:
        headers["Content-Type"] = "application/json"
    return {"method": call.method, "url": call.path, "params": call.query, "headers": headers, "content": content}


def _subscription(kinds: Collection[str], last_event_id: str) -> dict[str, Any]:
    headers = {"Accept": "text/event-stream"}
    if last_event_id:
        headers["Last-Event-ID"] = last_event_id
    silence = httpx.Timeout(TIMEOUT, connect=10, read=4 * HEARTBEAT_SECONDS)
    params = {"kinds": ",".join(sorted(kinds))}
    return {"method": "GET", "url": "/events", "params": params, "headers": headers, "timeout": silence}


def _answer(call: Call[T], response: httpx.Response) -> T:
    if response.is_error:
        raise _problem(response)
    try:
        return call.read(response.content)
    except ValidationError as error:
        raise ClientError(f"the node answered something else than a {call.method} {call.path} is answered") from error


def _problem(response: httpx.Response) -> ClientError:
    try:
        problem = m.Problem.model_validate_json(response.content)
    except ValidationError:
        return ClientError(f"what answers there is no node: status {response.status_code}")
    return ApiError(response.status_code, problem.code, problem.message)


def _gone(error: Exception) -> NotRunning:
    return NotRunning(f"the node does not answer ({str(error) or type(error).__name__})")


def _told(event: ServerSentEvent) -> Told:
    if event.event in (READY, RESET):
        return Told(event.id, None)
    try:
        return Told(event.id, CHANGE.validate_json(event.data))
    except ValidationError as error:
        raise ClientError(f"an event of the kind {event.event!r:.40} that this client does not know") from error
