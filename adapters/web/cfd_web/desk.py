"""The desk: everything a user interface can ask of a node, and what the node tells by itself.

The node implements it; the API, and through it pages, the command line and bots, know nothing else of the node. All
methods are called on the node's event loop. None may fail with anything but the errors below, whatever is down: what
can be answered from the node's own state is answered, and the rest is `Unavailable` with the reason. The node goes on
whatever becomes of a caller: a cancelled call has either happened as a whole or not at all.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Protocol

from cfd_web import models as m

Unsubscribe = Callable[[], None]


class DeskError(Exception):
    """The sentence says why, for people. Nothing has changed: whoever asks again does nothing twice."""


class NotKnown(DeskError):
    """There is no such CFD, offer, peer, service or transaction here."""


class Refused(DeskError):
    """The rules, a limit, the state of the thing or the wallet's balance do not allow it."""


class Unavailable(DeskError):
    """A service that this needs is not running, or the other side did not answer; later it may work."""


class NodeDesk(Protocol):
    """The node, its services and its log."""

    async def about(self) -> m.About: ...

    async def health(self) -> m.Health: ...

    async def act_on_service(self, name: str, action: m.ServiceAction) -> m.ServiceHealth:
        """Begin to start, stop or restart a service; the answer is how it is right after. `NotKnown`, `Refused`."""

    async def tip(self) -> m.Tip:
        """`Unavailable` until the first block was heard of."""

    async def log(self, *, after: int, limit: int, level: m.LogLevel, cfd: str) -> m.Log:
        """Lines with a number above `after`, of at least `level`, about the CFDs whose id begins with `cfd`; the
        newest `limit` of them.
        """


class TradingDesk(Protocol):
    """A taker's side, and what both sides do with open CFDs."""

    async def price(self) -> m.MarketPrice:
        """`Unavailable` without a price feed."""

    async def offers(self) -> m.Offers:
        """Of all makers this node is configured with, connected or not."""

    async def preview_order(self, order: m.Order) -> m.OrderPreview:
        """`NotKnown` for an offer that is not there any more, `Refused` for what it does not cover."""

    async def take(self, order: m.Order) -> m.CfdRow:
        """Send the order. The answer comes as soon as the order is stored; how it goes on is told as changes."""

    async def cfds(self, *, over: bool | None) -> m.Cfds:
        """All CFDs; `over`: only those that are over, or only those that are not."""

    async def cfd(self, cfd: str) -> m.CfdDetail: ...

    async def preview(self, cfd: str, action: m.CfdAction) -> m.ActionPreview:
        """Of rolling over, settling (at the counterparty's present quote) or force closing."""

    async def roll_over(self, cfd: str) -> m.CfdRow: ...

    async def settle(self, cfd: str, price: Decimal | None) -> m.CfdRow:
        """Propose to close at `price`; None: the counterparty's present quote for the opposite side."""

    async def force_close(self, cfd: str) -> m.CfdRow: ...

    async def choose(self, cfd: str, outcome: int) -> m.CfdRow:
        """Settle on one of the two outcomes that the oracle signed."""

    async def requests(self) -> tuple[m.Request, ...]:
        """What counterparties asked for and nobody has answered."""

    async def accept(self, cfd: str) -> m.CfdRow:
        """Accept the order or the settlement that is asked for."""

    async def reject(self, cfd: str, reason: str) -> m.CfdRow: ...


class WalletDesk(Protocol):
    """The bitcoin wallet. Figures are of the last good sync."""

    async def wallet(self) -> m.Wallet: ...

    async def new_address(self) -> m.Address:
        """A fresh one; `Unavailable` when the wallet is not running."""

    async def history(self, *, limit: int) -> m.History: ...

    async def fees(self) -> m.Fees: ...

    async def preview_send(self, send: m.Send) -> m.SendPreview:
        """`Refused` for an address that is none, or of another network."""

    async def send(self, send: m.Send) -> m.Sent:
        """Sign and broadcast. Once it is signed it counts as sent: the broadcast is repeated until it succeeds."""

    async def bump(self, bump: m.Bump) -> m.Sent: ...

    async def backup_question(self) -> m.BackupQuestion: ...

    async def check_backup(self, answer: m.BackupAnswer) -> m.BackupResult: ...

    async def watch_only(self) -> m.WatchOnly: ...


class MakingDesk(Protocol):
    """A maker's side."""

    async def own_offers(self) -> m.OwnOffers: ...

    async def publish(self, offer: m.NewOffer) -> m.Offer:
        """`Unavailable` when the oracle does not give the announcement, `Refused` for terms that do not work."""

    async def withdraw(self, offer: str) -> None: ...

    async def exposure(self) -> m.Exposure: ...

    async def blocked(self) -> m.Blocked: ...

    async def block(self, peer: str) -> m.Blocked: ...

    async def unblock(self, peer: str) -> m.Blocked: ...


class Desk(Protocol):
    """All of it."""

    @property
    def node(self) -> NodeDesk: ...

    @property
    def trading(self) -> TradingDesk: ...

    @property
    def wallet(self) -> WalletDesk: ...

    @property
    def making(self) -> MakingDesk: ...

    def now(self) -> int:
        """Seconds since 1970: the node's clock."""

    def subscribe(self, listener: Callable[[m.Change], None]) -> Unsubscribe:
        """Call `listener` with each change from now on, on the event loop; it never blocks and never raises."""
