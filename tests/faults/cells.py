"""One cell of the matrix: a phase, a fault in it, and what became of both."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path

from attrs import frozen
from cfd_node.daemon.taker import NotNow
from cfd_node.node import Node
from cfd_node.supervision import Level, ServiceFailed
from cfd_store import StoreError

from cfd_core.cfd import phases as p
from cfd_core.errors import RuleViolation
from cfd_core.values import CfdId, Timestamp
from tests.faults.faults import Fault
from tests.faults.stage import COIN, COINS, Stage, embedded
from tests.realnode.outside import Chain

LASTS = 3.0
"""Seconds that a fault goes on after it was noticed."""
REFUSED = (RuleViolation, NotNow, ServiceFailed, StoreError)
DEAREST = 60_000
"""Sats: more than all fees of one CFD, far less than a second contract would lock."""


@frozen
class Outcome:
    """What was seen."""

    reason: str
    """What the user was told."""
    noticed: float
    """Seconds until health told of it."""
    healed: float
    """Seconds from its end until the service ran again."""


async def cell(folder: Path, phase: str, fault: Fault, chain: Chain = embedded) -> Outcome:
    """Run it; `AssertionError` says what should not have been."""
    async with Stage(folder, chain) as stage:
        before, after = PHASES[phase]
        key = await before(stage)
        outcome = await _during(stage, fault)
        key = await after(stage, key)
        await _books(stage, key)
        return outcome


async def _during(stage: Stage, fault: Fault) -> Outcome:
    node, service = fault.notices(stage)
    await stage.until(f"{service} to be well before", lambda: node.health()[service].level is Level.RUNNING)
    began = time.monotonic()
    async with fault.begin(stage):
        await stage.until(f"{service} to notice", lambda: node.health()[service].level is not Level.RUNNING)
        noticed = time.monotonic() - began
        await stage.until("a reason", lambda: node.health()[service].reason)
        await asyncio.sleep(LASTS)
        reason = node.health()[service].reason
        assert node.health()[service].level is not Level.RUNNING, "the fault goes on, but health is good"
        ended = time.monotonic()
    await stage.until(f"{service} to heal", lambda: node.health()[service].level is Level.RUNNING)
    healed = time.monotonic() - ended
    await stage.until("everything to heal", lambda: stage.well)
    return Outcome(reason, round(noticed, 1), round(healed, 1))


# --- the phases ------------------------------------------------------------------------------------------------------


async def _nothing(_stage: Stage) -> CfdId:
    return CfdId("")


async def _trade(stage: Stage, _key: CfdId) -> CfdId:
    return await stage.opened()


async def _still_open(stage: Stage, key: CfdId) -> CfdId:
    assert all(isinstance(stage.phase(node, key), p.Open) for node in stage.nodes)
    return key


async def _roll(stage: Stage) -> CfdId:
    key = await stage.opened()
    stage.taker.roll_over(key)
    return key


async def _rolled(stage: Stage, key: CfdId) -> CfdId:
    def at_one() -> bool:
        cfds = [stage.cfd(node, key) for node in stage.nodes]
        held = [cfd.held for cfd in cfds if cfd is not None and cfd.held is not None]
        return len(held) == 2 and all(each.live.number == 1 and each.next is None for each in held)

    await _again(stage, "the rollover", at_one, lambda: stage.taker.roll_over(key))
    return key


async def _settle(stage: Stage) -> CfdId:
    key = await stage.opened()
    stage.taker.settle(key, Decimal(50_000))
    return key


async def _settled(stage: Stage, key: CfdId) -> CfdId:
    closing = (p.ClosePending, p.CloseConfirmed, p.Closed)
    await stage.quote()
    await _again(
        stage,
        "the settlement",
        lambda: isinstance(stage.phase(stage.taker.node, key), closing),
        lambda: stage.taker.settle(key, Decimal(50_000)),
    )
    await stage.mine_until(key, p.Closed)
    return key


async def _force_close(stage: Stage) -> CfdId:
    key = await stage.opened()
    stage.taker.force_close(key)
    return key


async def _force_closed(stage: Stage, key: CfdId) -> CfdId:
    cfd = stage.cfd(stage.taker.node, key)
    assert cfd is not None
    assert isinstance(cfd.phase, p.COMMITTED)
    for event in (*cfd.announcements[1:], cfd.announcements[0]):
        stage.oracle.attest(event.event_id, 50_000)
    await stage.turn_clocks(Timestamp(cfd.expiry + 15))
    await stage.mine_until(key, p.Closed)
    return key


async def _again(stage: Stage, what: str, done: Callable[[], bool], act: Callable[[], object]) -> None:
    """What a person would do: look, and ask once more if it came to nothing."""
    for _ in range(20):
        for _ in range(60):
            if done():
                return
            if stage.taker.node.ready and not stage.taker.node.engine.runs:
                break
            await asyncio.sleep(0.1)
        try:
            act()
        except REFUSED:
            await asyncio.sleep(0.5)
        await asyncio.sleep(0.5)
    raise AssertionError(f"{what} does not come to its end")


Before = Callable[[Stage], Awaitable[CfdId]]
After = Callable[[Stage, CfdId], Awaitable[CfdId]]
PHASES: dict[str, tuple[Before, After]] = {
    "idle": (_nothing, _trade),
    "opening": (Stage.take, Stage.open_up),
    "open": (Stage.opened, _still_open),
    "rolling over": (_roll, _rolled),
    "settling": (_settle, _settled),
    "force closing": (_force_close, _force_closed),
}


async def _books(stage: Stage, key: CfdId) -> None:
    """One contract was made, both sides see the same of it, and nothing else has left the wallets but fees."""
    ends = [stage.phase(node, key) for node in stage.nodes]
    assert type(ends[0]) is type(ends[1]), ends
    if isinstance(ends[0], p.Closed):
        assert ends[0] == ends[1]
        pool = stage.taker.node.engine.cfds[key].terms.pool
        assert ends[0].maker + ends[0].taker == pool
    for node in stage.nodes:
        made = [cfd for cfd in node.engine.cfds.values() if not isinstance(cfd.phase, p.Rejected | p.SetupFailed)]
        assert [cfd.id for cfd in made] == [key], "one contract, not two"
        await _whole(stage, node, key)


async def _whole(stage: Stage, node: Node, key: CfdId) -> None:
    cfd = node.engine.cfds[key]
    await node.wallet.sync()
    balance = await node.wallet.balance()
    due = COINS * COIN - cfd.terms.margin(cfd.role)
    if isinstance(cfd.phase, p.Closed):
        due += cfd.phase.maker if node is stage.maker.node else cfd.phase.taker
    has = balance.confirmed + balance.pending
    assert due - DEAREST <= has <= due + DEAREST, f"{node.config.name} has {has:,} sats, not about {due:,}"
