"""Messages: each line is decoded wholly and exactly, or refused with `DecodeError` and nothing else."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from cfd_core.cfd.offer import Offer
from cfd_core.errors import DecodeError
from cfd_core.protocols.contract_setup import messages as m
from cfd_core.protocols.rollover import messages as r
from cfd_core.protocols.settlement import messages as t
from cfd_core.serial import wire
from cfd_core.values import CfdId, EventId, OfferId, OutPoint, Position, Txid

CFD = CfdId("ab" * 16)
OUTPOINT = OutPoint(Txid("11" * 32), 3)
TERMS = r.Terms(
    settlement=EventId("/x/BitMEX/BXBT/2021-10-05T22:00:00.price?n=20"),
    liquidations=(EventId("/x/BitMEX/BXBT/2021-10-05T21:00:00.price?n=20"),),
    funding_rate=Decimal("0.00024"),
    hours=24,
)
MESSAGES = [
    m.Order(CFD, OfferId("0f" * 16), Position.SHORT, 1_000, 2),
    m.Accept(CFD),
    m.Reject(CFD, "no: €\"\\ 'quoted'"),
    m.Reject(CFD, ""),
    m.Params(CFD, b"a" * 33, b"b" * 33, b"c" * 33, (m.FundingInput(OUTPOINT, b"raw"),), b"\x00", b"\x01" * 34),
    m.Params(CFD, b"a" * 33, b"b" * 33, b"c" * 33, (), b"", b""),
    m.Agreement(CFD, bytes(range(32))),
    m.Signatures(CFD, bytes(162), b"\x30", b"\xff" * 324),
    m.LockSignatures(CFD, ((b"sig", b"key"), (b"",), ())),
    m.LockSignatures(CFD, ()),
    r.Propose(CFD, Txid("22" * 32), TERMS),
    r.Accept(CFD, evolve(TERMS, liquidations=(), funding_rate=Decimal("-0.1"), hours=0)),
    r.Reject(CFD, "no"),
    r.Points(CFD, b"a" * 33, b"b" * 33),
    r.Agreement(CFD, bytes(32)),
    r.Exits(CFD, b"\x30", b"\xff" * 324),
    r.CommitSignature(CFD, 3, b"c" * 162),
    r.Revocation(CFD, 2, b"s" * 32),
    r.Holding(CFD, 4, b"s" * 32),
    r.Holding(CFD, 0, b""),
    t.Propose(CFD, Decimal("50123.5"), b"d" * 32),
    t.Accept(CFD),
    t.Reject(CFD, "no"),
    t.CloseSignature(CFD, b"\x30\x45"),
]
WRONG: list[Any] = [None, True, 0, 1, -1, "", "x", "long", [], [1], [[]], {}, {"a": 1}, "A", "====", 10**30]


def sealed(message: Any) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(wire.encode_message(message))
    return fields


def refuse(raw: bytes) -> None:
    for decode in (wire.decode_message, wire.decode_offers):
        with pytest.raises(DecodeError):
            decode(raw)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda x: type(x).__name__)
def test_there_and_back(message: Any) -> None:
    raw = wire.encode_message(message)
    assert wire.decode_message(raw) == message
    assert b"\n" not in raw
    assert raw.isascii()
    assert wire.encode_message(wire.decode_message(raw)) == raw


def named(kind: type) -> str:
    protocol = kind.__module__.split(".")[-2]
    return kind.__name__ if protocol == "contract_setup" else f"{protocol}.{kind.__name__}"


def test_each_kind_has_a_name_that_never_changes() -> None:
    assert {named(kind): name for kind, name in wire._NAMES.items()} == {
        "Order": "order",
        "Accept": "accept",
        "Reject": "reject",
        "Params": "params",
        "Agreement": "agreement",
        "Signatures": "signatures",
        "LockSignatures": "lock-signatures",
        "rollover.Propose": "rollover-propose",
        "rollover.Accept": "rollover-accept",
        "rollover.Reject": "rollover-reject",
        "rollover.Points": "rollover-points",
        "rollover.Agreement": "rollover-agreement",
        "rollover.Exits": "rollover-exits",
        "rollover.CommitSignature": "commit-signature",
        "rollover.Revocation": "revocation",
        "rollover.Holding": "holding",
        "settlement.Propose": "settle-propose",
        "settlement.Accept": "settle-accept",
        "settlement.Reject": "settle-reject",
        "settlement.CloseSignature": "close-signature",
    }
    assert len(set(wire._NAMES.values())) == len(wire._NAMES)
    assert {type(message) for message in MESSAGES} == wire._NAMES.keys()


def test_recorded_lines_decode_and_encode_back(lines: tuple[bytes, ...], decode: Callable[[bytes], Any]) -> None:
    assert len(lines) == len(wire._NAMES) + 1
    for raw in lines:
        decoded = decode(raw)
        again = wire.encode_offers(decoded) if isinstance(decoded, tuple) else wire.encode_message(decoded)
        assert again == raw


def test_offers_there_and_back(offer: Offer) -> None:
    other = evolve(offer, id=OfferId("1f" * 16), bid=None, ask=offer.bid)
    for offers in ((), (offer,), (offer, other)):
        assert wire.decode_offers(wire.encode_offers(offers)) == offers


def test_a_hundred_offers_and_no_more(offer: Offer) -> None:
    assert len(wire.decode_offers(wire.encode_offers((offer,) * 100))) == 100
    with pytest.raises(DecodeError, match="more than 100"):
        wire.decode_offers(wire.encode_offers((offer,) * 101))


def test_cut_at_each_byte_and_with_a_tail(lines: tuple[bytes, ...], decode: Callable[[bytes], Any]) -> None:
    for raw in lines:
        step = max(1, len(raw) // 300)
        for cut in (*range(0, len(raw), step), len(raw) - 1):
            refuse(raw[:cut])
        for tail in (b"x", b"{}", b"\x00", raw):
            refuse(raw + tail)
        assert decode(b" " + raw + b"\r") == decode(raw)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda x: type(x).__name__)
def test_missing_unknown_and_mistyped_fields(message: Any) -> None:
    fields = sealed(message)
    for name in fields:
        refuse(json.dumps({key: value for key, value in fields.items() if key != name}).encode())
        for wrong in WRONG:
            if wrong == fields[name] or (name in {"reason"} and type(wrong) is str):
                continue
            if (name, wrong) in (("quantity", 10**30), ("leverage", 10**30)):
                continue  # a whole number: the offer refuses it
            raw = json.dumps({**fields, name: wrong}).encode()
            try:
                decoded = wire.decode_message(raw)
            except DecodeError:
                continue
            assert json.loads(wire.encode_message(decoded))[name] == wrong, "what is accepted means what it says"
    refuse(json.dumps({**fields, "extra": 1}).encode())
    refuse(json.dumps({**fields, "": None}).encode())


@pytest.mark.parametrize("version", [0, 2, -1, "1", 1.0, True, None, [1]])
def test_other_versions(version: Any) -> None:
    refuse(json.dumps({**sealed(m.Accept(CFD)), "v": version}).encode())


@pytest.mark.parametrize("name", ["", "Accept", "accept ", "offers", "rollover", 1, None, ["accept"], {"accept": 1}])
def test_other_types(name: Any) -> None:
    refuse(json.dumps({**sealed(m.Accept(CFD)), "type": name}).encode())


@pytest.mark.parametrize("text", ["", "0F" * 16, "0f" * 15, "0f" * 16 + "\n", "0f" * 17, "zz" * 16, "offers"])
def test_ids_have_one_form(text: str) -> None:
    refuse(json.dumps({**sealed(m.Accept(CFD)), "cfd_id": text}).encode())


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"null",
        b"[]",
        b'"accept"',
        b"1",
        b"{}",
        b"\xff\xfe{}",
        b"\xef\xbb\xbf{}",
        b'{"type":"accept","type":"accept","v":1,"cfd_id":"' + b"ab" * 16 + b'"}',
        b'{"type":"accept","v":1,"v":1,"cfd_id":"' + b"ab" * 16 + b'"}',
        b'{"type":"accept","v":1e0,"cfd_id":"' + b"ab" * 16 + b'"}',
        b'{"type":"accept","v":NaN,"cfd_id":"' + b"ab" * 16 + b'"}',
        b"[" * 200_000,
        b'{"a":' * 100_000,
        b'{"type":"accept","v":' + b"1" * 5_000 + b"}",
    ],
    ids=lambda raw: raw[:24].decode("latin1"),
)
def test_not_a_message(raw: bytes) -> None:
    refuse(raw)


def test_the_size_limit_comes_first() -> None:
    padded = wire.encode_message(m.Accept(CFD))
    at_limit = padded + b" " * (wire.MAX_MESSAGE - len(padded))
    assert wire.decode_message(at_limit) == m.Accept(CFD)
    with pytest.raises(DecodeError, match="too long"):
        wire.decode_message(at_limit + b" ")


def test_the_largest_signatures_fit() -> None:
    largest = m.Signatures(CFD, bytes(162), bytes(72), b"\xff" * (4096 * 162))
    assert len(wire.encode_message(largest)) <= wire.MAX_MESSAGE


@pytest.mark.parametrize(
    "text", ["QUJD ", "QUJ D", "QUJDRA", "QUJDRA=", "QUJDRB==", "QUJDRA==\n", "QUJDRA==QUJD", "-_-_"]
)
def test_base64_has_one_form(text: str) -> None:
    refuse(json.dumps({**sealed(m.Signatures(CFD, bytes(162), b"", b"")), "refund": text}).encode())


@pytest.mark.parametrize(
    "text", ["1e4", "+1", "01", "1_0", "１", " 1", "NaN", "sNaN", "Infinity", "-0E+999999", "1" * 41, ""]
)
def test_decimals_have_one_form(offer: Offer, text: str) -> None:
    fields = json.loads(wire.encode_offers((offer,)))
    fields["offers"][0]["bid"] = text
    refuse(json.dumps(fields).encode())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("bid", None),
        ("bid", "-1"),
        ("bid", "0"),
        ("bid", "0.000000001"),
        ("network", "main"),
        ("product", "ETHUSD"),
        ("lot", 0),
        ("min_quantity", 0),
        ("min_quantity", 10_001),
        ("max_quantity", 10**10),
        ("leverages", []),
        ("leverages", [0]),
        ("leverages", [101]),
        ("leverages", [1] * 33),
        ("leverages", "12"),
        ("leverages", [True]),
        ("maker_leverage", 0),
        ("opening_fee", -1),
        ("opening_fee", 10**13),
        ("funding_rate", "0.2"),
        ("funding_rate", "1E-50"),
        ("fee_rate", 0),
        ("fee_rate", 2_001),
        ("tolerance", "0"),
        ("tolerance", "0.11"),
        ("tolerance", "1E-50"),
        ("expiry", "soon"),
        ("expiry", 1.5),
        ("id", "x"),
    ],
)
def test_offers_that_make_no_sense(offer: Offer, name: str, value: Any) -> None:
    fields = json.loads(wire.encode_offers((offer,)))
    fields["offers"][0][name] = value
    refuse(json.dumps(fields).encode())
    del fields["offers"][0][name]
    refuse(json.dumps(fields).encode())


@pytest.mark.parametrize("item", [None, 1, "x", [], [1], {}, True])
def test_offers_that_are_no_offers(item: Any) -> None:
    refuse(json.dumps({"type": "offers", "v": 1, "offers": [item]}).encode())
    refuse(json.dumps({"type": "offers", "v": 1, "offers": {"a": item}}).encode())
    refuse(json.dumps({"type": "offers", "v": 1, "offers": [], "more": item}).encode())


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


@given(st.binary(max_size=300))
def test_any_bytes(raw: bytes) -> None:
    refuse(raw)


@settings(max_examples=300)
@given(data=st.data())
def test_any_fields(data: st.DataObject) -> None:
    """Real names around arbitrary values, nested anywhere."""
    fields = dict(sealed(data.draw(st.sampled_from(MESSAGES))))
    for name in data.draw(st.lists(st.sampled_from(sorted(fields)), max_size=3)):
        if name not in ("type", "v"):
            fields[name] = data.draw(json_values)
    if isinstance(fields.get("inputs"), list) and data.draw(st.booleans()):
        fields["inputs"] = [{"outpoint": data.draw(json_values), "previous": data.draw(json_values)}]
    raw = json.dumps(fields).encode()
    try:
        message = wire.decode_message(raw)
    except DecodeError:
        return
    assert wire.decode_message(wire.encode_message(message)) == message


@settings(max_examples=300)
@given(data=st.data())
def test_one_changed_byte(lines: tuple[bytes, ...], decode: Callable[[bytes], Any], data: st.DataObject) -> None:
    raw = bytearray(data.draw(st.sampled_from(lines)))
    raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        decoded = decode(bytes(raw))
    except DecodeError:
        return
    again = wire.encode_offers(decoded) if isinstance(decoded, tuple) else wire.encode_message(decoded)
    assert decode(again) == decoded
