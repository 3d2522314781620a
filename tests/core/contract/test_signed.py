"""The signed transactions under Bitcoin Core's script engine, for both roles and all payout forms."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from attrs import evolve

from cfd_core.bitcoin.transaction import Transaction, TxIn, TxOut
from cfd_core.contract import dlc as signing
from cfd_core.contract.dlc import publish_secret
from cfd_core.contract.witness import check_witness
from cfd_core.crypto import secp
from cfd_core.crypto.secp import public_key
from cfd_core.errors import PeerViolation, RuleViolation
from cfd_core.values import Role, Sats, Secret

Accepts = Callable[[Transaction, Sequence[TxOut]], bool]
FORMS = [("p2wpkh", "p2tr"), ("p2tr", "p2wpkh"), ("p2wsh", "p2tr")]
roles = pytest.mark.parametrize("role", list(Role))


@roles
@pytest.mark.parametrize("form", FORMS)
def test_core_accepts_every_transaction(workshop: Any, accepts: Accepts, role: Role, form: tuple[str, str]) -> None:
    maker = workshop.side("maker", payout=form[0], change=form[1])
    taker = workshop.side("taker", payout=form[1], change=form[0])
    contract = workshop.contract(maker, taker)
    rate = contract.draft.terms.fee_rate
    for kind, tx in contract.transactions(role).items():
        assert accepts(tx, contract.spent(tx)), kind
        assert contract.fee(tx) >= rate * tx.vsize, kind
        assert contract.fee(tx) <= rate * (tx.vsize + 2 * len(tx.inputs) + 6), f"{kind}: nobody pays for nothing"
        assert Transaction.parse(tx.serialize()) == tx


@roles
def test_core_refuses_each_wrong_signature(contract: Any, accepts: Accepts, role: Role) -> None:
    for kind, tx in contract.transactions(role).items():
        for index, tx_in in enumerate(tx.inputs):
            for place, item in enumerate(tx_in.witness):
                flipped = item[:20] + bytes([item[20] ^ 1]) + item[21:]
                bad = (*tx_in.witness[:place], flipped, *tx_in.witness[place + 1 :])
                assert not accepts(tx.with_witness(index, bad), contract.spent(tx)), (kind, index, place)


@roles
def test_core_refuses_another_amount_or_lock_time(contract: Any, accepts: Accepts, role: Role) -> None:
    for tx in contract.transactions(role).values():
        spent = contract.spent(tx)
        assert not accepts(tx, (evolve(spent[0], sats=Sats(spent[0].sats + 1)), *spent[1:]))
        cheat = evolve(tx, outputs=(evolve(tx.outputs[0], sats=Sats(tx.outputs[0].sats - 1)), *tx.outputs[1:]))
        assert not accepts(cheat, spent)
        sooner = evolve(tx, inputs=(evolve(tx.inputs[0], sequence=tx.inputs[0].sequence - 1), *tx.inputs[1:]))
        assert not accepts(sooner, spent)


@roles
def test_the_publish_secret_comes_out_of_a_published_commit(contract: Any, role: Role) -> None:
    published = Transaction.parse(contract.dlc(role).sign_commit(contract.side(role).keys).serialize())
    other = contract.dlc(role.other)
    assert recovered(other, published) == contract.side(role).keys.publish
    with pytest.raises(PeerViolation):
        recovered(other, other.sign_commit(contract.side(role.other).keys))


def recovered(dlc: Any, published: Transaction) -> Secret:
    return publish_secret(dlc.draft, dlc.role, dlc.own_commit, published)


def punish(contract: Any, wronged: Role, *, own: Secret, publish: Secret, revocation: Secret) -> Transaction:
    """Spends the commit output by the wronged party's key and the other's two secrets."""
    draft = contract.draft
    out = TxOut(Sats(draft.commit.outputs[0].sats - 1_000), draft.party(wronged).funder.payout_script)
    tx = Transaction((TxIn(draft.commit_outpoint),), (out,))
    digest = tx.sighash_v0(0, draft.commit_script, draft.commit.outputs[0].sats)
    der = [secp.ecdsa_sign(key, digest) + b"\x01" for key in (revocation, publish, own)]
    points = [public_key(key).encode() for key in (revocation, publish, own)]
    # andor's condition (the maker's key) fails on an empty signature, then or_i picks the branch
    branch = b"\x01" if wronged is Role.MAKER else b""
    stack = [item for pair in zip(der, points, strict=True) for item in pair]
    return tx.with_witness(0, (*stack, branch, b"", draft.commit_script))


@pytest.mark.parametrize("wronged", list(Role))
def test_a_revoked_commit_can_be_punished_and_nothing_less_will_do(
    contract: Any, accepts: Accepts, wronged: Role
) -> None:
    own, theirs = contract.side(wronged).keys, contract.side(wronged.other).keys
    published = contract.dlc(wronged.other).sign_commit(theirs)
    secret = recovered(contract.dlc(wronged), published)
    good = {"own": own.identity, "publish": secret, "revocation": theirs.revocation}
    tx = punish(contract, wronged, **good)
    assert accepts(tx, contract.spent(tx))
    for name, wrong in (
        ("own", theirs.identity),
        ("own", own.publish),
        ("publish", own.publish),
        ("publish", theirs.revocation),
        ("revocation", own.revocation),
        ("revocation", secret),
    ):
        bad = punish(contract, wronged, **{**good, name: wrong})
        assert not accepts(bad, contract.spent(bad)), (name, wrong)


@roles
def test_an_offender_cannot_punish_with_its_own_secrets(contract: Any, accepts: Accepts, role: Role) -> None:
    keys = contract.side(role).keys
    tx = punish(contract, role, own=keys.identity, publish=keys.publish, revocation=keys.revocation)
    assert not accepts(tx, contract.spent(tx))


@roles
def test_each_price_has_its_cet_and_only_the_attested_one_opens(contract: Any, accepts: Accepts, role: Role) -> None:
    dlc, keys, packed = contract.dlc(role), contract.side(role).keys, contract.cets[role.other]
    signed = dlc.sign_cet(keys, contract.attestation, packed)
    cet, entry = signed.transaction, signed.entry
    assert entry.prefix.covers(48_935, 20)
    assert cet.without_witnesses() == contract.draft.cet(entry)
    assert accepts(cet, contract.spent(cet))
    with pytest.raises(RuleViolation, match="does not fit"):
        dlc.sign_cet(keys, evolve(contract.attestation, scalars=contract.attestation.scalars, outcome=2**20), packed)
    with pytest.raises(RuleViolation, match="does not decrypt"):
        dlc.sign_cet(keys, evolve(contract.attestation, outcome=0), packed)
    with pytest.raises(RuleViolation, match="not the stored"):
        dlc.sign_cet(keys, contract.attestation, packed[:-1] + b"\x00")


@roles
def test_bad_commit_and_refund_signatures_are_refused(contract: Any, role: Role) -> None:
    draft, theirs = contract.draft, contract.bundles[role.other]
    signing.check_commit(draft, role, theirs.commit)
    signing.check_refund(draft, role, theirs.refund)
    swapped = contract.bundles[role]
    flipped = bytes([theirs.commit[0], theirs.commit[1] ^ 1]) + theirs.commit[2:]
    high = secp.der_to_compact(theirs.refund)
    high_s = (secp.ORDER - int.from_bytes(high[32:], "big")).to_bytes(32, "big")
    for commit in (swapped.commit, flipped, bytes(162), b"\x02" * 162, theirs.commit[:-1], b""):
        with pytest.raises(PeerViolation, match="commit"):
            signing.check_commit(draft, role, commit)
    for refund in (swapped.refund, b"", theirs.refund + b"\x01", bytes(70), secp.compact_to_der(high[:32] + high_s)):
        with pytest.raises(PeerViolation, match="refund"):
            signing.check_refund(draft, role, refund)


@roles
def test_lock_witnesses_are_counted_and_checked(contract: Any, role: Role) -> None:
    draft = contract.draft
    good = contract.side(role).lock_witnesses(draft, role)
    positions = signing.input_positions(draft, role)
    with pytest.raises(PeerViolation, match=r"1 lock signatures for 2"):
        signing.fill_lock(draft, draft.lock, good[:1], role)
    with pytest.raises(PeerViolation, match=r"3 lock signatures for 2"):
        signing.fill_lock(draft, draft.lock, (*good, good[0]), role)
    for position, witness in zip(positions, good, strict=True):
        check_witness(draft.lock, position, draft.lock_spent, witness)
        for bad in bad_witnesses(witness):
            with pytest.raises(PeerViolation, match=f"lock input {position} is not valid"):
                check_witness(draft.lock, position, draft.lock_spent, bad)


def bad_witnesses(good: tuple[bytes, ...]) -> list[tuple[bytes, ...]]:
    first = good[0]
    others = [first[:-1] + bytes([first[-1] ^ 1]), first[:-1], first + b"\x00", first + b"\x01", b"", bytes(64)]
    sighashes = [first[:64] + bytes([kind]) for kind in (0, 2, 3, 0x81, 0x83)]
    bad = [(item, *good[1:]) for item in others + sighashes]
    bad += [(), (*good, b""), (b"", *good), good + good, (first, *(bytes(len(item)) for item in good[1:]), b"\x50")]
    if len(good) == 2:
        uncompressed = b"\x04" + good[1][1:] * 2
        bad += [(first, uncompressed[:65]), (first, b"\x03" + good[1][1:]), (first, good[1] + b"\x00"), (first,)]
        bad += [(first[:-1] + bytes([kind]), good[1]) for kind in (0, 2, 3, 0x81)]
    return [witness for witness in bad if witness != good]


def test_a_witness_with_the_full_sighash_byte_is_accepted(contract: Any) -> None:
    draft = contract.draft
    index = next(n for n, out in enumerate(draft.lock_spent) if out.script[:2] == b"\x51\x20")
    from_key = contract.maker.lock_witnesses(draft, Role.MAKER)[index][0]
    with pytest.raises(PeerViolation):
        check_witness(draft.lock, index, draft.lock_spent, (from_key + b"\x01",))


def test_the_published_commit_must_be_a_transaction_with_signatures(contract: Any) -> None:
    dlc = contract.dlc(Role.MAKER)
    garbled = contract.draft.commit.with_witness(0, (b"\x30\x01", b"\x30\x01", b""))
    with pytest.raises(PeerViolation, match="two signatures"):
        recovered(dlc, garbled)
