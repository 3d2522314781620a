"""Offers as models, and what taking one would mean."""

from cfd_web import models as m

from cfd_core.cfd.offer import Offer
from cfd_core.values import HOUR, PeerId, Position, Role
from cfd_node.daemon.taker import SeenOffer, Taker
from cfd_node.desk.figures import chain_fee, payoff, rounded
from cfd_node.services.network import MakerService
from cfd_node.supervision import Health, Level


def offer_model(offer: Offer, maker: PeerId, *, own: bool, obstacle: str = "") -> m.Offer:
    """The offer as everybody sees it."""
    return m.Offer(
        id=offer.id,
        maker=maker,
        own=own,
        product=offer.product,
        bid=offer.bid,
        ask=offer.ask,
        min_quantity=offer.min_quantity,
        max_quantity=offer.max_quantity,
        lot=offer.lot,
        leverages=offer.leverages,
        maker_leverage=offer.maker_leverage,
        opening_fee=offer.opening_fee,
        funding_rate=offer.funding_rate,
        fee_rate=offer.fee_rate,
        event=offer.event,
        expiry=offer.expiry,
        published_at=offer.published_at,
        obstacle=obstacle,
    )


def maker_model(taker: Taker, link: MakerService, health: Health) -> m.Maker:
    """A maker with what it offers; its offers are empty while the node cannot say."""
    seen: tuple[SeenOffer, ...] = taker.offers if taker.node.ready else ()
    offers = [offer_model(s.offer, s.maker, own=False, obstacle=s.obstacle) for s in seen if s.maker == link.peer]
    connected = health.level is Level.RUNNING
    return m.Maker(
        peer=link.peer,
        name=link.peer[7:15],
        address=str(link.address),
        connected=connected,
        reason="" if connected else health.reason or health.level.value,
        offers=tuple(offers),
    )


def preview(offer: Offer, order: m.Order, spendable: int | None, obstacle: str) -> m.OrderPreview:
    """What the order would mean; `RuleViolation` for what the offer does not cover."""
    terms = offer.terms(order.position, order.quantity, order.leverage)
    curve, ours = terms.curve, order.position
    funding = terms.funding_of(terms.funding_rate, 24)
    margin = terms.margin(Role.TAKER)
    if not obstacle and spendable is not None and spendable < margin + chain_fee(terms):
        obstacle = f"the wallet has {spendable:,} sats to spend, and {margin + chain_fee(terms):,} are needed"
    return m.OrderPreview(
        order=order,
        price=terms.price,
        margin=margin,
        counterparty_margin=terms.margin(Role.MAKER),
        pool=terms.pool,
        opening_fee=terms.opening_fee,
        funding_rate=terms.funding_rate,
        funding_per_day=funding if ours is Position.LONG else -funding,
        chain_fee=chain_fee(terms),
        liquidation_price=rounded(curve.liquidation_price(ours)),
        counterparty_liquidation_price=rounded(curve.liquidation_price(ours.other)),
        expiry=offer.expiry,
        payoff=payoff(curve, ours),
        worst_case=margin,
        spendable=spendable,
        obstacle=obstacle,
    )


SETTLES_WITHIN = 2 * HOUR
"""About how long it takes until money from an agreed close can be spent."""
