"""What a published commit tells, what a report of one that is none tells, and keys that are none."""

from typing import Any

import pytest
from attrs import evolve

from cfd_core.bitcoin import scripts
from cfd_core.contract import dlc as signing
from cfd_core.contract.dlc import publish_secret
from cfd_core.contract.witness import check_witness
from cfd_core.crypto import secp
from cfd_core.crypto.secp import public_key
from cfd_core.errors import PeerViolation
from cfd_core.values import Role, Secret

roles = pytest.mark.parametrize("role", list(Role))


def published(contract: Any, role: Role) -> Any:
    """The commit as the counterparty of `role` publishes it."""
    return contract.dlc(role.other).sign_commit(contract.side(role.other).keys)


@roles
def test_it_tells_the_publish_secret_of_who_published_it(contract: Any, role: Role) -> None:
    tx = published(contract, role)
    own = contract.bundles[role].commit
    assert publish_secret(contract.draft, role, own, tx) == contract.side(role.other).keys.publish


@roles
def test_a_miner_cannot_hide_it_behind_the_other_s(contract: Any, role: Role, accepts: Any) -> None:
    """Consensus takes a negated s, which no node relays: a revoked commit must not get through that way."""
    tx = published(contract, role)
    place = 1 if role is Role.MAKER else 0
    witness = list(tx.inputs[0].witness)
    compact = secp.der_to_compact(witness[place][:-1])
    negated = compact[:32] + (secp.ORDER - int.from_bytes(compact[32:], "big")).to_bytes(32, "big")
    witness[place] = secp.compact_to_der(negated) + b"\x01"
    high = tx.with_witness(0, witness)
    assert high != tx
    assert accepts(high, contract.spent(high)), "the engine of Bitcoin Core takes it"
    assert (
        publish_secret(contract.draft, role, contract.bundles[role].commit, high)
        == contract.side(role.other).keys.publish
    )


@roles
@pytest.mark.parametrize("cut", ["no witness", "two items", "four items", "first too short", "second too short"])
def test_a_witness_of_another_form_is_the_chains_fault(contract: Any, role: Role, cut: str) -> None:
    tx = published(contract, role)
    first, second, script = tx.inputs[0].witness
    witness = {
        "no witness": (),
        "two items": (first, second),
        "four items": (first, second, script, script),
        "first too short": (first[:8], second, script),
        "second too short": (first, second[:8], script),
    }[cut]
    with pytest.raises(PeerViolation, match="not two signatures") as caught:
        publish_secret(contract.draft, role, contract.bundles[role].commit, tx.with_witness(0, witness))
    assert caught.value.culprit == "chain"


@roles
def test_a_commit_without_our_signature_is_the_chains_fault(contract: Any, role: Role) -> None:
    tx = published(contract, role)
    first, second, script = tx.inputs[0].witness
    swapped = tx.with_witness(0, (second, first, script))
    with pytest.raises(PeerViolation, match="without our signature") as caught:
        publish_secret(contract.draft, role, contract.bundles[role].commit, swapped)
    assert caught.value.culprit == "chain"


@roles
def test_what_does_not_decode_is_the_chains_fault(contract: Any, role: Role) -> None:
    with pytest.raises(PeerViolation, match="does not decode") as caught:
        publish_secret(contract.draft, role, bytes(162), published(contract, role))
    assert caught.value.culprit == "chain"


@roles
def test_our_own_publication_tells_nothing(contract: Any, role: Role) -> None:
    with pytest.raises(PeerViolation, match="not made from this adaptor signature"):
        publish_secret(contract.draft, role, contract.bundles[role].commit, published(contract, role.other))


def test_inputs_of_the_lock_are_the_makers_then_the_takers(workshop: Any) -> None:
    three = workshop.side("maker", (("p2wpkh", 5_000_000),) * 3)
    draft = workshop.draft(maker=three)
    assert signing.input_positions(draft, Role.MAKER) == range(3)
    assert signing.input_positions(draft, Role.TAKER) == range(3, 5)
    assert draft.lock_spent[:3] == tuple(coin.output for coin in draft.maker.funder.inputs)
    assert len(draft.lock_spent) == 5


@roles
def test_a_revision_knows_its_number(contract: Any, role: Role) -> None:
    draft = evolve(contract.draft, revision=evolve(contract.draft.revision, number=4))
    assert contract.dlc(role).number == 0
    assert evolve(contract.dlc(role), draft=draft).number == 4


@pytest.mark.parametrize("key", [b"\x04" + bytes(range(64)), b"\x02" + b"\xff" * 32, b""], ids=["long", "off", "none"])
def test_a_key_that_is_none_signs_nothing_even_if_its_hash_is_right(contract: Any, key: bytes) -> None:
    draft = contract.draft
    coin = evolve(draft.lock_spent[0], script=b"\x00\x14" + scripts.hash160(key))
    some = secp.ecdsa_sign(Secret(bytes(31) + b"\x01"), bytes(32)) + b"\x01"
    with pytest.raises(PeerViolation, match="lock input 0 is not valid"):
        check_witness(draft.lock, 0, (coin, *draft.lock_spent[1:]), (some, key))


def test_a_taproot_signature_may_name_all_or_the_default_and_nothing_else(contract: Any) -> None:
    draft, key = contract.draft, Secret(bytes(31) + b"\x09")
    script = b"\x51\x20" + public_key(key).x_only()
    spent = (evolve(draft.lock_spent[0], script=script), *draft.lock_spent[1:])
    for kind in (0, 1, 2, 3, 0x81, 0x82, 0x83):
        signature = secp.schnorr_sign(key, draft.lock.sighash_taproot(0, spent, kind), bytes(32))
        witness = (signature + bytes([kind]) if kind else signature,)
        if kind in (0, 1):
            check_witness(draft.lock, 0, spent, witness)
        else:
            with pytest.raises(PeerViolation):
                check_witness(draft.lock, 0, spent, witness)
        with pytest.raises(PeerViolation):
            check_witness(draft.lock, 0, spent, (signature + b"\x00",))
        with pytest.raises(PeerViolation):
            check_witness(draft.lock, 0, spent, (signature + b"\x00\x00",))


def test_somebody_elses_valid_signature_spends_nothing(contract: Any) -> None:
    draft, stranger = contract.draft, Secret(bytes(31) + b"\x0b")
    index = next(n for n, out in enumerate(draft.lock_spent) if out.script[:2] == b"\x00\x14")
    out = draft.lock_spent[index]
    digest = draft.lock.sighash_v0(index, b"\x76\xa9\x14" + out.script[2:] + b"\x88\xac", out.sats)
    witness = (secp.ecdsa_sign(stranger, digest) + b"\x01", public_key(stranger).encode())
    with pytest.raises(PeerViolation, match=f"lock input {index} is not valid"):
        check_witness(draft.lock, index, draft.lock_spent, witness)
    mine = evolve(out, script=b"\x00\x14" + scripts.hash160(witness[1]))
    spent = (*draft.lock_spent[:index], mine, *draft.lock_spent[index + 1 :])
    again = draft.lock.sighash_v0(index, b"\x76\xa9\x14" + mine.script[2:] + b"\x88\xac", mine.sats)
    check_witness(draft.lock, index, spent, (secp.ecdsa_sign(stranger, again) + b"\x01", witness[1]))
