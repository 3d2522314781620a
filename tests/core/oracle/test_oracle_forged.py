"""Genuine signatures over wrong things, and wrong signatures: each is refused and the oracle is named."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from cfd_core.crypto.secp import public_key, schnorr_sign, tagged_hash
from cfd_core.errors import DecodeError, PeerViolation, RuleViolation
from cfd_core.oracle import (
    Dialect,
    IssuedEvent,
    OracleKeys,
    OracleSecrets,
    SignatureStatus,
    attest,
    check_digits,
    dlc,
    hourly_event_id,
    olivia,
    read_announcement,
    read_attestation,
    sign_announcement,
)
from cfd_core.oracle.tlv import record, text
from cfd_core.values import HOUR, EventId, Secret, Timestamp

KEY = Secret(b"\x07" * 32)
KEYS = OracleKeys(public_key(KEY).x_only())
NONCES = tuple(public_key(Secret(bytes([index + 1]) * 32)).x_only() for index in range(3))
EVENT_ID = "/x/BitMEX/BXBT/2021-10-04T22:00:00.price?n=3"


def _refused(reason: str, read: Callable[[], object]) -> None:
    with pytest.raises(PeerViolation, match=reason) as caught:
        read()
    assert caught.value.culprit == "oracle"


def _tlv(event: bytes, key: Secret = KEY) -> bytes:
    """An announcement that signs whatever `event` holds."""
    digest = dlc.event_digests(Dialect.DLC_V0, event)[0]
    return dlc.encode_announcement(event, KEYS.attestation, schnorr_sign(key, digest, bytes(32)))


def _event(
    *,
    base: int = 2,
    signed: bytes = b"\0",
    unit: str = "BTCUSD",
    precision: int = 0,
    digits: int = 3,
    nonces: tuple[bytes, ...] = NONCES,
    count: int | None = None,
    event_id: str = EVENT_ID,
    descriptor_kind: int = dlc.DIGIT_DESCRIPTOR,
) -> bytes:
    """An oracle_event put together here by hand, from the specification's table."""
    scale = precision.to_bytes(4, "big", signed=True)
    descriptor = base.to_bytes(2, "big") + signed + text(unit) + scale + digits.to_bytes(2, "big")
    head = (len(nonces) if count is None else count).to_bytes(2, "big") + b"".join(nonces)
    return head + (1_633_384_800).to_bytes(4, "big") + record(descriptor_kind, descriptor) + text(event_id)


def _read(event: bytes) -> object:
    return read_announcement(Dialect.DLC_V0, _tlv(event), KEYS)


def test_the_bytes_of_the_specification() -> None:
    """Types and lengths written out, so that encoder and decoder cannot be wrong in the same way."""
    event = (
        bytes.fromhex("0003")
        + b"".join(NONCES)
        + bytes.fromhex("615b7960")  # 2021-10-04T22:00:00Z
        + bytes.fromhex("fdd80a" + "10" + "0002" + "00" + "06425443555344" + "00000000" + "0003")
        + bytes([len(EVENT_ID)])
        + EVENT_ID.encode()
    )
    assert event == _event() == dlc.event_value(EventId(EVENT_ID), Timestamp(1_633_384_800), NONCES, "BTCUSD")
    whole = bytes.fromhex("fdd822") + bytes([len(event)]) + event
    signature = schnorr_sign(KEY, tagged_hash("DLC/oracle/announcement/v0", whole), bytes(32))
    body = signature + KEYS.attestation + whole
    raw = bytes.fromhex("fdd824fd") + len(body).to_bytes(2, "big") + body
    assert raw == _tlv(event)
    announcement = read_announcement(Dialect.DLC_V0, raw, KEYS)
    assert (announcement.event_id, announcement.digits, announcement.nonces) == (EVENT_ID, 3, NONCES)
    assert (announcement.maturity, announcement.signature_status) == (1_633_384_800, SignatureStatus.VERIFIED)


