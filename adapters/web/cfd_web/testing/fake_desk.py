"""A desk whose node is a few dictionaries. It obeys the desk's contract: errors, changes, all or nothing."""

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Final

from cfd_web import models as m
from cfd_web.desk import NotKnown, Refused, Unavailable, Unsubscribe
from cfd_web.testing import samples
from cfd_web.testing.fake_making import FakeMaking
from cfd_web.testing.fake_node import FakeNode
from cfd_web.testing.fake_wallet import FakeWallet

OPEN: Final = (m.CfdAction.ROLL_OVER, m.CfdAction.SETTLE, m.CfdAction.FORCE_CLOSE)


class FakeDesk:
    """Four parts that share one world. Tests read and change its attributes."""

    def __init__(self) -> None:
        self.at = samples.NOW
        self.down: set[str] = set()
        """Names of services that do not run: `chain`, `wallet`, `oracle`, `price`, `maker`."""
        self.moved: list[str] = []
        """Each thing that moved money, once for each time."""
        self.gate = asyncio.Event()
        """Money moves only while it is set."""
        self.gate.set()
        self._listeners: list[Callable[[m.Change], None]] = []
        self.node = FakeNode(self)
        self.trading = FakeTrading(self)
        self.wallet = FakeWallet(self)
        self.making = FakeMaking(self)

    def now(self) -> int:
        return self.at

    def subscribe(self, listener: Callable[[m.Change], None]) -> Unsubscribe:
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def tell(self, change: m.Change) -> None:
        """As the node would."""
        for listener in self._listeners:
            listener(change)

    def need(self, service: str) -> None:
        """`Unavailable` while the service is down."""
        if service in self.down:
            raise Unavailable(f"the {service} is not running")

    async def move(self, what: str) -> None:
        """Note that money was moved."""
        await self.gate.wait()
        self.moved.append(what)


