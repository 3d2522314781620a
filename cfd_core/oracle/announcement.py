"""An oracle's promise to attest one event, verified as far as the keys we hold allow."""

from functools import cached_property

from attrs import field, frozen

from cfd_core.crypto.secp import Point, PointAtInfinity, schnorr_signature_point, schnorr_verify
from cfd_core.errors import DecodeError, RuleViolation
from cfd_core.oracle import dlc, olivia
from cfd_core.oracle.dialect import Dialect, OracleKeys, SignatureStatus, forged
from cfd_core.oracle.parsed import ParsedAnnouncement
from cfd_core.values import EventId, Timestamp


@frozen
class Announcement:
    """A verified announcement; make one with `read_announcement`."""

    dialect: Dialect
    event_id: EventId
    oracle_key: bytes = field(repr=bytes.hex)
    """32 bytes, x-only: the attestation key."""
    nonces: tuple[bytes, ...] = field(repr=False)
    """32 bytes each, x-only; one per binary digit, most significant first."""
    maturity: Timestamp
    """The oracle attests at this time or later."""
    signature_status: SignatureStatus
    raw: bytes = field(repr=False)
    """The bytes it was read from, for storing and sending."""

    @property
    def digits(self) -> int:
        """The number of binary digits; outcomes run from 0 to 2**digits - 1."""
        return len(self.nonces)

    @cached_property
    def digit_points(self) -> tuple[tuple[Point, Point], ...]:
        """For each digit the points of bit 0 and bit 1, computed on first use (about 1 ms) and then kept.

        Whoever keeps thousands of announcements keeps `raw` instead.
        """
        pair = _olivia_pair if self.dialect is Dialect.OLIVIA_V1 else _dlc_pair
        try:
            return tuple(pair(self, nonce) for nonce in self.nonces)
        except PointAtInfinity as error:
            raise forged("a digit of the announcement has no attestation point") from error

    def point(self, index: int, bit: int) -> Point:
        """The point whose scalar the oracle reveals if digit `index` (0 is the most significant) is `bit`."""
        if not 0 <= index < self.digits or bit not in (0, 1):
            raise RuleViolation(f"no digit {index} with value {bit} in an event of {self.digits} binary digits")
        return self.digit_points[index][bit]


def _olivia_pair(announcement: Announcement, nonce: bytes) -> tuple[Point, Point]:
    point = Point.lift_x(nonce)
    zero = Point.lift_x(announcement.oracle_key) + point
    return zero, zero + point


def _dlc_pair(announcement: Announcement, nonce: bytes) -> tuple[Point, Point]:
    zero, one = (
        schnorr_signature_point(announcement.oracle_key, nonce, dlc.digit_digest(announcement.dialect, bit))
        for bit in (0, 1)
    )
    return zero, one


def read_announcement(dialect: Dialect, raw: bytes, keys: OracleKeys) -> Announcement:
    """Decode `raw` wholly and verify it against the pinned keys.

    `DecodeError`: malformed. `PeerViolation` (culprit oracle): another oracle's key, a wrong signature, an event of a
    kind we do not trade. `RuleViolation`: keys that do not suit the dialect.
    """
    if dialect is Dialect.OLIVIA_V1:
        parsed, signing_key = olivia.decode_announcement(raw), keys.announcement
    else:
        parsed, signing_key = dlc.decode_announcement(dialect, raw), _tlv_signing_key(keys)
    if parsed.oracle_key not in (None, keys.attestation):
        raise forged("the announcement is by another oracle: its key is not the pinned one")
    _check_nonces(parsed.nonces)
    return Announcement(
        dialect=dialect,
        event_id=parsed.event_id,
        oracle_key=keys.attestation,
        nonces=parsed.nonces,
        maturity=parsed.maturity,
        signature_status=_verify_signature(parsed, signing_key),
        raw=bytes(raw),
    )


def _tlv_signing_key(keys: OracleKeys) -> bytes:
    if keys.announcement not in (None, keys.attestation):
        raise RuleViolation("this dialect has no separate announcement key: the attestation key signs everything")
    return keys.attestation


def _check_nonces(nonces: tuple[bytes, ...]) -> None:
    if len(set(nonces)) != len(nonces):
        raise forged("the announcement uses a nonce twice: two prices would share one attestation")
    for index, nonce in enumerate(nonces):
        try:
            Point.lift_x(nonce)
        except DecodeError as error:
            raise DecodeError(f"announcement: nonce {index} is not a point of the curve") from error


def _verify_signature(parsed: ParsedAnnouncement, key: bytes | None) -> SignatureStatus:
    if key is None:
        return SignatureStatus.NOT_CHECKED_NO_KEY
    if not any(schnorr_verify(key, message, parsed.signature) for message in parsed.signed):
        raise forged("the announcement's signature is wrong")
    return SignatureStatus.VERIFIED
