"""One event as olivia serves it: `{"announcement": {...}, "attestation": {...} | null}`."""

import json
from typing import Any, Final

from cfd_core.errors import DecodeError
from cfd_core.oracle.dialect import MAX_MESSAGE
from cfd_core.oracle.strict_json import member, only_keys, read_object

_LIMIT: Final = 2 * MAX_MESSAGE


def read_recorded_event(raw: bytes) -> tuple[bytes, bytes | None]:
    """Split into the raw announcement and the raw attestation (None before the event); `DecodeError` otherwise.

    Both come back as compact JSON: white space outside the signed text carries no meaning.
    """
    event = read_object(raw, "event", _LIMIT)
    only_keys(event, ("announcement", "attestation"), (), "event")
    announcement = _compact(member(event, "announcement", dict, "event"))
    if event["attestation"] is None:
        return announcement, None
    return announcement, _compact(member(event, "attestation", dict, "event"))


def write_recorded_event(announcement: bytes, attestation: bytes | None) -> bytes:
    """Inverse of `read_recorded_event`, for two raw JSON messages."""
    return b'{"announcement":%b,"attestation":%b}' % (announcement, attestation or b"null")


def _compact(value: dict[str, Any]) -> bytes:
    try:
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8")
    except (UnicodeEncodeError, RecursionError) as error:
        raise DecodeError("event: a text is not UTF-8, or too deeply nested") from error
