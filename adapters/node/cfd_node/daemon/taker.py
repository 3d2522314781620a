"""A taker's daily work: the offers of all makers side by side, and what to do with a position."""

import secrets
from decimal import Decimal

from attrs import frozen

from cfd_core.cfd.aggregate import Cfd
from cfd_core.cfd.commands import ForceClose, ProposeSettlement, RollOver, TakeOffer
from cfd_core.cfd.offer import Offer
from cfd_core.contract.close import closing_price_position
from cfd_core.engine import NODE_STREAM
from cfd_core.engine.offers import OVERTAKEN
from cfd_core.errors import RuleViolation
from cfd_core.values import CfdId, OfferId, PeerId, Position, Role
from cfd_node.node import Node
from cfd_node.supervision import Level


class NotNow(Exception):
    """Something that this needs is not there at the moment; the text says what. Nothing has changed."""


@frozen
class SeenOffer:
    """An offer of one maker, and why it cannot be taken now (empty: it can)."""

    maker: PeerId
    offer: Offer
    obstacle: str


class Taker:
    """Trades on a node. Rolling over by itself is the engine's, within the node's policy."""

    def __init__(self, node: Node) -> None:
        self.node = node

    @property
    def offers(self) -> tuple[SeenOffer, ...]:
        """Of all makers, best ask first, then best bid. `ServiceFailed` while the node cannot say."""
        market = self.node.engine.market
        seen = [SeenOffer(maker, offer, self._obstacle(offer)) for maker, offers in market.items() for offer in offers]
        return tuple(sorted(seen, key=lambda each: (each.offer.ask or Decimal("Infinity"), -(each.offer.bid or 0))))

    def _obstacle(self, offer: Offer) -> str:
        engine = self.node.engine
        if offer.network is not self.node.config.network:
            return f"it is for {offer.network.value}"
        if offer.stale(self.node.clock.now()):
            return "it is too old"
        if any(event not in engine.voices for event in (offer.event, *offer.liquidations)):
            return "the oracle's announcements are not here yet"
        if self._overtaken(offer):
            return OVERTAKEN
        return ""

    def _overtaken(self, offer: Offer) -> bool:
        engine, now = self.node.engine, self.node.clock.now()
        first = (engine.announcements.get((engine.voices[event], event)) for event in offer.liquidations[:1])
        return any(announcement is not None and announcement.maturity <= now for announcement in first)

    def take(self, maker: PeerId, offer: OfferId, position: Position, quantity: int, leverage: int) -> CfdId:
        """Order it. `RuleViolation` if it is not there, does not cover this, or is over our limits; `NotNow` while the
        clock cannot be trusted: every deadline of a contract hangs on it.
        """
        self._check_clock()
        command = TakeOffer(maker, offer, position, quantity, leverage, secrets.token_bytes(32))
        placed = (recorded.stream for recorded in self.node.command(command).events if recorded.stream != NODE_STREAM)
        return CfdId(next(placed))

    def _check_clock(self) -> None:
        clock = self.node.health()["clock"]
        if clock.level is Level.FAILED:
            raise NotNow(clock.reason)

    def roll_over(self, key: CfdId) -> None:
        """Propose to move the expiry a contract term ahead; `RuleViolation` if that cannot be now."""
        self.node.command(RollOver(key, secrets.token_bytes(32)))

    def settle(self, key: CfdId, price: Decimal | None = None) -> Decimal:
        """Propose to close at `price`; None: the counterparty's present quote. `RuleViolation`, `NotNow`."""
        at = price if price is not None else self.quote_for(self._cfd(key))
        self.node.command(ProposeSettlement(key, at))
        return at

    def force_close(self, key: CfdId) -> None:
        """Take the position to the chain now; `RuleViolation` if there is none to take."""
        self.node.command(ForceClose(key))

    def quote_for(self, cfd: Cfd) -> Decimal:
        """At what the counterparty would close the taker's position now; `NotNow` if it quotes nothing."""
        engine, now = self.node.engine, self.node.clock.now()
        side = closing_price_position(cfd.terms.taker_position)
        theirs = engine.offers.values() if cfd.role is Role.MAKER else engine.market.get(cfd.peer, ())
        fresh = [o for o in theirs if o.product == cfd.terms.product and not o.stale(now) and o.price(side) is not None]
        newest = max(fresh, key=lambda offer: offer.published_at, default=None)
        quoted = None if newest is None else newest.price(side)
        if quoted is None:
            raise NotNow("the maker quotes no price to close this position at")
        return quoted

    def _cfd(self, key: CfdId) -> Cfd:
        if key not in self.node.engine.cfds:
            raise RuleViolation(f"no CFD {key}")
        return self.node.engine.cfds[key]