@pytest.mark.parametrize(
    ("reason", "change"),
    [
        ("base 10", {"base": 10}),
        ("may be negative", {"signed": b"\1"}),
        ("scaled", {"precision": -2}),
        ("3 nonces for 4 digits", {"digits": 4}),
        ("3 nonces for 0 digits", {"digits": 0}),
        ("not a number", {"descriptor_kind": dlc.ENUM_DESCRIPTOR}),
        ("0 nonces", {"nonces": (), "digits": 0}),
        ("33 nonces", {"count": 33}),
        ("nonce twice", {"nonces": (NONCES[0], NONCES[1], NONCES[0])}),
    ],
)
def test_signed_events_we_do_not_trade(reason: str, change: dict[str, Any]) -> None:
    _refused(reason, lambda: _read(_event(**change)))


@pytest.mark.parametrize(
    ("reason", "change"),
    [
        ("nonce 1 is not a point", {"nonces": (NONCES[0], b"\xff" * 32, NONCES[2])}),
        ("not an event id", {"event_id": ""}),
        ("not an event id", {"event_id": "a\nb"}),
        ("longer than 256", {"event_id": "a" * 257}),
        ("longer than 64", {"unit": "a" * 65}),
        ("neither", {"signed": b"\2"}),
        ("record type", {"descriptor_kind": 55_308}),
    ],
)
def test_signed_events_in_a_wrong_form(reason: str, change: dict[str, Any]) -> None:
    with pytest.raises(DecodeError, match=reason):
        _read(_event(**change))


def test_tlv_by_another_key() -> None:
    _refused(
        "signature is wrong", lambda: read_announcement(Dialect.DLC_V0, _tlv(_event(), Secret(b"\x08" * 32)), KEYS)
    )
    other = OracleKeys(NONCES[0])
    _refused("another oracle", lambda: read_announcement(Dialect.DLC_V0, _tlv(_event()), other))


def test_the_dialect_is_not_guessed(issue: Any) -> None:
    spec, legacy = issue(Dialect.DLC_V0), issue(Dialect.LEGACY_SHA256)
    _refused("signature is wrong", lambda: read_announcement(Dialect.LEGACY_SHA256, spec.announcement_raw, spec.keys))
    _refused("signature is wrong", lambda: read_announcement(Dialect.DLC_V0, legacy.announcement_raw, legacy.keys))
    with pytest.raises(DecodeError):
        read_announcement(Dialect.OLIVIA_V1, spec.announcement_raw, spec.keys)


def test_legacy_signs_the_event_with_or_without_its_header() -> None:
    for digest in dlc.event_digests(Dialect.LEGACY_SHA256, _event()):
        raw = dlc.encode_announcement(_event(), KEYS.attestation, schnorr_sign(KEY, digest, bytes(32)))
        assert read_announcement(Dialect.LEGACY_SHA256, raw, KEYS).digits == 3
        _refused("signature is wrong", partial(read_announcement, Dialect.DLC_V0, raw, KEYS))


def test_outcomes_with_and_without_a_count(own_tlv: Any) -> None:
    """The specification has none, rust-dlc has one; both are read, a wrong one is not."""
    raw, announcement = own_tlv.attestation_raw, own_tlv.accept()
    body = raw[6:]
    outcomes = b"".join(text(digit) for digit in f"{48_935:020b}")
    bare = body.removesuffix(outcomes).removesuffix(b"\0\x14") if own_tlv.dialect is Dialect.LEGACY_SHA256 else body
    bare = bare.removesuffix(outcomes)
    for middle in (b"", b"\0\x14"):
        again = record(dlc.ATTESTATION, bare + middle + outcomes)
        assert read_attestation(announcement, again).outcome == 48_935
    for middle in (b"\0\x13", b"\0", b"\x01\x30"):
        with pytest.raises(DecodeError):
            read_attestation(announcement, record(dlc.ATTESTATION, bare + middle + outcomes))
    with pytest.raises(DecodeError, match="neither 0 nor 1"):
        read_attestation(announcement, record(dlc.ATTESTATION, bare + outcomes[:-1] + b"2"))


