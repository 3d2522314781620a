"""A maker and a taker on a chain; all that the taker depends on lies behind wires."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any

from cfd_network import Address
from cfd_node.clock import ShiftableClock
from cfd_node.daemon import Maker, MakerLimits, Quote, Taker
from cfd_node.node import Node, NodeConfig
from cfd_node.services.clock import ClockLimits
from cfd_node.services.feed import FeedService
from cfd_node.supervision import Level
from cfd_oracle import OracleServer
from cfd_pricefeed import FeedFailed, WalkingFeed
from cfd_regtest import ChainControl, EmbeddedControl

from cfd_core.cfd import phases as p
from cfd_core.cfd.aggregate import Cfd
from cfd_core.cfd.offer import Offer
from cfd_core.crypto.keys import Keychain
from cfd_core.engine import Policy
from cfd_core.oracle import Dialect, OracleSecrets
from cfd_core.values import HOUR, CfdId, FeeRate, Network, Position, Sats, Secret, Timestamp
from tests.faults.wires import Wire
from tests.realnode.outside import Chain

PATIENCE = 90.0
"""Seconds for any single step."""
START = Timestamp(1_700_000_000)
"""Or as long past the hour after the newest block of the chain."""
COINS, COIN = 3, Sats(2_200_000)
MARGIN = Sats(2_000_000)
"""Of the maker; the taker's is half of it."""
Condition = Callable[[], Any]


def embedded() -> EmbeddedControl:
    """A chain of its own that comes to its first blocks just before `START`."""
    return EmbeddedControl(start_time=START - 125, interval=1)


class FaultyClock(ShiftableClock):
    """A clock that somebody sets wrong, and right again."""

    def shift(self, seconds: int) -> None:
        self._offset += seconds
        self._turned.set()
        self._turned = asyncio.Event()


class FaultyFeed(WalkingFeed):
    """Prices until `broken`."""

    broken = False

    async def run(self, heard: Any) -> None:
        def checked(quote: Any) -> None:
            if self.broken:
                raise FeedFailed("the made-up market is closed")
            heard(quote)

        await super().run(checked)


