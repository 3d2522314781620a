"""Nothing passes the gate that should not: strangers, foreign pages, foreign names, too much at once."""

import itertools
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from cfd_web.answers import MemoryAnswers
from cfd_web.app import OPENAPI, Api, ApiSettings
from cfd_web.testing import FakeDesk
from structlog.testing import capture_logs

from cfd_core.values import Secret

ORIGIN = {"Origin": "http://127.0.0.1:8000"}


def problem(response: httpx.Response, status: int) -> str:
    assert response.status_code == status, response.text
    assert set(response.json()) == {"code", "message"}
    return str(response.json()["code"])


async def every_route(owner: httpx.AsyncClient) -> list[tuple[str, str]]:
    document = (await owner.get(OPENAPI)).json()
    found = [
        (method.upper(), re.sub(r"\{action\}", "settle", re.sub(r"\{\w+_id\}", "0" * 32, path)))
        for path, methods in document["paths"].items()
        for method in methods
    ]
    assert len(found) > 35
    return found


# --- strangers -------------------------------------------------------------------------------------------------------


WITHOUT: list[dict[str, str]] = [
    {},
    {"Authorization": "Bearer " + "u" * 43},
    {"Authorization": "Bearer "},
    {"Authorization": "Bearer"},
    {"Authorization": "Basic dDp0"},
    {"Authorization": "t" * 43},
    {"Cookie": "cfd_session=1.2.3"},
    {"X-Token": "t" * 43},
]


async def test_every_route_refuses_without_the_token(
    owner: httpx.AsyncClient, stranger: httpx.AsyncClient, desk: FakeDesk
) -> None:
    routes = [*await every_route(owner), ("GET", OPENAPI), ("POST", "/"), ("GET", "/api/v1/nothing"), ("PUT", "/x")]
    routes.remove(("POST", "/api/v1/session"))
    for (method, path), headers in itertools.product(routes, WITHOUT):
        response = await stranger.request(method, path, headers={**headers, "Idempotency-Key": "k" * 8}, json={})
        assert problem(response, 401) == "not_authorized", (method, path)
        assert response.headers["www-authenticate"] == "Bearer"
    assert desk.moved == []


async def test_signing_in_needs_the_token(stranger: httpx.AsyncClient) -> None:
    response = await stranger.post("/api/v1/session", json={"token": "u" * 43})
    assert problem(response, 401) == "not_authorized"
    assert "set-cookie" not in response.headers


async def test_a_token_in_the_url_is_no_token(stranger: httpx.AsyncClient, token: str) -> None:
    for name in ("token", "access_token", "Authorization"):
        assert problem(await stranger.get("/api/v1/about", params={name: token}), 401) == "not_authorized"


async def test_the_token_opens(owner: httpx.AsyncClient) -> None:
    assert (await owner.get("/api/v1/about")).json()["network"] == "regtest"


async def test_a_websocket_is_refused_too(api: Api) -> None:
    sent: list[Any] = []

    async def receive() -> dict[str, str]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": "/ws", "headers": [(b"host", b"127.0.0.1")], "query_string": b""}
    await api.app(scope, receive, send)
    assert [message["type"] for message in sent] == ["websocket.close"]


# --- foreign names and pages -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "", "localhost:x", "["]
)
async def test_foreign_host(owner: httpx.AsyncClient, host: str) -> None:
    assert problem(await owner.get("/api/v1/about", headers={"Host": host}), 421) == "wrong_host"


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:9", "[::1]:8000", "[::1]"])
async def test_our_own_names(owner: httpx.AsyncClient, host: str) -> None:
    assert (await owner.get("/api/v1/about", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "null",
        "http://127.0.0.1",
        "http://127.0.0.1:3000",
        "http://localhost:8000",
        "file://",
        "",
    ],
)
async def test_foreign_origin_even_with_the_token(owner: httpx.AsyncClient, origin: str) -> None:
    for method, path in (("GET", "/api/v1/about"), ("POST", "/api/v1/session")):
        response = await owner.request(method, path, headers={"Origin": origin}, json={"token": "t" * 43})
        assert problem(response, 403) == "foreign_origin"


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_requests_that_the_browser_itself_calls_foreign(owner: httpx.AsyncClient, site: str) -> None:
    response = await owner.get("/api/v1/about", headers={"Sec-Fetch-Site": site})
    assert problem(response, 403) == "foreign_origin"


async def test_no_page_of_another_origin_is_let_in_by_headers(owner: httpx.AsyncClient) -> None:
    response = await owner.get("/api/v1/about", headers=ORIGIN)
    assert response.status_code == 200
    assert not [name for name in response.headers if name.startswith("access-control")]
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-frame-options"] == "DENY"
    assert response.headers["content-security-policy"] == "default-src 'none'"


async def test_doubled_headers_are_refused(stranger: httpx.AsyncClient, token: str) -> None:
    twice = [("Authorization", "Bearer wrong"), ("Authorization", f"Bearer {token}")]
    assert problem(await stranger.get("/api/v1/about", headers=twice), 400) == "bad_request"


# --- browsers --------------------------------------------------------------------------------------------------------


@pytest.fixture
async def browser(stranger: httpx.AsyncClient, token: str) -> httpx.AsyncClient:
    """Signed in; its headers hold what a page would send."""
    response = await stranger.post("/api/v1/session", json={"token": token}, headers=ORIGIN)
    assert response.status_code == 200
    stranger.headers["X-CSRF-Token"] = response.json()["csrf"]
    stranger.headers["Origin"] = ORIGIN["Origin"]
    return stranger


