"""Many light takers in one process, told what to do together."""

import asyncio
import logging
import os
import secrets
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import AsyncExitStack
from random import Random
from typing import Any, Final

from cfd_electrum import BroadcastRejected, ElectrumChain, ElectrumError
from cfd_network import Address, TransportError
from cfd_node.clock import ShiftableClock
from cfd_node.descriptors import room_for
from cfd_node.logs import configure_logs
from cfd_oracle import OracleClient

from cfd_core.cfd import phases as p
from cfd_core.cfd.aggregate import Cfd
from cfd_core.cfd.commands import RollOver, TakeOffer
from cfd_core.errors import RuleViolation
from cfd_core.inputs import OutpointReport, TipChanged
from cfd_core.oracle import Announcement, Dialect, OracleKeys
from cfd_core.values import EventId, OfferId, OutPoint, PeerId, Position, Timestamp
from tests.load.child import Order, obey
from tests.load.light import LightTaker, Shared, gather_limited

PATIENCE: Final = 480.0
"""Seconds for all tries of one connection, setup or rollover, until the crowd gives up."""
STEP: Final = 180.0
"""Seconds for one try."""
PAUSE: Final = 2.0
"""Seconds between two."""
STEPPING_BACK: Final = 2
"""How much nicer than the maker: real takers do not take its processor."""


class Crowd:
    """The takers `first` to `first + count - 1`."""

    def __init__(self, told: Order, oracle: OracleClient) -> None:
        self.chain = ElectrumChain(told["electrum"][0], told["electrum"][1])
        self.chain.on_tip, self.chain.on_outpoint = self._on_tip, self._on_outpoint
        self._oracle, self._known = oracle, dict[EventId, asyncio.Task[Announcement]]()
        self._watchers: dict[OutPoint, list[LightTaker]] = defaultdict(list)
        ahead = told["ahead"]
        shared = Shared(
            ShiftableClock(Timestamp(int(time.time() + ahead))),  # noqa: TID251 - this is the clock
            announcement=self._announcement,
            broadcast=self._broadcast,
            watch=self._watch,
            trusting=told["trusting"],
        )
        self.shared = shared
        self.maker, self.address = PeerId(told["maker"]), Address(*told["address"])
        self.takers = [LightTaker(number, shared) for number in range(told["first"], told["first"] + told["count"])]
        self._draw = Random(told["first"])
        self.troubles: list[str] = []
        """Tries that came to nothing, and why."""

    async def stop(self) -> None:
        await asyncio.gather(*(taker.stop() for taker in self.takers))
        await self.chain.stop()
        self.shared.jobs.close()

    # --- what they share -----------------------------------------------------------------------------------------

    async def _announcement(self, event: EventId) -> Announcement:
        if event not in self._known:
            self._known[event] = asyncio.create_task(self._oracle.announcement(event))
        return await self._known[event]

    async def _broadcast(self, raw: bytes) -> None:
        try:
            await self.chain.broadcast(raw)
        except (BroadcastRejected, ElectrumError) as error:
            self.troubles.append(f"broadcast: {error}")

    def _watch(self, outpoint: OutPoint, script: bytes, taker: LightTaker) -> None:
        if taker not in self._watchers[outpoint]:
            self._watchers[outpoint].append(taker)
        self.chain.watch(outpoint, script)

    def _on_outpoint(self, report: OutpointReport) -> None:
        for taker in self._watchers[report.outpoint]:
            taker.pump.give(report)

    async def _on_tip(self, height: int, _time: int) -> None:
        for taker in self.takers:
            taker.pump.give(TipChanged(height))
            await asyncio.sleep(0)

    # --- orders --------------------------------------------------------------------------------------------------

    async def do(self, order: Order) -> Order:
        match order.pop("do"):
            case "scripts":
                return {"scripts": [taker.wallet.script.hex() for taker in self.takers]}
            case "coins":
                for taker, raw in zip(self.takers, order["coins"], strict=True):
                    taker.receive(bytes.fromhex(raw))
                return {}
            case "connect":
                return await self._all(self._connect, self.takers, **order)
            case "set up":
                return await self._all(self._set_up, self.takers, **order)
            case "roll over":
                left_out = set(order.pop("without"))
                return await self._all_within(
                    self._roll_over, [t for t in self.takers if t.cfd and t.cfd.id not in left_out], **order
                )
            case "state":
                return {"cfds": {taker.cfd.id: _told(taker.cfd) for taker in self.takers if taker.cfd}}
            case other:
                raise ValueError(f"cannot do {other}")

    async def _all(self, do: Any, takers: list[LightTaker], at_once: int, **words: Any) -> Order:
        """So many at a time, each as soon as one before is done."""
        took: list[float] = []
        begun = time.perf_counter()
        await gather_limited([lambda t=taker: self._timed(do, t, took, words) for taker in takers], at_once)  # type: ignore[misc]
        return self._figures(took, time.perf_counter() - begun)

    async def _all_within(self, do: Any, takers: list[LightTaker], window: float, **words: Any) -> Order:
        """Each when its time comes, whether the ones before are done or not."""
        took: list[float] = []
        begun = time.perf_counter()

        async def one(taker: LightTaker, at: float) -> None:
            await asyncio.sleep(at)
            await self._timed(do, taker, took, words)

        await asyncio.gather(*(one(taker, self._draw.uniform(0, window)) for taker in takers))
        return self._figures(took, time.perf_counter() - begun)

    def _figures(self, took: list[float], seconds: float) -> Order:
        troubles, self.troubles = self.troubles, []
        return {"took": took, "seconds": round(seconds, 2), "troubles": troubles}

    async def _timed(self, do: Any, taker: LightTaker, took: list[float], words: Order) -> None:
        begun = time.perf_counter()
        while time.perf_counter() < begun + PATIENCE:
            try:
                async with asyncio.timeout(STEP):
                    await taker.connect(self.address, self.maker)
                    await do(taker, **words)
            except (TransportError, RuleViolation, TimeoutError, NotDone) as error:
                self.troubles.append(f"{do.__name__.strip('_')}: {type(error).__name__}: {error}")
                await asyncio.sleep(PAUSE)
            else:
                took.append(time.perf_counter() - begun)
                return

    async def _connect(self, _taker: LightTaker) -> None:
        """Every try begins with it."""

    async def _set_up(self, taker: LightTaker, offer: str, quantity: int) -> None:
        """From the order until the taker sees the lock transaction."""
        await taker.pump.until(lambda engine: bool(engine.market.get(self.maker)) and bool(engine.voices))
        newest = next((o.id for o in taker.pump.engine.market[self.maker] if o.id == offer), None)
        wanted = newest or taker.pump.engine.market[self.maker][-1].id
        entropy = secrets.token_bytes(32)
        taker.pump.give(TakeOffer(self.maker, OfferId(wanted), Position.LONG, quantity, 5, entropy))
        await _until_or_broken(taker, lambda cfd: isinstance(cfd.phase, p.LockPending | p.Open))

    async def _roll_over(self, taker: LightTaker) -> None:
        """From the proposal until the old revision is revoked by both."""
        assert taker.cfd is not None
        if not _rolled(taker.cfd):
            taker.pump.give(RollOver(taker.cfd.id, secrets.token_bytes(32)))
            await _until_or_broken(taker, _rolled)


