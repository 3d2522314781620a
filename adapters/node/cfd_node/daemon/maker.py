"""A maker's daily work: offers that end by themselves, and orders judged within limits."""

import asyncio
import secrets
from typing import Final

import structlog
from cfd_store import StoreError

from cfd_core.cfd.commands import AcceptOrder, PublishOffer, RejectOrder, WithdrawOffer
from cfd_core.cfd.events import OrderPlaced, Recorded
from cfd_core.cfd.offer import STALE_AFTER, Offer
from cfd_core.errors import RuleViolation
from cfd_core.values import CfdId, EventId, OfferId, PeerId, Role, Timestamp
from cfd_node.daemon.acceptance import Accept, Ask, MakerLimits, Refuse, judge
from cfd_node.daemon.peers import BLOCKED_FILE, BlockedPeers, BlockedUnreadable
from cfd_node.daemon.quotes import Quote
from cfd_node.node import Node
from cfd_node.supervision import Level, ServiceFailed, Tell

log = structlog.get_logger()
RETRY_SECONDS: Final = 2.0


class OracleSilent(Exception):
    """The oracle does not give the announcements that an offer needs; later it may."""


class Maker:
    """Quotes and judges. The node's policy must leave every order to it: `accept_up_to=0`."""

    name = "offers"
    needs = ("protocols",)

    def __init__(self, node: Node, limits: MakerLimits) -> None:
        """Joins the node's services; make it before the node starts. `RuleViolation` for a node that takes orders."""
        if node.config.policy.accept_up_to:
            raise RuleViolation("the node itself would take orders, past the maker's limits")
        self.node, self.limits = node, limits
        self.blocked = BlockedPeers(node.config.folder / BLOCKED_FILE)
        """Peers whose orders are refused. Their open CFDs run on."""
        self._ends: dict[OfferId, Timestamp] = {}
        self._moved = asyncio.Event()
        node.subscribe(self._on_event)
        node.supervisor.add(self)

    # --- offers --------------------------------------------------------------------------------------------------

    @property
    def offers(self) -> tuple[Offer, ...]:
        """What takers see now, newest first. `ServiceFailed` while the node cannot say."""
        now = self.node.clock.now()
        present = [offer for offer in self.node.engine.offers.values() if not offer.stale(now)]
        return tuple(sorted(present, key=lambda offer: offer.published_at, reverse=True))

    async def publish(self, quote: Quote) -> Offer:
        """Offer it. `RuleViolation` for what cannot be offered, `OracleSilent` without announcements; then nothing has
        changed. `ServiceFailed` and `StoreError` as everywhere.
        """
        offer = quote.offer(OfferId(secrets.token_hex(16)), self.node.config.network, self.node.clock.now())
        await self._learn((offer.event, *offer.liquidations))
        self.node.engine.handle(PublishOffer(offer), self.node.clock.now())  # refused: before anything is withdrawn
        if quote.replaces_all:
            for other in [o for o in self.node.engine.offers.values() if o.product == offer.product]:
                self.node.command(WithdrawOffer(other.id))
        self._ends[offer.id] = Timestamp(offer.published_at + quote.valid_for)
        self.node.command(PublishOffer(offer))
        self._moved.set()
        return offer

    def withdraw(self, offer: OfferId) -> None:
        """Take no more orders on it; `RuleViolation` for one that is not there."""
        self.node.command(WithdrawOffer(offer))
        self._ends.pop(offer, None)

    async def _learn(self, events: tuple[EventId, ...]) -> None:
        missing = [event for event in events if event not in self.node.engine.voices]
        await asyncio.gather(*map(self.node.learn_event, missing))
        still = next((event for event in missing if event not in self.node.engine.voices), None)
        if still is not None:
            raise OracleSilent(f"the oracle does not announce {still}: {self.node.health()['oracle'].reason}")

    async def run(self, tell: Tell) -> None:
        """Withdraw each offer when its time is over. Those of an earlier life are withdrawn at once: their prices are
        as old as the life.
        """
        tell(Level.RUNNING)
        while True:
            self._moved.clear()
            try:
                self._withdraw_old()
            except StoreError as error:
                tell(Level.DEGRADED, f"old offers cannot be withdrawn: {error}")
                await asyncio.sleep(RETRY_SECONDS)
            else:
                tell(Level.RUNNING)
                await self._until_next()

    def _withdraw_old(self) -> None:
        now = self.node.clock.now()
        for key in [key for key in self.node.engine.offers if self._ends.get(key, now) <= now]:
            self.withdraw(key)

    async def _until_next(self) -> None:
        now = self.node.clock.now()
        until = min((self._ends.get(key, now) for key in self.node.engine.offers), default=now + STALE_AFTER)
        moved = asyncio.ensure_future(self._moved.wait())
        due = asyncio.ensure_future(self.node.clock.sleep_until(until))
        try:
            await asyncio.wait({moved, due}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for waiting in (moved, due):
                waiting.cancel()
            await asyncio.gather(moved, due, return_exceptions=True)

    # --- orders --------------------------------------------------------------------------------------------------

    def _on_event(self, recorded: Recorded) -> None:
        event = recorded.event
        if isinstance(event, OrderPlaced) and event.role is Role.MAKER:
            # not inside the turn that placed it
            asyncio.get_running_loop().call_soon(self._judge, event.cfd_id)

    def _judge(self, key: CfdId) -> None:
        try:
            self._answer(key)
        except RuleViolation as error:
            log.info("an order was gone before it was judged", cfd=key, reason=str(error))
        except (StoreError, ServiceFailed, BlockedUnreadable) as error:
            log.warning("an order was not judged", cfd=key, reason=str(error))

    def _answer(self, key: CfdId) -> None:
        cfds = self.node.engine.cfds
        match judge(cfds[key], cfds.values(), self.limits, self.blocked):
            case Accept():
                self.node.command(AcceptOrder(key))
            case Refuse(reason):
                log.info("an order is refused", cfd=key, peer=cfds[key].peer, reason=reason)
                self.node.command(RejectOrder(key, reason))
            case Ask(reason):
                log.warning("an order waits for a person", cfd=key, peer=cfds[key].peer, reason=reason)

    def accept(self, key: CfdId) -> None:
        """Take an order that waits. `RuleViolation` if none does."""
        self.node.command(AcceptOrder(key))

    def reject(self, key: CfdId, reason: str) -> None:
        """Do not take an order that waits; the taker is told why. `RuleViolation` if none does."""
        self.node.command(RejectOrder(key, reason))

    # --- peers ---------------------------------------------------------------------------------------------------

    def block(self, peer: PeerId) -> None:
        """Take no more orders from a peer, now and after restarts. `BlockedUnreadable` if that cannot be kept."""
        self.blocked.add(peer)

    def unblock(self, peer: PeerId) -> None:
        """Take its orders again."""
        self.blocked.discard(peer)
