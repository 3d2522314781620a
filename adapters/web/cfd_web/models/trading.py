"""Offers, and what taking one would mean."""

from enum import Enum

from cfd_core.values import Position
from cfd_web.models.cfds import PayoffPoint
from cfd_web.models.fields import (
    Count,
    FeeRate,
    Leverage,
    Model,
    OfferId,
    PeerId,
    Price,
    Quantity,
    Rate,
    Sats,
    SignedSats,
    Time,
)


class MarketPrice(Model):
    """The market's own price, from the price feed. Contracts settle at the oracle's."""

    bid: Price
    ask: Price
    at: Time
    """When the feed last spoke."""
    stale: bool
    """It has been silent for too long to be relied on."""


class PriceSpan(Enum):
    """How far back."""

    RECENT = "recent"
    """Half an hour, a point every five seconds."""
    DAY = "day"
    """A day, a point every minute."""


class PricePoint(Model):
    """The market's price at one time."""

    at: Time
    bid: Price
    ask: Price


class PriceHistory(Model):
    """What the price feed said since the node was started; where it was silent, there is a gap."""

    span: PriceSpan
    step: Count
    """Seconds between two points."""
    points: tuple[PricePoint, ...]
    """Oldest first."""


class Offer(Model):
    """A quote with its conditions."""

    id: OfferId
    maker: PeerId
    own: bool
    """Published by this node."""
    product: str
    bid: Price | None
    """What a taker can sell at (go short); None: not offered."""
    ask: Price | None
    """What a taker can buy at (go long); None: not offered."""
    min_quantity: Quantity
    max_quantity: Quantity
    lot: Quantity
    """Quantities are multiples of this."""
    leverages: tuple[Leverage, ...]
    """What the taker may choose from."""
    maker_leverage: Leverage
    opening_fee: Sats
    """The taker pays it to the maker, whatever the quantity."""
    funding_rate: Rate
    """Per 24 h; positive: long pays short."""
    fee_rate: FeeRate
    """Of the contract's transactions."""
    event: str
    """The oracle event that settles it."""
    expiry: Time
    published_at: Time
    obstacle: str
    """Why it cannot be taken now, in a sentence; empty: it can."""


class Maker(Model):
    """A maker this node trades with."""

    peer: PeerId
    name: str
    """The user's name for it."""
    address: str
    """`host:port`."""
    connected: bool
    reason: str
    """Why it is not connected; empty while it is."""
    offers: tuple[Offer, ...]


class Offers(Model):
    """The offers of all makers, side by side."""

    makers: tuple[Maker, ...]
    at: Time


class Order(Model):
    """What to take of which offer."""

    maker: PeerId
    offer: OfferId
    position: Position
    """`long` buys at the offer's ask, `short` sells at its bid."""
    quantity: Quantity
    leverage: Leverage


class OrderPreview(Model):
    """What an order would mean. Nothing has been sent to anybody."""

    order: Order
    price: Price
    margin: Sats
    """What this node would lock."""
    counterparty_margin: Sats
    pool: Sats
    opening_fee: SignedSats
    """Paid by this node; it moves the payoff, not coins."""
    funding_rate: Rate
    funding_per_day: SignedSats
    """Paid by this node; negative: received."""
    chain_fee: Sats
    """This node's share of the fees of the transaction that opens it, and of one that ends it; an estimate."""
    liquidation_price: Price | None
    """Rounded to 8 decimals; None: at no price."""
    counterparty_liquidation_price: Price | None
    expiry: Time
    payoff: tuple[PayoffPoint, ...]
    """After the opening fee and the first day's funding, from low to high prices."""
    worst_case: Sats
    """What can be lost, whatever anybody does: the margin."""
    spendable: Sats | None
    """What the wallet has for it; None: it is not known now."""
    obstacle: str
    """Why it would be refused now, in a sentence; empty: it would be tried."""


class Request(Model):
    """Something a counterparty asked for, and this node left to its user."""

    class Kind(Enum):
        """What is asked."""

        ORDER = "order"
        SETTLEMENT = "settlement"

    kind: Kind
    cfd: str
    """The id of the CFD it is about, to accept or reject it by."""
    peer: PeerId
    position: Position
    """Ours, if it is an order that we accept."""
    quantity: Quantity
    leverage: Leverage
    """Ours."""
    price: Price
    """To open at, or to settle at."""
    margin: Sats
    """What we lock or have locked."""
    gain: SignedSats | None
    """Of a settlement: ours, if we accept. None for an order."""
    answer_by: Time
    """Then it is rejected by itself."""
