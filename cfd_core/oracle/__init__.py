"""Oracles: what they announce and attest, in three dialects, always verified.

`read_announcement` and `read_attestation` turn raw bytes into verified values; `adaptor_points` gives the points CETs
are encrypted to, `Attestation.prefix_secret` the secrets that decrypt them. The oracle's own side is in `issue`.
"""

from cfd_core.oracle.announcement import Announcement, read_announcement
from cfd_core.oracle.attestation import Attestation, AttestedOutcome, check_digits, read_attestation
from cfd_core.oracle.dialect import MAX_DIGITS, MAX_MESSAGE, Dialect, OracleKeys, SignatureStatus
from cfd_core.oracle.event_id import (
    BITMEX_BXBT,
    PriceEvent,
    check_event_id,
    hourly_event_id,
    read_price_event,
    utc_text,
)
from cfd_core.oracle.issue import IssuedEvent, OracleSecrets, attest, sign_announcement
from cfd_core.oracle.known import KNOWN_ORACLES
from cfd_core.oracle.points import adaptor_points
from cfd_core.oracle.recorded import read_recorded_event, read_recorded_records, write_recorded_event

__all__ = [
    "BITMEX_BXBT",
    "KNOWN_ORACLES",
    "MAX_DIGITS",
    "MAX_MESSAGE",
    "Announcement",
    "Attestation",
    "AttestedOutcome",
    "Dialect",
    "IssuedEvent",
    "OracleKeys",
    "OracleSecrets",
    "PriceEvent",
    "SignatureStatus",
    "adaptor_points",
    "attest",
    "check_digits",
    "check_event_id",
    "hourly_event_id",
    "read_announcement",
    "read_attestation",
    "read_price_event",
    "read_recorded_event",
    "read_recorded_records",
    "sign_announcement",
    "utc_text",
    "write_recorded_event",
]
