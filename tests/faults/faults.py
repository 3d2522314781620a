"""What is done to the taker's surroundings, and how that ends. Each names the service that must notice."""

import asyncio
import contextlib
import socket
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Any

from attrs import frozen
from cfd_node.node import Node
from cfd_node.services.database import DATABASE_FILE
from cfd_store import Batch, StoreUnavailable

from tests.faults.stage import Stage
from tests.faults.wires import Wire


@frozen
class Fault:
    """One thing that goes wrong."""

    name: str
    notices: Callable[[Stage], tuple[Node, str]]
    """Whose which service must say so."""
    begin: Callable[[Stage], AbstractAsyncContextManager[None]]
    """It lasts as long as the context."""


def _takers(service: str) -> Callable[[Stage], tuple[Node, str]]:
    return lambda stage: (stage.taker.node, service)


def _link(stage: Stage) -> tuple[Node, str]:
    return stage.taker.node, stage.taker.node.links[0].name


def _cut(which: Callable[[Stage], Wire]) -> Callable[[Stage], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def cut(stage: Stage) -> AsyncIterator[None]:
        await which(stage).cut()
        yield
        await which(stage).mend()

    return cut


def _frozen(which: Callable[[Stage], Wire]) -> Callable[[Stage], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def held(stage: Stage) -> AsyncIterator[None]:
        which(stage).freeze()
        yield
        await which(stage).mend()

    return held


@asynccontextmanager
async def _no_names(stage: Stage) -> AsyncIterator[None]:
    """Names lead nowhere, and all connections are new ones."""
    wires = (stage.electrum, stage.oracle_wire, stage.peer)
    with _without_names():
        for wire in wires:
            await wire.cut()
            await wire.mend()
        yield


@contextmanager
def _without_names() -> Iterator[None]:
    real = socket.getaddrinfo

    def asked(host: Any, *more: Any, **named: Any) -> Any:
        if host in ("localhost", b"localhost"):
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return real(host, *more, **named)

    socket.getaddrinfo = asked
    try:
        yield
    finally:
        socket.getaddrinfo = real


@asynccontextmanager
async def _feed_down(stage: Stage) -> AsyncIterator[None]:
    stage.feed.broken = True
    yield
    stage.feed.broken = False


@asynccontextmanager
async def _all_at_once(stage: Stage) -> AsyncIterator[None]:
    wires = (stage.electrum, stage.oracle_wire, stage.peer)
    stage.feed.broken = True
    for wire in wires:
        await wire.cut()
    yield
    for wire in wires:
        await wire.mend()
    stage.feed.broken = False


@asynccontextmanager
async def _disk_full(stage: Stage) -> AsyncIterator[None]:
    """Every write fails in the way in which SQLite says it: only where it fails is made up."""
    store: Any = stage.taker.node.store

    def refuse(_batches: Sequence[Batch]) -> None:
        raise StoreUnavailable("the store cannot be used: database or disk is full")

    store.append_all = refuse
    yield
    del store.append_all


@asynccontextmanager
async def _locked(stage: Stage) -> AsyncIterator[None]:
    """Another program holds SQLite's lock for writing."""
    other = sqlite3.connect(stage.taker.node.config.folder / DATABASE_FILE, isolation_level=None)
    other.execute("PRAGMA busy_timeout = 10000")
    other.execute("BEGIN IMMEDIATE")
    yield
    other.execute("ROLLBACK")
    other.close()


@asynccontextmanager
async def _corrupt(stage: Stage) -> AsyncIterator[None]:
    """The file is damaged, which shows when the database is opened the next time; later somebody brings it back."""
    node = stage.taker.node
    file = node.config.folder / DATABASE_FILE
    await node.supervisor.stop("database")
    whole = file.read_bytes()
    damaged = b"garbage" + whole[7:]
    file.write_bytes(damaged)
    node.supervisor.start("database")
    yield
    assert file.read_bytes() == damaged, "a broken database must stay as it is"
    file.write_bytes(whole)


def _clock(seconds: int) -> Callable[[Stage], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def wrong(stage: Stage) -> AsyncIterator[None]:
        stage.takers_clock.shift(seconds)
        yield
        stage.takers_clock.shift(-seconds)

    return wrong


@asynccontextmanager
async def _port_taken(stage: Stage) -> AsyncIterator[None]:
    """The maker's port is somebody else's when it wants to listen again."""
    node = stage.maker.node
    address = node.address
    assert address is not None
    await node.supervisor.stop("network")
    with socket.socket() as other, contextlib.ExitStack() as held:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind((address.host, address.port))
        other.listen()
        held.callback(other.close)
        node.supervisor.start("network")
        yield
    await asyncio.sleep(0)


FAULTS = {
    fault.name: fault
    for fault in (
        Fault("Electrum killed", _takers("chain"), _cut(lambda stage: stage.electrum)),
        Fault("Electrum frozen", _takers("chain"), _frozen(lambda stage: stage.electrum)),
        Fault("oracle killed", _takers("oracle"), _cut(lambda stage: stage.oracle_wire)),
        Fault("oracle frozen", _takers("oracle"), _frozen(lambda stage: stage.oracle_wire)),
        Fault("peer killed", _link, _cut(lambda stage: stage.peer)),
        Fault("peer frozen", _link, _frozen(lambda stage: stage.peer)),
        Fault("price feed killed", _takers("price feed"), _feed_down),
        Fault("disk full", _takers("database"), _disk_full),
        Fault("database locked", _takers("database"), _locked),
        Fault("database corrupt", _takers("database"), _corrupt),
        Fault("clock an hour ahead", _takers("clock"), _clock(3_600)),
        Fault("clock an hour behind", _takers("clock"), _clock(-3_600)),
        Fault("port taken", lambda stage: (stage.maker.node, "network"), _port_taken),
        Fault("all but the disk killed at once", _takers("chain"), _all_at_once),
        Fault("DNS gone", _takers("chain"), _no_names),
    )
}
