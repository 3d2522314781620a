"""The sandbox's world: what there is, and what goes on in it by itself."""

import asyncio
import secrets
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Final, Self

import structlog
from attrs import frozen
from cfd_network import Address
from cfd_oracle import OracleServer
from cfd_pricefeed import WalkingFeed
from cfd_regtest import EmbeddedControl
from cfd_wallet.seed import new_phrase

from cfd_core.crypto.keys import Keychain
from cfd_core.engine import Policy
from cfd_core.errors import RuleViolation
from cfd_core.oracle import Dialect, OracleSecrets, hourly_event_id
from cfd_core.values import HOUR, SATS_PER_BTC, Network, PeerId, Sats, Secret, Timestamp
from cfd_node.clock import Clock
from cfd_node.daemon import MakerLimits
from cfd_node.daemon.assembly import Daemon, assemble
from cfd_node.daemon.quotes import DIGITS
from cfd_node.logs import LogBook
from cfd_node.node import NodeConfig
from cfd_node.sandbox.bot import PricingBot

log = structlog.get_logger()
FIRST_BLOCKS: Final = 121
MAX_QUANTITY: Final = 100_000
MAKER_COINS: Final = 10
TAKER_COINS: Final = 5
"""So many, of a tenth of a bitcoin each: several contracts can be set up at once."""
COIN: Final = Sats(SATS_PER_BTC // 10)


class SandboxFailed(Exception):
    """It does not come up; the text says why."""


@frozen(kw_only=True)
class SandboxPlan:
    """What can be chosen."""

    folder: Path
    """Of the two nodes; theirs only, and empty."""
    maker_port: int = 8471
    taker_port: int = 8472
    """Of pages and API; 0 takes a free one."""
    block_seconds: int = 10
    """Between two blocks."""


class Sandbox:
    """`async with Sandbox(plan, clock, logbook) as sandbox:` returns when the taker has coins and offers to take."""

    def __init__(self, plan: SandboxPlan, clock: Clock, logbook: LogBook) -> None:
        self._plan, self._clock, self._logbook = plan, clock, logbook
        start = clock.now() - FIRST_BLOCKS * plan.block_seconds
        self.control = EmbeddedControl(start_time=start, interval=plan.block_seconds)
        own = OracleSecrets(Secret(secrets.token_bytes(32)), Secret(secrets.token_bytes(32)))
        self.oracle = OracleServer(secrets=own, clock=clock.now)
        self._market = secrets.token_bytes(16)
        self.maker: Daemon
        self.taker: Daemon
        self._held = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.control)
            await stack.enter_async_context(self.oracle)
            self.maker = self._daemon("maker", self._plan.maker_port, listen=Address("127.0.0.1", 0))
            self._quote()
            await self._begin(stack, self.maker)
            address = self.maker.node.address
            if address is None:
                raise SandboxFailed(f"the maker cannot listen: {self.maker.node.health()['network'].reason}")
            self.taker = self._daemon("taker", self._plan.taker_port, makers=((address, self.maker.node.peer_id),))
            await self._begin(stack, self.taker)
            await self._fund(self.maker, MAKER_COINS)
            await self._fund(self.taker, TAKER_COINS)
            for work in (self._keep_mining(), self._keep_attesting()):
                stack.push_async_callback(_end, asyncio.create_task(work))
            self._held = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._held.aclose()

    def _feed(self) -> WalkingFeed:
        return WalkingFeed(self._clock.now, asyncio.sleep, seed=self._market)

    def _daemon(
        self, name: str, port: int, *, listen: Address | None = None, makers: tuple[tuple[Address, PeerId], ...] = ()
    ) -> Daemon:
        phrase = new_phrase(secrets.token_bytes(16))
        config = NodeConfig(
            name=name,
            keychain=Keychain.from_mnemonic(phrase, Network.REGTEST),
            network=Network.REGTEST,
            folder=self._plan.folder / name,
            electrum=self.control.electrum,
            oracle_url=self.oracle.url,
            oracle_dialect=Dialect.OLIVIA_V1,
            oracle_keys=self.oracle.keys,
            listen=listen,
            makers=makers,
            policy=Policy(auto_rollover=True),
            attestation_delay=2,
        )
        limits = MakerLimits(accept_up_to=Sats(MAKER_COINS * COIN), total=Sats(MAKER_COINS * COIN))
        return assemble(
            config,
            self._clock,
            self._logbook,
            limits=limits,
            api=("127.0.0.1", port),
            feed=self._feed(),
            phrase=phrase,
            sandbox=True,
        )

    def _quote(self) -> None:
        if self.maker.feed is not None:
            bot = PricingBot(self.maker.maker, self.maker.feed, max_quantity=MAX_QUANTITY)
            self.maker.node.supervisor.add(bot)

    async def _begin(self, stack: AsyncExitStack, daemon: Daemon) -> None:
        await stack.enter_async_context(daemon.node)
        if daemon.node.obstacle:
            raise SandboxFailed(f"the {daemon.node.config.name} does not start: {daemon.node.obstacle}")
        await daemon.node.supervisor.until(lambda: bool(daemon.service.url) or self._refused(daemon))
        if not daemon.service.url:
            raise SandboxFailed(f"the API does not start: {daemon.node.health()['api'].reason}")

    def _refused(self, daemon: Daemon) -> bool:
        return bool(daemon.node.health()["api"].next_try)

    async def _fund(self, daemon: Daemon, coins: int) -> None:
        for _ in range(coins):
            await self.control.fund(await daemon.node.wallet.script(), COIN)
        await self.control.mine()
        await daemon.node.wallet.sync()

    # --- what goes on --------------------------------------------------------------------------------------------

    async def _keep_mining(self) -> None:
        while True:
            await asyncio.sleep(self._plan.block_seconds)
            await self.control.mine()

    async def _keep_attesting(self) -> None:
        """Fix each hour's price ahead of it; the server speaks of none before its time."""
        feed, done = self._feed(), Timestamp(self._clock.now() // HOUR * HOUR)
        while True:
            while done < self._clock.now() + HOUR:
                done = Timestamp(done + HOUR)
                with suppress(RuleViolation):  # somebody has fixed another price for it
                    self.oracle.attest(hourly_event_id(done, DIGITS), int(feed.price_at(done)))
            await asyncio.sleep(60)


async def _end(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
