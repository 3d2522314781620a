"""How an oracle speaks and signs. Chosen by configuration, never inferred from what an oracle sends."""

from enum import Enum
from typing import Any, Final

from attrs import field, frozen
from attrs.validators import optional

from cfd_core.crypto.secp import Point
from cfd_core.errors import DecodeError, PeerViolation, RuleViolation

MAX_DIGITS: Final = 32
"""More binary digits than any price needs; bounds the work an announcement can cause."""
MAX_MESSAGE: Final = 64 * 1024
"""Bytes of one announcement or attestation, in any dialect."""
MAX_EVENT_ID: Final = 256
"""Bytes of an event id."""


class Dialect(Enum):
    """Encoding and signature scheme, one word for both. Fixed when an announcement is accepted."""

    OLIVIA_V1 = "olivia-v1"
    """JSON. Digit point = P + (bit + 1) * R. Announcements carry a BIP 340 signature by a key of their own."""
    DLC_V0 = "dlc-v0"
    """The DLC specification: TLV, BIP 340 over tagged hashes, one key for everything."""
    LEGACY_SHA256 = "legacy-sha256"
    """The same TLV signed over plain SHA-256, as the rust-dlc family of oracles does."""


class SignatureStatus(Enum):
    """What we know of an announcement's own signature. A wrong one is never accepted, so it has no status."""

    VERIFIED = "verified"
    NOT_CHECKED_NO_KEY = "not checked: no key"


def _check_key(_instance: Any, _attribute: Any, value: Any) -> None:
    try:
        Point.lift_x(value if isinstance(value, bytes) else b"")
    except DecodeError as error:
        raise RuleViolation("an oracle key is 32 bytes: the x coordinate of a point of the curve") from error


@frozen
class OracleKeys:
    """The pinned public keys of one oracle, each 32 bytes, x-only (even y).

    `announcement` is olivia's separate announcement key; the TLV dialects sign announcements with `attestation`.
    """

    attestation: bytes = field(validator=_check_key)
    announcement: bytes | None = field(default=None, validator=optional(_check_key))


def forged(reason: str) -> PeerViolation:
    """The oracle broke its word, or somebody forged it."""
    return PeerViolation(reason, culprit="oracle")
