"""TLS with pinned certificates, several servers, and servers that see another chain."""

import asyncio
import contextlib
import datetime as dt
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cfd_electrum import (
    Backoff,
    ElectrumChain,
    ElectrumError,
    PinChanged,
    Pins,
    PinsUnreadable,
    Relay,
    Road,
    ServerAddress,
    State,
    Witnesses,
)
from cfd_electrum.pins import fingerprint
from cfd_regtest import ElectrumServer, EmbeddedChain
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from cfd_core.errors import DecodeError
from cfd_core.values import Network

QUICK = Backoff(first=0.02, most=0.1)


def _certificate(folder: Path, name: str) -> tuple[ssl.SSLContext, str]:
    """A server's own certificate, as most Electrum servers have one, and its fingerprint."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    start = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + dt.timedelta(days=30))  # long over: nobody renews them, the pin is the proof
        .sign(key, hashes.SHA256())
    )
    file = folder / f"{name}.pem"
    plain = serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context, fingerprint(made.public_bytes(serialization.Encoding.DER))


class Front:
    """A TLS door before a plain server, which may come back on its port with another certificate."""

    def __init__(self, behind: int) -> None:
        self.behind, self.port, self.greeted = behind, 0, 0
        self._server: asyncio.Server | None = None
        self._guests: set[asyncio.Task[None]] = set()

    async def open(self, context: ssl.SSLContext) -> ServerAddress:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=context)
        where: Any = self._server.sockets[0].getsockname()
        self.port = where[1]
        return ServerAddress("127.0.0.1", self.port, tls=True)

    async def close(self) -> None:
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        for _ in range(20):
            await asyncio.sleep(0)
        for guest in tuple(self._guests):
            guest.cancel()
        await asyncio.gather(*self._guests, return_exceptions=True)
        await server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        guest = asyncio.current_task()
        assert guest is not None
        self._guests.add(guest)
        there, beyond = await asyncio.open_connection("127.0.0.1", self.behind)
        ways = [asyncio.ensure_future(self._carry(reader, beyond)), asyncio.ensure_future(_carry(there, writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            for end in (writer, beyond):
                end.transport.abort()
                with contextlib.suppress(OSError):
                    await end.wait_closed()
            self._guests.discard(guest)

    async def _carry(self, reader: asyncio.StreamReader, beyond: asyncio.StreamWriter) -> None:
        while piece := await reader.read(65_536):
            self.greeted += len(piece)
            beyond.write(piece)
            await beyond.drain()


async def _carry(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while piece := await source.read(65_536):
        target.write(piece)
        await target.drain()


@pytest.fixture
async def front(server: ElectrumServer) -> AsyncIterator[Front]:
    made = Front(server.port)
    yield made
    await made.close()


Started = Callable[..., Awaitable[tuple[ElectrumChain, "asyncio.Queue[tuple[State, str]]"]]]


@pytest.fixture
async def start() -> AsyncIterator[Started]:
    """`await start(server, *others, road=...)`: a chain that connects, and what it tells of its health."""
    chains: list[ElectrumChain] = []

    async def start(
        server: ServerAddress, *others: ServerAddress, road: Road | None = None
    ) -> tuple[ElectrumChain, "asyncio.Queue[tuple[State, str]]"]:
        told: asyncio.Queue[tuple[State, str]] = asyncio.Queue()
        chain = ElectrumChain(
            server.host,
            server.port,
            tls=server.tls,
            others=others,
            road=road,
            network=Network.REGTEST,
            backoff=QUICK,
            on_health=lambda health: told.put_nowait((health.state, health.reason)),
        )
        chains.append(chain)
        await chain.start()
        return chain, told

    yield start
    for chain in chains:
        await chain.stop()


async def _until(told: "asyncio.Queue[tuple[State, str]]", state: State, reason: str = "") -> None:
    async with asyncio.timeout(60):
        while True:
            seen = await told.get()
            if seen[0] is state and reason in seen[1]:
                return


# --- certificates --------------------------------------------------------------------------------------------------


async def test_the_first_certificate_is_remembered_and_another_one_refused_until_it_is_accepted(
    front: Front, start: Started, tmp_path: Path
) -> None:
    first, first_pin = _certificate(tmp_path, "first")
    second, second_pin = _certificate(tmp_path, "second")
    file = tmp_path / "pins.json"
    address = await front.open(first)
    chain, told = await start(address, road=Road(Pins(file)))
    await _until(told, State.RUNNING)
    assert Pins(file).known == {str(address): first_pin}
    assert file.stat().st_mode & 0o777 == 0o600
    await chain.stop()
    await front.close()
    await front.open(second)
    front.greeted = 0
    pins = Pins(file)
    _, told = await start(address, road=Road(pins))
    await _until(told, State.DISCONNECTED, "shows another certificate than at the first meeting")
    assert front.greeted == 0, "not one byte went to who showed another certificate"
    assert pins.refused == {str(address): second_pin}
    assert Pins(file).known == {str(address): first_pin}
    pins.accept(address, second_pin)
    await _until(told, State.RUNNING)
    assert Pins(file).known == {str(address): second_pin}
    assert pins.refused == {}


async def test_the_relay_holds_to_the_pin_too(front: Front, tmp_path: Path) -> None:
    context, pin = _certificate(tmp_path, "one")
    address = await front.open(context)
    pins = Pins()
    pins.accept(address, "00" * 32)
    relay = Relay(lambda: address, Road(pins))
    host, port = await relay.start()
    try:
        reader, writer = await asyncio.open_connection(host, port)
        assert await reader.read() == b""
        writer.transport.abort()
        assert "another certificate" in relay.trouble
        assert front.greeted == 0
        pins.accept(address, pin)
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(b'{"id": 0, "method": "server.ping", "params": []}\n')
        assert b'"id":0' in (await asyncio.wait_for(reader.readline(), 60)).replace(b" ", b"")
        writer.transport.abort()
        assert relay.trouble == ""
    finally:
        await relay.stop()


async def test_a_server_that_speaks_no_tls_is_told(server: ElectrumServer, start: Started) -> None:
    chain, told = await start(ServerAddress(server.host, server.port, tls=True))
    await _until(told, State.DISCONNECTED)
    assert chain.health.reason != ""


@pytest.mark.parametrize("damage", [b"", b"[]", b'{"ssl://a:1": 3}', b'{"ssl://a:1": "00"}', b"\xff", b"[" * 100_000])
def test_damaged_pins_are_refused_and_left_alone(tmp_path: Path, damage: bytes) -> None:
    file = tmp_path / "pins.json"
    file.write_bytes(damage)
    with pytest.raises(PinsUnreadable):
        Pins(file)
    assert file.read_bytes() == damage


def test_pins_are_per_server_and_can_be_forgotten() -> None:
    pins, one, other = Pins(), ServerAddress("a", 1, tls=True), ServerAddress("a", 2, tls=True)
    pins.check(one, "11" * 32)
    pins.check(other, "22" * 32)
    pins.check(one, "11" * 32)
    with pytest.raises(PinChanged, match=r"cfd server accept ssl://a:1"):
        pins.check(one, "22" * 32)
    pins.forget(one)
    pins.forget(one)
    pins.check(one, "22" * 32)
    with pytest.raises(ElectrumError, match="not a fingerprint"):
        pins.accept(one, "abc")


# --- several servers -----------------------------------------------------------------------------------------------


async def test_another_server_takes_over_and_is_kept(chain: EmbeddedChain, start: Started) -> None:
    async with ElectrumServer(chain) as one, ElectrumServer(chain) as two:
        addresses = [ServerAddress(each.host, each.port) for each in (one, two)]
        client, told = await start(*addresses)
        await _until(told, State.RUNNING)
        assert client.server == addresses[0]
        await one.stop()
        await _until(told, State.DISCONNECTED)
        await _until(told, State.RUNNING)
        assert client.server == addresses[1]
        height, _ = await client.tip()
        assert height == chain.height


async def test_a_server_of_another_network_is_passed_over(chain: EmbeddedChain, start: Started, liar: Any) -> None:
    false = await liar({"blockchain.block.header": lambda _: "11" * 80})
    async with ElectrumServer(chain) as honest:
        client, told = await start(ServerAddress("127.0.0.1", false.port), ServerAddress(honest.host, honest.port))
        await _until(told, State.DISCONNECTED, "does not serve regtest")
        await _until(told, State.RUNNING)
        assert client.server.port == honest.port


@pytest.fixture
def elsewhere() -> Iterator[EmbeddedChain]:
    """Another regtest chain, of the same genesis."""
    with EmbeddedChain(interval=601) as other:
        yield other


async def _looked(client: ElectrumChain, other: ServerAddress) -> Witnesses:
    def doubt() -> None:
        client.doubt = "; ".join(witnesses.problems.values())

    witnesses = Witnesses((other,), Road(), Network.REGTEST, client.tip, client.header, timeout=60, on_change=doubt)
    await witnesses.look()
    return witnesses


async def test_servers_that_see_other_chains_raise_doubt_until_they_agree(
    chain: EmbeddedChain, elsewhere: EmbeddedChain, start: Started
) -> None:
    chain.mine(10)
    async with ElectrumServer(chain) as ours, ElectrumServer(elsewhere) as theirs:
        client, told = await start(ServerAddress(ours.host, ours.port))
        await _until(told, State.RUNNING)
        other = ServerAddress(theirs.host, theirs.port)
        witnesses = await _looked(client, other)
        assert "is at block 0, our server at" in witnesses.problems.get(other, str(witnesses.silent))
        assert client.health.state is State.RUNNING
        assert "is at block 0" in client.health.reason
        elsewhere.mine(chain.height)  # as high, but other blocks
        while "is at block" in "".join(witnesses.problems.values()):  # the news may take its time
            await witnesses.look()
        assert "one of them shows a false chain" in witnesses.problems[other]
        assert "a false chain" in client.health.reason
    async with ElectrumServer(chain) as ours, ElectrumServer(chain) as theirs:
        client, told = await start(ServerAddress(ours.host, ours.port))
        await _until(told, State.RUNNING)
        witnesses = await _looked(client, ServerAddress(theirs.host, theirs.port))
        assert (witnesses.problems, witnesses.silent, client.health.reason) == ({}, {}, "")


async def test_a_witness_of_another_network_is_a_problem_and_a_silent_one_is_none(
    chain: EmbeddedChain, start: Started, liar: Any
) -> None:
    false = await liar({"blockchain.block.header": lambda _: "11" * 80})
    async with ElectrumServer(chain) as ours:
        client, told = await start(ServerAddress(ours.host, ours.port))
        await _until(told, State.RUNNING)
        other, gone = ServerAddress("127.0.0.1", false.port), ServerAddress("127.0.0.1", 1)
        witnesses = Witnesses((other, gone), Road(), Network.REGTEST, client.tip, client.header, timeout=60)
        await witnesses.look()
        assert "does not serve regtest" in witnesses.problems[other]
        assert set(witnesses.silent) == {gone}


# --- addresses -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["ssl://a.example:50002", "tcp://127.0.0.1:1", "ssl://[::1]:65535", "tcp://x.onion:1"])
def test_addresses_are_read_and_written(text: str) -> None:
    assert str(ServerAddress.parse(text)) == text


@given(st.text(max_size=40) | st.from_regex(r"(tcp|ssl|http)://[^:]*:[0-9]*", fullmatch=True))
def test_no_other_text_is_an_address(text: str) -> None:
    try:
        read = ServerAddress.parse(text)
    except DecodeError:
        return
    assert ServerAddress.parse(str(read)) == read
    assert 0 < read.port < 65_536
