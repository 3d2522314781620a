"""A contract setup with a counterparty that lies: each lie ends the run before a signature of ours counts."""

from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve

from cfd_core import effects as f
from cfd_core import inputs as i
from cfd_core.bitcoin.transaction import Transaction, TxOut
from cfd_core.contract.funding import needed
from cfd_core.crypto.secp import public_key
from cfd_core.errors import DecodeError, PeerViolation
from cfd_core.protocols.contract_setup import machine
from cfd_core.protocols.contract_setup import messages as m
from cfd_core.protocols.contract_setup import states as s
from cfd_core.values import CfdId, OutPoint, Role, Sats, Secret, Txid

CFD = CfdId("ab" * 16)
roles = pytest.mark.parametrize("role", list(Role), ids=lambda role: role.value)


def a_point(label: int) -> bytes:
    return public_key(Secret(bytes(31) + bytes([label]))).encode()


def coin(previous: bytes, vout: int = 0, txid: Txid | None = None) -> tuple[m.FundingInput, ...]:
    return (m.FundingInput(OutPoint(txid or Transaction.parse(previous).txid, vout), previous),)


def with_sats(params: m.Params, sats: int) -> tuple[m.FundingInput, ...]:
    old = Transaction.parse(params.inputs[0].previous)
    return coin(evolve(old, outputs=(TxOut(Sats(sats), old.outputs[0].script),)).serialize())


LIES: dict[str, tuple[Callable[[m.Params, m.Params], dict[str, Any]], str]] = {
    "our identity": (lambda _, own: {"identity": own.identity}, "public key is used twice"),
    "our publish point": (lambda _, own: {"publish": own.publish}, "public key is used twice"),
    "our revocation point": (lambda _, own: {"revocation": own.revocation}, "public key is used twice"),
    "our identity as a point": (lambda _, own: {"revocation": own.identity}, "public key is used twice"),
    "one point for both": (lambda their, _: {"publish": their.revocation}, "public key is used twice"),
    "its identity as a point": (lambda their, _: {"publish": their.identity}, "public key is used twice"),
    "our coin": (lambda _, own: {"inputs": own.inputs}, "brings an input of ours"),
    "our change script": (lambda _, own: {"change_script": own.change_script}, "a script of ours"),
    "our payout script as its change": (lambda _, own: {"change_script": own.payout_script}, "a script of ours"),
    "our payout script": (lambda _, own: {"payout_script": own.payout_script}, "a script of ours"),
    "our change script as its payout": (lambda _, own: {"payout_script": own.change_script}, "a script of ours"),
    "another transaction": (
        lambda their, _: {"inputs": coin(their.inputs[0].previous, txid=Txid("11" * 32))},
        "is not an output of the transaction",
    ),
    "an output that is not there": (
        lambda their, _: {"inputs": coin(their.inputs[0].previous, 1)},
        "is not an output of the transaction",
    ),
    "too little": (lambda their, _: {"inputs": with_sats(their, 1_000_000)}, "short of margin and fees"),
}


@roles
@pytest.mark.parametrize("lie", LIES)
def test_params_that_lie(walk: Any, role: Role, lie: str) -> None:
    arrival = walk.find(s.AwaitingParams, role)
    own = walk.find(s.AwaitingParams, role.other).arrived
    changes, why = LIES[lie]
    with pytest.raises(PeerViolation, match=why):
        machine.on_message(arrival.state, evolve(arrival.arrived, **changes(arrival.arrived, own)))


@roles
@pytest.mark.parametrize("field", ["identity", "publish", "revocation"])
def test_a_key_that_is_no_point(walk: Any, role: Role, field: str) -> None:
    arrival = walk.find(s.AwaitingParams, role)
    with pytest.raises(DecodeError):
        machine.on_message(arrival.state, evolve(arrival.arrived, **{field: b"\x05" * 33}))