def test_no_separate_announcement_key_in_tlv(own_tlv: Any) -> None:
    keys = OracleKeys(own_tlv.keys.attestation, NONCES[1])
    with pytest.raises(RuleViolation, match="no separate announcement key"):
        read_announcement(own_tlv.dialect, own_tlv.announcement_raw, keys)


@pytest.mark.parametrize("bad", [b"", b"\x01" * 31, b"\xff" * 32, "a" * 32, None])
def test_keys_must_be_keys(bad: Any) -> None:
    with pytest.raises(RuleViolation, match="oracle key"):
        OracleKeys(bad)
    if bad is not None:
        with pytest.raises(RuleViolation, match="oracle key"):
            OracleKeys(KEYS.attestation, bad)


def test_attestation_of_another_event(own: Any) -> None:
    later = IssuedEvent.price(own.dialect, hourly_event_id(Timestamp(own.event.maturity + HOUR)))
    raw = attest(own.secrets, later, 48_935, later.maturity)
    reason = "digit 0 is forged" if own.dialect is Dialect.OLIVIA_V1 else "another event"
    _refused(reason, lambda: read_attestation(own.accept(), raw))


def test_attestation_by_another_oracle(own: Any) -> None:
    other = OracleSecrets(Secret(b"\x09" * 32), Secret(b"\x0a" * 32))
    raw = attest(other, own.event, 48_935, own.event.maturity)
    reason = "digit 0 is forged" if own.dialect is Dialect.OLIVIA_V1 else "another oracle"
    _refused(reason, lambda: read_attestation(own.accept(), raw))


def test_other_nonces_for_the_same_event(own_tlv: Any) -> None:
    announcement = own_tlv.accept()
    again = own_tlv.announcement_raw.replace(announcement.nonces[5], NONCES[0])
    body = dlc.decode_attestation(own_tlv.attestation_raw)
    assert body.nonces is not None
    signatures = [n + s for n, s in zip(body.nonces, body.scalars, strict=True)]
    signatures[5] = NONCES[0] + body.scalars[5]
    raw = dlc.encode_attestation(
        own_tlv.dialect, announcement.event_id, announcement.oracle_key, tuple(signatures), 48_935
    )
    _refused("announced nonces", lambda: read_attestation(announcement, raw))
    _refused("signature is wrong", lambda: read_announcement(own_tlv.dialect, again, own_tlv.keys))


def test_wrong_number_of_digits(own: Any) -> None:
    event = IssuedEvent(own.dialect, own.event.event_id, own.event.maturity, 19)
    raw = attest(own.secrets, event, 40_000, event.maturity)
    reason = "19 signatures for 20 digits" if own.dialect is Dialect.OLIVIA_V1 else "announced nonces"
    _refused(reason, lambda: read_attestation(own.accept(), raw))


@pytest.mark.parametrize("scalar", [0, 2**256 - 1])
def test_scalars_out_of_the_group(own: Any, scalar: int) -> None:
    announcement = own.accept()
    wrong = scalar.to_bytes(32, "big")
    if own.dialect is Dialect.OLIVIA_V1:
        raw = olivia.encode_attestation(48_935, (wrong,) * 20, own.event.maturity)
    else:
        signatures = tuple(nonce + wrong for nonce in announcement.nonces)
        raw = dlc.encode_attestation(own.dialect, announcement.event_id, announcement.oracle_key, signatures, 48_935)
    _refused("digit 0 is forged", lambda: read_attestation(announcement, raw))
    assert check_digits(announcement, raw) == (48_935, (False,) * 20)


