"""The olivia-v1 dialect: JSON as served by the olivia oracle.

An announcement is `{"oracle_event": {"encoding": "json", "data": TEXT}, "signature": HEX}`. TEXT is JSON of its own,
a string so that the signature covers exact bytes: `{"id", "expected-outcome-time", "descriptor", "schemes"}`. Times
are UTC without a suffix.

The announcement signature is BIP 340 by a separate announcement key over a message of variable length: the
application tag `DLC/announcement`, filled up with zero bytes to 64, then TEXT in UTF-8, all of it unhashed into
BIP 340's challenge. This is schnorr_fun's message form before its version 0.12 (later versions offer BIP 340's 33-byte
prefix), read from olivia's and schnorr_fun's sources; no published announcement key was at hand to confirm it on a
recorded signature.

An attestation is `{"outcome": DECIMAL, "schemes": {"olivia-v1": {"scalars": [HEX, ...]}, ...}, "time"}`. It names no
event: that it belongs to ours shows in its scalars. The `ecdsa-v1` part of both is not checked and nothing
relies on it; only its form is.
"""

import json
import re
from typing import Any, Final

from cfd_core.errors import DecodeError
from cfd_core.oracle.dialect import MAX_DIGITS, MAX_MESSAGE, forged
from cfd_core.oracle.event_id import check_event_id, read_price_event, read_utc, utc_text
from cfd_core.oracle.parsed import ParsedAnnouncement, ParsedAttestation
from cfd_core.oracle.strict_json import hex_bytes, member, only_keys, read_object
from cfd_core.values import EventId, Timestamp

_TAG: Final = b"DLC/announcement".ljust(64, b"\0")
_OUTCOME = re.compile(r"(?:0|[1-9][0-9]{0,19})\Z", re.ASCII)
_FRACTION = re.compile(r"\.[0-9]{1,9}\Z", re.ASCII)
_SCHEME: Final = "olivia-v1"


def signed_message(data: str) -> bytes:
    """What the announcement key signs."""
    return _TAG + data.encode("utf-8")


def decode_announcement(raw: bytes) -> ParsedAnnouncement:
    """Decode and check the form; `DecodeError`, or `PeerViolation` where the event contradicts itself."""
    outer = read_object(raw, "announcement", MAX_MESSAGE)
    only_keys(outer, ("oracle_event", "signature"), (), "announcement")
    event = member(outer, "oracle_event", dict, "announcement")
    only_keys(event, ("encoding", "data"), (), "oracle_event")
    if event["encoding"] != "json":
        raise DecodeError("oracle_event: the encoding is not json")
    data = _encodable(member(event, "data", str, "oracle_event"))
    event_id, maturity, nonces = _decode_event(data)
    signature = hex_bytes(outer["signature"], 64, "announcement signature")
    return ParsedAnnouncement(event_id, maturity, nonces, signature, (signed_message(data),), None)


def _encodable(text: str) -> str:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise DecodeError("oracle_event: the data is not UTF-8") from error
    return text


def _decode_event(data: str) -> tuple[EventId, Timestamp, tuple[bytes, ...]]:
    event = read_object(data, "oracle_event data", MAX_MESSAGE)
    only_keys(event, ("id", "expected-outcome-time", "descriptor", "schemes"), (), "oracle_event data")
    event_id = check_event_id(member(event, "id", str, "oracle_event data"))
    maturity = read_utc(event["expected-outcome-time"], "expected-outcome-time")
    digits = _decode_descriptor(member(event, "descriptor", dict, "oracle_event data"))
    nonces = _decode_list(_own_scheme(event, "oracle_event data"), "nonces", "nonce")
    named = read_price_event(event_id)
    if (named.maturity, named.digits) != (maturity, digits):
        raise forged("the announcement's time or number of digits is not what its event id says")
    if len(nonces) != digits:
        raise forged(f"the announcement has {len(nonces)} nonces for {digits} digits")
    return event_id, maturity, nonces


def _decode_descriptor(descriptor: dict[str, Any]) -> int:
    only_keys(descriptor, ("type", "is_signed", "n_digits"), ("unit", "base"), "descriptor")
    unit = descriptor.get("unit")
    if unit is not None and not isinstance(unit, str):
        raise DecodeError("descriptor: the unit is not text")
    if descriptor["type"] != "digit-decomposition":
        raise forged(f"the event is not a number: {descriptor['type']!r:.60}")
    if member(descriptor, "is_signed", bool, "descriptor"):
        raise forged("the event's outcome may be negative, which we do not trade")
    if "base" in descriptor and member(descriptor, "base", int, "descriptor") != 2:
        raise forged("the event's digits are not binary")
    digits: int = member(descriptor, "n_digits", int, "descriptor")
    if not 1 <= digits <= MAX_DIGITS:
        raise forged(f"the event has {digits!s:.20} digits, not 1 to {MAX_DIGITS}")
    return digits


def _own_scheme(owner: dict[str, Any], what: str) -> dict[str, Any]:
    schemes = member(owner, "schemes", dict, what)
    only_keys(schemes, (_SCHEME,), ("ecdsa-v1",), f"{what} schemes")
    if not isinstance(schemes.get("ecdsa-v1"), dict | None):
        raise DecodeError(f"{what}: ecdsa-v1 is not an object")
    return member(schemes, _SCHEME, dict, what)  # type: ignore[no-any-return]


def _decode_list(scheme: dict[str, Any], name: str, what: str) -> tuple[bytes, ...]:
    only_keys(scheme, (name,), (), _SCHEME)
    items = member(scheme, name, list, _SCHEME)
    if not 1 <= len(items) <= MAX_DIGITS:
        raise forged(f"{len(items)} {name}, not 1 to {MAX_DIGITS}")
    return tuple(hex_bytes(item, 32, f"{what} {index}") for index, item in enumerate(items))


def decode_attestation(raw: bytes) -> ParsedAttestation:
    """Decode and check the form; `DecodeError` or `PeerViolation`."""
    outer = read_object(raw, "attestation", MAX_MESSAGE)
    only_keys(outer, ("outcome", "schemes", "time"), (), "attestation")
    outcome = member(outer, "outcome", str, "attestation")
    if not _OUTCOME.match(outcome):
        raise DecodeError(f"attestation: not an outcome in canonical form: {outcome!r:.40}")
    read_utc(_FRACTION.sub("", member(outer, "time", str, "attestation")), "attestation time")
    scalars = _decode_list(_own_scheme(outer, "attestation"), "scalars", "scalar")
    return ParsedAttestation(int(outcome), scalars, event_id=None, oracle_key=None, nonces=None)


def event_data(event_id: EventId, maturity: Timestamp, nonces: tuple[bytes, ...]) -> str:
    """The TEXT of an announcement."""
    return _dump(
        {
            "id": event_id,
            "expected-outcome-time": utc_text(maturity),
            "descriptor": {"type": "digit-decomposition", "is_signed": False, "n_digits": len(nonces), "unit": None},
            "schemes": {_SCHEME: {"nonces": [nonce.hex() for nonce in nonces]}},
        }
    )


def encode_announcement(data: str, signature: bytes) -> bytes:
    return _dump({"oracle_event": {"encoding": "json", "data": data}, "signature": signature.hex()}).encode()


def encode_attestation(outcome: int, scalars: tuple[bytes, ...], time: Timestamp) -> bytes:
    schemes = {_SCHEME: {"scalars": [scalar.hex() for scalar in scalars]}}
    return _dump({"outcome": str(outcome), "schemes": schemes, "time": utc_text(time)}).encode()


def _dump(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