@roles
@pytest.mark.parametrize("field", ["identity", "publish", "revocation"])
def test_other_points_are_another_contract(walk: Any, role: Role, field: str) -> None:
    arrival = walk.find(s.AwaitingParams, role)
    step = machine.on_message(arrival.state, evolve(arrival.arrived, **{field: a_point(9)}))
    assert isinstance(step.state, s.CheckingInputs)
    theirs = step.state.draft.party(role.other)
    found = {"identity": theirs.funder.identity, "publish": theirs.points.publish}
    assert {**found, "revocation": theirs.points.revocation}[field] == a_point(9)


@roles
def test_another_fingerprint_ends_it(walk: Any, role: Role) -> None:
    arrival = walk.find(s.AwaitingAgreement, role)
    with pytest.raises(PeerViolation, match="derived other transactions"):
        machine.on_message(arrival.state, m.Agreement(CFD, bytes(32)))


@roles
@pytest.mark.parametrize(
    ("field", "why"),
    [("commit", "adaptor signature on the commit"), ("refund", "signature on the refund"), ("cets", "bytes of CET")],
)
def test_signatures_of_somebody_else(walk: Any, role: Role, field: str, why: str) -> None:
    arrival, own = walk.find(s.AwaitingSignatures, role), walk.find(s.AwaitingSignatures, role.other).arrived
    wrong = own.cets[:-162] if field == "cets" else getattr(own, field)
    with pytest.raises(PeerViolation, match=why):
        machine.on_message(arrival.state, evolve(arrival.arrived, **{field: wrong}))


@pytest.mark.parametrize("phase", [s.AwaitingFirstLockSignatures, s.AwaitingLastLockSignatures])
def test_lock_signatures_that_are_none(walk: Any, phase: type) -> None:
    arrival = walk.find(phase)
    ((signature, key),) = arrival.arrived.witnesses
    flipped = signature[:20] + bytes([signature[20] ^ 1]) + signature[21:]
    for witnesses, why in ((((flipped, key),), "is not valid"), ((), "0 lock signatures for 1 inputs")):
        with pytest.raises(PeerViolation, match=why):
            machine.on_message(arrival.state, m.LockSignatures(CFD, witnesses))


@roles
def test_the_wallet_is_asked_for_what_the_lock_needs(walk: Any, role: Role) -> None:
    setup = walk.parties[role].setup
    asked = [x for r, a in walk.arrivals if r is role for x in a.step.effects if isinstance(x, f.ReserveCoins)]
    assert asked == [f.ReserveCoins(CFD, needed(setup.terms, role), setup.terms.fee_rate)]


@roles
def test_params_are_our_keys_coins_and_scripts(walk: Any, role: Role) -> None:
    party, sent = walk.parties[role], walk.find(s.AwaitingParams, role.other).arrived
    keys = party.setup.keys
    assert sent == m.Params(
        CFD,
        public_key(keys.identity).encode(),
        public_key(keys.publish).encode(),
        public_key(keys.revocation).encode(),
        coin(party.previous.serialize()),
        party.change_script,
        party.payout_script,
    )


@roles
def test_the_counterpartys_coins_are_looked_up(walk: Any, role: Role) -> None:
    step, their = walk.find(s.AwaitingParams, role).step, walk.parties[role.other].previous
    assert step.effects == (f.CheckInputs(CFD, ((their.outpoint(0), their.outputs[0]),)),)


@roles
def test_both_sides_hold_each_other_in_their_places(walk: Any, role: Role) -> None:
    draft = walk.find(s.AwaitingAgreement, role).state.draft
    for side in Role:
        keys, party = walk.parties[side].setup.keys, draft.party(side)
        assert party.funder.identity == public_key(keys.identity).encode()
        assert party.funder.payout_script == walk.parties[side].payout_script
        assert party.points.publish == public_key(keys.publish).encode()
        assert party.points.revocation == public_key(keys.revocation).encode()
    assert draft.revision == draft.terms.first_revision
    assert draft.revision.number == machine.FIRST_REVISION