class NotDone(Exception):
    """A protocol run ended without its result."""


async def _until_or_broken(taker: LightTaker, done: Callable[[Cfd], bool]) -> None:
    def ended(cfd: Cfd | None) -> bool:
        running = any(run.cfd_id is not None and run.state is not None for run in taker.pump.engine.runs.values())
        return cfd is None or done(cfd) or cfd.ended or (not running and not isinstance(cfd.phase, p.LockSignedUnseen))

    await taker.until(ended)
    if taker.cfd is None or not done(taker.cfd):
        raise NotDone(f"{taker.cfd and taker.cfd.phase}")


def _rolled(cfd: Cfd) -> bool:
    return cfd.held is not None and cfd.held.live.number == 1 and cfd.held.old is None


def _told(cfd: Cfd) -> Order:
    lock = cfd.held.live.draft.lock_outpoint if cfd.held is not None else None
    return {
        "lock": None if lock is None else [lock.txid, lock.vout],
        "open": isinstance(cfd.phase, p.Open),
        "rolled over": _rolled(cfd),
        "committed": isinstance(cfd.phase, p.CommitPending | p.CommitConfirmed),
    }


async def _live() -> None:
    async with AsyncExitStack() as stack:

        async def begin(told: Order) -> Any:
            configure_logs(logging.ERROR, sys.stderr)
            room_for(told["count"])
            os.nice(STEPPING_BACK)
            keys = OracleKeys(*(bytes.fromhex(key) for key in told["oracle_keys"]))
            oracle = await stack.enter_async_context(OracleClient(told["oracle"], Dialect.OLIVIA_V1, keys))
            crowd = Crowd(told, oracle)
            stack.push_async_callback(crowd.stop)
            await crowd.chain.start()
            return crowd.do

        await obey(begin)


if __name__ == "__main__":
    asyncio.run(_live())
