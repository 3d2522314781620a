"""Decoders accept one thing wholly: not a byte less, not a byte more, nothing in another form."""

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cfd_core.errors import CfdError, DecodeError, PeerViolation
from cfd_core.oracle import (
    MAX_MESSAGE,
    Dialect,
    read_announcement,
    read_attestation,
    read_recorded_event,
    read_recorded_records,
    write_recorded_event,
)
from cfd_core.oracle.tlv import TlvReader, big_size, record, text


def _accept_or_not(own: Any, announcement_raw: bytes, attestation_raw: bytes) -> None:
    announcement = read_announcement(own.dialect, announcement_raw, own.keys)
    read_attestation(announcement, attestation_raw)


def test_whole(own: Any) -> None:
    _accept_or_not(own, own.announcement_raw, own.attestation_raw)


def test_cut_at_each_byte(own: Any) -> None:
    announcement = own.accept()
    for end in range(len(own.announcement_raw)):
        with pytest.raises(DecodeError):
            read_announcement(own.dialect, own.announcement_raw[:end], own.keys)
    for end in range(len(own.attestation_raw)):
        with pytest.raises(DecodeError):
            read_attestation(announcement, own.attestation_raw[:end])


@pytest.mark.parametrize("tail", [b"\0", b"x", b"{}", b"\xfd\xd8\x24"])
def test_with_a_tail(own: Any, tail: bytes) -> None:
    with pytest.raises(DecodeError):
        read_announcement(own.dialect, own.announcement_raw + tail, own.keys)
    with pytest.raises(DecodeError):
        read_attestation(own.accept(), own.attestation_raw + tail)


def test_too_long(own: Any) -> None:
    huge = own.announcement_raw + b" " * MAX_MESSAGE
    with pytest.raises(DecodeError, match="too long"):
        read_announcement(own.dialect, huge, own.keys)
    with pytest.raises(DecodeError, match="too long"):
        read_attestation(own.accept(), huge)


def test_the_other_message(own: Any) -> None:
    with pytest.raises(DecodeError):
        read_announcement(own.dialect, own.attestation_raw, own.keys)
    with pytest.raises(DecodeError):
        read_attestation(own.accept(), own.announcement_raw)


def test_a_changed_bit_in_each_byte_of_tlv(own_tlv: Any) -> None:
    """Every byte of both records is bound by a signature or by the form."""
    announcement = own_tlv.accept()
    for at in range(len(own_tlv.announcement_raw)):
        with pytest.raises((DecodeError, PeerViolation)):
            read_announcement(own_tlv.dialect, _flip(own_tlv.announcement_raw, at, at % 8), own_tlv.keys)
    for at in range(len(own_tlv.attestation_raw)):
        with pytest.raises((DecodeError, PeerViolation)):
            read_attestation(announcement, _flip(own_tlv.attestation_raw, at, at % 8))


def _flip(raw: bytes, at: int, bit: int) -> bytes:
    return raw[:at] + bytes([raw[at] ^ (1 << bit)]) + raw[at + 1 :]


