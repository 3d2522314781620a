"""What two parties agree on: everything from which both derive the same transactions."""

from collections.abc import Callable
from decimal import Decimal
from functools import cached_property
from typing import Any, Final

from attrs import field, frozen

from cfd_core import payouts, values
from cfd_core.errors import RuleViolation
from cfd_core.payouts import FeeAccount, PayoutCurve, Schedule
from cfd_core.values import EventId, FeeRate, Network, Position, Role, Sats

CET_TIMELOCK: Final = 12
"""Blocks between a commit and the first CET: the time to punish a revoked commit."""
REFUND_TIMELOCK: Final = 216
"""Blocks between a commit and the refund: 1.5 contract terms."""
DEFAULT_LIQUIDATION_SLACK: Final = Decimal("0.005")
MAX_LIQUIDATIONS: Final = 26
"""Hourly events of a contract term, and one for clocks that differ."""
MIN_MARGIN: Final = 330
"""Sats: the highest dust limit of a payout script. A smaller margin could not even be refunded."""
MAX_TOLERANCE: Final = Decimal("0.1")
MAX_FUNDING_RATE: Final = Decimal("0.1")
MAX_OPENING_FEE: Final = 10**12


def checked(check: Callable[[Any], Any]) -> Callable[[Any, Any, Any], None]:
    """An attrs validator that calls `check` with the value."""

    def validate(_instance: Any, _attribute: Any, value: Any) -> None:
        check(value)

    return validate


def funding_rate(value: Any) -> Decimal:
    """A fraction per 24 h; positive means that long pays short."""
    if (
        not isinstance(value, Decimal)
        or not value.is_finite()
        or abs(value) > MAX_FUNDING_RATE
        or value != round(value, 12)
    ):
        raise RuleViolation(f"funding rate must be within +-{MAX_FUNDING_RATE} a day (12 decimals), not {value!s:.40}")
    return value


def opening_fee(value: int) -> Sats:
    """Sats that the taker pays the maker for opening."""
    if not 0 <= value <= MAX_OPENING_FEE:
        raise RuleViolation(f"opening fee must be from 0 to {MAX_OPENING_FEE:,} sats, not {value!r:.40}")
    return Sats(value)


@frozen(kw_only=True)
class RevisionTerms:
    """What one DLC revision settles on; each rollover agrees on the next."""

    number: int
    """0 from contract setup on."""
    settlement: EventId
    """The event at which the CFD settles unless it is rolled over before."""
    liquidations: tuple[EventId, ...]
    """The hourly events before it, in time order."""
    long_pays_short: int
    """Sats by which all fees so far shift the payoff."""
    funding_rate: Decimal
    """What was charged for this revision, per 24 h; positive: long pays short."""
    hours: int
    """Of funding that were charged for this revision."""

    @property
    def events(self) -> tuple[EventId, ...]:
        """All events this revision has CETs for: the settlement first."""
        return (self.settlement, *self.liquidations)


