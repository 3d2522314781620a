"""A small world for real nodes in one process: a chain, an oracle with a recorded event, a clock that can be turned."""

import asyncio
import io
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import structlog
from attrs import define, evolve, field
from cfd_network import Address, SshTransport, Stream
from cfd_node.clock import ShiftableClock
from cfd_node.demo.plan import RECORDED, RecordedEvent
from cfd_node.jobs import JobRunner
from cfd_node.logs import configure_logs
from cfd_node.node import Node, NodeConfig
from cfd_oracle import OracleServer
from cfd_regtest import EmbeddedControl

from cfd_core.cfd import phases as p
from cfd_core.cfd.commands import ForceClose, PublishOffer, TakeOffer
from cfd_core.cfd.offer import DEFAULT_PRODUCT, Offer
from cfd_core.crypto.keys import Keychain
from cfd_core.engine import NODE_STREAM
from cfd_core.oracle import Dialect, OracleSecrets
from cfd_core.protocols.contract_setup.messages import Accept, Params
from cfd_core.serial.wire import decode_message, encode_message, encode_offers
from cfd_core.values import HOUR, CfdId, FeeRate, Network, OfferId, PeerId, Position, Sats, Secret, Timestamp

PATIENCE = 30.0
"""Seconds until a test gives up; what it waits for comes in milliseconds."""
MARGIN = Sats(2_000_000)
"""The larger of the two margins of the contract below: 1,000 contracts at 50,000, long 2x, short 1x."""


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait for something that nobody signals."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


