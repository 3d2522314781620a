"""What a node tells without being asked. Each change carries the new state, so applying one twice does no harm."""

from enum import Enum
from typing import Annotated, Final, Literal, get_args

from pydantic import Field, TypeAdapter

from cfd_web.models.cfds import CfdRow, Progress
from cfd_web.models.fields import Model, Time
from cfd_web.models.money import Wallet
from cfd_web.models.node import ServiceHealth, Tip
from cfd_web.models.trading import Maker, MarketPrice, Request


class CfdChanged(Model):
    """A CFD began or changed."""

    kind: Literal["cfd"] = "cfd"
    cfd: CfdRow


class ProgressMade(Model):
    """A protocol run came a step further."""

    kind: Literal["progress"] = "progress"
    progress: Progress


class MakerChanged(Model):
    """A maker's offers, or the connection to it. Own offers are told as those of this node's own peer id."""

    kind: Literal["maker"] = "maker"
    maker: Maker


class RequestsChanged(Model):
    """What waits for this node's user: all of it."""

    kind: Literal["requests"] = "requests"
    requests: tuple[Request, ...]


class ServiceChanged(Model):
    """A service's health."""

    kind: Literal["service"] = "service"
    service: ServiceHealth


class WalletChanged(Model):
    """The wallet's figures."""

    kind: Literal["wallet"] = "wallet"
    wallet: Wallet


class PriceChanged(Model):
    """The market's price."""

    kind: Literal["price"] = "price"
    price: MarketPrice


class TipMoved(Model):
    """A new best block."""

    kind: Literal["tip"] = "tip"
    tip: Tip


class NoticeLevel(Enum):
    """How much it matters."""

    INFO = "info"
    WARNING = "warning"
    URGENT = "urgent"
    """Money may be lost if nobody acts."""


class Notice(Model):
    """Something a person should hear of."""

    kind: Literal["notice"] = "notice"
    level: NoticeLevel
    at: Time
    text: str
    """A sentence."""
    cfd: str
    """Which CFD it concerns; empty: none."""


AnyChange = (
    CfdChanged
    | ProgressMade
    | MakerChanged
    | RequestsChanged
    | ServiceChanged
    | WalletChanged
    | PriceChanged
    | TipMoved
    | Notice
)
Change = Annotated[AnyChange, Field(discriminator="kind")]
CHANGE: Final[TypeAdapter[Change]] = TypeAdapter(Change)
"""Reads and writes changes."""
KINDS: Final = frozenset(str(change.model_fields["kind"].default) for change in get_args(AnyChange))
"""The names of all kinds of changes."""