@roles
def test_what_is_stored_is_what_can_be_enforced(walk: Any, role: Role, accepts: Any) -> None:
    signed = next(o for o in walk.outcomes[role] if isinstance(o, machine.LockSigned))
    completed = next(o for o in walk.outcomes[role] if isinstance(o, machine.LockCompleted))
    dlc, keys = signed.dlc, walk.parties[role].setup.keys
    assert dlc.role is role
    assert accepts(completed.lock, dlc.draft.lock_spent)
    assert accepts(dlc.sign_commit(keys), dlc.draft.lock.outputs[:1])
    assert accepts(dlc.sign_refund(keys), dlc.draft.commit.outputs[:1])
    sent = walk.find(s.AwaitingSignatures, role).arrived
    assert (signed.cets, dlc.their_commit, dlc.their_refund) == (sent.cets, sent.commit, sent.refund)
    own = walk.find(s.AwaitingSignatures, role.other).arrived
    assert dlc.own_commit == own.commit
    halves = [bool(tx_in.witness) for tx_in in signed.lock.inputs]
    assert halves == [role is Role.MAKER, role is Role.TAKER]


def test_a_lock_is_signed_with_the_right_transactions_behind_it(walk: Any) -> None:
    for role in Role:
        asked = [x for r, a in walk.arrivals if r is role for x in a.step.effects if isinstance(x, f.SignLock)]
        (sign,) = asked
        assert sign.cfd_id == CFD
        signed = walk.parties[role].sign(sign.psbt)
        assert signed != sign.psbt


def test_an_order_that_fits_waits_for_a_decision(walk: Any) -> None:
    setup = walk.parties[Role.MAKER].setup
    assert machine.start_maker(setup) == machine.Step(s.AwaitingDecision(setup))


def test_the_taker_opens_the_stream_and_orders(walk: Any) -> None:
    setup = walk.parties[Role.TAKER].setup
    opening, order = walk.started.effects
    assert walk.started.state == s.AwaitingAnswer(setup)
    assert opening == f.OpenStream(setup.run, opening.peer, "cfd-setup@1")
    assert isinstance(order.message, m.Order)


def test_every_step_names_its_run(walk: Any) -> None:
    for role, arrival in walk.arrivals:
        for effect in arrival.step.effects:
            if isinstance(effect, f.SendMessage | f.CloseStream | f.SignCets | f.VerifyCets):
                assert effect.run == walk.parties[role].setup.run
            if isinstance(effect, f.SendMessage):
                assert effect.message.cfd_id == CFD


@pytest.mark.parametrize("phase", [s.AwaitingAnswer, s.AwaitingParams, s.AwaitingSignatures])
def test_a_lost_setup_frees_the_coins_of_this_cfd(walk: Any, phase: type) -> None:
    state = walk.find(phase).state
    step = machine.on_lost(state, "cut")
    assert step.effects == (f.CloseStream(state.setup.run), f.ReleaseCoins(CFD))


def test_answers_are_read_wholly(walk: Any) -> None:
    arrival = walk.find(s.CheckingInputs)
    assert isinstance(machine.on_answer(arrival.state, i.InputsChecked(CFD, ())).state, s.AwaitingAgreement)
    valid = walk.find(s.VerifyingCets)
    first = machine.on_answer(valid.state, i.CetsVerified(CFD, valid.arrived.run, 0))
    assert isinstance(first.state, s.Failed), "the first signature is number 0"


def test_the_last_word_leaves_before_the_stream_is_closed(walk: Any) -> None:
    for role, phase in ((Role.MAKER, s.SigningLock), (Role.TAKER, s.AwaitingLastLockSignatures)):
        step = walk.find(phase, role).step
        assert step.state == s.Finished(walk.parties[role].setup)
        sends = [f.SendMessage] if role is Role.MAKER else []
        assert [type(effect) for effect in step.effects] == [*sends, f.CloseStream]
