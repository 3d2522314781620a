"""The desk's part about trading: offers, orders and positions."""

from decimal import Decimal

from cfd_web import models as m
from cfd_web.desk import NotKnown, Refused, Unavailable
from cfd_web.models import CfdAction

from cfd_core.cfd.aggregate import Cfd
from cfd_core.cfd.commands import (
    AcceptOrder,
    AcceptSettlement,
    ChooseOutcome,
    RejectOrder,
    RejectSettlement,
)
from cfd_core.values import CfdId, OfferId, PeerId
from cfd_node.daemon.taker import NotNow, SeenOffer, Taker
from cfd_node.desk import quotes, rows
from cfd_node.desk.previews import preview_action
from cfd_node.desk.refusals import known_cfd, plain_refusals
from cfd_node.desk.requests import request_of, requests_in
from cfd_node.desk.resting import RestingRows
from cfd_node.desk.wallet_part import spendable
from cfd_node.services.feed import FeedService


class LiveTrading:
    """A taker's side, and what both sides do with open CFDs."""

    def __init__(self, taker: Taker, feed: FeedService | None) -> None:
        self._taker, self._node, self._feed = taker, taker.node, feed
        self._resting = RestingRows(taker.node)

    # --- the market ----------------------------------------------------------------------------------------------

    async def price(self) -> m.MarketPrice:
        if self._feed is None or self._feed.quote is None:
            raise Unavailable("there is no price feed" if self._feed is None else "no price was heard of yet")
        quote = self._feed.quote
        return m.MarketPrice(bid=quote.bid, ask=quote.ask, at=quote.at, stale=self._feed.stale)

    @property
    def mark(self) -> Decimal | None:
        """The market's price for reckoning gains; None without a fresh one."""
        if self._feed is None or self._feed.quote is None or self._feed.stale:
            return None
        return self._feed.quote.middle

    async def offers(self) -> m.Offers:
        health = self._node.health()
        makers = tuple(quotes.maker_model(self._taker, link, health[link.name]) for link in self._node.links)
        return m.Offers(makers=makers, at=self._node.clock.now())

    async def preview_order(self, order: m.Order) -> m.OrderPreview:
        with plain_refusals():
            seen = self._seen(order)
            return quotes.preview(seen.offer, order, await spendable(self._node), seen.obstacle)

    async def take(self, order: m.Order) -> m.CfdRow:
        with plain_refusals():
            seen = self._seen(order)
            if seen.obstacle:
                raise Refused(seen.obstacle)
            if not self._node.connected(seen.maker):
                raise Unavailable("the maker is not connected")
            key = self._taker.take(
                PeerId(order.maker), OfferId(order.offer), order.position, order.quantity, order.leverage
            )
            return self._row(key)

    def _seen(self, order: m.Order) -> SeenOffer:
        for seen in self._taker.offers:
            if (seen.maker, seen.offer.id) == (order.maker, order.offer):
                return seen
        raise NotKnown("that offer is not there any more")

    # --- positions -----------------------------------------------------------------------------------------------

    async def cfds(self, *, over: bool | None) -> m.Cfds:
        with plain_refusals():
            if not self._node.ready:
                resting = await self._resting.all()
                found = tuple(row for row in resting if over is None or row.over is over)
            else:
                wanted = (cfd for cfd in self._node.engine.cfds.values() if over is None or cfd.ended is over)
                found = tuple(rows.row_of(self._node, cfd, self.mark) for cfd in wanted)
            newest_first = sorted(found, key=lambda row: (row.opened_at, row.id), reverse=True)
            return m.Cfds(cfds=tuple(newest_first), at=self._node.clock.now())

    async def cfd(self, cfd: str) -> m.CfdDetail:
        with plain_refusals():
            return rows.detail_of(self._node, known_cfd(self._node, cfd), self.mark)

    async def preview(self, cfd: str, action: CfdAction) -> m.ActionPreview:
        with plain_refusals():
            return preview_action(self._taker, known_cfd(self._node, cfd), action)

    async def roll_over(self, cfd: str) -> m.CfdRow:
        with plain_refusals():
            self._reachable(known_cfd(self._node, cfd))
            self._taker.roll_over(CfdId(cfd))
            return self._row(CfdId(cfd))

    async def settle(self, cfd: str, price: Decimal | None) -> m.CfdRow:
        with plain_refusals():
            self._reachable(known_cfd(self._node, cfd))
            self._taker.settle(CfdId(cfd), price)
            return self._row(CfdId(cfd))

    async def force_close(self, cfd: str) -> m.CfdRow:
        with plain_refusals():
            known_cfd(self._node, cfd)
            self._taker.force_close(CfdId(cfd))
            return self._row(CfdId(cfd))

    async def choose(self, cfd: str, outcome: int) -> m.CfdRow:
        with plain_refusals():
            known_cfd(self._node, cfd)
            self._node.command(ChooseOutcome(CfdId(cfd), outcome))
            return self._row(CfdId(cfd))

    def _reachable(self, cfd: Cfd) -> None:
        if not self._node.connected(cfd.peer):
            raise NotNow("the counterparty is not connected")

    # --- what counterparties ask ---------------------------------------------------------------------------------

    async def requests(self) -> tuple[m.Request, ...]:
        with plain_refusals():
            return requests_in(self._node.engine)

    async def accept(self, cfd: str) -> m.CfdRow:
        with plain_refusals():
            order = self._asked(cfd).kind is m.Request.Kind.ORDER
            self._node.command(AcceptOrder(CfdId(cfd)) if order else AcceptSettlement(CfdId(cfd)))
            return self._row(CfdId(cfd))

    async def reject(self, cfd: str, reason: str) -> m.CfdRow:
        with plain_refusals():
            order = self._asked(cfd).kind is m.Request.Kind.ORDER
            self._node.command(RejectOrder(CfdId(cfd), reason) if order else RejectSettlement(CfdId(cfd), reason))
            return self._row(CfdId(cfd))

    def _asked(self, cfd: str) -> m.Request:
        found = request_of(self._node.engine, known_cfd(self._node, cfd))
        if found is None:
            raise Refused("nothing was asked, or it is answered already")
        return found

    def _row(self, key: CfdId) -> m.CfdRow:
        return rows.row_of(self._node, self._node.engine.cfds[key], self.mark)
