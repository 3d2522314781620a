"""Offers, orders and open CFDs."""

from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from cfd_web import models as m
from cfd_web.desk import TradingDesk
from cfd_web.once import IdempotencyKey, MoneyMoves, fingerprint
from cfd_web.problems import documented
from cfd_web.routes import PREFIX
from cfd_web.track import PriceTrack

Id = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]
MOVES = documented(404, 409, 503)


def trading_routes(desk: TradingDesk, moves: MoneyMoves, track: PriceTrack) -> APIRouter:
    """Routes over this part of a desk."""
    routes = APIRouter(prefix=PREFIX, tags=["trading"])
    _reading(routes, desk)
    _past_prices(routes, track)
    _moving(routes, desk, moves)
    _answering(routes, desk, moves)
    return routes


def _past_prices(routes: APIRouter, track: PriceTrack) -> None:
    @routes.get("/price/history")
    async def price_history(span: m.PriceSpan = m.PriceSpan.RECENT) -> m.PriceHistory:
        """Where the market's price has been since the node was started."""
        return track.history(span)


def _reading(routes: APIRouter, desk: TradingDesk) -> None:
    @routes.get("/price", responses=documented(503))
    async def price() -> m.MarketPrice:
        """The market's price."""
        return await desk.price()

    @routes.get("/offers")
    async def offers() -> m.Offers:
        """The offers of all makers, side by side."""
        return await desk.offers()

    @routes.post("/orders/preview", responses=documented(404, 409, 503))
    async def preview_order(order: m.Order) -> m.OrderPreview:
        """What an order would mean. Nothing is sent."""
        return await desk.preview_order(order)

    @routes.get("/cfds")
    async def cfds(over: bool | None = None) -> m.Cfds:
        """CFDs, newest first; `over`: only those that are over, or only those that are not."""
        return await desk.cfds(over=over)

    @routes.get("/cfds/{cfd_id}", responses=documented(404))
    async def cfd(cfd_id: Id) -> m.CfdDetail:
        """One CFD, with its timeline, transactions and payoff."""
        return await desk.cfd(cfd_id)

    @routes.get("/cfds/{cfd_id}/preview/{action}", responses=documented(404, 409, 503))
    async def preview(cfd_id: Id, action: m.CfdAction) -> m.ActionPreview:
        """What rolling over, settling or force closing would mean. Nothing is sent."""
        return await desk.preview(cfd_id, action)

    @routes.get("/requests")
    async def requests() -> tuple[m.Request, ...]:
        """What counterparties asked for and nobody has answered."""
        return await desk.requests()


def _moving(routes: APIRouter, desk: TradingDesk, moves: MoneyMoves) -> None:
    @routes.post("/cfds", status_code=201, response_model=m.CfdRow, responses=MOVES)
    async def take(order: m.Order, key: IdempotencyKey, request: Request) -> Response:
        """Take an offer. The answer comes once the order is stored; how it goes on is told as events."""
        return await moves.do(key, fingerprint(request, order), lambda: desk.take(order), 201)

    @routes.post("/cfds/{cfd_id}/rollover", status_code=202, response_model=m.CfdRow, responses=MOVES)
    async def roll_over(cfd_id: Id, key: IdempotencyKey, request: Request) -> Response:
        """Propose to the counterparty to move the expiry ahead."""
        return await moves.do(key, fingerprint(request, None), lambda: desk.roll_over(cfd_id), 202)

    @routes.post("/cfds/{cfd_id}/settle", status_code=202, response_model=m.CfdRow, responses=MOVES)
    async def settle(cfd_id: Id, settlement: m.Settlement, key: IdempotencyKey, request: Request) -> Response:
        """Propose to the counterparty to close together."""
        work = lambda: desk.settle(cfd_id, settlement.price)  # noqa: E731
        return await moves.do(key, fingerprint(request, settlement), work, 202)

    @routes.post("/cfds/{cfd_id}/close", status_code=202, response_model=m.CfdRow, responses=MOVES)
    async def force_close(cfd_id: Id, key: IdempotencyKey, request: Request) -> Response:
        """Take the CFD to the chain alone. This cannot be undone."""
        return await moves.do(key, fingerprint(request, None), lambda: desk.force_close(cfd_id), 202)

    @routes.post("/cfds/{cfd_id}/choose", status_code=202, response_model=m.CfdRow, responses=MOVES)
    async def choose(cfd_id: Id, choice: m.Choice, key: IdempotencyKey, request: Request) -> Response:
        """The oracle signed two outcomes: settle on this one."""
        work = lambda: desk.choose(cfd_id, choice.outcome)  # noqa: E731
        return await moves.do(key, fingerprint(request, choice), work, 202)


def _answering(routes: APIRouter, desk: TradingDesk, moves: MoneyMoves) -> None:
    @routes.post("/requests/{cfd_id}/accept", status_code=202, response_model=m.CfdRow, responses=MOVES)
    async def accept(cfd_id: Id, key: IdempotencyKey, request: Request) -> Response:
        """Accept the order or the settlement that a counterparty asks for."""
        return await moves.do(key, fingerprint(request, None), lambda: desk.accept(cfd_id), 202)

    @routes.post("/requests/{cfd_id}/reject", status_code=202, response_model=m.CfdRow, responses=MOVES)
    async def reject(cfd_id: Id, rejection: m.Rejection, key: IdempotencyKey, request: Request) -> Response:
        """Reject it; the counterparty is told the reason."""
        work = lambda: desk.reject(cfd_id, rejection.reason)  # noqa: E731
        return await moves.do(key, fingerprint(request, rejection), work, 202)
