"""The desk's part about making offers, and what is at stake with whom."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from decimal import Decimal

from cfd_web import models as m
from cfd_web.desk import NotKnown

from cfd_core.cfd.aggregate import Cfd
from cfd_core.cfd.summary import Summary, summary
from cfd_core.values import CfdId, FeeRate, OfferId, PeerId, Position, Sats, Timestamp
from cfd_node.daemon import Maker, Quote
from cfd_node.desk.quotes import offer_model
from cfd_node.desk.refusals import plain_refusals
from cfd_node.payments import FeeLevel


class LiveMaking:
    """A maker's side."""

    def __init__(self, maker: Maker, mark: Callable[[], Decimal | None]) -> None:
        """`mark`: the market's price, if it is known."""
        self._maker, self._node, self._mark = maker, maker.node, mark

    async def own_offers(self) -> m.OwnOffers:
        with plain_refusals():
            offers = self._maker.offers
        return m.OwnOffers(offers=tuple(offer_model(offer, self._node.peer_id, own=True) for offer in offers))

    async def publish(self, offer: m.NewOffer) -> m.Offer:
        rate = offer.fee_rate or (await self._node.payments.fees()).rates[FeeLevel.NORMAL]
        quote = Quote(
            product=offer.product,
            bid=offer.bid,
            ask=offer.ask,
            min_quantity=offer.min_quantity,
            max_quantity=offer.max_quantity,
            lot=offer.lot,
            leverages=offer.leverages,
            maker_leverage=offer.maker_leverage,
            opening_fee=Sats(offer.opening_fee),
            funding_rate=offer.funding_rate,
            fee_rate=FeeRate(rate),
            expiry=None if offer.expiry is None else Timestamp(offer.expiry),
            replaces_all=offer.replaces_all,
        )
        with plain_refusals():
            published = await self._maker.publish(quote)
        return offer_model(published, self._node.peer_id, own=True)

    async def withdraw(self, offer: str) -> None:
        with plain_refusals():
            if OfferId(offer) not in self._node.engine.offers:
                raise NotKnown("there is no such offer of ours")
            self._maker.withdraw(OfferId(offer))

    async def blocked(self) -> m.Blocked:
        with plain_refusals():
            return m.Blocked(peers=tuple(self._maker.blocked))

    async def block(self, peer: str) -> m.Blocked:
        with plain_refusals():
            self._maker.block(PeerId(peer))
        return await self.blocked()

    async def unblock(self, peer: str) -> m.Blocked:
        with plain_refusals():
            if PeerId(peer) not in self._maker.blocked:
                raise NotKnown("that peer is not blocked")
            self._maker.unblock(PeerId(peer))
        return await self.blocked()

    # --- exposure ------------------------------------------------------------------------------------------------

    async def exposure(self) -> m.Exposure:
        with plain_refusals():
            cfds = list(self._node.engine.cfds.values())
            blocked = tuple(self._maker.blocked)
        running = [cfd for cfd in cfds if not cfd.ended]
        told = {cfd.id: self._summary(cfd) for cfd in cfds}
        limits = self._maker.limits
        return m.Exposure(
            net_quantity=sum(map(_signed, running)),
            margin=sum(told[cfd.id].margin for cfd in running),
            unrealised=_unrealised(told[cfd.id] for cfd in running),
            realised=sum(told[cfd.id].realised or 0 for cfd in cfds if cfd.ended),
            funding_owed=sum(told[cfd.id].fees_owed for cfd in running),
            by_peer=tuple(self._peer(peer, group, told, blocked) for peer, group in _grouped(running).items()),
            by_expiry=tuple(self._expiry(at, running, told) for at in sorted({cfd.expiry for cfd in running})),
            limit_per_peer=limits.per_peer,
            limit_total=limits.total,
            accept_up_to=limits.accept_up_to,
        )

    def _summary(self, cfd: Cfd) -> Summary:
        now, tip = self._node.clock.now(), self._node.engine.tip
        return summary(cfd, now=now, tip=tip, price=self._mark(), deadlines=self._node.config.policy.deadlines)

    def _peer(
        self, peer: PeerId, group: list[Cfd], told: dict[CfdId, Summary], blocked: tuple[str, ...]
    ) -> m.PeerExposure:
        return m.PeerExposure(
            peer=peer,
            connected=self._node.connected(peer),
            blocked=peer in blocked,
            cfds=len(group),
            long_quantity=sum(cfd.terms.quantity for cfd in group if cfd.position is Position.LONG),
            short_quantity=sum(cfd.terms.quantity for cfd in group if cfd.position is Position.SHORT),
            margin=sum(told[cfd.id].margin for cfd in group),
            unrealised=_unrealised(told[cfd.id] for cfd in group),
            next_expiry=min(cfd.expiry for cfd in group),
        )

    def _expiry(self, at: Timestamp, running: list[Cfd], told: dict[CfdId, Summary]) -> m.ExpiryExposure:
        group = [cfd for cfd in running if cfd.expiry == at]
        ours = self._node.config.policy.auto_rollover
        return m.ExpiryExposure(
            expiry=at,
            cfds=len(group),
            net_quantity=sum(map(_signed, group)),
            margin=sum(told[cfd.id].margin for cfd in group),
            rolled_over_by_itself=len(group) if ours else 0,
        )


def _signed(cfd: Cfd) -> int:
    return cfd.terms.quantity if cfd.position is Position.LONG else -cfd.terms.quantity


def _unrealised(told: Iterable[Summary]) -> int | None:
    gains = [each.unrealised for each in told]
    known = [gain for gain in gains if gain is not None]
    return sum(known) if len(known) == len(gains) else None


def _grouped(cfds: list[Cfd]) -> dict[PeerId, list[Cfd]]:
    found: defaultdict[PeerId, list[Cfd]] = defaultdict(list)
    for cfd in cfds:
        found[cfd.peer].append(cfd)
    return dict(found)
