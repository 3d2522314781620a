"""Two nodes on either wire, and the promise that nothing of theirs is left running."""

import asyncio
from collections.abc import AsyncIterator, Callable, Container
from typing import Any

import pytest
from attrs import define, field
from cfd_network import Address, Connection, Limits, MemoryNetwork, MemoryTransport, SshTransport, Transport

from cfd_core.values import PeerId, Secret

LOCAL = "127.0.0.1"


async def echo(stream: Any) -> None:
    while True:
        await stream.send(await stream.receive())


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that nobody signals; fail rather than hang."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.002)


@define(eq=False)
class Net:
    """Makes transports of one kind that can reach each other, and closes them in the end."""

    kind: str
    memory: MemoryNetwork = field(factory=MemoryNetwork)
    made: list[Transport] = field(factory=list)

    def node(self, name: str, *, limits: Limits | None = None, blocked: Container[PeerId] = ()) -> Any:
        node: Transport
        if self.kind == "memory":
            node = MemoryTransport(self.memory, PeerId(f"SHA256:{name}"), limits=limits, blocked=blocked)
        else:
            node = SshTransport(Secret(name.encode().ljust(32, b".")), limits=limits, blocked=blocked)
        self.made.append(node)
        return node

    async def pair(self, **limits: Any) -> "Pair":
        """A maker that listens and a taker that dialled it; both serve `cfd-echo@1`."""
        bounds = Limits(**limits)
        maker, taker = self.node("maker", limits=bounds), self.node("taker", limits=bounds)
        pair = Pair(maker, taker)
        for node in (maker, taker):
            node.on_stream("cfd-echo@1", echo)
        return pair


@define(eq=False)
class Pair:
    maker: Any
    taker: Any
    at: Address | None = None
    to_maker: Any = None
    to_taker: Any = None
    ends: list[tuple[str, str]] = field(factory=list)

    async def up(self) -> "Pair":
        accepted: list[Connection] = []
        self.maker.on_connect(accepted.append)
        self.maker.on_disconnect(lambda _link, reason: self.ends.append(("maker", reason)))
        self.taker.on_disconnect(lambda _link, reason: self.ends.append(("taker", reason)))
        self.at = await self.maker.listen(LOCAL, 0)
        self.to_maker = await self.taker.dial(self.at, self.maker.local_id)
        self.to_taker = accepted[0]
        return self


@pytest.fixture(params=["memory", "ssh"])
async def net(request: pytest.FixtureRequest) -> AsyncIterator[Net]:
    async for made in _net(request.param):
        yield made


@pytest.fixture
async def ssh_net() -> AsyncIterator[Net]:
    async for made in _net("ssh"):
        yield made


async def _net(kind: str) -> AsyncIterator[Net]:
    before = asyncio.all_tasks()
    made = Net(kind)
    yield made
    async with asyncio.timeout(20):
        for node in made.made:
            await node.close()
    await until(lambda: not asyncio.all_tasks() - before - {asyncio.current_task()})


@pytest.fixture
def eventually() -> Any:
    return until


@pytest.fixture
def echo_handler() -> Any:
    return echo
