"""The TLV dialects: the DLC specification (Oracle.md, version 0) and its plain SHA-256 relative.

Layout, all integers big-endian, `string` = BigSize length + UTF-8:

    announcement 55332: signature[64] oracle_key[32] oracle_event
    oracle_event 55330: u16 count, nonce[32] * count, u32 maturity, descriptor, string event_id
    descriptor   55306: u16 base, bool is_signed, string unit, i32 precision, u16 digits
    attestation  55400: string event_id, oracle_key[32], u16 count, signature[64] * count, outcomes

The specification calls `base` a bigsize; every implementation writes two bytes, and so do we. Outcomes are one
string, "0" or "1", per digit. The specification and bitcoin-s put them bare, rust-dlc and its family put a u16 count
first; their lengths tell which, and both are read.

What is signed: `DLC_V0` signs tagged hashes, of the whole oracle_event record and of each digit string.
`LEGACY_SHA256` signs the plain SHA-256 of the digit string and of the oracle_event; rust-dlc takes the latter
without its type and length, others with them. Either way it fixes the whole event, so both are accepted.
"""

from typing import Final

from cfd_core.crypto.secp import sha256, tagged_hash
from cfd_core.errors import DecodeError
from cfd_core.oracle.dialect import MAX_DIGITS, MAX_EVENT_ID, MAX_MESSAGE, Dialect, forged
from cfd_core.oracle.event_id import check_event_id
from cfd_core.oracle.parsed import ParsedAnnouncement, ParsedAttestation
from cfd_core.oracle.tlv import TlvReader, record, text
from cfd_core.values import EventId, Timestamp

ANNOUNCEMENT: Final = 55332
ORACLE_EVENT: Final = 55330
DIGIT_DESCRIPTOR: Final = 55306
ENUM_DESCRIPTOR: Final = 55302
ATTESTATION: Final = 55400

_UNIT_LIMIT: Final = 64
_ANNOUNCEMENT_TAG: Final = "DLC/oracle/announcement/v0"
_ATTESTATION_TAG: Final = "DLC/oracle/attestation/v0"


def digit_digest(dialect: Dialect, bit: int) -> bytes:
    """The 32 bytes an oracle signs to attest one digit."""
    digit = b"1" if bit else b"0"
    return tagged_hash(_ATTESTATION_TAG, digit) if dialect is Dialect.DLC_V0 else sha256(digit)


def event_digests(dialect: Dialect, event: bytes) -> tuple[bytes, ...]:
    """The digests of the oracle_event value `event` that a signature may sign; the first is what we sign."""
    whole = record(ORACLE_EVENT, event)
    if dialect is Dialect.DLC_V0:
        return (tagged_hash(_ANNOUNCEMENT_TAG, whole),)
    return (sha256(event), sha256(whole))


def decode_announcement(dialect: Dialect, raw: bytes) -> ParsedAnnouncement:
    """Decode and check the form; `DecodeError`, or `PeerViolation` for an event of a kind we do not trade."""
    body = _whole(raw, ANNOUNCEMENT, "announcement")
    signature, oracle_key = body.take(64), body.take(32)
    event = body.record(ORACLE_EVENT, "oracle_event")
    body.done()
    signed = event_digests(dialect, event.rest())
    nonces = tuple(event.take(32) for _ in range(_count(event, "nonces")))
    maturity = Timestamp(event.number(4))
    digits = _decode_descriptor(event)
    event_id = check_event_id(event.text(MAX_EVENT_ID))
    event.done()
    if len(nonces) != digits:
        raise forged(f"the announcement has {len(nonces)} nonces for {digits} digits")
    return ParsedAnnouncement(event_id, maturity, nonces, signature, signed, oracle_key)


def _whole(raw: bytes, kind: int, what: str) -> TlvReader:
    if len(raw) > MAX_MESSAGE:
        raise DecodeError(f"{what} is too long: {len(raw):,} of at most {MAX_MESSAGE:,} bytes")
    reader = TlvReader(raw, what)
    body = reader.record(kind, what)
    reader.done()
    return body


def _count(reader: TlvReader, what: str) -> int:
    count = reader.number(2)
    if not 1 <= count <= MAX_DIGITS:
        raise forged(f"{count} {what}, not 1 to {MAX_DIGITS}")
    return count


def _decode_descriptor(event: TlvReader) -> int:
    kind = TlvReader(event.rest(), "event descriptor").big_size()
    if kind == ENUM_DESCRIPTOR:
        raise forged("the event is not a number")
    descriptor = event.record(DIGIT_DESCRIPTOR, "event descriptor")
    base, is_signed, _unit = descriptor.number(2), descriptor.flag(), descriptor.text(_UNIT_LIMIT)
    precision, digits = descriptor.number(4, signed=True), descriptor.number(2)
    descriptor.done()
    if base != 2:
        raise forged(f"the event's digits are of base {base}, not binary")
    if is_signed:
        raise forged("the event's outcome may be negative, which we do not trade")
    if precision != 0:
        raise forged(f"the event's outcome is scaled (precision {precision}), which we do not trade")
    return digits


def decode_attestation(raw: bytes) -> ParsedAttestation:
    """Decode and check the form; `DecodeError` or `PeerViolation`."""
    body = _whole(raw, ATTESTATION, "attestation")
    event_id = check_event_id(body.text(MAX_EVENT_ID))
    oracle_key = body.take(32)
    count = _count(body, "signatures")
    signatures = [(body.take(32), body.take(32)) for _ in range(count)]
    outcome = _decode_outcomes(body, count)
    nonces, scalars = zip(*signatures, strict=True)
    return ParsedAttestation(outcome, scalars, event_id, oracle_key, nonces)


def _decode_outcomes(body: TlvReader, count: int) -> int:
    if body.left == 2 * count + 2 and body.number(2) != count:
        raise DecodeError("attestation: not one outcome per signature")
    digits = [body.text(1) for _ in range(count)]
    body.done()
    if not set(digits) <= {"0", "1"}:
        raise DecodeError("attestation: a digit is neither 0 nor 1")
    return int("".join(digits), 2)


def event_value(event_id: EventId, maturity: Timestamp, nonces: tuple[bytes, ...], unit: str) -> bytes:
    """The value of an oracle_event record."""
    count = len(nonces).to_bytes(2, "big")
    descriptor = (2).to_bytes(2, "big") + b"\0" + text(unit) + bytes(4) + count
    head = count + b"".join(nonces) + maturity.to_bytes(4, "big")
    return head + record(DIGIT_DESCRIPTOR, descriptor) + text(event_id)


def encode_announcement(event: bytes, oracle_key: bytes, signature: bytes) -> bytes:
    return record(ANNOUNCEMENT, signature + oracle_key + record(ORACLE_EVENT, event))


def encode_attestation(
    dialect: Dialect, event_id: EventId, oracle_key: bytes, signatures: tuple[bytes, ...], outcome: int
) -> bytes:
    """`signatures`: 64 bytes each. The legacy relative gets the count before the outcomes, as its family reads it."""
    count = len(signatures).to_bytes(2, "big")
    digits = b"".join(text(digit) for digit in f"{outcome:0{len(signatures)}b}")
    counted = count if dialect is Dialect.LEGACY_SHA256 else b""
    return record(ATTESTATION, text(event_id) + oracle_key + count + b"".join(signatures) + counted + digits)
