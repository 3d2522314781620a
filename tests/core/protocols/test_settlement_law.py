"""The law of the settlement: each phase with each arrival, against the one table."""

from decimal import Decimal
from typing import Any, get_args

import pytest
from attrs import evolve, frozen

from cfd_core import effects as f
from cfd_core.contract.close import build_close, sign_close
from cfd_core.crypto.keys import CfdKeys
from cfd_core.errors import PeerViolation, RuleViolation
from cfd_core.protocols.contract_setup import machine as setup
from cfd_core.protocols.settlement import machine as typed_machine
from cfd_core.protocols.settlement import messages as m
from cfd_core.protocols.settlement import states as s
from cfd_core.values import CfdId, PeerId, Role, RunId

machine: Any = typed_machine
"""The walks below go through unions whose member each test knows."""

CFD = CfdId("ab" * 16)
STATES = get_args(s.State)
MESSAGES = get_args(m.SettlementMessage)
ANSWERS = get_args(s.Answer)
PRICE = Decimal("50123.5")
RUN = RunId("r")
SAMPLES: dict[type, Any] = {
    m.Propose: m.Propose(CFD, PRICE, bytes(32)),
    m.Accept: m.Accept(CFD),
    m.Reject: m.Reject(CFD, "no"),
    m.CloseSignature: m.CloseSignature(CFD, b""),
    s.PriceAccepted: s.PriceAccepted(),
    s.PriceRefused: s.PriceRefused("too low"),
}


@frozen
class Sides:
    """Both sides' settlements and their signatures on the close."""

    settlements: dict[Role, s.Settlement]
    signatures: dict[Role, bytes]

    def state(self, phase: type, role: Role = Role.TAKER) -> Any:
        settlement = self.settlements[role]
        if phase is s.AwaitingLastSignature:
            return s.AwaitingLastSignature(settlement, self.signatures[role])
        return s.Failed(settlement, "over") if phase is s.Failed else phase(settlement)

    def good(self, phase: type, role: Role = Role.TAKER) -> Any:
        """What is due in a phase."""
        if phase is s.AwaitingAnswer:
            return m.Accept(CFD)
        return m.CloseSignature(CFD, self.signatures[role.other])


@pytest.fixture(scope="session")
def sides(walk: Any) -> Sides:
    draft = next(o.dlc for o in walk.outcomes[Role.TAKER] if isinstance(o, setup.LockSigned)).draft
    close = build_close(draft, PRICE)
    keys = {role: walk.parties[role].setup.keys for role in Role}
    settlements = {
        role: s.Settlement(run=RunId("r"), cfd_id=CFD, role=role, draft=draft, close=close, keys=keys[role])
        for role in Role
    }
    return Sides(settlements, {role: sign_close(close, keys[role]) for role in Role})


def test_the_table_and_the_handlers_are_one_law() -> None:
    assert SAMPLES.keys() == set(MESSAGES) | set(ANSWERS)
    assert machine._HANDLERS.keys() == s.TRANSITIONS.keys()
    for (phase, arrived), following in s.TRANSITIONS.items():
        assert arrived in MESSAGES + ANSWERS
        assert set(following) <= set(STATES)
        assert (arrived in ANSWERS) == (phase in s.BUSY)
    assert {phase for phase, _ in s.TRANSITIONS} == set(STATES) - set(s.ENDED)


@pytest.mark.parametrize("proposer", list(Role), ids=lambda role: role.value)
def test_both_reach_the_same_close(sides: Sides, proposer: Role, accepts: Any) -> None:
    opening = f.OpenStream(RunId("r"), PeerId("p"), m.PROTOCOL)
    started = machine.start_proposer(sides.settlements[proposer], opening)
    proposal = started.effects[1].message
    theirs = machine.start_accepter(sides.settlements[proposer.other], proposal)
    accepted = machine.on_answer(theirs.state, s.PriceAccepted())
    signed = machine.on_message(started.state, accepted.effects[0].message)
    (bare,) = signed.outcomes
    assert (type(bare), bare.complete) == (machine.CloseSigned, False)
    whole = machine.on_message(accepted.state, signed.effects[0].message)
    last = machine.on_message(signed.state, whole.effects[0].message)
    (one,), (two,) = whole.outcomes, last.outcomes
    assert one.complete
    assert two.complete
    assert one.transaction == two.transaction
    draft = sides.settlements[proposer].draft
    assert accepts(one.transaction, draft.lock.outputs[:1])
    fee = draft.lock.outputs[0].sats - sum(out.sats for out in one.transaction.outputs)
    rate = draft.terms.fee_rate
    assert rate * one.transaction.vsize <= fee <= rate * (one.transaction.vsize + 4) + 1


def test_a_proposal_with_another_digest(sides: Sides) -> None:
    with pytest.raises(PeerViolation, match="derived another close"):
        machine.start_accepter(sides.settlements[Role.MAKER], m.Propose(CFD, PRICE, bytes(32)))


