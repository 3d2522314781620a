"""What the decoders hand to the verifier: fields of the right form, nothing verified yet."""

from attrs import frozen

from cfd_core.values import EventId, Timestamp


@frozen
class ParsedAnnouncement:
    """An announcement as decoded."""

    event_id: EventId
    maturity: Timestamp
    nonces: tuple[bytes, ...]
    """32 bytes each, x-only, first digit first."""
    signature: bytes
    """64 bytes, BIP 340."""
    signed: tuple[bytes, ...]
    """The messages of which the signature must sign one."""
    oracle_key: bytes | None
    """32 bytes, x-only; None where the dialect does not carry it."""


@frozen
class ParsedAttestation:
    """An attestation as decoded."""

    outcome: int
    """At least 0; not yet checked against the number of digits."""
    scalars: tuple[bytes, ...]
    """32 bytes each, first digit first."""
    event_id: EventId | None
    oracle_key: bytes | None
    nonces: tuple[bytes, ...] | None
    """The last three are None where the dialect does not carry them."""
