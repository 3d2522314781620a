"""An API over the fake desk, asked without sockets."""

from collections.abc import AsyncIterator

import httpx
import pytest
from cfd_web.access import Access
from cfd_web.answers import MemoryAnswers
from cfd_web.app import Api, ApiSettings
from cfd_web.client import AsyncClient
from cfd_web.testing import FakeDesk

from cfd_core.values import Secret

TOKEN = "t" * 43
BASE = "http://127.0.0.1:8000"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def token() -> str:
    return TOKEN


@pytest.fixture
def bearer() -> dict[str, str]:
    return dict(BEARER)


@pytest.fixture
def desk() -> FakeDesk:
    return FakeDesk()


@pytest.fixture
async def api(desk: FakeDesk) -> AsyncIterator[Api]:
    api = Api(desk, MemoryAnswers(), ApiSettings(token=Secret(TOKEN.encode())))
    api.open()
    yield api
    desk.gate.set()
    await api.close()


@pytest.fixture
async def stranger(api: Api) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody without a token."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=api.app), base_url=BASE) as http:
        yield http


@pytest.fixture
async def owner(api: Api) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody with the token, in plain HTTP."""
    transport = httpx.ASGITransport(app=api.app)
    async with httpx.AsyncClient(transport=transport, base_url=BASE, headers=BEARER) as http:
        yield http


@pytest.fixture
async def client(api: Api) -> AsyncIterator[AsyncClient]:
    """The typed client."""
    access = Access(BASE, Secret(TOKEN.encode()))
    async with AsyncClient(access, transport=httpx.ASGITransport(app=api.app)) as client:
        yield client
