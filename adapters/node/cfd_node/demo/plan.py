"""What the demo is asked to do."""

from decimal import Decimal
from pathlib import Path
from typing import Final

from attrs import field, frozen

from cfd_core import payouts
from cfd_core.cfd.offer import DEFAULT_PRODUCT
from cfd_core.contract.terms import ContractTerms
from cfd_core.errors import CfdError, RuleViolation
from cfd_core.oracle import (
    KNOWN_ORACLES,
    Announcement,
    Dialect,
    OracleKeys,
    hourly_event_id,
    read_announcement,
    read_recorded_event,
)
from cfd_core.values import HOUR, EventId, FeeRate, Network, Position, Role, Sats, Timestamp

RECORDED: Final = Path(__file__).with_name("olivia_bxbt_2021-10-04T22.json")
"""A real announcement and attestation: BitMEX BXBT on 2021-10-04 at 22:00 UTC, outcome 48,935."""
FEE_RATE: Final = FeeRate(2)
MAX_FILE: Final = 1024 * 1024
"""Bytes of a recorded event's file; olivia's have some thousand."""


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        raw = file.read(MAX_FILE + 1)
    if len(raw) > MAX_FILE:
        raise RuleViolation(f"longer than {MAX_FILE:,} bytes")
    return raw


@frozen(kw_only=True)
class RecordedEvent:
    """An event with its attestation, both genuine."""

    raw: bytes = field(repr=False)
    announcement: Announcement = field(repr=False)
    keys: OracleKeys

    @classmethod
    def read(cls, path: Path) -> "RecordedEvent":
        """`RuleViolation` says what is wrong with the file."""
        keys = KNOWN_ORACLES["olivia"]
        try:
            raw = _read(path)
            announcement_raw, attestation = read_recorded_event(raw)
            announcement = read_announcement(Dialect.OLIVIA_V1, announcement_raw, keys)
        except OSError as error:
            raise RuleViolation(f"{path}: {error.strerror}") from error
        except CfdError as error:
            raise RuleViolation(f"{path} is not a recorded event of olivia: {error}") from error
        if attestation is None:
            raise RuleViolation(f"{path} has no attestation")
        return cls(raw=raw, announcement=announcement, keys=keys)


@frozen(kw_only=True)
class DemoPlan:
    """The contract, and the event it settles on."""

    price: Decimal = Decimal(50_000)
    quantity: int = 1000
    leverage: int = 2
    maker_leverage: int = 1
    position: Position = Position.LONG
    """The taker's."""
    tolerance: Decimal = Decimal("0.0025")
    opening_fee: Sats = Sats(0)
    funding_rate: Decimal = Decimal(0)
    product: str = DEFAULT_PRODUCT
    event: RecordedEvent
    recorded: bool = True
    """Settle on the recorded event; otherwise on the demo's own oracle, with hourly liquidations, at the same time."""

    @property
    def maturity(self) -> Timestamp:
        return self.event.announcement.maturity

    @property
    def start(self) -> Timestamp:
        """When the story begins: a contract term before the event."""
        return Timestamp(self.maturity - 24 * HOUR)

    @property
    def digits(self) -> int:
        return self.event.announcement.digits

    @property
    def settlement(self) -> EventId:
        return self.event.announcement.event_id if self.recorded else hourly_event_id(self.maturity, self.digits)

    @property
    def liquidations(self) -> tuple[EventId, ...]:
        if self.recorded:
            return ()
        return tuple(hourly_event_id(Timestamp(self.start + hour * HOUR), self.digits) for hour in range(1, 24))

    @property
    def terms(self) -> ContractTerms:
        """What the two nodes will agree on; `RuleViolation` when no contract can be made of it."""
        terms = ContractTerms(
            network=Network.REGTEST,
            product=self.product,
            price=self.price,
            quantity=self.quantity,
            taker_position=self.position,
            taker_leverage=self.leverage,
            maker_leverage=self.maker_leverage,
            event=self.settlement,
            liquidations=self.liquidations,
            digits=self.digits,
            opening_fee=self.opening_fee,
            funding_rate=self.funding_rate,
            fee_rate=FEE_RATE,
            tolerance=self.tolerance,
        )
        payouts.build_schedule(terms.curve, terms.digits, terms.tolerance)
        return terms

    def deposit(self, role: Role) -> Sats:
        """Money for a wallet: the margin, and enough for fees."""
        return Sats(self.terms.margin(role) + 100_000)
