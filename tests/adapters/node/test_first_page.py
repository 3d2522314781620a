"""The first page answers until the node's own server does, and nobody who asks in between is lost."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest
from cfd_node.first_page import FirstPage, first_page
from cfd_web.answers import MemoryAnswers
from cfd_web.app import Api, ApiSettings
from cfd_web.server import ApiServer, Listening
from cfd_web.testing import FakeDesk

from cfd_core.values import Secret


@pytest.fixture
def page() -> Iterator[FirstPage]:
    with first_page("127.0.0.1", 0) as found:
        assert found is not None
        yield found


def url(page: FirstPage) -> str:
    host, port = page.address
    return f"http://{host}:{port}"


@pytest.mark.parametrize("path", ["/", "/positions", "/api/v1/health"])
def test_whatever_is_asked_it_says_that_the_node_is_starting(page: FirstPage, path: str) -> None:
    for answer in (httpx.get(url(page) + path), httpx.post(url(page) + path, content=b"x" * 100)):
        assert answer.status_code == 503
        assert answer.headers["Retry-After"] == "1"
        assert "This node is starting" in answer.text
        assert 'http-equiv="refresh"' in answer.text
    assert httpx.head(url(page) + path).content == b""


def test_who_connects_and_says_nothing_keeps_nobody_waiting(page: FirstPage) -> None:
    with closing(socket.create_connection(page.address)), closing(socket.create_connection(page.address)) as other:
        other.sendall(b"GET / HT")
        assert httpx.get(url(page)).status_code == 503


def test_an_address_that_is_taken_gets_no_first_page() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken, first_page(*taken.getsockname()) as page:
        assert page is None


def test_without_an_heir_the_socket_is_closed() -> None:
    with first_page("127.0.0.1", 0) as page:
        assert page is not None
        address = page.address
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)


async def test_the_server_takes_the_socket_over_with_who_waits_in_it(page: FirstPage) -> None:
    api = Api(FakeDesk(), MemoryAnswers(), ApiSettings(token=Secret(b"t" * 32)))
    host, port = page.address
    listener = page.hand_over()
    assert listener is not None
    assert page.hand_over() is None
    early = [listener]
    server = ApiServer(api, host, port, early=lambda: early.pop() if early else None)
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(b"GET /api/v1/health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
    try:
        assert await server.start() == Listening(url(page), "")
        assert b"401" in await reader.readline(), "asked before the server was there, answered by it"
        await server.stop()
        assert await server.start() == Listening(url(page), ""), "and it can be started again without the first page"
    finally:
        await server.stop()
        writer.close()
        await writer.wait_closed()
