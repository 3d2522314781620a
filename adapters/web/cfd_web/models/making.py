"""A maker's side: offers to publish, and what is at stake with whom."""

from typing import Annotated

from pydantic import Field, StrictBool, model_validator

from cfd_web.models.fields import (
    Count,
    FeeRate,
    Leverage,
    Model,
    PeerId,
    Price,
    Quantity,
    Rate,
    Sats,
    SignedSats,
    Time,
    Whole,
)
from cfd_web.models.trading import Offer


class NewOffer(Model):
    """An offer to publish. It can be taken for ten minutes, or until it is withdrawn; publish again to go on."""

    product: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,40}$")] = "BTCUSD-inverse"
    bid: Price | None = None
    """What takers can sell at; None: not offered."""
    ask: Price | None = None
    """What takers can buy at; None: not offered."""
    min_quantity: Quantity
    max_quantity: Quantity
    lot: Quantity = 1
    leverages: Annotated[tuple[Leverage, ...], Field(min_length=1, max_length=32)]
    maker_leverage: Leverage = 1
    opening_fee: Sats = 0
    funding_rate: Rate
    fee_rate: FeeRate | None = None
    """Of the contract's transactions; None: what the network asks for at normal speed."""
    expiry: Time | None = None
    """A full hour at which the oracle speaks; None: the one about a contract term ahead."""
    replaces_all: StrictBool = True
    """Withdraw this node's other offers on the same product, in the same step."""

    @model_validator(mode="after")
    def _makes_sense(self) -> "NewOffer":
        if self.bid is None and self.ask is None:
            raise ValueError("an offer needs a bid or an ask")
        if self.bid is not None and self.ask is not None and self.bid > self.ask:
            raise ValueError("the bid is above the ask")
        if not self.lot <= self.min_quantity <= self.max_quantity:
            raise ValueError("quantities must satisfy lot <= minimum <= maximum")
        return self


class OwnOffers(Model):
    """What this node offers now."""

    offers: tuple[Offer, ...]


class PeerExposure(Model):
    """What is open with one counterparty."""

    peer: PeerId
    connected: bool
    blocked: bool
    cfds: Count
    """That are not over."""
    long_quantity: Count
    """Contracts in which this node is long."""
    short_quantity: Count
    margin: Sats
    """This node's, locked."""
    unrealised: SignedSats | None
    """At the market's price; None: not known."""
    next_expiry: Time | None


class ExpiryExposure(Model):
    """What expires at one time."""

    expiry: Time
    cfds: Count
    net_quantity: Whole
    """Contracts long less contracts short, of this node."""
    margin: Sats
    rolled_over_by_itself: Count
    """How many of them one side rolls over by itself."""


class Exposure(Model):
    """What is at stake, by counterparty and by expiry."""

    net_quantity: Whole
    margin: Sats
    unrealised: SignedSats | None
    realised: SignedSats
    """Of all CFDs that are over."""
    funding_owed: SignedSats
    """Fees that this node owes all counterparties together; negative: is owed."""
    by_peer: tuple[PeerExposure, ...]
    by_expiry: tuple[ExpiryExposure, ...]
    """Soonest first."""
    limit_per_peer: Sats | None
    """Orders that would lock more with one peer are refused; None: no limit."""
    limit_total: Sats | None
    accept_up_to: Sats
    """Orders that lock at most this much are accepted without asking."""


class Block(Model):
    """A peer to take no more orders from."""

    peer: PeerId


class Blocked(Model):
    """Peers that may not open new CFDs. Those that are open run on."""

    peers: tuple[PeerId, ...]
