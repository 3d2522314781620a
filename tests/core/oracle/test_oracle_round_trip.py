"""What our oracle issues, our reader accepts, in every dialect; and other people's rules hold for it."""

import hashlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cfd_core.crypto.secp import public_key, schnorr_verify, tagged_hash
from cfd_core.errors import DecodeError, RuleViolation
from cfd_core.oracle import (
    Dialect,
    IssuedEvent,
    OracleKeys,
    OracleSecrets,
    SignatureStatus,
    adaptor_points,
    attest,
    hourly_event_id,
    read_announcement,
    read_attestation,
    sign_announcement,
)
from cfd_core.oracle.dlc import decode_attestation
from cfd_core.oracle.issue import nonce_secret
from cfd_core.values import DigitPrefix, EventId, Secret, Timestamp


@given(dialect=st.sampled_from(Dialect), digits=st.integers(1, 32), data=st.data())
@settings(max_examples=25, deadline=None)
def test_round_trip(issue: Any, dialect: Dialect, digits: int, data: st.DataObject) -> None:
    outcome = data.draw(st.integers(0, 2**digits - 1))
    own = issue(dialect, digits, outcome, key=data.draw(st.integers(1, 99)))
    announcement = own.accept()
    assert announcement.signature_status is SignatureStatus.VERIFIED
    assert announcement.raw == own.announcement_raw
    assert (announcement.digits, announcement.event_id) == (digits, own.event.event_id)
    attestation = read_attestation(announcement, own.attestation_raw)
    assert (attestation.outcome, attestation.digits) == (outcome, digits)
    prefix = DigitPrefix(length := data.draw(st.integers(1, digits)), outcome >> (digits - length))
    assert [public_key(attestation.prefix_secret(prefix))] == adaptor_points(announcement, [prefix])


def test_olivia_without_announcement_key_is_not_checked(issue: Any) -> None:
    own = issue(Dialect.OLIVIA_V1)
    announcement = read_announcement(own.dialect, own.announcement_raw, OracleKeys(own.keys.attestation))
    assert announcement.signature_status is SignatureStatus.NOT_CHECKED_NO_KEY


def test_olivia_announcement_signs_the_padded_tag(issue: Any) -> None:
    own = issue(Dialect.OLIVIA_V1)
    raw = own.announcement_raw.decode()
    signature = bytes.fromhex(raw.split('"signature":"')[1][:128])
    data = raw.split('"data":"')[1].split('"},"signature"')[0].replace('\\"', '"')
    message = b"DLC/announcement" + bytes(48) + data.encode()
    assert schnorr_verify(own.keys.announcement, message, signature)


def test_tlv_digits_are_bip340_signatures(own_tlv: Any) -> None:
    """R || s verifies as an ordinary BIP 340 signature over the digest that the dialect's documents name."""
    parsed = decode_attestation(own_tlv.attestation_raw)
    assert parsed.nonces is not None
    for digit, nonce, scalar in zip(f"{48_935:020b}", parsed.nonces, parsed.scalars, strict=True):
        if own_tlv.dialect is Dialect.DLC_V0:
            digest = tagged_hash("DLC/oracle/attestation/v0", digit.encode())
        else:
            digest = hashlib.sha256(digit.encode()).digest()
        assert schnorr_verify(own_tlv.keys.attestation, digest, nonce + scalar)


def test_no_nonce_serves_two_announcements() -> None:
    """Also the same event id in another dialect, with other digits or another time: that would give the key away."""
    key, other = Secret(b"\x01" * 32), Secret(b"\x02" * 32)
    event_id, time = EventId("event"), Timestamp(1_000)
    events = [IssuedEvent(dialect, event_id, time, digits) for dialect in Dialect for digits in (19, 20)]
    events += [IssuedEvent(Dialect.DLC_V0, event_id, Timestamp(1_001), 20)]
    events += [IssuedEvent(Dialect.DLC_V0, EventId("event2"), time, 20)]
    nonces = [nonce_secret(k, event, index) for k in (key, other) for event in events for index in range(event.digits)]
    assert len(set(nonces)) == len(nonces)
    assert all(public_key(nonce).encode()[0] == 2 for nonce in nonces)


def test_issuing_is_deterministic(own: Any) -> None:
    assert sign_announcement(own.secrets, own.event) == own.announcement_raw
    assert attest(own.secrets, own.event, 48_935, own.event.maturity) == own.attestation_raw


@pytest.mark.parametrize("outcome", [-1, 2**20])
def test_no_outcome_out_of_range(own: Any, outcome: int) -> None:
    with pytest.raises(RuleViolation, match="out of range"):
        attest(own.secrets, own.event, outcome, own.event.maturity)


def test_olivia_needs_its_announcement_key(issue: Any) -> None:
    own = issue(Dialect.OLIVIA_V1)
    with pytest.raises(RuleViolation, match="need an announcement key"):
        sign_announcement(OracleSecrets(own.secrets.attestation), own.event)


@pytest.mark.parametrize(("digits", "maturity"), [(0, 0), (33, 0), (20, -1), (20, 2**32)])
def test_no_event_beyond_the_bounds(digits: int, maturity: int) -> None:
    with pytest.raises(RuleViolation, match="not an event we can announce"):
        IssuedEvent(Dialect.DLC_V0, EventId("event"), Timestamp(maturity), digits)


def test_secrets_stay_out_of_sight(own: Any) -> None:
    assert own.secrets.attestation.reveal().hex() not in repr(own.secrets)
    assert repr(own.secrets).count("Secret(...)") == 2


def test_hourly_ids() -> None:
    assert hourly_event_id(Timestamp(1_633_384_800)) == "/x/BitMEX/BXBT/2021-10-04T22:00:00.price?n=20"
    with pytest.raises(RuleViolation, match="full hours"):
        hourly_event_id(Timestamp(1_633_384_801))
    for digits in (0, 33, 100):
        with pytest.raises(RuleViolation, match="not the id"):
            hourly_event_id(Timestamp(0), digits)


@pytest.mark.parametrize(
    "event_id",
    [
        "",
        "/x/BitMEX/BXBT/2021-10-04T22:00:00.price",
        "/x/BitMEX/BXBT/2021-10-04T22:00:00.price?n=020",
        "/x/BitMEX/BXBT/2021-10-04T22:00:00.price?n=20\n",
        "/x/BitMEX/BXBT/2021-02-30T22:00:00.price?n=20",
        "/x/BitMEX/BXBT/2021-10-04T24:00:00.price?n=20",
        "/x/BitMEX/BXBT/2107-10-04T22:00:00.price?n=20",
        "/x/BitMEX/BXBT/1969-10-04T22:00:00.price?n=20",
        "//evil.example/2021-10-04T22:00:00.price?n=20",
        "/x/BitMEX@evil/2021-10-04T22:00:00.price?n=20",
    ],
)
def test_not_a_price_event(event_id: str) -> None:
    with pytest.raises(DecodeError):
        IssuedEvent.price(Dialect.OLIVIA_V1, EventId(event_id))
