"""A maker's offers and risks."""

from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from cfd_web import models as m
from cfd_web.desk import MakingDesk
from cfd_web.once import IdempotencyKey, MoneyMoves, fingerprint
from cfd_web.problems import documented
from cfd_web.routes import PREFIX


def making_routes(desk: MakingDesk, moves: MoneyMoves) -> APIRouter:
    """Routes over this part of a desk."""
    routes = APIRouter(prefix=PREFIX, tags=["making"])
    _offering(routes, desk, moves)
    _watching(routes, desk)
    return routes


def _offering(routes: APIRouter, desk: MakingDesk, moves: MoneyMoves) -> None:
    @routes.get("/own-offers")
    async def own_offers() -> m.OwnOffers:
        """What this node offers now."""
        return await desk.own_offers()

    @routes.post("/own-offers", status_code=201, response_model=m.Offer, responses=documented(409, 503))
    async def publish(offer: m.NewOffer, key: IdempotencyKey, request: Request) -> Response:
        """Offer this to all takers."""
        return await moves.do(key, fingerprint(request, offer), lambda: desk.publish(offer), 201)

    @routes.delete("/own-offers/{offer_id}", status_code=204, responses=documented(404, 503))
    async def withdraw(offer_id: Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]) -> None:
        """Take no more orders on this offer."""
        await desk.withdraw(offer_id)


def _watching(routes: APIRouter, desk: MakingDesk) -> None:
    @routes.get("/exposure")
    async def exposure() -> m.Exposure:
        """What is at stake, by counterparty and by expiry."""
        return await desk.exposure()

    @routes.get("/blocked")
    async def blocked() -> m.Blocked:
        """Peers that may not open new CFDs."""
        return await desk.blocked()

    @routes.post("/blocked", responses=documented(503))
    async def block(block: m.Block) -> m.Blocked:
        """Take no more orders from this peer."""
        return await desk.block(block.peer)

    @routes.post("/blocked/remove", responses=documented(404, 503))
    async def unblock(block: m.Block) -> m.Blocked:
        """Take orders from this peer again."""
        return await desk.unblock(block.peer)
