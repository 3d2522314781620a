"""Offers: what a maker publishes, and the contract terms an order makes of one."""

from decimal import Decimal
from typing import Final

from attrs import field, frozen
from attrs.validators import optional

from cfd_core import payouts, values
from cfd_core.contract.terms import ContractTerms, checked
from cfd_core.errors import RuleViolation
from cfd_core.values import EventId, FeeRate, Network, OfferId, Position, Sats, Timestamp

STALE_AFTER: Final = 600
"""Seconds; a quote older than this, or dated further ahead, is not taken."""
MAX_LEVERAGES: Final = 32


@frozen(kw_only=True)
class Offer:
    """A two-sided or one-sided quote. `bid` and `ask` are the market's view, never the maker's position."""

    id: OfferId = field(validator=checked(values.offer_id))
    network: Network = field(validator=values.kind(Network))
    product: str
    bid: Decimal | None = field(validator=optional(values.kind(Decimal)))
    """Price at which a taker can sell, that is go short; None: not offered."""
    ask: Decimal | None = field(validator=optional(values.kind(Decimal)))
    """Price at which a taker can buy, that is go long; None: not offered."""
    min_quantity: int
    max_quantity: int
    lot: int
    """Quantities are multiples of this."""
    leverages: tuple[int, ...] = field(validator=values.kind(tuple))
    """What the taker may choose from."""
    maker_leverage: int
    opening_fee: Sats
    """Sats the taker pays for opening, whatever the quantity."""
    funding_rate: Decimal
    """Fraction per 24 h; positive: long pays short."""
    fee_rate: FeeRate
    tolerance: Decimal
    event: EventId
    liquidations: tuple[EventId, ...] = ()
    """Hourly events before the expiry at which a position can be liquidated, in time order."""
    digits: int
    expiry: Timestamp
    published_at: Timestamp

    def __attrs_post_init__(self) -> None:
        if self.bid is None and self.ask is None:
            raise RuleViolation("an offer needs a bid or an ask")
        if self.bid is not None and self.ask is not None and self.bid > self.ask:
            raise RuleViolation(f"the bid {self.bid} is above the ask {self.ask}")
        if not 1 <= self.lot <= self.min_quantity <= self.max_quantity <= values.MAX_QUANTITY:
            raise RuleViolation("quantities must satisfy 1 <= lot <= minimum <= maximum")
        if not 1 <= len(self.leverages) <= MAX_LEVERAGES:
            raise RuleViolation(f"an offer names 1 to {MAX_LEVERAGES} leverages")
        for position in Position:
            if self.price(position) is not None:
                for leverage in self.leverages:
                    self._terms(position, self.min_quantity, leverage)

    def price(self, position: Position) -> Decimal | None:
        """The price for a taker who wants this position."""
        return self.ask if position is Position.LONG else self.bid

    def stale(self, now: Timestamp) -> bool:
        return abs(now - self.published_at) > STALE_AFTER

    def terms(self, position: Position, quantity: int, leverage: int) -> ContractTerms:
        """The terms of an order; `RuleViolation` when the offer does not cover it."""
        if type(quantity) is not int:
            values.quantity(quantity)  # which says what it must be
        if self.price(position) is None:
            raise RuleViolation(f"the offer has no price for going {position.value}")
        if not self.min_quantity <= quantity <= self.max_quantity:
            raise RuleViolation(
                f"quantity {quantity!s:.20} is outside the offer's {self.min_quantity:,} to {self.max_quantity:,}"
            )
        if quantity % self.lot:
            raise RuleViolation(f"quantity {quantity} is not a multiple of the lot of {self.lot}")
        if leverage not in self.leverages:
            named = str(leverage) if type(leverage) is int else repr(leverage)
            raise RuleViolation(f"leverage {named:.20} is not among the offer's {_listed(self.leverages)}")
        return self._terms(position, quantity, leverage)

    def _terms(self, position: Position, quantity: int, leverage: int) -> ContractTerms:
        quoted = self.price(position)
        if quoted is None:
            raise RuleViolation("no price")
        return ContractTerms(
            network=self.network,
            product=self.product,
            price=quoted,
            quantity=quantity,
            taker_position=position,
            taker_leverage=leverage,
            maker_leverage=self.maker_leverage,
            event=self.event,
            liquidations=self.liquidations,
            digits=self.digits,
            opening_fee=self.opening_fee,
            funding_rate=self.funding_rate,
            fee_rate=self.fee_rate,
            tolerance=self.tolerance,
        )


def _listed(leverages: tuple[int, ...]) -> str:
    return ", ".join(str(leverage) for leverage in leverages)


DEFAULT_PRODUCT: Final = payouts.INVERSE_BTC_USD.name
