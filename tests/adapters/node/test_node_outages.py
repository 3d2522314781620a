"""What a node does while the world around it is down, and that all of it proceeds when the world comes back."""

import asyncio
from typing import Any

import pytest
from cfd_node import acting
from cfd_node.announcements import Announcements
from cfd_node.node import Node
from cfd_node.supervision import Level

from cfd_core.cfd import phases as p
from cfd_core.cfd.commands import LearnOffers
from cfd_core.errors import RuleViolation
from cfd_core.values import EventId, PeerId

PEER = PeerId("SHA256:peer")


def level(node: Node, subsystem: str) -> tuple[Level, str]:
    health = node.health()[subsystem]
    return health.level, health.reason


async def test_a_whole_cfd(world: Any, eventually: Any) -> None:
    maker, taker = (maker := await world.maker()), await world.taker(maker)
    end = await world.close(maker, taker, await world.set_up(maker, taker))
    assert end.maker + end.taker == 3_000_000
    for node, paid in ((maker, end.maker), (taker, end.taker)):
        await node.wallet.sync()
        balance = await node.wallet.balance()
        assert balance.reserved == 0
        assert balance.confirmed > paid
        await eventually(lambda node=node: {health.level for health in node.health().values()} == {Level.RUNNING})


async def test_electrum_down_at_start(world: Any, eventually: Any) -> None:
    await world.control.server.stop()
    maker = await world.maker(sats=0)
    await eventually(lambda: "Connect" in level(maker, "chain")[1])
    assert str(world.control.server.port) in level(maker, "chain")[1]
    assert level(maker, "chain")[0] is Level.FAILED
    assert level(maker, "wallet")[0] is Level.DEGRADED
    assert level(maker, "database") == (Level.RUNNING, "")
    await world.control.server.start()
    await eventually(lambda: level(maker, "chain") == (Level.RUNNING, ""))
    await eventually(lambda: level(maker, "wallet") == (Level.RUNNING, ""))
    await world.fund(maker, 2_100_000)
    taker = await world.taker(maker)
    await world.close(maker, taker, await world.set_up(maker, taker))


async def test_electrum_goes_away_while_a_cfd_is_open(world: Any, eventually: Any) -> None:
    maker, taker = (maker := await world.maker()), await world.taker(maker)
    key = await world.set_up(maker, taker)
    await world.control.server.stop()
    for node in (maker, taker):
        await eventually(lambda node=node: level(node, "chain")[0] is Level.FAILED)
    await world.control.mine()  # the lock confirms unseen
    await world.control.server.start()
    await world.close(maker, taker, key)


async def test_an_order_without_a_chain_is_refused_with_the_reason(
    world: Any, eventually: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acting, "CHECK_PAUSE", 0.01)
    maker, taker = (maker := await world.maker()), await world.taker(maker)
    offer = await world.publish(maker)
    await world.until(taker, lambda: offer in taker.engine.market.get(maker.peer_id, ()))
    await world.control.server.stop()
    for node in (maker, taker):
        await eventually(lambda node=node: level(node, "chain")[0] is Level.FAILED)
    key = await world.take(taker, maker.peer_id, offer)
    reasons = [(await world.phase(node, key, p.SetupFailed)).reason for node in (maker, taker)]
    assert all("cannot be asked" in reason for reason in reasons), reasons
    await world.coins_released(maker, taker)


async def test_oracle_down_at_start(world: Any, eventually: Any) -> None:
    await world.oracle.stop()
    maker = await world.maker()
    await maker.learn_event(world.event.announcement.event_id)
    assert not maker.engine.announcements
    await eventually(lambda: level(maker, "oracle")[0] is Level.FAILED)
    assert "cannot be reached" in level(maker, "oracle")[1]
    await world.oracle.start()
    taker = await world.taker(maker)
    await world.close(maker, taker, await world.set_up(maker, taker))
    await eventually(lambda: level(maker, "oracle") == (Level.RUNNING, ""))


async def test_a_taker_asks_a_silent_oracle_again(world: Any, eventually: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Announcements, "_pause", lambda _self: asyncio.sleep(0.02))
    maker = await world.maker()
    offer = await world.publish(maker)
    await world.oracle.stop()
    taker = await world.taker(maker)
    await eventually(lambda: "cannot be reached" in level(taker, "oracle")[1])
    assert offer in taker.engine.market[maker.peer_id]
    with pytest.raises(RuleViolation, match="announcement"):
        world.take_now(taker, maker.peer_id, offer)
    await world.oracle.start()
    key = await world.take(taker, maker.peer_id, offer)
    await world.phase(taker, key, p.LockPending)
    await eventually(lambda: level(taker, "oracle") == (Level.RUNNING, ""))


async def test_an_event_that_no_oracle_knows_is_asked_for_once(world: Any, eventually: Any, logged: Any) -> None:
    maker = await world.maker(sats=0)
    maker.command(LearnOffers(PEER, (world.offer(event=EventId("/x/BitMEX/MOON/2021-10-04T22:00:00.price?n=20")),)))
    await eventually(lambda: "no announcement" in logged.getvalue())
    await eventually(lambda: not maker._protocols.running.announcements._wanted)
    await eventually(lambda: level(maker, "oracle") == (Level.RUNNING, ""))
