"""An embedded chain with its Electrum server, clients of it, a key that can spend, and a server that lies."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
from cfd_electrum import Backoff, ElectrumChain, Health, OutpointReport, State
from cfd_regtest import ElectrumServer, EmbeddedChain
from coincurve import PrivateKey

from cfd_core.bitcoin.transaction import Transaction, TxIn, TxOut
from cfd_core.values import Network, OutPoint, Sats

DEADLINE = 30.0


class Listener:
    """Keeps what a client tells, for a test to wait for."""

    def __init__(self) -> None:
        self.reports: asyncio.Queue[OutpointReport] = asyncio.Queue()
        self.tips: asyncio.Queue[tuple[int, int]] = asyncio.Queue()
        self.healths: asyncio.Queue[Health] = asyncio.Queue()

    async def report(self) -> OutpointReport:
        return await asyncio.wait_for(self.reports.get(), DEADLINE)

    async def tip(self) -> tuple[int, int]:
        return await asyncio.wait_for(self.tips.get(), DEADLINE)

    async def state(self, state: State) -> Health:
        """Wait for this state, past others."""
        async with asyncio.timeout(DEADLINE):
            while (health := await self.healths.get()).state is not state:
                pass
        return health


class Key:
    """A P2WPKH key and the transactions it signs."""

    def __init__(self, name: str) -> None:
        self._key = PrivateKey(hashlib.sha256(name.encode()).digest())
        self._public = self._key.public_key.format()
        self.script = b"\x00\x14" + hashlib.new("ripemd160", hashlib.sha256(self._public).digest()).digest()

    def spend(self, outpoint: OutPoint, sats: int, fee: int, sequence: int = 0xFFFFFFFD) -> bytes:
        """Move one output of ours to ourselves."""
        tx = Transaction((TxIn(outpoint, sequence),), (TxOut(Sats(sats - fee), self.script),))
        code = b"\x76\xa9\x14" + self.script[2:] + b"\x88\xac"
        signature = self._key.sign(tx.sighash_v0(0, code, Sats(sats)), hasher=None) + b"\x01"
        return tx.with_witness(0, (signature, self._public)).serialize()


Connect = Callable[..., Awaitable[tuple[ElectrumChain, Listener]]]
Answers = dict[str, Callable[[list[Any]], Any]]


class LyingServer:
    """Speaks line by line; `answers` maps a method to what it returns: a result, or bytes to send as they are."""

    def __init__(self, answers: Answers) -> None:
        self.answers: Answers = {
            "server.version": lambda _: ["liar", "1.4"],
            "blockchain.headers.subscribe": lambda _: {"height": 7, "hex": "00" * 80},
            "blockchain.scripthash.subscribe": lambda _: "ab" * 32,
            **answers,
        }
        self.port = 0
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                message = json.loads(line)
                if "method" in message:
                    writer.write(self._answer(message))
                    await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    def _answer(self, message: dict[str, Any]) -> bytes:
        answer = self.answers[message["method"]](message.get("params", []))
        if isinstance(answer, bytes):
            return answer
        outcome = (
            {"error": {"code": 2, "message": str(answer)}} if isinstance(answer, Exception) else {"result": answer}
        )
        return json.dumps({"jsonrpc": "2.0", "id": message["id"], **outcome}).encode() + b"\n"


@pytest.fixture
def chain() -> Iterator[EmbeddedChain]:
    with EmbeddedChain() as chain:
        chain.mine(110)
        yield chain


@pytest.fixture
async def server(chain: EmbeddedChain) -> AsyncIterator[ElectrumServer]:
    async with ElectrumServer(chain) as server:
        yield server


@pytest.fixture
def key() -> Key:
    return Key("the electrum tests' key")


@pytest.fixture
def another_key() -> Key:
    return Key("the electrum tests' other key")


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """`await connect(port, **options)` gives a started client and its listener; all are stopped in the end."""
    clients: list[ElectrumChain] = []

    async def connect(port: int, **options: Any) -> tuple[ElectrumChain, Listener]:
        listener = Listener()
        wanted: dict[str, Any] = {
            "network": Network.REGTEST,
            "retry_seconds": 0.05,
            "backoff": Backoff(first=0.02, most=0.1, jitter=lambda: 0.5),
            "on_outpoint": listener.reports.put,
            "on_tip": lambda height, time: listener.tips.put_nowait((height, time)),
            "on_health": listener.healths.put_nowait,
        }
        client = ElectrumChain("127.0.0.1", port, **{**wanted, **options})
        clients.append(client)
        await client.start()
        return client, listener

    yield connect
    for client in clients:
        await client.stop()


@pytest.fixture
async def client(server: ElectrumServer, connect: Connect) -> tuple[ElectrumChain, Listener]:
    client, listener = await connect(server.port)
    await listener.state(State.RUNNING)
    return client, listener


@pytest.fixture
async def liar() -> AsyncIterator[Callable[[Answers], Awaitable[LyingServer]]]:
    servers: list[LyingServer] = []

    async def start(answers: Answers) -> LyingServer:
        server = LyingServer(answers)
        await server.start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        await server.stop()
