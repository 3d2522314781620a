"""Where an event is found over HTTP.

olivia-v1: `GET {event id}`, query string and all, answers `{"announcement": {...}, "attestation": {...} | null}`.

The TLV dialects have no HTTP of their own in the specification. Ours is `GET /{dialect}/announcement/{id}` and
`GET /{dialect}/attestation/{id}` with the event id percent-encoded into one segment, answering the record's bytes
as `application/octet-stream`; 204 without a body is "not attested yet".
"""

from urllib.parse import quote

from cfd_core.errors import DecodeError
from cfd_core.oracle import Dialect, check_event_id, read_price_event
from cfd_oracle.errors import UnknownEvent

ANNOUNCEMENT = "announcement"
ATTESTATION = "attestation"


def event_path(dialect: Dialect, event_id: str, message: str) -> str:
    """Path and query of one message of one event, starting with a slash; `UnknownEvent` for an id no oracle knows."""
    try:
        if dialect is not Dialect.OLIVIA_V1:
            return f"/{dialect.value}/{message}/{quote(check_event_id(event_id), safe='')}"
        read_price_event(event_id)  # leaves no characters that could lead to another path or host
    except DecodeError as error:
        raise UnknownEvent(str(error)) from error
    return event_id