@define(eq=False)
class World:
    """Makes nodes and lets them trade; all of it ends with the test."""

    folder: Path
    event: RecordedEvent
    control: EmbeddedControl
    clock: ShiftableClock
    oracle: OracleServer
    oracle_url: str
    nodes: list[Node] = field(factory=list)

    # --- nodes ---------------------------------------------------------------------------------------------------

    def config(self, name: str, **changes: Any) -> NodeConfig:
        fields: dict[str, Any] = {
            "name": name,
            "keychain": Keychain.from_seed(self.seed(name), Network.REGTEST),
            "network": Network.REGTEST,
            "folder": self.folder / name,
            "electrum": self.control.electrum,
            "oracle_url": self.oracle_url,
            "oracle_dialect": Dialect.OLIVIA_V1,
            "oracle_keys": self.event.keys,
            "attestation_delay": 0,
        }
        return NodeConfig(**{**fields, **changes})

    def seed(self, name: str) -> Secret:
        return Secret(name.encode().ljust(32, b"."))

    async def start(self, config: NodeConfig, jobs: JobRunner | None = None) -> Node:
        node = Node(config, self.clock, jobs=jobs)
        self.nodes.append(node)
        node.start()
        async with asyncio.timeout(PATIENCE):
            await node.settled()
        return node

    async def maker(self, sats: int = MARGIN + 100_000, **changes: Any) -> Node:
        """A node that listens, with that much in its wallet."""
        maker = await self.start(self.config("maker", listen=Address("127.0.0.1", 0), **changes))
        return await self.fund(maker, sats)

    async def taker(self, maker: Node, sats: int = MARGIN + 100_000, name: str = "taker", **changes: Any) -> Node:
        assert maker.address is not None
        makers = ((maker.address, maker.peer_id),)
        return await self.fund(await self.start(self.config(name, makers=makers, **changes)), sats)

    async def fund(self, node: Node, sats: int) -> Node:
        if sats:
            await self.control.fund(await node.wallet.script(), sats)
            await self.control.mine()
            await node.wallet.sync()
            assert (await node.wallet.balance()).confirmed == sats
        return node

    async def restart(self, node: Node) -> Node:
        """The same node again in a new life: nothing is left of the old one but its folder."""
        config = evolve(node.config, listen=node.address)
        await self.stop(node)
        return await self.start(config)

    async def stop(self, node: Node) -> None:
        self.nodes.remove(node)
        await node.stop()

    # --- trade ---------------------------------------------------------------------------------------------------

    async def publish(self, maker: Node, **changes: Any) -> Offer:
        await maker.learn_event(self.event.announcement.event_id)
        offer = self.offer(**changes)
        maker.command(PublishOffer(offer))
        return offer

    def offer(self, **changes: Any) -> Offer:
        announcement = self.event.announcement
        fields: dict[str, Any] = {
            "id": OfferId(secrets.token_hex(16)),
            "network": Network.REGTEST,
            "product": DEFAULT_PRODUCT,
            "bid": Decimal(50_000),
            "ask": Decimal(50_000),
            "min_quantity": 100,
            "max_quantity": 1_000,
            "lot": 100,
            "leverages": (2,),
            "maker_leverage": 1,
            "opening_fee": Sats(0),
            "funding_rate": Decimal(0),
            "fee_rate": FeeRate(2),
            "tolerance": Decimal("0.01"),
            "event": announcement.event_id,
            "digits": announcement.digits,
            "expiry": announcement.maturity,
            "published_at": self.clock.now(),
        }
        return Offer(**{**fields, **changes})

    async def take(
        self, taker: Node, maker: PeerId, offer: Offer, quantity: int = 1_000, position: Position = Position.LONG
    ) -> CfdId:
        """Wait for the offer and its announcement, then take it."""
        await self.until(
            taker, lambda: offer in taker.engine.market.get(maker, ()) and offer.event in taker.engine.voices
        )
        return self.take_now(taker, maker, offer, quantity, position)

    def take_now(
        self, taker: Node, maker: PeerId, offer: Offer, quantity: int = 1_000, position: Position = Position.LONG
    ) -> CfdId:
        taken = TakeOffer(maker, offer.id, position, quantity, 2, secrets.token_bytes(32))
        streams = {recorded.stream for recorded in taker.command(taken).events}
        (key,) = streams - {NODE_STREAM}
        return CfdId(key)

    async def until(self, node: Node, condition: Callable[[], bool]) -> None:
        """Wait for something that changes only with the node's engine."""
        async with asyncio.timeout(PATIENCE):
            await node.pump.until(lambda _engine: condition())

    async def phase(self, node: Node, key: CfdId, *wanted: type) -> Any:
        """Wait until the CFD is in one of these phases."""

        def reached() -> bool:
            cfd = node.engine.cfds.get(key)
            ended = cfd is not None and isinstance(cfd.phase, p.Rejected | p.SetupFailed)
            return cfd is not None and (isinstance(cfd.phase, wanted) or ended)

        await self.until(node, reached)
        phase = node.engine.cfds[key].phase
        assert isinstance(phase, wanted), phase
        return phase

    async def set_up(self, maker: Node, taker: Node) -> CfdId:
        """A CFD whose lock waits in the mempool."""
        key = await self.take(taker, maker.peer_id, await self.publish(maker))
        for node in (taker, maker):
            await self.phase(node, key, p.LockPending)
        await eventually(lambda: len(self.control.chain.mempool()) > 0)
        return key

    async def close(self, maker: Node, taker: Node, key: CfdId) -> p.Closed:
        """From wherever it is: the taker takes the CFD to the chain, and both see the end of it."""
        await self.mine_until(taker, key, p.Open)
        await self.phase(maker, key, p.Open)
        self.mature()
        for node in (maker, taker):
            await self.until(node, lambda node=node: bool(node.engine.cfds[key].attestations))  # type: ignore[misc]
        taker.command(ForceClose(key))
        return await self.close_on_chain(maker, taker, key)

    async def close_on_chain(self, maker: Node, taker: Node, key: CfdId) -> p.Closed:
        """Blocks until both see the end of a CFD that was taken to the chain."""
        await self.mine_until(taker, key, p.Closed)
        ends = [await self.phase(node, key, p.Closed) for node in (maker, taker)]
        assert ends[0] == ends[1]
        assert isinstance(ends[0], p.Closed)
        return ends[0]

    async def coins_released(self, *nodes: Node) -> None:
        """Wait until these wallets hold nothing back."""
        async with asyncio.timeout(PATIENCE):
            for node in nodes:
                while (await node.wallet.balance()).reserved:  # noqa: ASYNC110
                    await asyncio.sleep(0.005)

    async def mine_until(self, node: Node, key: CfdId, wanted: type) -> None:
        """Blocks, each only after the node has heard of the one before, until the phase is reached."""
        async with asyncio.timeout(PATIENCE):
            while not isinstance(node.engine.cfds[key].phase, wanted):
                await self.control.mine()
                height = await self.control.height()
                await self.until(node, lambda height=height: node.engine.tip >= height)  # type: ignore[misc]
                await asyncio.sleep(0.02)  # the outpoints' news come after the tip's

    def mature(self) -> None:
        self.clock.turn_to(Timestamp(self.event.announcement.maturity + 15))