OLIVIA_EVENTS: list[tuple[str, Callable[[dict[str, Any]], object]]] = [
    ("not what its event id says", lambda event: event.update({"expected-outcome-time": "2021-10-04T23:00:00"})),
    ("not what its event id says", lambda event: event["descriptor"].update(n_digits=19)),
    ("2 nonces for 3 digits", lambda event: event["schemes"]["olivia-v1"]["nonces"].pop()),
    ("0 nonces", lambda event: event["schemes"]["olivia-v1"]["nonces"].clear()),
    ("33 nonces", lambda event: event["schemes"]["olivia-v1"].update(nonces=[NONCES[0].hex()] * 33)),
    ("nonce twice", lambda event: event["schemes"]["olivia-v1"].update(nonces=[NONCES[0].hex()] * 3)),
    ("may be negative", lambda event: event["descriptor"].update(is_signed=True)),
    ("not a number", lambda event: event["descriptor"].update(type="enum")),
    ("not binary", lambda event: event["descriptor"].update(base=10)),
    ("33 digits", lambda event: event["descriptor"].update(n_digits=33)),
    ("digits, not 1 to", lambda event: event["descriptor"].update(n_digits=10**4000)),
]
OLIVIA_FORMS: list[tuple[str, Callable[[dict[str, Any]], object]]] = [
    ("not int", lambda event: event["descriptor"].update(n_digits=True)),
    ("not the id of a price event", lambda event: event.update(id="/x/other")),
    ("unit is not text", lambda event: event["descriptor"].update(unit=1)),
    ("unknown", lambda event: event["schemes"].update({"bls": {}})),
    ("missing", lambda event: event["schemes"].pop("olivia-v1")),
    ("nonce 0 is not a point", lambda event: event["schemes"]["olivia-v1"]["nonces"].__setitem__(0, "ff" * 32)),
    ("a time like", lambda event: event.update({"expected-outcome-time": None})),
]


def _olivia(change: Callable[[dict[str, Any]], object]) -> tuple[bytes, OracleKeys]:
    """An announcement whose data is changed before it is signed."""
    event = json.loads(olivia.event_data(EventId(EVENT_ID), Timestamp(1_633_384_800), NONCES))
    change(event)
    data = json.dumps(event)
    signature = schnorr_sign(KEY, olivia.signed_message(data), bytes(32))
    return olivia.encode_announcement(data, signature), OracleKeys(KEYS.attestation, KEYS.attestation)


@pytest.mark.parametrize(("reason", "change"), OLIVIA_EVENTS)
def test_signed_olivia_events_we_do_not_trade(reason: str, change: Callable[[dict[str, Any]], object]) -> None:
    raw, keys = _olivia(change)
    _refused(reason, lambda: read_announcement(Dialect.OLIVIA_V1, raw, keys))


@pytest.mark.parametrize(("reason", "change"), OLIVIA_FORMS)
def test_signed_olivia_events_in_a_wrong_form(reason: str, change: Callable[[dict[str, Any]], object]) -> None:
    raw, keys = _olivia(change)
    with pytest.raises(DecodeError, match=reason):
        read_announcement(Dialect.OLIVIA_V1, raw, keys)


def test_olivia_signature_is_checked_with_a_key(issue: Any) -> None:
    own = issue(Dialect.OLIVIA_V1)
    raw = own.announcement_raw.replace(b'\\"unit\\":null', b'\\"unit\\":\\"x\\"')
    assert raw != own.announcement_raw
    _refused("signature is wrong", lambda: read_announcement(own.dialect, raw, own.keys))
    flipped = json.loads(own.announcement_raw)
    flipped["signature"] = ("0" if flipped["signature"][0] != "0" else "1") + flipped["signature"][1:]
    _refused("signature is wrong", lambda: read_announcement(own.dialect, json.dumps(flipped).encode(), own.keys))


def test_two_outcomes_give_the_key_away(issue: Any) -> None:
    """Why an oracle attests once: olivia's two scalars of one digit differ by the nonce, and the key follows."""
    one = issue(Dialect.OLIVIA_V1, digits=1, outcome=0)
    two = attest(one.secrets, one.event, 1, one.event.maturity)
    order = 2**256 - 432420386565659656852420866394968145599
    low, high = (
        int.from_bytes(read_attestation(one.accept(), raw).scalars[0], "big") for raw in (one.attestation_raw, two)
    )
    key = (2 * low - high) % order
    assert public_key(Secret(key.to_bytes(32, "big"))).x_only() == one.keys.attestation


def test_announcing_again_gives_the_same_bytes(own: Any) -> None:
    assert sign_announcement(own.secrets, own.event) == own.announcement_raw
