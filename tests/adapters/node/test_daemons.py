"""Makers and takers at work on real nodes: quotes that end, orders within limits, offers side by side."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from attrs import define, evolve, field
from cfd_network import Address
from cfd_node.daemon import Maker, MakerLimits, Quote, Taker
from cfd_node.daemon.maker import OracleSilent
from cfd_node.daemon.taker import NotNow
from cfd_node.node import Node
from cfd_node.sandbox.bot import outdated
from cfd_node.services.clock import ClockLimits
from cfd_node.supervision import Level

from cfd_core.cfd import phases as p
from cfd_core.cfd.offer import Offer
from cfd_core.engine import Policy
from cfd_core.engine.offers import OVERTAKEN
from cfd_core.errors import RuleViolation
from cfd_core.values import HOUR, CfdId, FeeRate, OfferId, PeerId, Position, Sats, Timestamp

PATIENCE = 60.0
MARGIN = 2_000_000
"""Of the maker: 1,000 contracts at 50,000 and leverage 1."""


def quote(world: Any, **changes: Any) -> Quote:
    fields: dict[str, Any] = {
        "bid": Decimal(49_990),
        "ask": Decimal(50_000),
        "min_quantity": 100,
        "max_quantity": 1_000,
        "lot": 100,
        "leverages": (1, 2),
        "funding_rate": Decimal("0.0001"),
        "fee_rate": FeeRate(2),
        "expiry": Timestamp(world.clock.now() // HOUR * HOUR + 2 * HOUR),
    }
    return Quote(**{**fields, **changes})


@define(eq=False)
class Market:
    """Makers and takers in a world whose oracle speaks every hour."""

    world: Any
    makers: list[Maker] = field(factory=list)

    async def maker(self, name: str = "maker", sats: int = 2 * MARGIN, **limits: Any) -> Maker:
        told = MakerLimits(**{"accept_up_to": Sats(10 * MARGIN), **limits})
        config = self.world.config(
            name,
            listen=Address("127.0.0.1", 0),
            oracle_keys=self.world.oracle.keys,
            policy=Policy(accept_up_to=Sats(0)),
        )
        return await self._begin(config, told, sats)

    async def _begin(self, config: Any, limits: MakerLimits, sats: int = 0) -> Maker:
        node = Node(config, self.world.clock)
        maker = Maker(node, limits)
        self.world.nodes.append(node)
        node.start()
        async with asyncio.timeout(PATIENCE):
            await node.settled()
            await node.supervisor.until(lambda: node.health()["offers"].level is Level.RUNNING)
        await self.world.fund(node, sats)
        return maker

    async def restart(self, maker: Maker) -> Maker:
        config = evolve(maker.node.config, listen=maker.node.address)
        await self.world.stop(maker.node)
        return await self._begin(config, maker.limits)

    async def taker(self, *makers: Maker, sats: int = 2 * MARGIN, name: str = "taker", **changes: Any) -> Taker:
        links = tuple((maker.node.address, maker.node.peer_id) for maker in makers)
        config = self.world.config(name, makers=links, oracle_keys=self.world.oracle.keys, **changes)
        node = await self.world.start(config)
        return Taker(await self.world.fund(node, sats))

    async def sees(self, taker: Taker, *offers: Offer) -> None:
        """Until exactly these can be taken."""
        wanted = {offer.id for offer in offers}
        await self.world.until(
            taker.node, lambda: {seen.offer.id for seen in taker.offers if not seen.obstacle} == wanted
        )

    async def order(self, taker: Taker, maker: Maker, offer: Offer, quantity: int = 1_000) -> CfdId:
        await self.sees(taker, offer)
        return taker.take(maker.node.peer_id, offer.id, Position.LONG, quantity, 2)

    async def phase(self, node: Node, key: CfdId, *wanted: type) -> Any:
        return await self.world.phase(node, key, *wanted)

    async def opened(self, taker: Taker, maker: Maker, offer: Offer) -> CfdId:
        key = await self.order(taker, maker, offer)
        for node in (taker.node, maker.node):
            await self.phase(node, key, p.LockPending)
        await self.world.mine_until(taker.node, key, p.Open)
        await self.phase(maker.node, key, p.Open)
        return key


@pytest.fixture
def market(world: Any) -> Market:
    world.oracle.book._recorded.clear()  # that event has another oracle's signature
    return Market(world)


# --- offers ----------------------------------------------------------------------------------------------------------


async def test_a_quote_replaces_the_one_before_and_is_withdrawn(market: Market) -> None:
    maker = await market.maker(sats=0)
    taker = await market.taker(maker, sats=0)
    first = await maker.publish(quote(market.world))
    await market.sees(taker, first)
    assert first.liquidations == (first.liquidations[0],), "one full hour lies between now and the expiry"
    second = await maker.publish(quote(market.world, bid=None, ask=Decimal(51_000)))
    await market.sees(taker, second)
    third = await maker.publish(quote(market.world, replaces_all=False))
    await market.sees(taker, second, third)
    assert {offer.id for offer in maker.offers} == {second.id, third.id}
    maker.withdraw(second.id)
    await market.sees(taker, third)
    with pytest.raises(RuleViolation, match="no offer"):
        maker.withdraw(second.id)


async def test_a_quote_ends_by_itself(market: Market) -> None:
    maker = await market.maker(sats=0)
    taker = await market.taker(maker, sats=0)
    short = await maker.publish(quote(market.world, valid_for=30))
    long = await maker.publish(quote(market.world, valid_for=300, replaces_all=False))
    await market.sees(taker, short, long)
    market.world.clock.turn_to(Timestamp(market.world.clock.now() + 31))
    await market.sees(taker, long)
    market.world.clock.turn_to(Timestamp(market.world.clock.now() + 300))
    await market.sees(taker)
    assert not maker.node.engine.offers


async def test_a_quote_from_before_the_full_hour_cannot_be_taken(market: Market) -> None:
    """The event of the hour just past is one of its liquidation events."""
    clock = market.world.clock
    clock.turn_to(Timestamp(clock.now() // HOUR * HOUR + HOUR - 300))
    maker = await market.maker(sats=0)
    taker = await market.taker(maker, sats=0)
    before = await maker.publish(quote(market.world))
    await market.sees(taker, before)
    clock.turn_to(Timestamp(before.published_at // HOUR * HOUR + HOUR))
    assert [seen.obstacle for seen in taker.offers] == [OVERTAKEN]
    with pytest.raises(RuleViolation, match="from before the full hour: wait for the maker's next one"):
        taker.take(maker.node.peer_id, before.id, Position.LONG, 1_000, 2)
    await market.sees(taker, await maker.publish(quote(market.world)))


@pytest.mark.parametrize(
    ("quoted_at", "now", "renewed"),
    [(3600, 3839, False), (3600, 3840, True), (7199, 7199, False), (7199, 7200, True), (7200, 7201, False)],
)
def test_the_sandbox_bot_quotes_anew_at_the_full_hour(quoted_at: int, now: int, renewed: bool) -> None:
    assert outdated(Timestamp(quoted_at), Timestamp(now)) is renewed


async def test_quotes_do_not_outlive_the_process(market: Market) -> None:
    maker = await market.maker(sats=0)
    await maker.publish(quote(market.world))
    maker = await market.restart(maker)
    await market.world.until(maker.node, lambda: not maker.node.engine.offers)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"bid": None, "ask": None}, "needs a bid or an ask"),
        ({"bid": Decimal(50_001)}, "above the ask"),
        ({"leverages": (101,)}, "leverage"),
        ({"valid_for": 601}, "601"),
        ({"expiry": Timestamp(1633298400 + 1)}, "full hours"),
        ({"fee_rate": FeeRate(501)}, "over our limit"),
        ({"product": "moon"}, "moon"),
    ],
)
async def test_a_quote_that_cannot_be_changes_nothing(market: Market, changes: dict[str, Any], reason: str) -> None:
    maker = await market.maker(sats=0)
    standing = await maker.publish(quote(market.world))
    with pytest.raises(RuleViolation, match=reason):
        await maker.publish(quote(market.world, **changes))
    assert [offer.id for offer in maker.offers] == [standing.id]


async def test_without_the_oracle_nothing_new_is_quoted(market: Market) -> None:
    maker = await market.maker(sats=0)
    standing = await maker.publish(quote(market.world))
    await market.world.oracle.stop()
    later = Timestamp(market.world.clock.now() // HOUR * HOUR + 5 * HOUR)
    with pytest.raises(OracleSilent, match="does not announce"):
        await maker.publish(quote(market.world, expiry=later))
    assert [offer.id for offer in maker.offers] == [standing.id]


def test_a_node_that_takes_orders_by_itself_has_no_maker(world: Any) -> None:
    with pytest.raises(RuleViolation, match="past the maker's limits"):
        Maker(Node(world.config("maker"), world.clock), MakerLimits(accept_up_to=Sats(0)))


# --- orders ----------------------------------------------------------------------------------------------------------


async def test_limits_are_held_order_by_order(market: Market) -> None:
    maker = await market.maker(sats=0, total=Sats(MARGIN + 200_000))
    for _ in range(3):
        await market.world.control.fund(await maker.node.wallet.script(), MARGIN + 100_000)
    await market.world.control.mine()
    await maker.node.wallet.sync()
    taker = await market.taker(maker)
    offer = await maker.publish(quote(market.world))
    first = await market.order(taker, maker, offer)
    await market.phase(maker.node, first, p.LockPending)
    second = taker.take(maker.node.peer_id, offer.id, Position.LONG, 200, 2)
    assert "keeps open in all" in (await market.phase(taker.node, second, p.Rejected)).reason


async def test_a_person_decides_about_a_large_order(market: Market) -> None:
    maker = await market.maker(accept_up_to=Sats(MARGIN - 1))
    taker = await market.taker(maker)
    offer = await maker.publish(quote(market.world))
    refused = await market.order(taker, maker, offer)
    await market.world.until(maker.node, lambda: refused in maker.node.engine.cfds)
    maker.reject(refused, "too large for today")
    assert "too large for today" in (await market.phase(taker.node, refused, p.Rejected)).reason
    wanted = taker.take(maker.node.peer_id, offer.id, Position.LONG, 1_000, 2)
    await market.world.until(maker.node, lambda: wanted in maker.node.engine.cfds)
    maker.accept(wanted)
    for node in (taker.node, maker.node):
        await market.phase(node, wanted, p.LockPending)
    with pytest.raises(RuleViolation):
        maker.accept(wanted)


async def test_a_blocked_peer_gets_no_contract_also_after_a_restart(market: Market) -> None:
    maker = await market.maker()
    taker = await market.taker(maker)
    maker.block(taker.node.peer_id)
    maker = await market.restart(maker)
    offer = await maker.publish(quote(market.world))
    key = await market.order(taker, maker, offer)
    assert "no orders from you" in (await market.phase(taker.node, key, p.Rejected)).reason
    maker.unblock(taker.node.peer_id)
    again = taker.take(maker.node.peer_id, offer.id, Position.LONG, 1_000, 2)
    await market.phase(taker.node, again, p.LockPending)


# --- the taker -------------------------------------------------------------------------------------------------------


async def test_two_makers_side_by_side_and_one_of_them_goes(market: Market) -> None:
    dear, cheap = await market.maker("dear", sats=0), await market.maker("cheap")
    taker = await market.taker(dear, cheap)
    high = await dear.publish(quote(market.world, ask=Decimal(50_100)))
    low = await cheap.publish(quote(market.world))
    await market.sees(taker, low, high)
    assert [seen.maker for seen in taker.offers] == [cheap.node.peer_id, dear.node.peer_id]
    await market.world.stop(dear.node)
    await market.sees(taker, low)
    key = await market.order(taker, cheap, low)
    await market.phase(taker.node, key, p.LockPending)


async def test_settling_at_the_makers_quote(market: Market) -> None:
    maker = await market.maker()
    taker = await market.taker(maker)
    offer = await maker.publish(quote(market.world))
    key = await market.opened(taker, maker, offer)
    assert taker.settle(key) == offer.bid
    for node in (taker.node, maker.node):
        await market.phase(node, key, p.ClosePending)
    await market.world.mine_until(taker.node, key, p.Closed)
    maker.withdraw(offer.id)
    with pytest.raises(RuleViolation, match="no CFD"):
        taker.settle(CfdId("00" * 16))


async def test_nothing_quoted_no_settlement_but_a_way_out(market: Market) -> None:
    maker = await market.maker()
    taker = await market.taker(maker)
    offer = await maker.publish(quote(market.world, bid=None))
    key = await market.opened(taker, maker, offer)
    with pytest.raises(NotNow, match="quotes no price"):
        taker.settle(key)
    taker.force_close(key)
    await market.phase(taker.node, key, p.CommitPending, p.CommitConfirmed)


async def test_rolling_over_by_hand_and_by_itself(market: Market) -> None:
    maker = await market.maker()
    by_itself = Policy(auto_rollover=True)
    taker = await market.taker(maker, policy=by_itself)
    offer = await maker.publish(quote(market.world, tolerance=Decimal("0.1")))
    key = await market.opened(taker, maker, offer)
    taker.roll_over(key)
    for node in (taker.node, maker.node):
        await market.world.until(node, lambda node=node: node.engine.cfds[key].held.live.number == 1)
        await market.world.until(node, lambda node=node: not node.engine.runs)
    expiry = taker.node.engine.cfds[key].expiry
    market.world.clock.turn_to(Timestamp(market.world.clock.now() + 2 * HOUR))
    for node in (taker.node, maker.node):
        await market.world.until(node, lambda node=node: node.engine.cfds[key].held.live.number == 2)
    assert taker.node.engine.cfds[key].expiry > expiry


async def test_a_clock_that_is_wrong_keeps_a_taker_from_trading(market: Market, eventually: Any) -> None:
    maker = await market.maker(sats=0)
    taker = await market.taker(maker, sats=0, clock_limits=ClockLimits(behind=-30 * HOUR, ahead=None))
    await eventually(lambda: taker.node.health()["clock"].level is Level.FAILED)
    assert "clock is wrong" in taker.node.health()["clock"].reason
    with pytest.raises(NotNow, match="clock"):
        taker.take(PeerId("SHA256:x"), OfferId("ab" * 16), Position.LONG, 1, 1)
