"""The node, its services and its log."""

from typing import Annotated

from fastapi import APIRouter, Query

from cfd_web import models as m
from cfd_web.desk import NodeDesk
from cfd_web.problems import documented
from cfd_web.routes import PREFIX


def node_routes(desk: NodeDesk) -> APIRouter:
    """Routes over this part of a desk."""
    routes = APIRouter(prefix=PREFIX, tags=["node"])

    @routes.get("/about")
    async def about() -> m.About:
        """Who this node is."""
        return await desk.about()

    @routes.get("/health")
    async def health() -> m.Health:
        """How each service is. Answers, with status 200, whatever is down."""
        return await desk.health()

    @routes.post("/services", status_code=202, responses=documented(404, 409))
    async def act_on_service(order: m.ServiceOrder) -> m.ServiceHealth:
        """Start, stop or restart a service; the answer is how it is right after."""
        return await desk.act_on_service(order.service, order.action)

    @routes.get("/tip", responses=documented(503))
    async def tip() -> m.Tip:
        """The best block."""
        return await desk.tip()

    @routes.get("/log")
    async def log(
        after: Annotated[int, Query(ge=0, le=2**53)] = 0,
        limit: Annotated[int, Query(ge=1, le=1_000)] = 200,
        level: m.LogLevel = m.LogLevel.INFO,
        cfd: Annotated[str, Query(pattern=r"^[0-9a-f]{0,32}$")] = "",
    ) -> m.Log:
        """The newest lines with a number above `after`, of at least `level`, about CFDs that begin with `cfd`."""
        return await desk.log(after=after, limit=limit, level=level, cfd=cfd)

    return routes