class FakeTrading:
    """CFDs that open at once when told to, and requests that wait."""

    def __init__(self, world: FakeDesk) -> None:
        self._world = world
        self.quotes = {samples.offer(number).id: samples.offer(number) for number in (1, 2)}
        self.rows: dict[str, m.CfdRow] = {}
        self.waiting: dict[str, m.Request] = {}

    def begin(self, order: m.Order) -> m.CfdRow:
        """A new CFD, setting up."""
        row = samples.row(len(self.rows) + 1, self._quote(order), order, self._world.at)
        return self.change(row)

    def change(self, row: m.CfdRow, **fields: object) -> m.CfdRow:
        """Keep a CFD's new state, and tell it."""
        changed = row.model_copy(update=fields)
        self.rows[row.id] = changed
        self._world.tell(m.CfdChanged(cfd=changed))
        return changed

    def make_open(self, cfd: str) -> m.CfdRow:
        """Its lock has confirmed."""
        row = self._row(cfd)
        meaning = "The position is open and enforceable by you alone."
        return self.change(row, state="open", meaning=meaning, actions=OPEN, worst_case=row.margin)

    def ask(self, kind: m.Request.Kind = m.Request.Kind.ORDER) -> m.Request:
        """A counterparty asks for something."""
        row = self.begin(samples.order())
        asked = m.Request(
            kind=kind,
            cfd=row.id,
            peer=row.peer,
            position=row.position,
            quantity=row.quantity,
            leverage=row.leverage,
            price=row.price,
            margin=row.margin,
            gain=None if kind is m.Request.Kind.ORDER else 0,
            answer_by=self._world.at + 60,
        )
        self.waiting[row.id] = asked
        self._world.tell(m.RequestsChanged(requests=tuple(self.waiting.values())))
        return asked

    async def price(self) -> m.MarketPrice:
        self._world.need("price")
        return m.MarketPrice(bid=Decimal(49_990), ask=Decimal(50_010), at=self._world.at, stale=False)

    async def offers(self) -> m.Offers:
        return m.Offers(makers=(self.maker(),), at=self._world.at)

    def maker(self) -> m.Maker:
        """The only one."""
        there = "maker" not in self._world.down
        return m.Maker(
            peer=samples.MAKER,
            name="the maker",
            address="maker.example:9735",
            connected=there,
            reason="" if there else "it does not answer",
            offers=tuple(self.quotes.values()) if there else (),
        )

    async def preview_order(self, order: m.Order) -> m.OrderPreview:
        quote = self._quote(order)
        spendable = None if "wallet" in self._world.down else self._world.wallet.spendable
        return samples.preview(quote, order, spendable)

    async def take(self, order: m.Order) -> m.CfdRow:
        preview = await self.preview_order(order)
        self._world.need("maker")
        if preview.obstacle:
            raise Refused(preview.obstacle)
        await self._world.move(f"take {order.quantity}")
        return self.begin(order)

    async def cfds(self, *, over: bool | None) -> m.Cfds:
        rows = [row for row in self.rows.values() if over is None or row.over is over]
        return m.Cfds(cfds=tuple(reversed(rows)), at=self._world.at)

    async def cfd(self, cfd: str) -> m.CfdDetail:
        row = self._row(cfd)
        placed = m.Moment(at=row.opened_at, title="order placed", meaning="", txid=None)
        quote = samples.offer()
        order = samples.order(row.quantity, row.position, row.leverage)
        payoff = samples.points(samples.curve_of(quote, order), row.position)
        return m.CfdDetail(
            row=row,
            timeline=(placed,),
            transactions=(),
            payoff=payoff,
            progress=None,
            event=samples.EVENT,
            outcomes=samples.outcomes(row) if m.CfdAction.CHOOSE in row.actions else (),
        )

    async def preview(self, cfd: str, action: m.CfdAction) -> m.ActionPreview:
        row = self._row(cfd)
        if action not in OPEN:
            raise Refused(f"there is nothing to preview about {action.value}")
        settling = action is m.CfdAction.SETTLE
        return m.ActionPreview(
            cfd=row.id,
            action=action,
            obstacle="" if action in row.actions else f"a CFD that is {row.state} cannot do that",
            steps=("The counterparty is asked.",),
            price=row.price if settling else None,
            payout=row.margin if settling else None,
            gain=0 if settling else None,
            fee=48 if action is m.CfdAction.ROLL_OVER else 0,
            chain_fee=300,
            new_expiry=row.expiry + 3_600 if action is m.CfdAction.ROLL_OVER else None,
            money_back_at=None if action is m.CfdAction.ROLL_OVER else self._world.at + 7_200,
        )

    async def roll_over(self, cfd: str) -> m.CfdRow:
        row = await self._act(cfd, m.CfdAction.ROLL_OVER)
        return self.change(row, expiry=row.expiry + 3_600)

    async def settle(self, cfd: str, price: Decimal | None) -> m.CfdRow:
        row = await self._act(cfd, m.CfdAction.SETTLE)
        self._world.moved[-1] += "" if price is None else f" at {price}"
        return self.change(row, state="settling", actions=())

    async def force_close(self, cfd: str) -> m.CfdRow:
        row = await self._act(cfd, m.CfdAction.FORCE_CLOSE)
        return self.change(row, state="closing", actions=())

    async def choose(self, cfd: str, outcome: int) -> m.CfdRow:
        row = await self._act(cfd, m.CfdAction.CHOOSE)
        return self.change(row, meaning=f"It settles at {outcome}.")

    async def requests(self) -> tuple[m.Request, ...]:
        return tuple(self.waiting.values())

    async def accept(self, cfd: str) -> m.CfdRow:
        await self._answer(cfd, "accept")
        return self.change(self._row(cfd), meaning="accepted")

    async def reject(self, cfd: str, reason: str) -> m.CfdRow:
        await self._answer(cfd, "reject")
        return self.change(self._row(cfd), state="rejected", meaning=reason, over=True, realised=0)

    async def _answer(self, cfd: str, how: str) -> None:
        self._row(cfd)
        if cfd not in self.waiting:
            raise Refused("nothing was asked, or it is answered already")
        await self._world.move(how)
        del self.waiting[cfd]

    async def _act(self, cfd: str, action: m.CfdAction) -> m.CfdRow:
        row = self._row(cfd)
        if action not in row.actions:
            raise Refused(f"a CFD that is {row.state} cannot do that")
        self._world.need("maker")
        await self._world.move(f"{action.value} {cfd[-1]}")
        return self._row(cfd)

    def _row(self, cfd: str) -> m.CfdRow:
        if cfd not in self.rows:
            raise NotKnown(f"there is no CFD {cfd}")
        return self.rows[cfd]

    def _quote(self, order: m.Order) -> m.Offer:
        quote = self.quotes.get(order.offer)
        if quote is None or quote.maker != order.maker:
            raise NotKnown("that offer is not there any more")
        if not quote.min_quantity <= order.quantity <= quote.max_quantity or order.quantity % quote.lot:
            raise Refused("the offer does not cover that quantity")
        if order.leverage not in quote.leverages:
            raise Refused("the offer does not cover that leverage")
        return quote
