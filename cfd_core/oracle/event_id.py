"""Names and times of price events, as olivia writes them: `/x/BitMEX/BXBT/2021-10-04T22:00:00.price?n=20`."""

import re
from datetime import UTC, datetime
from typing import Final

from attrs import frozen

from cfd_core.errors import DecodeError, RuleViolation
from cfd_core.oracle.dialect import MAX_DIGITS, MAX_EVENT_ID
from cfd_core.values import HOUR, EventId, Timestamp

BITMEX_BXBT: Final = "/x/BitMEX/BXBT"
"""The BitMEX bitcoin index, in USD."""

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\Z", re.ASCII)
_PRICE_EVENT = re.compile(
    r"(?P<source>(?:/[A-Za-z0-9_.-]{1,64}){1,6})/(?P<time>[0-9T:-]{19})\.price\?n=(?P<digits>[1-9]\d?)\Z", re.ASCII
)
_LATEST: Final = 2**32 - 1
"""The TLV dialects hold a time in 32 bits."""


@frozen
class PriceEvent:
    """What a price event's id says: the index, the time it is read, the number of binary digits."""

    source: str
    maturity: Timestamp
    digits: int


def utc_text(time: Timestamp) -> str:
    """`2021-10-04T22:00:00`: UTC, without a suffix."""
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def read_utc(text: object, what: str) -> Timestamp:
    """Inverse of `utc_text`; `DecodeError` for another form, a date that does not exist, or a time past 2106."""
    if not isinstance(text, str) or not _TIME.match(text):
        raise DecodeError(f"{what} is not a time like 2021-10-04T22:00:00")
    try:
        seconds = int(datetime.fromisoformat(f"{text}+00:00").timestamp())
    except ValueError as error:
        raise DecodeError(f"{what} is not a date that exists: {text}") from error
    if not 0 <= seconds <= _LATEST:
        raise DecodeError(f"{what} is out of range: {text}")
    return Timestamp(seconds)


def check_event_id(text: str) -> EventId:
    """Any dialect's id: 1 to `MAX_EVENT_ID` bytes of printable text; `DecodeError` otherwise."""
    if not 1 <= len(text.encode("utf-8", "surrogatepass")) <= MAX_EVENT_ID or not text.isprintable():
        raise DecodeError(f"not an event id: {text!r:.80}")
    return EventId(text)


def read_price_event(event_id: str) -> PriceEvent:
    """Take a price event's id apart; `DecodeError` when it is not one."""
    found = _PRICE_EVENT.match(event_id)
    if found is None or int(found["digits"]) > MAX_DIGITS:
        raise DecodeError(f"not the id of a price event: {event_id!r:.100}")
    return PriceEvent(found["source"], read_utc(found["time"], "the event id's time"), int(found["digits"]))


def hourly_event_id(maturity: Timestamp, digits: int = 20, source: str = BITMEX_BXBT) -> EventId:
    """The id of the price event at a full hour. `RuleViolation` when `maturity` is not one."""
    if maturity % HOUR:
        raise RuleViolation(f"price events are at full hours, not at {utc_text(maturity)}")
    event_id = EventId(f"{source}/{utc_text(maturity)}.price?n={digits}")
    try:
        read_price_event(event_id)
    except DecodeError as error:
        raise RuleViolation(str(error)) from error
    return event_id
