"""The recorded event of the olivia oracle: 48,935 on 2021-10-04 22:00 UTC. One flipped bit anywhere fails."""

import json
from typing import Any

import pytest

from cfd_core.crypto.secp import Point, public_key
from cfd_core.errors import DecodeError, PeerViolation
from cfd_core.oracle import (
    KNOWN_ORACLES,
    Dialect,
    OracleKeys,
    SignatureStatus,
    adaptor_points,
    check_digits,
    read_announcement,
    read_attestation,
)
from cfd_core.values import DigitPrefix, Secret

KEYS = KNOWN_ORACLES["olivia"]
REFUSED = (DecodeError, PeerViolation)


def _dump(value: object) -> bytes:
    return json.dumps(value).encode()


def _flipped(hex_text: str, bit: int) -> str:
    return (int(hex_text, 16) ^ (1 << bit)).to_bytes(32, "big").hex()


def _nonces_changed(raw: bytes, index: int, nonce: str) -> bytes:
    outer = json.loads(raw)
    event = json.loads(outer["oracle_event"]["data"])
    event["schemes"]["olivia-v1"]["nonces"][index] = nonce
    outer["oracle_event"]["data"] = json.dumps(event)
    return _dump(outer)


def test_what_it_says(recorded: Any) -> None:
    announcement = recorded.announcement
    assert announcement.event_id == "/x/BitMEX/BXBT/2021-10-04T22:00:00.price?n=20"
    assert announcement.digits == 20
    assert announcement.maturity == 1_633_384_800
    assert announcement.oracle_key.hex() == "ddd4636845a90185991826be5a494cde9f4a6947b1727217afedc6292fa4caf7"
    attestation = read_attestation(announcement, recorded.attestation_raw)
    assert (attestation.outcome, attestation.digits, len(attestation.scalars)) == (48_935, 20, 20)
    assert attestation.event_id == announcement.event_id


def test_twenty_of_twenty(recorded: Any) -> None:
    assert check_digits(recorded.announcement, recorded.attestation_raw) == (48_935, (True,) * 20)


def test_by_hand(recorded: Any) -> None:
    """s_i * G = P + (bit + 1) * R_i, computed here without the room's own code."""
    scalars = json.loads(recorded.attestation_raw)["schemes"]["olivia-v1"]["scalars"]
    key = Point.lift_x(KEYS.attestation)
    for index, digit in enumerate(f"{48_935:020b}"):
        nonce = Point.lift_x(recorded.announcement.nonces[index])
        expected = Point.sum([key, *[nonce] * (int(digit) + 1)])
        assert public_key(Secret(bytes.fromhex(scalars[index]))) == expected
        assert recorded.announcement.point(index, int(digit)) == expected


def test_secret_of_each_prefix_fits_its_point(recorded: Any) -> None:
    attestation = read_attestation(recorded.announcement, recorded.attestation_raw)
    prefixes = [DigitPrefix(length, 48_935 >> (20 - length)) for length in range(1, 21)]
    points = adaptor_points(recorded.announcement, prefixes)
    assert [public_key(attestation.prefix_secret(prefix)) for prefix in prefixes] == points


def test_unchecked_announcement_signature_is_said(recorded: Any) -> None:
    assert recorded.announcement.signature_status is SignatureStatus.NOT_CHECKED_NO_KEY
    assert "not checked" in repr(recorded.announcement)


def test_wrong_announcement_key_is_refused(recorded: Any) -> None:
    keys = OracleKeys(KEYS.attestation, KEYS.attestation)
    with pytest.raises(PeerViolation, match="announcement's signature is wrong"):
        read_announcement(Dialect.OLIVIA_V1, recorded.announcement_raw, keys)


def test_other_attestation_key_is_refused(recorded: Any) -> None:
    other = OracleKeys(recorded.announcement.nonces[0])
    announcement = read_announcement(Dialect.OLIVIA_V1, recorded.announcement_raw, other)
    with pytest.raises(PeerViolation, match="digit 0 is forged") as caught:
        read_attestation(announcement, recorded.attestation_raw)
    assert caught.value.culprit == "oracle"


@pytest.mark.parametrize("index", range(20))
def test_each_flipped_scalar_bit_fails(recorded: Any, index: int) -> None:
    attestation = json.loads(recorded.attestation_raw)
    scalars = attestation["schemes"]["olivia-v1"]["scalars"]
    genuine = scalars[index]
    for bit in range(256):
        scalars[index] = _flipped(genuine, bit)
        with pytest.raises(PeerViolation, match=f"digit {index} is forged"):
            read_attestation(recorded.announcement, _dump(attestation))


@pytest.mark.parametrize("index", range(20))
def test_each_flipped_nonce_bit_fails(recorded: Any, index: int) -> None:
    genuine = recorded.announcement.nonces[index].hex()
    for bit in range(256):
        raw = _nonces_changed(recorded.announcement_raw, index, _flipped(genuine, bit))
        with pytest.raises(REFUSED, match=rf"nonce {index} |digit {index} "):
            read_attestation(read_announcement(Dialect.OLIVIA_V1, raw, KEYS), recorded.attestation_raw)


def test_each_other_outcome_fails(recorded: Any) -> None:
    attestation = json.loads(recorded.attestation_raw)
    others = {48_935 ^ (1 << bit) for bit in range(24)} | {0, 2**20 - 1, 2**20, 2**64}
    for outcome in others:
        attestation["outcome"] = str(outcome)
        with pytest.raises(PeerViolation, match=r"forged|out of the event's range"):
            read_attestation(recorded.announcement, _dump(attestation))


def test_each_flipped_bit_of_the_outcome_text_fails(recorded: Any) -> None:
    at = recorded.attestation_raw.index(b"48935")
    for position in range(at, at + 5):
        for bit in range(8):
            raw = bytearray(recorded.attestation_raw)
            raw[position] ^= 1 << bit
            with pytest.raises(REFUSED):
                read_attestation(recorded.announcement, bytes(raw))


def test_swapped_digits_fail(recorded: Any) -> None:
    attestation = json.loads(recorded.attestation_raw)
    scalars = attestation["schemes"]["olivia-v1"]["scalars"]
    scalars[3], scalars[4] = scalars[4], scalars[3]
    with pytest.raises(PeerViolation, match="digit 3 is forged"):
        read_attestation(recorded.announcement, _dump(attestation))


@pytest.mark.parametrize("outcome", ["048935", "+48935", "48935 ", "48_935", "4.8935e4", "", "-1", "٤٨٩٣٥", "9" * 40])
def test_only_the_canonical_outcome_text(recorded: Any, outcome: str) -> None:
    attestation = json.loads(recorded.attestation_raw)
    attestation["outcome"] = outcome
    with pytest.raises(DecodeError, match="canonical"):
        read_attestation(recorded.announcement, _dump(attestation))
