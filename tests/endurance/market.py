"""Two makers and three takers on one chain, with one clock that is turned hour by hour."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

from cfd_network import Address
from cfd_node.clock import ShiftableClock
from cfd_node.daemon import Maker, MakerLimits, Quote, Taker
from cfd_node.node import Node, NodeConfig
from cfd_node.supervision import Level
from cfd_oracle import OracleServer
from cfd_pricefeed import WalkingFeed
from cfd_regtest import ChainControl

from cfd_core.bitcoin.transaction import Transaction
from cfd_core.cfd import phases as p
from cfd_core.cfd.aggregate import Cfd
from cfd_core.crypto.keys import Keychain
from cfd_core.engine import Policy
from cfd_core.oracle import Dialect, OracleSecrets, hourly_event_id
from cfd_core.values import HOUR, FeeRate, Network, OutPoint, Position, Sats, Secret, Timestamp
from tests.realnode.outside import Chain

START = Timestamp(1_700_000_000 // HOUR * HOUR)
"""Or the first hour after the newest block of the chain."""
COIN = Sats(3_000_000)
COINS = 4
PATIENCE = 120.0
BLOCKS = 6
"""In an hour."""
LATE = 125
"""Seconds past the hour, when it is lived."""


class Wrong(Exception):
    """Something that must not be."""


class Market:
    """`async with Market(folder, seed, chain) as market`."""

    def __init__(self, folder: Path, seed: int, chain: Chain) -> None:
        self.folder, self.draw = folder, Random(seed)
        self.clock = ShiftableClock(START)
        self.control: ChainControl
        self._chain, self._begun = chain, START
        secrets = OracleSecrets(Secret(b"\x01" * 32), Secret(b"\x02" * 32))
        self.oracle = OracleServer(secrets=secrets, clock=self.clock.now)
        self.prices = WalkingFeed(self.clock.now, asyncio.sleep, seed=str(seed).encode())
        self.makers: list[Maker] = []
        self.takers: list[Taker] = []
        self.deposits: list[OutPoint] = []
        self._held = AsyncExitStack()

    async def __aenter__(self) -> "Market":
        async with AsyncExitStack() as stack:
            self.control = await stack.enter_async_context(self._chain())
            self._begun = Timestamp(max(START, (await self.control.time() // HOUR + 1) * HOUR))
            self.clock.turn_to(self._begun)
            await self.control.turn_to(self._begun)
            await stack.enter_async_context(self.oracle)
            self.oracle._port = int(self.oracle.url.rpartition(":")[2])  # it comes back there after its outage
            self._url = self.oracle.url
            for name in ("maker one", "maker two"):
                told = self._config(name, listen=Address("127.0.0.1", 0))
                self.makers.append(Maker(Node(told, self.clock), MakerLimits(accept_up_to=Sats(10**9))))
                await stack.enter_async_context(self.makers[-1].node)
            links = tuple((maker.node.address, maker.node.peer_id) for maker in self.makers)
            for name in ("taker one", "taker two", "taker three"):
                policy = Policy(accept_up_to=Sats(0), auto_rollover=True)
                self.takers.append(Taker(Node(self._config(name, makers=links, policy=policy), self.clock)))
                await stack.enter_async_context(self.takers[-1].node)
            for node in self.nodes:
                await self._fund(node)
            self._held = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._held.aclose()

    def _config(self, name: str, **more: Any) -> NodeConfig:
        fields: dict[str, Any] = {"policy": Policy(accept_up_to=Sats(0)), **more}
        return NodeConfig(
            name=name,
            keychain=Keychain.from_seed(Secret(f"{name} {self._begun}".encode().ljust(32, b".")), Network.REGTEST),
            network=Network.REGTEST,
            folder=self.folder / name,
            electrum=self.control.electrum,
            oracle_url=self._url,
            oracle_dialect=Dialect.OLIVIA_V1,
            oracle_keys=self.oracle.keys,
            attestation_delay=0,
            bump_delay=0.25,
            **fields,
        )

    async def _fund(self, node: Node) -> None:
        await self.until("the chain", lambda: node.health()["chain"].level is Level.RUNNING)
        for _ in range(COINS):
            script = await node.wallet.script()
            txid = await self.control.fund(script, COIN)
            paid = Transaction.parse(await node.chain.transaction(txid))
            self.deposits += [OutPoint(txid, n) for n, out in enumerate(paid.outputs) if out.script == script]
        await self.control.mine()
        await node.wallet.sync()

    @property
    def nodes(self) -> list[Node]:
        return [*(maker.node for maker in self.makers), *(taker.node for taker in self.takers)]

    async def oracle_back(self) -> None:
        """End its outage, if there is one."""
        if self.oracle._running is None:
            await self.oracle.start()

    # --- an hour -------------------------------------------------------------------------------------------------

    async def turn_hour(self) -> None:
        """The next hour, two minutes past: its price is attested, blocks come, what rolls over by itself does."""
        at = Timestamp((self.clock.now() // HOUR + 1) * HOUR)
        self.oracle.attest(hourly_event_id(at, 20), int(self.prices.price_at(at)))
        self.clock.turn_to(Timestamp(at + LATE))
        for before in reversed(range(BLOCKS)):
            await self.control.turn_to(Timestamp(at + LATE - before * HOUR // BLOCKS))
            await self.mine()
        await self.rest()

    async def mine(self) -> None:
        """A block, and until every node has heard of it."""
        await self.control.mine()
        height = await self.control.height()
        await self.until(
            "the block to be heard of", lambda: all(n.ready and n.engine.tip >= height for n in self.nodes)
        )

    async def rest(self) -> None:
        """Until no protocol is under way and every node is up."""
        await self.until(
            "the protocols to end",
            lambda: all(node.ready and not node.engine.runs for node in self.nodes) and self._linked(),
        )

    def _linked(self) -> bool:
        return all(taker.node.connected(maker.node.peer_id) for taker in self.takers for maker in self.makers)

    async def quote(self) -> None:
        """Each maker around the price."""
        price = self.prices.price_at(self.clock.now()).quantize(Decimal(1))
        for maker in self.makers:
            spread = self.draw.randrange(0, 30)
            await maker.publish(
                Quote(
                    bid=price - spread,
                    ask=price + spread,
                    min_quantity=100,
                    max_quantity=800,
                    lot=100,
                    leverages=(1, 2),
                    funding_rate=Decimal(self.draw.randrange(-20, 40)) / 100_000,
                    fee_rate=FeeRate(2),
                    tolerance=Decimal("0.1"),
                )
            )
        wanted = {offer.id for maker in self.makers for offer in maker.offers}
        await self.until("the offers to be seen", lambda: all(_takeable(taker) == wanted for taker in self.takers))

    # --- trading -------------------------------------------------------------------------------------------------

    def open_cfds(self, taker: Taker) -> list[Cfd]:
        """That can be settled or closed."""
        return [cfd for cfd in taker.node.engine.cfds.values() if isinstance(cfd.phase, p.Open)]

    def take_one(self, taker: Taker) -> bool:
        """A random order on a random offer; whether there was one to take."""
        seen = [each for each in taker.offers if not each.obstacle]
        if not seen:
            return False
        wanted = self.draw.choice(seen)
        position = self.draw.choice(list(Position))
        taker.take(wanted.maker, wanted.offer.id, position, self.draw.randrange(1, 9) * 100, self.draw.choice((1, 2)))
        return True

    async def restart_something(self) -> str:
        """One service of one node, begun anew; which."""
        node = self.draw.choice(self.nodes)
        name = self.draw.choice([n for n in node.health() if n != "folder"])
        await node.supervisor.restart(name)
        await self.until(f"{name} to come back", lambda: node.health()[name].level is not Level.LOADING)
        return name

    async def until(self, what: str, condition: Callable[[], Any]) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                while not condition():  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
        except TimeoutError:
            bad = {n.config.name: {k: h.reason for k, h in n.health().items() if h.reason} for n in self.nodes}
            raise Wrong(f"waited in vain for {what}; {bad}") from None


def _takeable(taker: Taker) -> set[str]:
    return {seen.offer.id for seen in taker.offers if not seen.obstacle} if taker.node.ready else set()