@pytest.fixture(name="eventually")
def _eventually() -> Callable[[Callable[[], bool]], Awaitable[None]]:
    return eventually


@define(eq=False)
class SilentMaker:
    """A maker that takes every order and then says nothing more."""

    transport: SshTransport = field(factory=lambda: SshTransport(Secret(b"m" * 32)))
    offers: tuple[Offer, ...] = ()
    heard: list[Any] = field(factory=list)

    async def serve_offers(self, stream: Stream) -> None:
        await stream.send(encode_offers(self.offers))
        await stream.wait_closed()

    async def serve_setup(self, stream: Stream) -> None:
        order = decode_message(await stream.receive())
        await stream.send(encode_message(Accept(order.cfd_id)))
        while True:
            self.heard.append(decode_message(await stream.receive()))

    async def wait_for_params(self, world: World) -> tuple[Node, CfdId]:
        """A taker whose coins are reserved, and who waits for our answer."""
        offer = world.offer()
        self.offers = (offer,)
        self.transport.on_stream("cfd-offers@1", self.serve_offers)
        self.transport.on_stream("cfd-setup@1", self.serve_setup)
        address = await self.transport.listen("127.0.0.1", 0)
        taker = await world.start(world.config("taker", makers=((address, self.transport.local_id),)))
        await world.fund(taker, MARGIN)
        key = await world.take(taker, self.transport.local_id, offer)
        await eventually(lambda: any(isinstance(message, Params) for message in self.heard))
        return taker, key


@pytest.fixture
async def silent_maker() -> AsyncIterator[SilentMaker]:
    maker = SilentMaker()
    yield maker
    await maker.transport.close()


@pytest.fixture(autouse=True)
def logged() -> Iterator[io.StringIO]:
    """What the nodes log, as `cfd -v` would show it."""
    stream = io.StringIO()
    configure_logs(logging.INFO, stream)
    yield stream
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def recorded() -> RecordedEvent:
    return RecordedEvent.read(RECORDED)


@pytest.fixture
async def world(tmp_path: Path, recorded: RecordedEvent) -> AsyncIterator[World]:
    clock = ShiftableClock(Timestamp(recorded.announcement.maturity - 24 * HOUR))
    oracle = OracleServer(
        secrets=OracleSecrets(Secret(b"\x01" * 32), Secret(b"\x02" * 32)),
        clock=clock.now,
        recorded=[recorded.raw],
        recorded_keys=recorded.keys,
    )
    async with EmbeddedControl(start_time=recorded.announcement.maturity - 48 * HOUR) as control, oracle:
        oracle._port = int(oracle.url.rpartition(":")[2])  # it comes back there when it is started again
        world = World(tmp_path, recorded, control, clock, oracle, oracle.url)
        yield world
        async with asyncio.timeout(PATIENCE):
            for node in world.nodes:
                await node.stop()
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert not left, f"still running: {left}"
