"""What our oracle server knows: recorded events, and events of its own."""

from collections.abc import Callable, Iterable

from attrs import frozen

from cfd_core.errors import DecodeError, RuleViolation
from cfd_core.oracle import (
    BITMEX_BXBT,
    KNOWN_ORACLES,
    Dialect,
    IssuedEvent,
    OracleKeys,
    OracleSecrets,
    attest,
    read_announcement,
    read_attestation,
    read_price_event,
    read_recorded_event,
    sign_announcement,
)
from cfd_core.values import HOUR, EventId, Timestamp


@frozen
class ServedEvent:
    """One event as served: raw messages in one dialect."""

    announcement: bytes
    attestation: bytes | None


@frozen
class _Recorded:
    maturity: Timestamp
    event: ServedEvent


class EventBook:
    """Answers for every event. Keeps prices in memory only: use a key for one run, for demos and tests."""

    def __init__(
        self,
        secrets: OracleSecrets,
        clock: Callable[[], int],
        recorded: Iterable[bytes] = (),
        recorded_keys: OracleKeys = KNOWN_ORACLES["olivia"],
    ) -> None:
        """`recorded`: files in olivia's form. They are verified here; core errors for one that is not genuine."""
        self._secrets = secrets
        self._clock = clock
        self._recorded = dict(_load(raw, recorded_keys) for raw in recorded)
        self._prices: dict[EventId, int] = {}

    @property
    def keys(self) -> OracleKeys:
        """The public keys of the book's own events."""
        return self._secrets.public

    def attest(self, event_id: EventId, price: int) -> None:
        """Fix the price of an own event; it is published from the event's time on.

        `RuleViolation` for a recorded or unknown event, a price out of range, and a second, different price:
        attesting twice would give the key away.
        """
        event = None if event_id in self._recorded else _own_event(Dialect.OLIVIA_V1, event_id)
        if event is None:
            raise RuleViolation(f"not an event of this oracle to attest: {event_id!r:.100}")
        if not 0 <= price < 1 << event.digits:
            raise RuleViolation(f"price {price} is out of range for {event.digits} binary digits")
        if self._prices.setdefault(event_id, price) != price:
            raise RuleViolation(f"{event_id} was attested with another price; an oracle attests once")

    def find(self, dialect: Dialect, event_id: EventId) -> ServedEvent | None:
        """The event as it is to be served now; None when there is no such event in this dialect.

        `DecodeError` when the id is no event id at all.
        """
        read_price_event(event_id)
        recorded = self._recorded.get(event_id)
        if recorded is not None:
            return self._serve_recorded(recorded) if dialect is Dialect.OLIVIA_V1 else None
        event = _own_event(dialect, event_id)
        return self._serve_own(event) if event else None

    def _serve_recorded(self, recorded: _Recorded) -> ServedEvent:
        due = self._clock() >= recorded.maturity
        return recorded.event if due else ServedEvent(recorded.event.announcement, None)

    def _serve_own(self, event: IssuedEvent) -> ServedEvent:
        announcement = sign_announcement(self._secrets, event)
        price = self._prices.get(event.event_id)
        if price is None or self._clock() < event.maturity:
            return ServedEvent(announcement, None)
        return ServedEvent(announcement, attest(self._secrets, event, price, event.maturity))


def _load(raw: bytes, keys: OracleKeys) -> tuple[EventId, _Recorded]:
    announcement_raw, attestation_raw = read_recorded_event(raw)
    announcement = read_announcement(Dialect.OLIVIA_V1, announcement_raw, keys)
    if attestation_raw is not None:
        read_attestation(announcement, attestation_raw)
    served = ServedEvent(announcement_raw, attestation_raw)
    return announcement.event_id, _Recorded(announcement.maturity, served)


def _own_event(dialect: Dialect, event_id: EventId) -> IssuedEvent | None:
    """Ours are the full hours of the BitMEX index."""
    try:
        named = read_price_event(event_id)
    except DecodeError:
        return None
    if named.source != BITMEX_BXBT or named.maturity % HOUR:
        return None
    return IssuedEvent.price(dialect, event_id)
