"""What can be asked of a node: one function each. Nothing here talks to anybody; `Client.ask` does."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Generic, TypeVar

from attrs import field, frozen
from pydantic import BaseModel, TypeAdapter

from cfd_web import models as m

T = TypeVar("T")


@frozen
class Call(Generic[T]):
    """One request, and what its answer is."""

    method: str
    path: str
    """After `/api/v1`."""
    answer: Any = field(repr=False)
    """The answer's type, `T`."""
    body: BaseModel | None = None
    query: Mapping[str, str | int] = field(factory=dict)
    moves_money: bool = False
    """It carries an idempotency key: asked again with the same key, it does nothing twice."""

    def read(self, content: bytes) -> T:
        """The answer from its JSON; pydantic's `ValidationError` if it is not one."""
        if self.answer is None:
            return None  # type: ignore[return-value]  # then T is None
        found: T = TypeAdapter(self.answer).validate_json(content)
        return found


def _get(path: str, answer: type[T], **query: str | int) -> Call[T]:
    return Call("GET", path, answer, query=query)


def _post(path: str, answer: type[T], body: BaseModel | None = None) -> Call[T]:
    return Call("POST", path, answer, body)


def _move(path: str, answer: type[T], body: BaseModel | None = None) -> Call[T]:
    return Call("POST", path, answer, body, moves_money=True)


# --- the node --------------------------------------------------------------------------------------------------------


def about() -> Call[m.About]:
    return _get("/about", m.About)


def health() -> Call[m.Health]:
    return _get("/health", m.Health)


def act_on_service(service: str, action: m.ServiceAction) -> Call[m.ServiceHealth]:
    return _post("/services", m.ServiceHealth, m.ServiceOrder(service=service, action=action))


def tip() -> Call[m.Tip]:
    return _get("/tip", m.Tip)


def log(*, after: int = 0, limit: int = 200, level: m.LogLevel = m.LogLevel.INFO, cfd: str = "") -> Call[m.Log]:
    return _get("/log", m.Log, after=after, limit=limit, level=level.value, cfd=cfd)


# --- trading ---------------------------------------------------------------------------------------------------------


def price() -> Call[m.MarketPrice]:
    return _get("/price", m.MarketPrice)


def price_history(span: m.PriceSpan = m.PriceSpan.RECENT) -> Call[m.PriceHistory]:
    return _get("/price/history", m.PriceHistory, span=span.value)


def offers() -> Call[m.Offers]:
    return _get("/offers", m.Offers)


def preview_order(order: m.Order) -> Call[m.OrderPreview]:
    return _post("/orders/preview", m.OrderPreview, order)


def take(order: m.Order) -> Call[m.CfdRow]:
    return _move("/cfds", m.CfdRow, order)


def cfds(*, over: bool | None = None) -> Call[m.Cfds]:
    return _get("/cfds", m.Cfds) if over is None else _get("/cfds", m.Cfds, over=str(over).lower())


def cfd(cfd_id: str) -> Call[m.CfdDetail]:
    return _get(f"/cfds/{cfd_id}", m.CfdDetail)


def preview(cfd_id: str, action: m.CfdAction) -> Call[m.ActionPreview]:
    return _get(f"/cfds/{cfd_id}/preview/{action.value}", m.ActionPreview)


def roll_over(cfd_id: str) -> Call[m.CfdRow]:
    return _move(f"/cfds/{cfd_id}/rollover", m.CfdRow)


def settle(cfd_id: str, price: Decimal | None = None) -> Call[m.CfdRow]:
    return _move(f"/cfds/{cfd_id}/settle", m.CfdRow, m.Settlement(price=price))


def force_close(cfd_id: str) -> Call[m.CfdRow]:
    return _move(f"/cfds/{cfd_id}/close", m.CfdRow)


def choose(cfd_id: str, outcome: int) -> Call[m.CfdRow]:
    return _move(f"/cfds/{cfd_id}/choose", m.CfdRow, m.Choice(outcome=outcome))


def requests() -> Call[tuple[m.Request, ...]]:
    return Call("GET", "/requests", tuple[m.Request, ...])


def accept(cfd_id: str) -> Call[m.CfdRow]:
    return _move(f"/requests/{cfd_id}/accept", m.CfdRow)


def reject(cfd_id: str, reason: str) -> Call[m.CfdRow]:
    return _move(f"/requests/{cfd_id}/reject", m.CfdRow, m.Rejection(reason=reason))


# --- the wallet ------------------------------------------------------------------------------------------------------


def wallet() -> Call[m.Wallet]:
    return _get("/wallet", m.Wallet)


def new_address() -> Call[m.Address]:
    return _post("/wallet/address", m.Address)


def history(*, limit: int = 100) -> Call[m.History]:
    return _get("/wallet/history", m.History, limit=limit)


def fees() -> Call[m.Fees]:
    return _get("/wallet/fees", m.Fees)


def watch_only() -> Call[m.WatchOnly]:
    return _get("/wallet/descriptors", m.WatchOnly)


def preview_send(send: m.Send) -> Call[m.SendPreview]:
    return _post("/wallet/send/preview", m.SendPreview, send)


def send(send: m.Send) -> Call[m.Sent]:
    return _move("/wallet/send", m.Sent, send)


def bump(bump: m.Bump) -> Call[m.Sent]:
    return _move("/wallet/bump", m.Sent, bump)


def backup_question() -> Call[m.BackupQuestion]:
    return _get("/wallet/backup", m.BackupQuestion)


def check_backup(answer: m.BackupAnswer) -> Call[m.BackupResult]:
    return _post("/wallet/backup", m.BackupResult, answer)


# --- making ----------------------------------------------------------------------------------------------------------


def own_offers() -> Call[m.OwnOffers]:
    return _get("/own-offers", m.OwnOffers)


def publish(offer: m.NewOffer) -> Call[m.Offer]:
    return _move("/own-offers", m.Offer, offer)


def withdraw(offer_id: str) -> Call[None]:
    return Call("DELETE", f"/own-offers/{offer_id}", None)


def exposure() -> Call[m.Exposure]:
    return _get("/exposure", m.Exposure)


def blocked() -> Call[m.Blocked]:
    return _get("/blocked", m.Blocked)


def block(peer: str) -> Call[m.Blocked]:
    return _post("/blocked", m.Blocked, m.Block(peer=peer))


def unblock(peer: str) -> Call[m.Blocked]:
    return _post("/blocked/remove", m.Blocked, m.Block(peer=peer))