class Stage:
    """`async with Stage(folder, chain) as stage`."""

    def __init__(self, folder: Path, chain: Chain) -> None:
        self.folder = folder
        self.clock, self.takers_clock = FaultyClock(START), FaultyClock(START)
        self.control: ChainControl
        self._chain, self._begun = chain, START
        secrets = OracleSecrets(Secret(b"\x01" * 32), Secret(b"\x02" * 32))
        self.oracle = OracleServer(secrets=secrets, clock=self.clock.now)
        self.feed = FaultyFeed(self.takers_clock.now, asyncio.sleep, seed=b"faults", every=0.5)
        self.electrum: Wire
        self.oracle_wire: Wire
        self.peer: Wire
        self.maker: Maker
        self.taker: Taker
        self.offer: Offer
        self._held = AsyncExitStack()

    async def __aenter__(self) -> "Stage":
        async with AsyncExitStack() as stack:
            self.control = await stack.enter_async_context(self._chain())
            await self._begin_time()
            await stack.enter_async_context(self.oracle)
            host, _, port = self.oracle.url.removeprefix("http://").rpartition(":")
            self.electrum = await stack.enter_async_context(Wire(self.control.electrum, "localhost"))
            self.oracle_wire = await stack.enter_async_context(Wire((host, int(port)), "localhost"))
            await self._begin(stack)
            self._held = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._held.aclose()

    async def _begin_time(self) -> None:
        newest = await self.control.time()
        if newest > START:
            self._begun = Timestamp((newest // HOUR + 1) * HOUR + START % HOUR)
        await self.turn_clocks(self._begun)
        await self.control.turn_to(Timestamp(self._begun - 60))  # a block has been on its way for a while
        await self.control.mine()

    async def _begin(self, stack: AsyncExitStack) -> None:
        limits = MakerLimits(accept_up_to=Sats(10**9))
        told = self._config("maker", self.control.electrum, self.oracle.url, listen=Address("127.0.0.1", 0))
        self.maker = Maker(Node(told, self.clock), limits)
        await stack.enter_async_context(self.maker.node)
        address = self.maker.node.address
        assert address is not None
        self.peer = await stack.enter_async_context(Wire((address.host, address.port), "localhost"))
        told = self._config(
            "taker",
            ("localhost", self.electrum.port),
            f"http://localhost:{self.oracle_wire.port}",
            makers=((Address("localhost", self.peer.port), self.maker.node.peer_id),),
            clock_limits=ClockLimits(),
        )
        node = Node(told, self.takers_clock)
        node.supervisor.add(FeedService(self.feed, self.takers_clock.now))
        self.taker = Taker(node)
        await stack.enter_async_context(node)
        for each in (self.maker.node, node):
            await self._fund(each)
        await self.quote()
        await self.until("all is well", lambda: self.well)

    def _config(self, name: str, electrum: tuple[str, int], oracle: str, **more: Any) -> NodeConfig:
        return NodeConfig(
            name=name,
            keychain=Keychain.from_seed(Secret(f"{name} {self._begun}".encode().ljust(32, b".")), Network.REGTEST),
            network=Network.REGTEST,
            folder=self.folder / name,
            electrum=electrum,
            oracle_url=oracle,
            oracle_dialect=Dialect.OLIVIA_V1,
            oracle_keys=self.oracle.keys,
            policy=Policy(accept_up_to=Sats(0)),
            attestation_delay=0,
            bump_delay=0.25,
            **more,
        )

    async def _fund(self, node: Node) -> None:
        for _ in range(COINS):
            await self.control.fund(await node.wallet.script(), COIN)
        await self.control.mine()
        await node.wallet.sync()

    # --- doing ---------------------------------------------------------------------------------------------------

    @property
    def nodes(self) -> tuple[Node, Node]:
        return self.maker.node, self.taker.node

    @property
    def well(self) -> bool:
        """Whether every service of both nodes runs, but for an oracle that is only late."""
        found = [(name, health) for node in self.nodes for name, health in node.health().items()]
        return all(health.level is Level.RUNNING or "attested" in health.reason for _, health in found)

    async def quote(self) -> None:
        """The maker quotes anew, two hours ahead."""
        self.offer = await self.maker.publish(
            Quote(
                bid=Decimal(50_000),
                ask=Decimal(50_000),
                min_quantity=1_000,
                max_quantity=1_000,
                leverages=(2,),
                funding_rate=Decimal("0.0001"),
                fee_rate=FeeRate(2),
                expiry=Timestamp(self.clock.now() // HOUR * HOUR + 3 * HOUR),
                tolerance=Decimal("0.1"),
            )
        )

    async def take(self) -> CfdId:
        """The taker takes what is offered, as soon as it can."""
        await self.until(
            "the offer to be takeable",
            lambda: (
                self.taker.node.ready
                and [seen for seen in self.taker.offers if seen.offer.id == self.offer.id and not seen.obstacle]
            ),
        )
        return self.taker.take(self.maker.node.peer_id, self.offer.id, Position.LONG, 1_000, 2)

    async def opened(self) -> CfdId:
        """Take, and come to an open CFD."""
        return await self.open_up(await self.take())

    async def open_up(self, key: CfdId) -> CfdId:
        """From a taken order to an open CFD, with another order if the first came to nothing."""
        while not await self._settled(key):
            if not self.taker.offers or self.offer.stale(self.clock.now()):
                await self.quote()
            key = await self.take()
        await self.mine_until(key, p.Open)
        return key

    async def _settled(self, key: CfdId) -> bool:
        """Wait until an order is more than an order, or nothing: whether it is more."""
        over = (p.Rejected, p.SetupFailed)
        await self.until("the setup to end", lambda: not isinstance(self.phase(self.taker.node, key), p.SettingUp))
        return not isinstance(self.phase(self.taker.node, key), over)

    def cfd(self, node: Node, key: CfdId) -> Cfd | None:
        return node.engine.cfds.get(key) if node.ready else None

    def phase(self, node: Node, key: CfdId) -> Any:
        found = self.cfd(node, key)
        return p.SettingUp() if found is None else found.phase

    async def mine_until(self, key: CfdId, *wanted: type) -> None:
        """Blocks, now and then, until both see the CFD in such a phase."""
        async with asyncio.timeout(PATIENCE):
            while not all(isinstance(self.phase(node, key), wanted) for node in self.nodes):
                await self.control.mine()
                await asyncio.sleep(0.3)

    async def until(self, what: str, condition: Condition) -> None:
        """Wait for something."""
        try:
            async with asyncio.timeout(PATIENCE):
                while not condition():  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
        except TimeoutError:
            told = {node.config.name: node.health() for node in self.nodes}
            bad = {n: {k: v.reason for k, v in h.items() if v.level is not Level.RUNNING} for n, h in told.items()}
            raise AssertionError(f"waited in vain for {what}; {bad}") from None

    async def turn_clocks(self, at: Timestamp) -> None:
        """Of both nodes and of the chain."""
        await self.control.turn_to(at)
        for clock in (self.clock, self.takers_clock):
            clock.turn_to(at)
