"""The punishment of a revoked commit: all to the wronged party, at a fee that is worth it."""

from typing import Any

import pytest
from attrs import evolve

from cfd_core.bitcoin.transaction import Transaction
from cfd_core.contract.punish import check_revocation, sign_punish
from cfd_core.crypto import secp
from cfd_core.crypto.secp import public_key
from cfd_core.errors import PeerViolation
from cfd_core.values import FeeRate, Role, Secret

roles = pytest.mark.parametrize("wronged", list(Role))


def punishment(contract: Any, wronged: Role, rate: int) -> Transaction:
    theirs = contract.side(wronged.other).keys
    own = contract.side(wronged).keys
    return sign_punish(contract.draft, wronged, own, theirs.publish, theirs.revocation, FeeRate(rate))


def commit_sats(contract: Any) -> int:
    sats: int = contract.draft.commit.outputs[0].sats
    return sats


@roles
def test_core_accepts_it_and_all_goes_to_the_wronged_party(contract: Any, accepts: Any, wronged: Role) -> None:
    tx = punishment(contract, wronged, 5)
    assert accepts(tx, contract.spent(tx))
    assert tx.inputs[0].witness[-3] == (b"\x01" if wronged is Role.MAKER else b""), "nodes relay no longer truth"
    (out,) = tx.outputs
    assert out.script == contract.draft.party(wronged).funder.payout_script
    assert [tx_in.outpoint for tx_in in tx.inputs] == [contract.draft.commit_outpoint]


@roles
@pytest.mark.parametrize("rate", [1, 7, 300])
def test_the_fee_is_the_rate_by_the_real_weight(contract: Any, wronged: Role, rate: int) -> None:
    tx = punishment(contract, wronged, rate)
    assert rate * tx.vsize <= contract.fee(tx) <= rate * (tx.vsize + 2), "signatures vary by a byte"


@roles
def test_the_fee_is_never_more_than_half_the_pool(contract: Any, wronged: Role) -> None:
    tx = punishment(contract, wronged, 2_000_000)
    assert contract.fee(tx) == commit_sats(contract) // 2
    assert tx.outputs[0].sats == commit_sats(contract) - commit_sats(contract) // 2


@pytest.mark.parametrize("missing", ["identity", "publish", "revocation"])
@roles
def test_without_one_of_the_secrets_it_is_worth_nothing(
    contract: Any, accepts: Any, wronged: Role, missing: str
) -> None:
    theirs = contract.side(wronged.other).keys
    secrets = {
        "identity": contract.side(wronged).keys.identity,
        "publish": theirs.publish,
        "revocation": theirs.revocation,
        missing: Secret(bytes(31) + b"\x07"),
    }
    keys = evolve(contract.side(wronged).keys, identity=secrets.pop("identity"))
    tx = sign_punish(contract.draft, wronged, keys, rate=FeeRate(2), **secrets)
    assert not accepts(tx, contract.spent(tx))


def test_a_revocation_secret_must_be_that_of_the_point() -> None:
    good = Secret(bytes(31) + b"\x05")
    point = public_key(good).encode()
    check_revocation(point, good)
    zero, too_large = Secret(bytes(32)), Secret(secp.ORDER.to_bytes(32, "big"))
    for bad in (Secret(bytes(31) + b"\x06"), zero, too_large, Secret(b""), Secret(bytes(33))):
        with pytest.raises(PeerViolation, match="does not belong to the revision"):
            check_revocation(point, bad)
