"""What a load test needs around the maker: chain, oracle, crowds, money, blocks, and a user who looks and acts."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from attrs import define, field, frozen
from cfd_oracle import OracleServer
from cfd_regtest import EmbeddedControl
from cfd_web.client import AsyncClient, ClientError, calls, find_access
from cfd_web.models import HealthLevel

from cfd_core.oracle import OracleSecrets
from cfd_core.values import HOUR, OutPoint, Secret, Timestamp, Txid
from tests.load.child import Child, Failed, Order

PRICE: Final = 54_000
QUANTITY: Final = 3_500
MAKER_COIN: Final = 6_700_000
TAKER_COIN: Final = 1_400_000
"""Sats: each coin suffices for one contract, short 1x and long 5x, with fees."""
SPARE_COINS: Final = 2
FUNDED_TOGETHER: Final = 20
"""Payments in one block: chains of unconfirmed transactions are short."""
PATIENCE: Final = 600.0
LOOK: Final = 0.25
"""Seconds between two looks at the maker's health."""


@frozen(kw_only=True)
class Plan:
    """How much of it."""

    takers: int
    crowds: int = 1
    """Processes that the takers are in."""
    window: float
    """Seconds that stand for the hour in which all roll over."""
    at_once: int = 4
    """Contracts being set up at a time."""
    force_closes: int = 1
    tolerance: str = "0.0035"
    trusting: bool = False
    crypto: str = "threads"
    """What the maker signs and verifies CETs on: threads, processes, or inline in its event loop."""
    freezes: bool = True
    """Whether the maker keeps its collector off the heap that it starts with, as `cfd maker` does."""
    profile: Path | None = None
    block_seconds: float = 10.0


@define
class Seen:
    """What the user saw meanwhile."""

    health: list[float] = field(factory=list)
    """Seconds that each look took."""
    lists: list[float] = field(factory=list)
    """The same for listing all positions."""
    down: list[str] = field(factory=list)
    """What was not answered, or answered that the node is down."""
    force_closes: list[float] = field(factory=list)
    """Seconds from the request until the commit was in the mempool."""


