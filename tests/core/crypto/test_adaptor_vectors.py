"""The DLC specification's vectors of ECDSA adaptor signatures and of Schnorr signature points."""

import json
from pathlib import Path
from typing import Any

import pytest

from cfd_core.crypto import adaptor
from cfd_core.crypto.secp import (
    ORDER,
    Point,
    compact_to_der,
    ecdsa_verify,
    public_key,
    schnorr_signature_point,
    schnorr_verify,
)
from cfd_core.errors import DecodeError, PeerViolation
from cfd_core.values import Secret

VECTORS = Path(__file__).parents[2] / "vectors"
ADAPTOR: list[dict[str, Any]] = json.loads((VECTORS / "ecdsa_adaptor.json").read_text())
SCHNORR: list[dict[str, Any]] = json.loads((VECTORS / "dlc_schnorr.json").read_text())


def cases(kind: str, *, good: bool) -> list[dict[str, Any]]:
    found = [case for case in ADAPTOR if case["kind"] == kind and (case.get("error") is None) == good]
    assert found
    return found


def raw(case: dict[str, Any], name: str) -> bytes:
    return bytes.fromhex(case[name])


def point(case: dict[str, Any], name: str) -> Point:
    return Point.parse(raw(case, name))


def verified(case: dict[str, Any]) -> bool:
    return adaptor.verify(
        raw(case, "adaptor_sig"),
        point(case, "public_signing_key"),
        point(case, "encryption_key"),
        raw(case, "message_hash"),
    )


def test_every_vector_is_of_a_kind_we_run() -> None:
    assert {case["kind"] for case in ADAPTOR} == {"verification", "recovery", "serialization"}
    assert len(ADAPTOR) == 11


@pytest.mark.parametrize("case", cases("verification", good=True))
def test_verification(case: dict[str, Any]) -> None:
    secret = Secret(raw(case, "decryption_key"))
    assert verified(case)
    assert adaptor.decrypt(raw(case, "adaptor_sig"), secret) == raw(case, "signature")
    recovered = adaptor.recover(raw(case, "adaptor_sig"), raw(case, "signature"), point(case, "encryption_key"))
    assert recovered == secret
    der = compact_to_der(raw(case, "signature"))
    assert ecdsa_verify(point(case, "public_signing_key"), raw(case, "message_hash"), der)


@pytest.mark.parametrize("case", cases("verification", good=False))
def test_wrong_proof_is_false(case: dict[str, Any]) -> None:
    assert not verified(case)


@pytest.mark.parametrize("case", cases("recovery", good=True))
def test_recovery(case: dict[str, Any]) -> None:
    recovered = adaptor.recover(raw(case, "adaptor_sig"), raw(case, "signature"), point(case, "encryption_key"))
    assert recovered == Secret(raw(case, "decryption_key"))


@pytest.mark.parametrize("case", cases("recovery", good=False))
def test_recovery_from_a_foreign_signature(case: dict[str, Any]) -> None:
    with pytest.raises(PeerViolation, match="nonces differ"):
        adaptor.recover(raw(case, "adaptor_sig"), raw(case, "signature"), point(case, "encryption_key"))


@pytest.mark.parametrize("case", cases("serialization", good=True))
def test_serialization(case: dict[str, Any]) -> None:
    """Well-formed bytes decode: whoever they belong to, the answer is False and not an error."""
    someone = public_key(Secret(bytes(31) + b"\x05"))
    assert not adaptor.verify(raw(case, "adaptor_sig"), someone, someone, bytes(32))


def test_an_x_above_the_order_is_reduced_in_the_decrypted_signature() -> None:
    case = next(case for case in ADAPTOR if case.get("comment") == "R can be above curve order")
    x = int.from_bytes(raw(case, "adaptor_sig")[1:33], "big")
    assert x >= ORDER
    decrypted = adaptor.decrypt(raw(case, "adaptor_sig"), Secret(bytes(31) + b"\x05"))
    assert int.from_bytes(decrypted[:32], "big") == x - ORDER


@pytest.mark.parametrize("case", cases("serialization", good=False))
def test_bad_serialization(case: dict[str, Any]) -> None:
    someone = public_key(Secret(bytes(31) + b"\x05"))
    with pytest.raises(DecodeError, match="out of range"):
        adaptor.verify(raw(case, "adaptor_sig"), someone, someone, bytes(32))


@pytest.mark.parametrize("case", SCHNORR)
def test_signature_points(case: dict[str, Any]) -> None:
    public_x, nonce_x, digest = raw(case, "pubKey"), raw(case, "pubNonce"), raw(case["inputs"], "msgHash")
    signature = raw(case, "signature")
    expected = point(case, "sigPoint")
    assert schnorr_signature_point(public_x, nonce_x, digest) == expected
    assert schnorr_verify(public_x, digest, signature)
    assert public_key(Secret(signature[32:])) == expected


@pytest.mark.parametrize("changed", range(3))
def test_signature_point_depends_on_each_input(changed: int) -> None:
    case = SCHNORR[0]
    inputs = [raw(case, "pubKey"), raw(case, "pubNonce"), raw(case["inputs"], "msgHash")]
    other = SCHNORR[1]
    inputs[changed] = [raw(other, "pubKey"), raw(other, "pubNonce"), raw(other["inputs"], "msgHash")][changed]
    assert schnorr_signature_point(*inputs) != point(case, "sigPoint")
