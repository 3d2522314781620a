"""From what a maker wants to quote to the offer that takers see."""

from decimal import Decimal
from typing import Final

from attrs import frozen

from cfd_core.cfd.offer import DEFAULT_PRODUCT, STALE_AFTER, Offer
from cfd_core.errors import RuleViolation
from cfd_core.oracle import hourly_event_id
from cfd_core.payouts import payoff_of
from cfd_core.values import HOUR, EventId, FeeRate, Network, OfferId, Sats, Timestamp

CONTRACT_TERM: Final = 24 * HOUR
DIGITS: Final = 20
"""Binary digits of the oracle's prices: up to a million USD."""
TOLERANCE: Final = Decimal("0.0025")
"""By how much of the pool a CET may pay off the exact payoff."""


@frozen(kw_only=True)
class Quote:
    """An offer to publish; what is not named is the same for all offers."""

    product: str = DEFAULT_PRODUCT
    bid: Decimal | None
    ask: Decimal | None
    min_quantity: int
    max_quantity: int
    lot: int = 1
    leverages: tuple[int, ...]
    maker_leverage: int = 1
    opening_fee: Sats = Sats(0)
    funding_rate: Decimal
    fee_rate: FeeRate
    expiry: Timestamp | None = None
    """A full hour; None: the last one within a contract term."""
    valid_for: int = STALE_AFTER
    """Seconds until it is withdrawn by itself; at most `STALE_AFTER`."""
    tolerance: Decimal = TOLERANCE
    replaces_all: bool = True
    """Withdraw our other offers on the same product together with publishing this one."""

    def offer(self, key: OfferId, network: Network, now: Timestamp) -> Offer:
        """The offer itself; `RuleViolation` says what is wrong with it."""
        if not 1 <= self.valid_for <= STALE_AFTER:
            raise RuleViolation(f"an offer is good for 1 to {STALE_AFTER} seconds, not {self.valid_for}")
        expiry = self.expiry if self.expiry is not None else Timestamp((now + CONTRACT_TERM) // HOUR * HOUR)
        if expiry % HOUR:
            raise RuleViolation("the oracle speaks at full hours only")
        return Offer(
            id=key,
            network=network,
            product=self.product,
            bid=self.bid,
            ask=self.ask,
            min_quantity=self.min_quantity,
            max_quantity=self.max_quantity,
            lot=self.lot,
            leverages=self.leverages,
            maker_leverage=self.maker_leverage,
            opening_fee=self.opening_fee,
            funding_rate=self.funding_rate,
            fee_rate=self.fee_rate,
            tolerance=self.tolerance,
            event=self._event(expiry),
            liquidations=tuple(map(self._event, _hours_between(now, expiry))),
            digits=DIGITS,
            expiry=expiry,
            published_at=now,
        )

    def _event(self, at: Timestamp) -> EventId:
        return hourly_event_id(at, DIGITS, f"/x/BitMEX/{payoff_of(self.product).index}")


def _hours_between(now: Timestamp, expiry: Timestamp) -> list[Timestamp]:
    return [Timestamp(at) for at in range((now // HOUR + 1) * HOUR, expiry, HOUR)]
