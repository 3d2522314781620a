"""What should go through the proxy does, under its name; nothing is resolved here, nothing goes around it."""

import asyncio
import contextlib
import ipaddress
import secrets
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from cfd_electrum import Backoff, ElectrumChain, Relay, Road
from cfd_network import Address, DialFailed, SshTransport
from cfd_node.proxy import Socks5
from cfd_oracle import Down, OracleClient, OracleServer
from cfd_regtest import EmbeddedControl
from cfd_wallet import BdkWallet

from cfd_core.crypto.keys import Keychain
from cfd_core.oracle import Dialect, OracleKeys, OracleSecrets
from cfd_core.oracle.known import KNOWN_ORACLES
from cfd_core.values import EventId, Network, Secret, Timestamp


class Proxy:
    """A SOCKS5 proxy (RFC 1928, user names by RFC 1929) that knows where each `.onion` name really is."""

    def __init__(self) -> None:
        self.homes: dict[str, int] = {}
        self.asked: list[str] = []
        self.users: set[tuple[bytes, bytes]] = set()

    async def __aenter__(self) -> "Proxy":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        where: Any = self._server.sockets[0].getsockname()
        self.address = Address("127.0.0.1", where[1])
        self._guests: set[asyncio.Task[None]] = set()
        return self

    async def __aexit__(self, *_why: object) -> None:
        self._server.close()
        for _ in range(20):
            await asyncio.sleep(0)
        for guest in tuple(self._guests):
            guest.cancel()
        await asyncio.gather(*self._guests, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        guest = asyncio.current_task()
        assert guest is not None
        self._guests.add(guest)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await self._talk(reader, writer)
        finally:
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
            self._guests.discard(guest)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        count = (await reader.readexactly(2))[1]
        methods = await reader.readexactly(count)
        if 2 in methods:
            writer.write(b"\x05\x02")
            size = (await reader.readexactly(2))[1]
            user = await reader.readexactly(size)
            size = (await reader.readexactly(1))[0]
            self.users.add((user, await reader.readexactly(size)))
            writer.write(b"\x01\x00")
        else:
            writer.write(b"\x05\x00")
        kind = (await reader.readexactly(4))[3]
        if kind == 3:
            size = (await reader.readexactly(1))[0]
            name = (await reader.readexactly(size)).decode()
        else:
            name = str(ipaddress.ip_address(await reader.readexactly(4 if kind == 1 else 16)))
        await reader.readexactly(2)
        self.asked.append(name)
        if name not in self.homes:
            writer.write(b"\x05\x04\x00\x01" + bytes(6))  # host unreachable
            await writer.drain()
            return
        there, beyond = await asyncio.open_connection("127.0.0.1", self.homes[name])
        writer.write(b"\x05\x00\x00\x01" + bytes(6))
        ways = [asyncio.ensure_future(_carry(reader, beyond)), asyncio.ensure_future(_carry(there, writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            beyond.transport.abort()
            with contextlib.suppress(OSError):
                await beyond.wait_closed()


async def _carry(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while piece := await source.read(65_536):
        target.write(piece)
        await target.drain()


@pytest.fixture
async def proxy(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Proxy]:
    """One that runs, while this process may resolve nothing but loopback."""
    real = socket.getaddrinfo

    def only_loopback(host: Any, *args: Any, **more: Any) -> Any:
        assert str(host) in ("127.0.0.1", "localhost"), f"{host} was resolved here"
        return real(host, *args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", only_loopback)
    async with Proxy() as running:
        yield running


async def test_the_chain_and_the_wallet_go_through_the_proxy(proxy: Proxy) -> None:
    async with EmbeddedControl() as control:
        proxy.homes["electrum.onion"] = control.electrum[1]
        road = Road(open_socket=Socks5(proxy.address).open_socket)
        heard = asyncio.Event()
        chain = ElectrumChain(
            "electrum.onion", 50_001, road=road, network=Network.REGTEST, on_tip=lambda *_: heard.set()
        )
        relay = Relay(lambda: chain.server, road)
        door = await relay.start()
        wallet = BdkWallet(
            Keychain.from_seed(Secret(b"p" * 32), Network.REGTEST).wallet_xprv(),
            Network.REGTEST,
            None,
            door,
            timeout=60,
        )
        try:
            await chain.start()
            await asyncio.wait_for(heard.wait(), 60)
            await wallet.start()
            await control.fund(await wallet.script(), 10_000)
            await control.mine()
            await wallet.sync()
            assert (await wallet.balance()).confirmed == 10_000
        finally:
            await wallet.stop()
            await relay.stop()
            await relay.stop()
            await chain.stop()
    assert set(proxy.asked) == {"electrum.onion"}
    assert {password for _, password in proxy.users} == {b"electrum.onion:50001"}


async def test_what_the_proxy_cannot_reach_is_told(proxy: Proxy) -> None:
    road = Road(open_socket=Socks5(proxy.address).open_socket)
    told: asyncio.Queue[str] = asyncio.Queue()
    chain = ElectrumChain(
        "gone.onion", 1, road=road, backoff=Backoff(first=0.01), on_health=lambda health: told.put_nowait(health.reason)
    )
    await chain.start()
    try:
        async with asyncio.timeout(60):
            while "does not lead to gone.onion:1" not in await told.get():
                pass
    finally:
        await chain.stop()


async def test_without_the_proxy_nothing_goes_out(proxy: Proxy) -> None:
    nowhere = Socks5(Address("127.0.0.1", 1))
    with pytest.raises(OSError, match=r"the proxy 127\.0\.0\.1:1 cannot be reached"):
        await nowhere.open_socket("electrum.onion", 1)
    client = OracleClient("http://oracle.onion", Dialect.DLC_V0, _keys(), proxy=nowhere.url)
    with pytest.raises(Down):
        await client.fetch_announcement(EventId("/x/BitMEX/BXBT/2021-10-04T22:00:00.price?n=20"))
    await client.close()
    assert proxy.asked == []


async def test_peers_meet_through_the_proxy(proxy: Proxy) -> None:
    maker = SshTransport(Secret(secrets.token_bytes(32)))
    taker = SshTransport(Secret(secrets.token_bytes(32)), open_socket=Socks5(proxy.address).open_socket)
    try:
        address = await maker.listen("127.0.0.1", 0)
        proxy.homes["maker.onion"] = address.port
        link = await taker.dial(Address("maker.onion", 9735), maker.local_id)
        assert link.peer == maker.local_id
        with pytest.raises(DialFailed, match="does not lead to"):
            await taker.dial(Address("gone.onion", 9735), maker.local_id)
    finally:
        await taker.close()
        await maker.close()
    assert proxy.asked == ["maker.onion", "gone.onion"]


def _keys() -> OracleKeys:
    return KNOWN_ORACLES["olivia"]


async def test_the_oracle_is_asked_through_the_proxy(proxy: Proxy) -> None:
    own = OracleSecrets(Secret(b"\x01" * 32), Secret(b"\x02" * 32))
    async with OracleServer(secrets=own, clock=lambda: Timestamp(1_633_000_000)) as server:
        proxy.homes["oracle.onion"] = int(server.url.rpartition(":")[2])
        url = Socks5(proxy.address).url
        async with OracleClient("http://oracle.onion", Dialect.OLIVIA_V1, server.keys, proxy=url) as client:
            found = await client.announcement(EventId("/x/BitMEX/BXBT/2021-10-04T22:00:00.price?n=20"))
    assert found.event_id.startswith("/x/BitMEX")
    assert proxy.asked == ["oracle.onion"]