@frozen(kw_only=True)
class ContractTerms:
    """The terms of one CFD, fixed when the maker accepts the order."""

    network: Network
    product: str
    """Name of the payoff: one of `cfd_core.payouts.PRODUCTS`, or registered."""
    price: Decimal = field(validator=checked(values.price))
    quantity: int = field(validator=checked(values.quantity))
    taker_position: Position
    taker_leverage: int = field(validator=checked(values.leverage))
    maker_leverage: int = field(validator=checked(values.leverage))
    event: EventId
    """The oracle event at which the CFD settles unless rolled over."""
    digits: int
    opening_fee: Sats = field(validator=checked(opening_fee))
    funding_rate: Decimal = field(validator=checked(funding_rate))
    fee_rate: FeeRate = field(validator=checked(values.fee_rate))
    tolerance: Decimal = field(validator=checked(payouts.check_tolerance))
    liquidations: tuple[EventId, ...] = ()
    """Hourly events between now and the settlement, in time order."""
    liquidation_slack: Decimal = field(default=DEFAULT_LIQUIDATION_SLACK, validator=checked(payouts.check_slack))
    """How much of a liquidation price may stay uncovered next to it."""
    cet_timelock: int = CET_TIMELOCK
    refund_timelock: int = REFUND_TIMELOCK

    def __attrs_post_init__(self) -> None:
        if not 1 <= self.cet_timelock < self.refund_timelock <= 4032:
            raise RuleViolation("timelocks must satisfy 1 <= CET < refund <= 4,032 blocks")
        if len(self.liquidations) > MAX_LIQUIDATIONS or len(set(self.liquidations)) != len(self.liquidations):
            raise RuleViolation(f"at most {MAX_LIQUIDATIONS} different liquidation events")
        if self.tolerance > MAX_TOLERANCE:
            raise RuleViolation(f"a contract pays within {MAX_TOLERANCE} of the pool or better, not {self.tolerance}")
        for role in Role:
            if self.margin(role) < MIN_MARGIN:
                raise RuleViolation(f"the {role.value}'s margin of {self.margin(role)} sats is below {MIN_MARGIN}")

    def position(self, role: Role) -> Position:
        return self.taker_position if role is Role.TAKER else self.taker_position.other

    def role(self, position: Position) -> Role:
        return Role.TAKER if position is self.taker_position else Role.MAKER

    def leverage(self, position: Position) -> int:
        return self.taker_leverage if position is self.taker_position else self.maker_leverage

    @property
    def first_revision(self) -> RevisionTerms:
        """What contract setup signs."""
        return RevisionTerms(
            number=0,
            settlement=self.event,
            liquidations=self.liquidations,
            long_pays_short=self.fee_account(Role.TAKER).long_pays_short,
            funding_rate=self.funding_rate,
            hours=payouts.OPENING_HOURS,
        )

    @property
    def curve(self) -> PayoutCurve:
        """The exact payoff after opening, fees included."""
        return self.curve_of(self.first_revision)

    def curve_of(self, revision: RevisionTerms) -> PayoutCurve:
        """The exact payoff with all fees of a revision."""
        return self._curve_before_fees.with_fees(revision.long_pays_short)

    @cached_property
    def _curve_before_fees(self) -> PayoutCurve:
        return PayoutCurve(
            payoff=payouts.payoff_of(self.product),
            price=self.price,
            quantity=self.quantity,
            long_leverage=self.leverage(Position.LONG),
            short_leverage=self.leverage(Position.SHORT),
        )

    def fee_account(self, role: Role) -> FeeAccount:
        """This side's account after opening: the opening fee and the first 24 h of funding."""
        curve = self._curve_before_fees
        opened = FeeAccount(role, self.position(role)).charge_opening_fee(self.opening_fee)
        return opened.charge_funding(
            long_margin=curve.long_margin,
            short_margin=curve.short_margin,
            rate=self.funding_rate,
            hours=payouts.OPENING_HOURS,
        )

    def margin(self, role: Role) -> Sats:
        """Sats that this side locks."""
        return self._curve_before_fees.margin(self.position(role))

    @property
    def pool(self) -> Sats:
        return Sats(self.margin(Role.MAKER) + self.margin(Role.TAKER))

    def schedule_of(self, revision: RevisionTerms) -> Schedule:
        """The price ranges at settlement and what each pays; both sides derive the identical one."""
        return payouts.build_schedule(self.curve_of(revision), self.digits, self.tolerance)

    def funding_of(self, rate: Decimal, hours: int) -> int:
        """Sats that a rollover adds to `long_pays_short`; negative when short pays long."""
        curve = self._curve_before_fees
        account = FeeAccount(Role.TAKER, Position.LONG)
        return account.charge_funding(
            long_margin=curve.long_margin, short_margin=curve.short_margin, rate=rate, hours=hours
        ).long_pays_short
