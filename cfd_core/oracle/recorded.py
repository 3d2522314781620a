"""One event in one file or response: the announcement, and the attestation once there is one."""

import json
from typing import Any, Final

from cfd_core.errors import DecodeError
from cfd_core.oracle.dialect import MAX_MESSAGE
from cfd_core.oracle.dlc import ANNOUNCEMENT, ATTESTATION
from cfd_core.oracle.strict_json import member, only_keys, read_object
from cfd_core.oracle.tlv import TlvReader

_LIMIT: Final = 2 * MAX_MESSAGE


def read_recorded_event(raw: bytes) -> tuple[bytes, bytes | None]:
    """Split olivia's `{"announcement": {...}, "attestation": {...} | null}` into the two raw messages.

    `DecodeError` for anything else. Both come back as compact JSON: white space outside the signed text has no meaning.
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


def read_recorded_records(raw: bytes) -> tuple[bytes, bytes | None]:
    """The same for the TLV dialects: an announcement record, then an attestation record or nothing."""
    if len(raw) > _LIMIT:
        raise DecodeError(f"event is too long: {len(raw):,} of at most {_LIMIT:,} bytes")
    reader = TlvReader(raw, "event")
    reader.record(ANNOUNCEMENT, "announcement")
    split = len(raw) - reader.left
    if not reader.left:
        return raw, None
    reader.record(ATTESTATION, "attestation")
    reader.done()
    return raw[:split], raw[split:]


def _compact(value: dict[str, Any]) -> bytes:
    try:
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8")
    except (UnicodeEncodeError, RecursionError) as error:
        raise DecodeError("event: a text is not UTF-8, or too deeply nested") from error