@pytest.mark.parametrize("message", MESSAGES, ids=lambda t: t.__name__)
@pytest.mark.parametrize("phase", STATES, ids=lambda t: t.__name__)
def test_every_phase_with_every_message(sides: Sides, phase: type, message: type) -> None:
    state = sides.state(phase)
    before = repr(state)
    if message is m.Reject and phase not in s.ENDED:
        step = machine.on_message(state, SAMPLES[message])
        assert isinstance(step.state, s.Failed)
        assert [type(x) for x in step.effects] == [f.CloseStream], "nobody answers a reject"
    elif (phase, message) in s.TRANSITIONS:
        step = machine.on_message(state, sides.good(phase))
        assert type(step.state) in s.TRANSITIONS[phase, message]
    else:
        with pytest.raises(PeerViolation, match=f"{message.__name__} is not due while"):
            machine.on_message(state, SAMPLES[message])
    assert repr(state) == before


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda t: t.__name__)
@pytest.mark.parametrize("phase", STATES, ids=lambda t: t.__name__)
def test_every_phase_with_every_answer(sides: Sides, phase: type, answer: type) -> None:
    if (phase, answer) in s.TRANSITIONS:
        step = machine.on_answer(sides.state(phase), SAMPLES[answer])
        assert type(step.state) in s.TRANSITIONS[phase, answer]
    else:
        with pytest.raises(RuleViolation, match=f"{answer.__name__} is not due while"):
            machine.on_answer(sides.state(phase), SAMPLES[answer])


@pytest.mark.parametrize("phase", [s.AwaitingFirstSignature, s.AwaitingLastSignature])
@pytest.mark.parametrize("role", list(Role), ids=lambda role: role.value)
def test_bad_signatures(sides: Sides, phase: type, role: Role) -> None:
    good = sides.signatures[role.other]
    flipped = good[:20] + bytes([good[20] ^ 1]) + good[21:]
    for bad in (b"", flipped, good[:-1], good + b"\x01", sides.signatures[role], bytes(100_000)):
        with pytest.raises(PeerViolation, match="signature on the close is not valid"):
            machine.on_message(sides.state(phase, role), m.CloseSignature(CFD, bad))
    assert isinstance(machine.on_message(sides.state(phase, role), m.CloseSignature(CFD, good)).state, s.Finished)


@pytest.mark.parametrize("phase", STATES, ids=lambda t: t.__name__)
def test_losing_the_stream(sides: Sides, phase: type) -> None:
    step = machine.on_lost(sides.state(phase), "cut")
    if phase in s.ENDED:
        assert (step.effects, step.outcomes) == ((), ())
    else:
        assert step.outcomes == (machine.SettlementFailed("cut"),)


def test_nothing_shows_a_secret_or_the_close_of_another_price(sides: Sides) -> None:
    settlement = sides.settlements[Role.MAKER]
    assert isinstance(settlement.keys, CfdKeys)
    assert settlement.keys.identity.reveal().hex() not in repr(settlement)
    other = evolve(settlement, close=build_close(settlement.draft, Decimal(50_124)))
    assert other.close.digest != settlement.close.digest


def test_what_is_said_when_closing(sides: Any) -> None:
    for role in Role:
        ours, theirs = sides.settlements[role], sides.settlements[role.other]
        opening = f.OpenStream(RUN, PeerId("p"), m.PROTOCOL)
        propose = m.Propose(CFD, ours.close.price, ours.close.digest)
        started = machine.start_proposer(ours, opening)
        assert started == machine.Step(s.AwaitingAnswer(ours), (opening, f.SendMessage(RUN, propose)))
        decision = machine.start_accepter(theirs, propose)
        assert decision == machine.Step(s.AwaitingDecision(theirs))
        accepted = machine.on_answer(decision.state, s.PriceAccepted())
        accept = f.SendMessage(RUN, m.Accept(CFD))
        assert accepted == machine.Step(s.AwaitingFirstSignature(theirs), (accept,))
        signed = machine.on_message(started.state, m.Accept(CFD))
        own = m.CloseSignature(CFD, sides.signatures[role])
        bare = typed_machine.CloseSigned(ours.close, ours.close.transaction, complete=False)
        waiting = s.AwaitingLastSignature(ours, sides.signatures[role])
        assert signed == machine.Step(waiting, (f.SendMessage(RUN, own),), (bare,))
        whole = machine.on_message(accepted.state, own)
        answer = m.CloseSignature(CFD, sides.signatures[role.other])
        assert whole.effects == (f.SendMessage(RUN, answer), f.CloseStream(RUN))
        last = machine.on_message(waiting, answer)
        assert (last.state, last.effects) == (s.Finished(ours), (f.CloseStream(RUN),))
        assert whole.state == s.Finished(theirs)


def test_a_refused_price_is_told_then_the_stream_is_closed(sides: Any) -> None:
    settlement = sides.settlements[Role.MAKER]
    step = machine.on_answer(s.AwaitingDecision(settlement), s.PriceRefused("too low"))
    told = f.SendMessage(RUN, m.Reject(CFD, "too low"))
    failed = typed_machine.SettlementFailed("too low")
    assert step == machine.Step(s.Failed(settlement, "too low"), (told, f.CloseStream(RUN)), (failed,))


def test_a_rejected_price_names_the_counterparty(sides: Any) -> None:
    settlement = sides.settlements[Role.MAKER]
    step = machine.on_message(s.AwaitingAnswer(settlement), m.Reject(CFD, "no"))
    words = "the counterparty ended the settlement: no"
    expected = machine.Step(
        s.Failed(settlement, words), (f.CloseStream(RUN),), (typed_machine.SettlementFailed(words),)
    )
    assert step == expected
