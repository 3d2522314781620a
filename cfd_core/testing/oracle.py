"""An oracle that announces every hour, and speaks when it is told to: early, late, never, or twice."""

from functools import lru_cache

from cfd_core.errors import DecodeError, RuleViolation
from cfd_core.oracle import (
    Announcement,
    Dialect,
    IssuedEvent,
    OracleSecrets,
    attest,
    hourly_event_id,
    read_announcement,
    read_price_event,
    sign_announcement,
)
from cfd_core.values import HOUR, EventId, Secret, Timestamp

START = Timestamp(1633298400)
"""When every world begins: 2021-10-03T22:00:00Z."""
SECRETS = OracleSecrets(Secret(b"oracle" + bytes(26)), Secret(b"announce" + bytes(24)))


@lru_cache(maxsize=1000)
def announced(event: EventId) -> Announcement:
    """What the simulated oracle announces of a price event."""
    issued = IssuedEvent.price(Dialect.OLIVIA_V1, event)
    return read_announcement(Dialect.OLIVIA_V1, sign_announcement(SECRETS, issued), SECRETS.public)


@lru_cache(maxsize=1000)
def attestation(event: EventId, price: int) -> bytes:
    """The raw bytes in which it attests a price."""
    issued = IssuedEvent.price(Dialect.OLIVIA_V1, event)
    return attest(SECRETS, issued, price, issued.maturity)


def hours(first: int, last: int, digits: int = 20) -> tuple[EventId, ...]:
    """Its events at these hours after the beginning, both included."""
    return tuple(hourly_event_id(Timestamp(START + hour * HOUR), digits) for hour in range(first, last + 1))


def _check_speakable(event: EventId, price: object) -> None:
    """A word that nobody could ever hear would leave a test waiting for it in silence."""
    try:
        digits = read_price_event(event).digits
    except (DecodeError, TypeError) as error:
        raise RuleViolation(f"the oracle speaks of price events, as `hours` makes them, not {event!r:.80}") from error
    if not isinstance(price, int) or isinstance(price, bool) or not 0 <= price < 1 << digits:
        raise RuleViolation(f"the oracle speaks whole prices of {digits} binary digits, not {price!r:.80}")


class SimOracle:
    """What the oracle has said so far: one price an event, or two when it lies."""

    def __init__(self) -> None:
        self.said: dict[EventId, tuple[int, ...]] = {}
        self.down = False
        """It answers nobody: what is asked for is asked again later."""

    def copy(self) -> "SimOracle":
        twin = SimOracle()
        twin.said, twin.down = dict(self.said), self.down
        return twin

    def speak(self, event: EventId, price: int) -> None:
        """Attest, at whatever time; another price for the same event is a lie that everybody may hold against it.

        `RuleViolation` for what it could not sign: no id of a price event, no whole price, or one past its digits.
        """
        _check_speakable(event, price)
        before = self.said.get(event, ())
        if price not in before:
            self.said[event] = (*before, price)