@given(dialect=st.sampled_from(Dialect), data=st.data())
@settings(max_examples=150, deadline=None)
def test_nothing_but_core_errors_escapes(issue: Any, dialect: Dialect, data: st.DataObject) -> None:
    own = issue(dialect, digits=4, outcome=9)
    raw = bytearray(data.draw(st.sampled_from([own.announcement_raw, own.attestation_raw])))
    for _ in range(data.draw(st.integers(0, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    for decode in (lambda: read_announcement(dialect, bytes(raw), own.keys), lambda: _attested(own, bytes(raw))):
        with suppress(CfdError):
            decode()


def _attested(own: Any, raw: bytes) -> None:
    """An attestation that is still accepted can only be the genuine outcome's."""
    assert read_attestation(own.accept(), raw).outcome == 9


@given(st.sampled_from(Dialect), st.binary(max_size=200))
@settings(deadline=None)
def test_garbage_is_refused(issue: Any, dialect: Dialect, raw: bytes) -> None:
    own = issue(dialect, digits=4, outcome=9)
    with pytest.raises(DecodeError):
        read_announcement(dialect, raw, own.keys)
    with pytest.raises(DecodeError):
        read_attestation(own.accept(), raw)


STRICT: list[tuple[str, Callable[[str], str]]] = [
    ("duplicate key", lambda raw: raw.replace('{"outcome"', '{"outcome":"1","outcome"', 1)),
    ("whole number", lambda raw: raw.replace('"48935"', "NaN")),
    ("whole number", lambda raw: raw.replace('"48935"', "1.0")),
    ("not str", lambda raw: raw.replace('"48935"', "48935")),
    ("unknown", lambda raw: raw.replace('{"outcome"', '{"more":1,"outcome"', 1)),
    ("missing", lambda raw: raw.replace('"time"', '"tame"')),
    ("a time like", lambda raw: raw.replace("T22:00:00", "T22:00:00Z")),
    ("date that exists", lambda raw: raw.replace("-10-04T", "-13-04T")),
    ("hex", lambda raw: raw.replace('"scalars":["', '"scalars":["00')),
    ("hex", lambda raw: raw.upper().replace('"TIME"', '"time"').replace("OLIVIA", "olivia")),
    ("not a JSON object", lambda raw: f"[{raw}]"),
    ("strict JSON", lambda raw: "\ufeff" + raw),
    ("strict JSON", lambda _raw: '{"a":' * 10_000),
    ("strict JSON", lambda _raw: '{"a":' + "9" * 5_000 + "}"),
    ("ecdsa-v1 is not", lambda raw: raw.replace('"schemes":{', '"schemes":{"ecdsa-v1":7,')),
]


@pytest.mark.parametrize(("reason", "change"), STRICT)
def test_strict_json(issue: Any, reason: str, change: Callable[[str], str]) -> None:
    own = issue(Dialect.OLIVIA_V1)
    raw = own.attestation_raw.decode()
    changed = change(raw).replace("OUTCOME", "outcome").replace("SCHEMES", "schemes").replace("SCALARS", "scalars")
    changed = changed.replace("olivia-V1", "olivia-v1")
    with pytest.raises(DecodeError, match=reason):
        read_attestation(own.accept(), changed.encode())


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_json_is_utf8(issue: Any, encoding: str) -> None:
    own = issue(Dialect.OLIVIA_V1)
    with pytest.raises(DecodeError, match="strict JSON"):
        read_announcement(own.dialect, own.announcement_raw.decode().encode(encoding), own.keys)


def test_signed_text_must_be_text(issue: Any) -> None:
    """A lone surrogate is legal JSON and no UTF-8: nobody can have signed it."""
    own = issue(Dialect.OLIVIA_V1)
    with pytest.raises(DecodeError, match="not UTF-8"):
        read_announcement(own.dialect, own.announcement_raw.replace(b'"data":"', b'"data":"\\ud800'), own.keys)


def test_a_fraction_of_a_second_is_fine(issue: Any) -> None:
    own = issue(Dialect.OLIVIA_V1)
    raw = own.attestation_raw.replace(b"T22:00:00", b"T22:00:00.123456789")
    assert read_attestation(own.accept(), raw).outcome == 48_935


def test_big_size() -> None:
    for value in (0, 0xFC, 0xFD, 0xFFFF, 0x1_0000, 0xFFFF_FFFF, 0x1_0000_0000, 2**64 - 1):
        reader = TlvReader(big_size(value), "test")
        assert (reader.big_size(), reader.left) == (value, 0)
    assert [len(big_size(value)) for value in (0xFC, 0xFD, 0x1_0000, 0x1_0000_0000)] == [1, 3, 5, 9]
    for long in ("fd00fc", "fe0000ffff", "ff00000000ffffffff"):
        with pytest.raises(DecodeError, match="shortest"):
            TlvReader(bytes.fromhex(long), "test").big_size()


def test_length_not_in_shortest_form(own_tlv: Any) -> None:
    raw = own_tlv.announcement_raw
    assert raw[:4] == bytes.fromhex("fdd824fd")
    with pytest.raises(DecodeError, match="shortest"):
        read_announcement(own_tlv.dialect, b"\xfe\x00\x00\xd8\x24" + raw[3:], own_tlv.keys)


def test_tlv_text_and_flag() -> None:
    with pytest.raises(DecodeError, match="UTF-8"):
        TlvReader(b"\x01\xff", "test").text(9)
    with pytest.raises(DecodeError, match="longer than 9"):
        TlvReader(text("0123456789"), "test").text(9)
    with pytest.raises(DecodeError, match="neither"):
        TlvReader(b"\x02", "test").flag()
    with pytest.raises(DecodeError, match="record type 7, expected 8"):
        TlvReader(record(7, b""), "test").record(8, "test")


def test_recorded_json_event(issue: Any) -> None:
    own = issue(Dialect.OLIVIA_V1)
    whole = write_recorded_event(own.announcement_raw, own.attestation_raw)
    assert read_recorded_event(whole) == (own.announcement_raw, own.attestation_raw)
    assert read_recorded_event(json.dumps(json.loads(whole), indent=1).encode() + b"\n") == (
        own.announcement_raw,
        own.attestation_raw,
    )
    assert read_recorded_event(write_recorded_event(own.announcement_raw, None)) == (own.announcement_raw, None)
    for end in range(len(whole)):
        with pytest.raises(DecodeError):
            read_recorded_event(whole[:end])
    for bad in (b"{}", b'{"announcement":{},"attestation":7}', b'{"announcement":null,"attestation":null}', b"[]"):
        with pytest.raises(DecodeError):
            read_recorded_event(bad)


def test_recorded_records(own_tlv: Any) -> None:
    announcement, attestation = own_tlv.announcement_raw, own_tlv.attestation_raw
    assert read_recorded_records(announcement + attestation) == (announcement, attestation)
    assert read_recorded_records(announcement) == (announcement, None)
    for end in range(len(announcement) + 1, len(announcement + attestation)):
        with pytest.raises(DecodeError):
            read_recorded_records((announcement + attestation)[:end])
    for bad in (b"", attestation, announcement * 2, announcement + attestation + b"\0", bytes(MAX_MESSAGE * 2 + 1)):
        with pytest.raises(DecodeError):
            read_recorded_records(bad)