class Stage:
    """`async with Stage(folder, plan) as stage`."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        self.folder, self.plan = folder, plan
        now = int(time.time())  # noqa: TID251 - the processes' clocks run ahead of the real one
        self._ahead = now // HOUR * HOUR + HOUR + 60 - now
        self.control = EmbeddedControl(start_time=now - 200 * 20, interval=20)
        secrets = OracleSecrets(Secret(b"\x01" * 32), Secret(b"\x02" * 32))
        self.oracle = OracleServer(secrets=secrets, clock=self._now)
        self.crowds: list[Child] = []
        self.seen = Seen()
        self._stack = AsyncExitStack()

    def _now(self) -> Timestamp:
        return Timestamp(int(time.time()) + self._ahead)  # noqa: TID251 - see above

    async def __aenter__(self) -> "Stage":
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.control)
            await stack.enter_async_context(self.oracle)
            data = self.folder / "maker"
            told = {**self._common(), "folder": str(data), "connections": self.plan.takers + 50}
            told |= {"crypto": self.plan.crypto, "freezes": self.plan.freezes}
            words = ("--profile", str(self.plan.profile)) if self.plan.profile else ()
            self.maker = Child("tests.load.maker", told, self.folder / "maker.log", words)
            await stack.enter_async_context(self.maker)
            await self.until("the maker to be up", self._maker_is_up)
            self.user = AsyncClient(find_access(data))
            stack.push_async_callback(self.user.close)
            for number, (first, count) in enumerate(self._shares()):
                told = {**self._common(), "first": first, "count": count, "trusting": self.plan.trusting}
                told |= {"maker": self.state["id"], "address": self.state["address"]}
                crowd = Child("tests.load.crowd", told, self.folder / f"crowd{number}.log")
                self.crowds.append(await stack.enter_async_context(crowd))
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def _common(self) -> Order:
        keys = self.oracle.keys
        return {
            "electrum": list(self.control.electrum),
            "oracle": self.oracle.url,
            "oracle_keys": [key.hex() for key in (keys.attestation, keys.announcement) if key],
            "ahead": self._ahead,
        }

    def _shares(self) -> list[tuple[int, int]]:
        takers, crowds = self.plan.takers, self.plan.crowds
        cuts = [takers * n // crowds for n in range(crowds + 1)]
        return [(first, last - first) for first, last in pairwise(cuts)]

    async def _maker_is_up(self) -> bool:
        self.state = await self.maker.ask("state")
        return bool(self.state["address"] and self.state["chain"] and self.state["url"])

    # --- money and blocks ----------------------------------------------------------------------------------------

    async def fund(self) -> None:
        """A coin for each contract on both sides, confirmed, and some to spare: a setup may break off."""
        script = bytes.fromhex((await self.maker.ask("script"))["script"])
        count = self.plan.takers + self.plan.takers // 10 + SPARE_COINS
        await self._pay([script] * count, MAKER_COIN)
        for crowd in self.crowds:
            scripts = [bytes.fromhex(each) for each in (await crowd.ask("scripts"))["scripts"]]
            for _ in range(SPARE_COINS):
                await crowd.ask("coins", coins=await self._pay(scripts, TAKER_COIN))
        await self.control.mine()
        wanted = count * MAKER_COIN

        async def synced() -> bool:
            return bool((await self.maker.ask("sync"))["confirmed"] == wanted)

        await self.until("the maker's coins", synced)

    async def _pay(self, scripts: list[bytes], sats: int) -> list[str]:
        paid = []
        for number, script in enumerate(scripts):
            if number % FUNDED_TOGETHER == 0:
                await self.control.mine()
            tx = self.control.chain.transaction(await self.control.fund(script, sats))
            assert tx is not None
            paid.append(tx.raw.hex())
            await asyncio.sleep(0)
        return paid

    async def mine_along(self) -> None:
        """A block now and then, for ever."""
        while True:
            await asyncio.sleep(self.plan.block_seconds)
            await self.control.mine()

    async def publish(self) -> str:
        """An offer for all; its id."""
        told = await self.maker.ask("publish", price=PRICE, quantity=QUANTITY, tolerance=self.plan.tolerance)
        return str(told["offer"])

    # --- the user ------------------------------------------------------------------------------------------------

    async def look(self) -> None:
        """Ask for the node's health again and again, and now and then for all its positions, for ever."""
        for number in range(10**9):
            await self._asked(self.seen.health, self._look_at_health)
            if number % 20 == 19:
                await self._asked(self.seen.lists, lambda: self.user.ask(calls.cfds()))
            await asyncio.sleep(LOOK)

    async def _look_at_health(self) -> None:
        if (found := await self.user.ask(calls.health())).level is HealthLevel.DOWN:
            self.seen.down.append("; ".join(f"{s.name}: {s.reason}" for s in found.services if s.reason))

    async def _asked(self, took: list[float], ask: Callable[[], Awaitable[Any]]) -> None:
        begun = time.perf_counter()
        try:
            await ask()
        except ClientError as error:
            self.seen.down.append(str(error))
        took.append(time.perf_counter() - begun)

    async def force_close(self, cfd: str, lock: OutPoint) -> None:
        """Ask for it and wait until the commit is in the mempool."""
        begun = time.perf_counter()
        await self.user.ask(calls.force_close(cfd))

        async def spent() -> bool:
            return any(lock in entry.tx.spent for entry in self.control.chain.mempool()) or self._confirmed(lock)

        await self.until(f"the commit of {cfd}", spent, every=0.01)
        self.seen.force_closes.append(time.perf_counter() - begun)

    def _confirmed(self, lock: OutPoint) -> bool:
        chain = self.control.chain
        return chain.height_of(lock.txid) is not None and chain._ledger.coin(lock) is None

    # --- waiting -------------------------------------------------------------------------------------------------

    async def until(self, what: str, condition: Callable[[], Awaitable[bool]], every: float = 0.1) -> None:
        """`Failed` if it takes too long."""
        try:
            async with asyncio.timeout(PATIENCE):
                while not await condition():  # noqa: ASYNC110 - other processes do it
                    await asyncio.sleep(every)
        except TimeoutError:
            raise Failed(f"waited in vain for {what}") from None


def outpoint(told: list[Any]) -> OutPoint:
    """As the crowd tells it."""
    return OutPoint(Txid(told[0]), told[1])


def machine() -> Order:
    """What it ran on."""
    return {"cores": os.cpu_count(), "load before": [round(each, 2) for each in os.getloadavg()]}
