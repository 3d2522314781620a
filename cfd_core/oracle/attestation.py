"""An oracle's word on one event: a secret scalar per binary digit, each checked against the announced point."""

from collections.abc import Iterator

from attrs import field, frozen

from cfd_core.crypto.secp import ORDER, public_key, scalar_sum
from cfd_core.errors import RuleViolation
from cfd_core.oracle import dlc, olivia
from cfd_core.oracle.announcement import Announcement
from cfd_core.oracle.dialect import Dialect, forged
from cfd_core.oracle.parsed import ParsedAttestation
from cfd_core.oracle.points import adaptor_points
from cfd_core.values import DigitPrefix, EventId, Secret


@frozen
class Attestation:
    """A verified attestation; make one with `read_attestation`. Nothing in it is secret any more."""

    event_id: EventId
    outcome: int
    """0 to 2**digits - 1, in the event's unit."""
    digits: int
    scalars: tuple[bytes, ...] = field(repr=False)
    """32 bytes each; scalar i times the generator is the announced point of digit i."""

    def prefix_secret(self, prefix: DigitPrefix) -> Secret:
        """The secret that decrypts the CET of `prefix`: the sum of its digits' scalars.

        `RuleViolation` when the prefix does not cover the outcome, or is empty.
        """
        if not 1 <= prefix.length <= self.digits or not prefix.covers(self.outcome, self.digits):
            raise RuleViolation(f"the attested outcome {self.outcome} is not in {prefix}")
        return scalar_sum([Secret(scalar) for scalar in self.scalars[: prefix.length]])

    @property
    def brief(self) -> "AttestedOutcome":
        """What is kept of it where no CET pays the outcome; `PeerViolation` for scalars that cancel out."""
        try:
            whole = self.prefix_secret(DigitPrefix(self.digits, self.outcome))
        except RuleViolation as error:
            raise forged("the attestation's scalars cancel out") from error
        return AttestedOutcome(self.event_id, self.outcome, self.digits, whole.reveal())


@frozen
class AttestedOutcome:
    """An outcome and the proof that the oracle signed it: nobody else could know the sum of its digits' scalars."""

    event_id: EventId
    outcome: int
    digits: int
    scalar: bytes = field(repr=False)
    """32 bytes; times the generator it is the sum of the announced points of the outcome's digits."""

    def proved(self, announcement: Announcement) -> bool:
        """Whether the oracle of this announcement signed this outcome."""
        if (self.event_id, self.digits) != (announcement.event_id, announcement.digits) or self.outcome >> self.digits:
            return False
        (point,) = adaptor_points(announcement, [DigitPrefix(self.digits, self.outcome)])
        return 0 < int.from_bytes(self.scalar, "big") < ORDER and public_key(Secret(self.scalar)) == point


def read_attestation(announcement: Announcement, raw: bytes) -> Attestation:
    """Decode `raw` wholly, in the announcement's dialect, and verify every digit's scalar.

    `DecodeError`: malformed. `PeerViolation` (culprit oracle): of another event or oracle, out of range, or a scalar
    that does not belong to the announced point.
    """
    parsed = _parse(announcement, raw)
    for index, valid in enumerate(_valid_digits(announcement, parsed)):
        if not valid:
            raise forged(f"the attestation of digit {index} is forged: its scalar does not match the announced point")
    return Attestation(announcement.event_id, parsed.outcome, announcement.digits, parsed.scalars)


def check_digits(announcement: Announcement, raw: bytes) -> tuple[int, tuple[bool, ...]]:
    """The claimed outcome, and for each digit whether its scalar is right: for reports, not for settling.

    Raises what `read_attestation` raises, except for wrong scalars.
    """
    parsed = _parse(announcement, raw)
    return parsed.outcome, tuple(_valid_digits(announcement, parsed))


def _parse(announcement: Announcement, raw: bytes) -> ParsedAttestation:
    if announcement.dialect is Dialect.OLIVIA_V1:
        parsed = olivia.decode_attestation(raw)
    else:
        parsed = dlc.decode_attestation(raw)
    _check_belongs(announcement, parsed)
    digits = announcement.digits
    if len(parsed.scalars) != digits:
        raise forged(f"the attestation has {len(parsed.scalars)} signatures for {digits} digits")
    if parsed.outcome >> digits:
        raise forged(f"the attested outcome {parsed.outcome} is out of the event's range of {digits} binary digits")
    return parsed


def _valid_digits(announcement: Announcement, parsed: ParsedAttestation) -> Iterator[bool]:
    whole = DigitPrefix(announcement.digits, parsed.outcome)
    for index, scalar in enumerate(parsed.scalars):
        point = announcement.point(index, whole.bit(index))
        yield 0 < int.from_bytes(scalar, "big") < ORDER and public_key(Secret(scalar)) == point


def _check_belongs(announcement: Announcement, parsed: ParsedAttestation) -> None:
    if parsed.event_id not in (None, announcement.event_id):
        raise forged(f"the attestation is of another event: {parsed.event_id!r:.100}")
    if parsed.oracle_key not in (None, announcement.oracle_key):
        raise forged("the attestation is by another oracle")
    if parsed.nonces not in (None, announcement.nonces):
        raise forged("the attestation does not use the announced nonces")
