"""Fixtures of the regtest room: chains, a coin anyone can spend, Electrum clients, both control back ends."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiorpcx import NewlineFramer, Notification, RPCSession, connect_rs
from attrs import frozen
from cfd_regtest import ChainControl, ElectrumServer, EmbeddedChain
from cfd_regtest.transactions import Tx, TxInput, TxOutput, make_tx

from cfd_core.values import OutPoint, Sats, Txid

PATIENCE = 20.0
"""Seconds until a test gives up waiting for news; success comes in milliseconds."""


@frozen
class Anyone:
    """A script that anybody may spend without a key (P2WSH of OP_TRUE), so that tests choose every other field."""

    witness: tuple[bytes, ...] = (b"\x51",)

    @property
    def script(self) -> bytes:
        return b"\x00\x20" + hashlib.sha256(self.witness[-1]).digest()

    def spend(
        self,
        coins: Sequence[OutPoint],
        outputs: Sequence[tuple[int, bytes]],
        *,
        sequence: int = 0xFFFFFFFD,
        version: int = 2,
        locktime: int = 0,
        witness: tuple[bytes, ...] | None = None,
    ) -> Tx:
        """A transaction that spends `coins`; outputs are (sats, script)."""
        stack = self.witness if witness is None else witness
        inputs = [TxInput(coin, b"", sequence, stack) for coin in coins]
        return make_tx(inputs, [TxOutput(Sats(s), script) for s, script in outputs], version=version, locktime=locktime)

    def coin(self, chain: EmbeddedChain, sats: int = 100_000, *, confirmed: bool = True) -> OutPoint:
        """A new coin of `sats`, in a block of its own unless told otherwise."""
        txid = chain.fund(self.script, sats)
        if confirmed:
            chain.mine()
        return OutPoint(txid, 0)


class NewsSession(RPCSession):  # type: ignore[misc]
    """An Electrum client that keeps the notifications it gets."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.news: asyncio.Queue[tuple[str, list[Any]]] = asyncio.Queue()

    def default_framer(self) -> NewlineFramer:
        return NewlineFramer(max_size=50_000_000)

    async def handle_request(self, request: Any) -> None:
        assert isinstance(request, Notification)
        self.news.put_nowait((request.method, request.args))

    async def next_news(self) -> tuple[str, list[Any]]:
        return await asyncio.wait_for(self.news.get(), PATIENCE)

    async def ask(self, method: str, *arguments: Any) -> Any:
        return await self.send_request(method, arguments)


@asynccontextmanager
async def _client(host: str, port: int, versions: list[str]) -> AsyncIterator[NewsSession]:
    async with connect_rs(host, port, session_factory=NewsSession) as session:
        await session.send_request("server.version", ["tests", versions])
        yield session


@pytest.fixture
def anyone() -> Anyone:
    return Anyone()


@pytest.fixture
def chain() -> Iterator[EmbeddedChain]:
    """110 blocks, so the first ten coinbases are mature."""
    with EmbeddedChain() as chain:
        chain.mine(110)
        yield chain


@pytest.fixture
async def server(chain: EmbeddedChain) -> AsyncIterator[ElectrumServer]:
    async with ElectrumServer(chain) as server:
        yield server


@pytest.fixture
async def client(server: ElectrumServer) -> AsyncIterator[NewsSession]:
    """Speaks protocol 1.6."""
    async with _client(server.host, server.port, ["1.4", "1.6"]) as session:
        yield session


@pytest.fixture
async def old_client(server: ElectrumServer) -> AsyncIterator[NewsSession]:
    """Speaks protocol 1.4."""
    async with _client(server.host, server.port, ["1.4", "1.4"]) as session:
        yield session


@pytest.fixture
async def control_client(control: ChainControl) -> AsyncIterator[NewsSession]:
    async with _client(*control.electrum, ["1.4", "1.6"]) as session:
        yield session


@pytest.fixture
def unknown_txid() -> Txid:
    return Txid("ab" * 32)
