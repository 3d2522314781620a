"""Whoever leaves the pages away changes nothing else: a program cannot tell whether there are any."""

import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from cfd_web.answers import MemoryAnswers
from cfd_web.app import OPENAPI, Api, ApiSettings
from cfd_web.pages import mount_pages
from cfd_web.testing import FakeDesk, samples
from nicegui.testing.general import nicegui_reset_globals

from cfd_core.values import Secret

TOKEN = "t" * 43


@asynccontextmanager
async def node(*, pages: bool) -> AsyncIterator[tuple[FakeDesk, httpx.AsyncClient]]:
    desk = FakeDesk()
    api = Api(desk, MemoryAnswers(), ApiSettings(token=Secret(TOKEN.encode())))
    with nicegui_reset_globals():
        if pages:
            mount_pages(api, Secret(TOKEN.encode()))
        api.open()
        transport = httpx.ASGITransport(app=api.app)
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with (
            api.lifespan(),
            httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=headers) as http,
        ):
            yield desk, http
        await api.close()


async def everything(desk: FakeDesk, http: httpx.AsyncClient) -> dict[str, object]:
    """What each path answers after the same history."""
    row = desk.trading.make_open(desk.trading.begin(samples.order()).id)
    desk.trading.ask()
    document = (await http.get(OPENAPI)).json()
    found: dict[str, object] = {"document": document}
    for path, methods in document["paths"].items():
        if path.endswith(("/events", "/metrics")):  # one never ends, the other counts what was asked
            continue
        asked = path.replace("{cfd}", row.id).replace("{action}", "settle")
        for method in methods:
            answer = await http.request(method.upper(), asked)
            found[f"{method} {path}"] = (answer.status_code, answer.content, sorted(answer.headers))
    for path in ("/api/", "/api/v2/about", "/api/v1/nothing"):
        answer = await http.get(path)
        found[path] = (answer.status_code, answer.content)
    return found


async def test_the_api_is_the_same_without_pages() -> None:
    async with node(pages=True) as (desk, http):
        with_pages = await everything(desk, http)
        assert (await http.get("/")).status_code == 200
    async with node(pages=False) as (desk, http):
        without = await everything(desk, http)
        assert (await http.get("/")).status_code == 404
    assert len(with_pages) > 35
    assert with_pages == without


@pytest.mark.parametrize("module", ["cfd_web.app", "cfd_web.server", "cfd_web.client", "cfd_node.cli"])
def test_what_draws_pages_is_not_even_loaded(module: str) -> None:
    told = f"import {module}, sys; print(sorted({{'nicegui', 'babel', 'cfd_web.pages'}} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True, timeout=300)
    assert done.stdout.strip() == "[]"
