"""The oracle's side: announce an event and attest it, in each dialect. For our own oracle server, demos and tests.

An oracle that attests one announced event with two outcomes gives its key away, so whoever calls `attest` must do so
once per event. Nonces depend on everything that tells one announcement from another, so that announcing an event
again, in another dialect or with other digits, reuses none.
"""

from typing import Final

from attrs import frozen

from cfd_core.crypto.secp import (
    ORDER,
    public_key,
    scalar_mul_add,
    scalar_negate,
    schnorr_sign,
    tagged_hash,
)
from cfd_core.errors import RuleViolation
from cfd_core.oracle import dlc, olivia
from cfd_core.oracle.dialect import MAX_DIGITS, Dialect, OracleKeys
from cfd_core.oracle.event_id import check_event_id, read_price_event
from cfd_core.values import EventId, Secret, Timestamp

_NONCE_TAG: Final = "cfd/oracle/nonce/v1"
_SIGNING_TAG: Final = "cfd/oracle/announcement-nonce/v1"
_CHALLENGE_TAG: Final = "BIP0340/challenge"
_UNIT: Final = "BTCUSD"


@frozen
class OracleSecrets:
    """The secret keys of one oracle, 32 bytes each. `announcement` is for olivia-v1 only."""

    attestation: Secret
    announcement: Secret | None = None

    @property
    def public(self) -> OracleKeys:
        announcement = public_key(self.announcement).x_only() if self.announcement else None
        return OracleKeys(public_key(self.attestation).x_only(), announcement)


@frozen
class IssuedEvent:
    """What fixes one announcement of ours."""

    dialect: Dialect
    event_id: EventId
    maturity: Timestamp
    digits: int

    def __attrs_post_init__(self) -> None:
        check_event_id(self.event_id)
        if not 1 <= self.digits <= MAX_DIGITS or not 0 <= self.maturity < 2**32:
            raise RuleViolation(f"not an event we can announce: {self.digits} digits at {self.maturity}")

    @classmethod
    def price(cls, dialect: Dialect, event_id: EventId) -> "IssuedEvent":
        """The price event that `event_id` spells out; `DecodeError` when it is not one."""
        named = read_price_event(event_id)
        return cls(dialect, event_id, named.maturity, named.digits)


def nonce_secret(key: Secret, event: IssuedEvent, index: int) -> Secret:
    """The secret nonce of digit `index`, with even y, as 32 bytes."""
    head = key.reveal() + bytes([event.digits, index]) + event.maturity.to_bytes(4, "big")
    return _even(Secret(tagged_hash(_NONCE_TAG, head + f"{event.dialect.value}\n{event.event_id}".encode())))


def _even(key: Secret) -> Secret:
    """The key or its negative, whichever belongs to the point with even y (BIP 340)."""
    return key if public_key(key).encode()[0] == 2 else scalar_negate(key)


def sign_announcement(secrets: OracleSecrets, event: IssuedEvent) -> bytes:
    """The raw announcement. `RuleViolation` without the key that the dialect signs with."""
    nonces = _public_nonces(secrets, event)
    if event.dialect is Dialect.OLIVIA_V1:
        if secrets.announcement is None:
            raise RuleViolation("olivia-v1 announcements need an announcement key")
        data = olivia.event_data(event.event_id, event.maturity, nonces)
        return olivia.encode_announcement(data, _sign(secrets.announcement, olivia.signed_message(data)))
    value = dlc.event_value(event.event_id, event.maturity, nonces, _UNIT)
    signature = _sign(secrets.attestation, dlc.event_digests(event.dialect, value)[0])
    return dlc.encode_announcement(value, secrets.public.attestation, signature)


def _public_nonces(secrets: OracleSecrets, event: IssuedEvent) -> tuple[bytes, ...]:
    return tuple(public_key(nonce_secret(secrets.attestation, event, index)).x_only() for index in range(event.digits))


def _sign(key: Secret, message: bytes) -> bytes:
    return schnorr_sign(key, message, tagged_hash(_SIGNING_TAG, key.reveal() + message))


def attest(secrets: OracleSecrets, event: IssuedEvent, outcome: int, time: Timestamp) -> bytes:
    """The raw attestation of `outcome`, published at `time` (which only olivia-v1 carries).

    Call it once per event: two outcomes reveal the key. `RuleViolation` when the outcome is out of range.
    """
    if not 0 <= outcome < 1 << event.digits:
        raise RuleViolation(f"outcome {outcome} is out of range for {event.digits} binary digits")
    key = _even(secrets.attestation)
    bits = [outcome >> (event.digits - 1 - index) & 1 for index in range(event.digits)]
    nonces = [nonce_secret(secrets.attestation, event, index) for index in range(event.digits)]
    if event.dialect is Dialect.OLIVIA_V1:
        scalars = tuple(_olivia_scalar(key, nonce, bit) for nonce, bit in zip(nonces, bits, strict=True))
        return olivia.encode_attestation(outcome, scalars, time)
    digest = {bit: dlc.digit_digest(event.dialect, bit) for bit in (0, 1)}
    signatures = tuple(_sign_digit(key, nonce, digest[bit]) for nonce, bit in zip(nonces, bits, strict=True))
    return dlc.encode_attestation(event.dialect, event.event_id, secrets.public.attestation, signatures, outcome)


def _olivia_scalar(key: Secret, nonce: Secret, bit: int) -> bytes:
    return scalar_mul_add(nonce, (bit + 1).to_bytes(32, "big"), key.reveal()).reveal()


def _sign_digit(key: Secret, nonce: Secret, digest: bytes) -> bytes:
    """A BIP 340 signature with the announced nonce; key and nonce have even y."""
    x = public_key(nonce).x_only()
    challenge = int.from_bytes(tagged_hash(_CHALLENGE_TAG, x + public_key(key).x_only() + digest), "big") % ORDER
    return x + scalar_mul_add(key, challenge.to_bytes(32, "big"), nonce.reveal()).reveal()
