"""The bitcoin wallet."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from cfd_web import models as m
from cfd_web.desk import WalletDesk
from cfd_web.once import IdempotencyKey, MoneyMoves, fingerprint
from cfd_web.problems import documented
from cfd_web.routes import PREFIX


def wallet_routes(desk: WalletDesk, moves: MoneyMoves) -> APIRouter:
    """Routes over this part of a desk."""
    routes = APIRouter(prefix=PREFIX, tags=["wallet"])
    _reading(routes, desk)
    _sending(routes, desk, moves)
    _backing_up(routes, desk)
    return routes


def _reading(routes: APIRouter, desk: WalletDesk) -> None:
    @routes.get("/wallet", responses=documented(503))
    async def wallet() -> m.Wallet:
        """What is in it."""
        return await desk.wallet()

    @routes.post("/wallet/address", status_code=201, responses=documented(503))
    async def new_address() -> m.Address:
        """A fresh address to pay to."""
        return await desk.new_address()

    @routes.get("/wallet/history", responses=documented(503))
    async def history(limit: Annotated[int, Query(ge=1, le=1_000)] = 100) -> m.History:
        """Its transactions, newest first."""
        return await desk.history(limit=limit)

    @routes.get("/wallet/fees", responses=documented(503))
    async def fees() -> m.Fees:
        """What the network asks for now."""
        return await desk.fees()

    @routes.get("/wallet/descriptors", responses=documented(503))
    async def watch_only() -> m.WatchOnly:
        """What another wallet program needs to watch this one. It shows every payment; it can spend nothing."""
        return await desk.watch_only()


def _sending(routes: APIRouter, desk: WalletDesk, moves: MoneyMoves) -> None:
    @routes.post("/wallet/send/preview", responses=documented(409, 503))
    async def preview_send(send: m.Send) -> m.SendPreview:
        """What sending would mean. Nothing is signed."""
        return await desk.preview_send(send)

    @routes.post("/wallet/send", status_code=201, response_model=m.Sent, responses=documented(409, 503))
    async def send_bitcoin(send: m.Send, key: IdempotencyKey, request: Request) -> Response:
        """Sign and broadcast."""
        return await moves.do(key, fingerprint(request, send), lambda: desk.send(send), 201)

    @routes.post("/wallet/bump", status_code=201, response_model=m.Sent, responses=documented(404, 409, 503))
    async def bump(bump: m.Bump, key: IdempotencyKey, request: Request) -> Response:
        """Replace an unconfirmed transaction by one that pays a higher fee."""
        return await moves.do(key, fingerprint(request, bump), lambda: desk.bump(bump), 201)


def _backing_up(routes: APIRouter, desk: WalletDesk) -> None:
    @routes.get("/wallet/backup", responses=documented(409, 503))
    async def backup_question() -> m.BackupQuestion:
        """Which of the backup words to ask the user for."""
        return await desk.backup_question()

    @routes.post("/wallet/backup", responses=documented(409, 503))
    async def check_backup(answer: m.BackupAnswer) -> m.BackupResult:
        """Whether the user has the right words."""
        return await desk.check_backup(answer)
