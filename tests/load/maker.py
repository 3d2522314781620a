"""The maker under load, in a process of its own: a whole node with store, wallet, SSH listener, pages and API.

Beside it runs a `Watch` on its event loop.
"""

import asyncio
import logging
import os
import secrets
import sys
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import AsyncExitStack
from decimal import Decimal
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final, TypeVar

from cfd_network import Address
from cfd_node.clock import ShiftableClock
from cfd_node.daemon import MakerLimits
from cfd_node.daemon.assembly import Daemon, assemble
from cfd_node.heap import freeze_when_loaded
from cfd_node.jobs import JobRunner
from cfd_node.logs import LogBook, configure_logs
from cfd_node.node import NodeConfig
from cfd_node.supervision import Level

from cfd_core.cfd import phases as p
from cfd_core.cfd.commands import PublishOffer
from cfd_core.cfd.offer import DEFAULT_PRODUCT, Offer
from cfd_core.crypto.keys import Keychain
from cfd_core.engine import Policy
from cfd_core.oracle import Dialect, OracleKeys, hourly_event_id
from cfd_core.values import HOUR, FeeRate, Network, OfferId, Sats, Secret, Timestamp
from tests.load.child import Order, obey
from tests.load.watch import Watch

T = TypeVar("T")


class Inline(Executor):
    """Does it at once, in the event loop: how bad would that be?"""

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> "Future[T]":
        future: Future[T] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


def _processes() -> Executor:
    return ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn"))


CRYPTO: Final[dict[str, Callable[[], Executor]]] = {"inline": Inline, "processes": _processes}
"""What CETs are signed and verified on, if not on the node's own threads."""


class LoadedMaker:
    """What the campaign asks of it."""

    def __init__(self, daemon: Daemon, watch: Watch) -> None:
        self.daemon, self.node, self.watch = daemon, daemon.node, watch

    async def do(self, order: Order) -> Order:
        match order.pop("do"):
            case "state":
                return self._state()
            case "script":
                return {"script": (await self.node.wallet.script()).hex()}
            case "sync":
                await self.node.wallet.sync()
                return {"confirmed": (await self.node.wallet.balance()).confirmed}
            case "publish":
                return await self._publish(**order)
            case "begin":
                self.watch.begin()
                return {}
            case "figures":
                return self.watch.figures()
            case other:
                raise ValueError(f"cannot do {other}")

    def _state(self) -> Order:
        cfds = self.node.engine.cfds.values()
        address = self.node.address
        return {
            "id": self.node.peer_id,
            "address": None if address is None else [address.host, address.port],
            "url": self.daemon.service.url,
            "chain": self.node.health()["chain"].level is Level.RUNNING,
            "linked": self.node.connections,
            "open": sum(isinstance(cfd.phase, p.Open) for cfd in cfds),
            "rolled over": [cfd.id for cfd in cfds if _number(cfd) == 1 and isinstance(cfd.phase, p.Open)],
            "committed": [cfd.id for cfd in cfds if isinstance(cfd.phase, p.CommitPending | p.CommitConfirmed)],
        }

    async def _publish(self, price: int, quantity: int, tolerance: str) -> Order:
        now = self.node.clock.now()
        expiry = Timestamp(now // HOUR * HOUR + 2 * HOUR)
        event = hourly_event_id(expiry, 20)
        await self.node.learn_event(event)
        offer = Offer(
            id=OfferId(secrets.token_hex(16)),
            network=Network.REGTEST,
            product=DEFAULT_PRODUCT,
            bid=Decimal(price),
            ask=Decimal(price),
            min_quantity=quantity,
            max_quantity=quantity,
            lot=1,
            leverages=(5,),
            maker_leverage=1,
            opening_fee=Sats(0),
            funding_rate=Decimal("0.0001"),
            fee_rate=FeeRate(2),
            tolerance=Decimal(tolerance),
            event=event,
            digits=20,
            expiry=expiry,
            published_at=now,
        )
        self.node.command(PublishOffer(offer))
        self.daemon.maker._ends[offer.id] = Timestamp(now + 590)
        return {"offer": offer.id}


def _number(cfd: Any) -> int:
    return -1 if cfd.held is None or cfd.held.old is not None else cfd.held.live.number


def _config(told: Order) -> NodeConfig:
    return NodeConfig(
        name="maker",
        keychain=Keychain.from_seed(Secret(b"the maker under load".ljust(32)), Network.REGTEST),
        network=Network.REGTEST,
        folder=Path(told["folder"]),
        electrum=(told["electrum"][0], told["electrum"][1]),
        oracle_url=told["oracle"],
        oracle_dialect=Dialect.OLIVIA_V1,
        oracle_keys=OracleKeys(*(bytes.fromhex(key) for key in told["oracle_keys"])),
        listen=Address("127.0.0.1", 0),
        max_connections=told["connections"],
        policy=Policy(accept_up_to=Sats(0)),
        attestation_delay=0,
        bump_delay=0.25,
    )


async def _live() -> None:
    async with AsyncExitStack() as stack:

        async def begin(told: Order) -> Any:
            watch, book = Watch(), LogBook()
            configure_logs(logging.WARNING, sys.stderr, book)
            watch.watch_turns()
            watch.watch_garbage()
            clock = ShiftableClock(Timestamp(int(time.time() + told["ahead"])))  # noqa: TID251 - this is the clock
            limits = MakerLimits(accept_up_to=Sats(10**12))
            jobs = None
            if told["crypto"] in CRYPTO:
                jobs = JobRunner(stack.enter_context(CRYPTO[told["crypto"]]()))
            daemon = assemble(_config(told), clock, book, limits=limits, api=("127.0.0.1", 0), jobs=jobs)
            await stack.enter_async_context(daemon.node)
            probe = asyncio.create_task(watch.probe())
            stack.callback(probe.cancel)
            await daemon.node.supervisor.until(lambda: daemon.node.health()["api"].level is not Level.LOADING)
            if told["freezes"]:
                await freeze_when_loaded(daemon.node)
            return LoadedMaker(daemon, watch).do

        await obey(begin)


def main() -> int:
    told = sys.argv[1:]
    if told[:1] == ["--profile"]:
        import cProfile

        profile = cProfile.Profile()
        profile.runcall(asyncio.run, _live())
        profile.dump_stats(told[1])
    else:
        asyncio.run(_live())
    return 0


if __name__ == "__main__":
    sys.exit(main())