async def test_the_cookie_is_out_of_reach_for_scripts_and_other_sites(stranger: httpx.AsyncClient, token: str) -> None:
    cookie = (await stranger.post("/api/v1/session", json={"token": token})).headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    assert "Path=/" in cookie
    assert token not in cookie


async def test_a_browser_reads_and_changes(browser: httpx.AsyncClient) -> None:
    assert (await browser.get("/api/v1/about")).status_code == 200
    assert (await browser.post("/api/v1/wallet/address")).status_code == 201
    assert (await browser.get("/api/v1/session")).json()["csrf"] == browser.headers["X-CSRF-Token"]


@pytest.mark.parametrize("missing", ["X-CSRF-Token", "Origin"])
async def test_a_browser_changes_nothing_without(browser: httpx.AsyncClient, desk: FakeDesk, missing: str) -> None:
    del browser.headers[missing]
    for method, path in (("POST", "/api/v1/wallet/send"), ("DELETE", "/api/v1/session"), ("POST", "/api/v1/blocked")):
        response = await browser.request(method, path, headers={"Idempotency-Key": "k" * 8}, json={})
        assert problem(response, 403) == "no_csrf_token"
    assert desk.moved == []


async def test_another_sessions_csrf_token_does_not_do(browser: httpx.AsyncClient, api: Api) -> None:
    browser.headers["X-CSRF-Token"] = api.doorkeeper.begin().csrf
    assert problem(await browser.post("/api/v1/wallet/address"), 403) == "no_csrf_token"


async def test_a_session_outlives_the_process_but_not_the_token(browser: httpx.AsyncClient, token: str) -> None:
    async def status(with_token: str) -> int:
        again = Api(FakeDesk(), MemoryAnswers(), ApiSettings(token=Secret(with_token.encode())))
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=again.app), base_url=str(browser.base_url), cookies=browser.cookies
        ) as http:
            return (await http.get("/api/v1/about")).status_code

    assert await status(token) == 200
    assert await status("n" * 43) == 401


async def test_a_session_ends(browser: httpx.AsyncClient, desk: FakeDesk) -> None:
    desk.at += 7 * 24 * 3600
    assert problem(await browser.get("/api/v1/about"), 401) == "not_authorized"


async def test_signing_out(browser: httpx.AsyncClient) -> None:
    kept = dict(browser.cookies)
    assert (await browser.delete("/api/v1/session")).status_code == 204
    assert not browser.cookies
    browser.cookies.update(kept)
    assert problem(await browser.get("/api/v1/about"), 401) == "not_authorized"


async def test_a_tampered_cookie_is_none(browser: httpx.AsyncClient, api: Api) -> None:
    (value,) = browser.cookies.values()
    expires, nonce, signature = value.split(".")
    later = f"{int(expires) + 1}.{nonce}.{signature}"
    for tampered in (later, f"{expires}.{nonce}x.{signature}", f"{expires}.{nonce}.{signature[:-1]}", "", "..", "9.x."):
        browser.cookies.clear()
        browser.cookies.set(api.doorkeeper.cookie, tampered)
        assert problem(await browser.get("/api/v1/about"), 401) == "not_authorized"


async def test_sessions_are_seen_with_the_session_only(owner: httpx.AsyncClient) -> None:
    assert problem(await owner.get("/api/v1/session"), 404) == "no_session"


# --- bounds, and errors ----------------------------------------------------------------------------------------------


async def test_a_long_body_is_refused_before_it_is_read(owner: httpx.AsyncClient) -> None:
    response = await owner.post("/api/v1/blocked", content=b"x" * 65_537)
    assert problem(response, 413) == "too_large"


async def test_a_long_body_that_does_not_say_so(owner: httpx.AsyncClient) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(66):
            yield b"x" * 1_000

    assert problem(await owner.post("/api/v1/blocked", content=pieces()), 413) == "too_large"


@pytest.mark.parametrize("length", ["-1", "x", "9" * 30])
async def test_a_length_that_is_none(owner: httpx.AsyncClient, length: str) -> None:
    response = await owner.post("/api/v1/blocked", headers={"Content-Length": length})
    assert problem(response, 413) == "too_large"


async def test_every_error_has_one_form(owner: httpx.AsyncClient, desk: FakeDesk) -> None:
    assert problem(await owner.get("/api/v1/nothing"), 404) == "not_found"
    assert problem(await owner.put("/api/v1/about"), 405) == "method_not_allowed"
    assert problem(await owner.post("/api/v1/blocked", content=b"{"), 422) == "invalid_request"
    assert problem(await owner.get("/api/v1/cfds/" + "0" * 32), 404) == "not_known"
    desk.down.add("wallet")
    response = await owner.get("/api/v1/wallet")
    assert problem(response, 503) == "unavailable"
    assert response.headers["retry-after"] == "5"


async def test_what_was_sent_is_not_repeated(owner: httpx.AsyncClient) -> None:
    response = await owner.post("/api/v1/wallet/backup", json={"words": {"3": "SECRET1"}})
    assert problem(response, 422) == "invalid_request"
    assert "SECRET" not in response.text


async def test_a_bug_is_said_and_shows_nothing(
    owner: httpx.AsyncClient, desk: FakeDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken() -> None:
        raise ZeroDivisionError("inner words")

    monkeypatch.setattr(desk.node, "about", broken)
    with capture_logs() as logs:
        response = await owner.get("/api/v1/about")
    assert [line["log_level"] for line in logs] == ["error"]
    assert problem(response, 500) == "internal_error"
    assert "inner words" not in response.text
