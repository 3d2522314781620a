"""The law of the rollover: each phase with each arrival, against the one table."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, get_args

import pytest
from attrs import evolve

from cfd_core import effects as f
from cfd_core import inputs as i
from cfd_core.crypto.secp import public_key
from cfd_core.errors import PeerViolation, RuleViolation
from cfd_core.protocols.rollover import machine as typed_machine
from cfd_core.protocols.rollover import messages as m
from cfd_core.protocols.rollover import states as s
from cfd_core.values import CfdId, EventId, Role, RunId, Secret, Txid

machine: Any = typed_machine
"""The walks below go through unions whose member each test knows."""

CFD = CfdId("ab" * 16)
STATES = get_args(s.State)
MESSAGES = get_args(m.RolloverMessage)
ANSWERS = get_args(s.Answer)
RUN = RunId("r")


Walk = Any
"""A walked rollover, made by the fixture `rolled`."""


SAMPLES: dict[type, Any] = {
    m.Propose: m.Propose(
        CFD, Txid("11" * 32), m.Terms(settlement=EventId("x"), liquidations=(), funding_rate=Decimal(0), hours=1)
    ),
    m.Accept: m.Accept(CFD, m.Terms(settlement=EventId("x"), liquidations=(), funding_rate=Decimal(0), hours=1)),
    m.Reject: m.Reject(CFD, "no"),
    m.Points: m.Points(CFD, bytes(33), bytes(33)),
    m.Agreement: m.Agreement(CFD, bytes(32)),
    m.Exits: m.Exits(CFD, b"", b""),
    m.CommitSignature: m.CommitSignature(CFD, 1, bytes(162)),
    m.Revocation: m.Revocation(CFD, 0, bytes(32)),
    s.EventsKnown: s.EventsKnown(()),
    s.TermsAccepted: s.TermsAccepted(
        m.Terms(settlement=EventId("x"), liquidations=(), funding_rate=Decimal(0), hours=1)
    ),
    s.TermsRefused: s.TermsRefused("too dear"),
    i.CetsSigned: i.CetsSigned(CFD, RUN, b""),
    i.CetsVerified: i.CetsVerified(CFD, RUN, 3),
}


def in_phase(rolled: dict[Role, Walk], phase: type) -> Any:
    walk = rolled[Role.TAKER]
    if phase is s.Failed:
        return s.Failed(walk.rollovers[Role.TAKER], "over")
    if phase is s.Finished:
        return s.Finished(walk.rollovers[Role.TAKER])
    return walk.find(phase).state


def test_the_samples_are_complete() -> None:
    assert SAMPLES.keys() == set(MESSAGES) | set(ANSWERS)
    assert len(STATES) == 14


def test_the_table_and_the_handlers_are_one_law() -> None:
    assert machine._HANDLERS.keys() == s.TRANSITIONS.keys()
    for (phase, arrived), following in s.TRANSITIONS.items():
        assert phase in STATES
        assert arrived in MESSAGES + ANSWERS
        assert phase not in s.ENDED
        assert set(following) <= set(STATES)
        assert (arrived in ANSWERS) == (phase in s.BUSY)
    assert {phase for phase, _ in s.TRANSITIONS} == set(STATES) - set(s.ENDED)


def test_the_walks_take_each_phase_and_end_well(rolled: dict[Role, Walk]) -> None:
    for walk in rolled.values():
        seen = {(type(a.state), type(a.arrived)) for a in walk.arrivals}
        assert seen == {pair for pair in s.TRANSITIONS if pair[1] is not s.TermsRefused}
        for a in walk.arrivals:
            assert type(a.step.state) in s.TRANSITIONS[type(a.state), type(a.arrived)]
        assert all(isinstance(state, s.Finished) for state in walk.states.values())
        for role in Role:
            kinds = [type(outcome) for outcome in walk.outcomes[role]]
            quoted = [machine.Quoted] if role is Role.MAKER else []
            assert kinds == [*quoted, machine.Prepared, machine.Signed, machine.Revoked]
        dlcs = [walk.outcomes[role][-3].dlc.draft for role in Role]
        assert dlcs[0].fingerprint == dlcs[1].fingerprint


def test_points_of_no_return_come_with_the_step_that_sends(rolled: dict[Role, Walk]) -> None:
    kept: dict[type, type] = {m.CommitSignature: typed_machine.Prepared, m.Revocation: typed_machine.Signed}
    quoted = {Role.MAKER: typed_machine.Quoted}
    for walk in rolled.values():
        for role in Role:
            known: set[type] = set()
            for a in walk.arrivals:
                if a.role is role:
                    known |= {type(outcome) for outcome in a.step.outcomes}
                    for effect in a.step.effects:
                        if isinstance(effect, f.SendMessage) and type(effect.message) is m.Exits:
                            assert known == {quoted[role]} if role in quoted else not known
                        if isinstance(effect, f.SendMessage) and type(effect.message) in kept:
                            assert kept[type(effect.message)] in known
                            # the maker reveals its secret only for the taker's
                            late = type(effect.message) is m.Revocation and role is Role.MAKER
                            assert not late or machine.Revoked in known


@pytest.mark.parametrize("message", MESSAGES, ids=lambda t: t.__name__)
@pytest.mark.parametrize("phase", STATES, ids=lambda t: t.__name__)
def test_every_phase_with_every_message(rolled: dict[Role, Walk], phase: type, message: type) -> None:
    state = in_phase(rolled, phase)
    before = repr(state)
    if message is m.Reject and phase not in s.ENDED:
        assert isinstance(machine.on_message(state, SAMPLES[message]).state, s.Failed)
    elif (phase, message) in s.TRANSITIONS:
        step = machine.on_message(state, rolled[Role.TAKER].find(phase).arrived)
        assert type(step.state) in s.TRANSITIONS[phase, message]
        with pytest.raises(Exception) as caught:  # noqa: PT011 -- which, is looked at
            machine.on_message(state, SAMPLES[message])
        assert type(caught.value).__name__ in {"PeerViolation", "DecodeError"}
    else:
        with pytest.raises(PeerViolation, match=f"{message.__name__} is not due while"):
            machine.on_message(state, SAMPLES[message])
    assert repr(state) == before


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda t: t.__name__)
@pytest.mark.parametrize("phase", STATES, ids=lambda t: t.__name__)
def test_every_phase_with_every_answer(rolled: dict[Role, Walk], phase: type, answer: type) -> None:
    state = in_phase(rolled, phase)
    if (phase, answer) in s.TRANSITIONS:
        legal: Any = rolled[Role.TAKER].find(phase).arrived
        step = machine.on_answer(state, legal if type(legal) is answer else SAMPLES[answer])
        assert type(step.state) in s.TRANSITIONS[phase, answer]
    else:
        with pytest.raises(RuleViolation, match=f"{answer.__name__} is not due while"):
            machine.on_answer(state, SAMPLES[answer])


@pytest.mark.parametrize("phase", STATES, ids=lambda t: t.__name__)
def test_losing_the_stream_keeps_what_is_stored(rolled: dict[Role, Walk], phase: type) -> None:
    step = machine.on_lost(in_phase(rolled, phase), "cut")
    if phase in s.ENDED:
        assert (step.effects, step.outcomes, type(step.state)) == ((), (), phase)
    else:
        assert [type(effect) for effect in step.effects] == [f.CloseStream]
        assert step.outcomes == (machine.RolloverFailed("cut"),)
        assert step.state.reason == "cut"


@pytest.mark.parametrize(
    ("phase", "answer", "reason"),
    [
        (s.AwaitingDecision, s.TermsRefused("too dear"), "too dear"),
        (s.CheckingAnswer, s.TermsRefused("too dear"), "too dear"),
        (s.VerifyingCets, i.CetsVerified(CFD, RUN, 7), "CET signature 7 is not valid"),
    ],
)
def test_refusals_are_told(rolled: dict[Role, Walk], phase: type, answer: Any, reason: str) -> None:
    step = machine.on_answer(in_phase(rolled, phase), answer)
    send, close = step.effects
    assert (send.message, type(close)) == (m.Reject(CFD, reason), f.CloseStream)
    assert step.outcomes == (machine.RolloverFailed(reason),)


def test_a_pinned_rollover_signs_nothing_new(rolled: dict[Role, Walk]) -> None:
    walk = rolled[Role.TAKER]
    verified = walk.find(s.VerifyingCets, Role.TAKER)
    first = next(o for o in verified.step.outcomes if isinstance(o, machine.Prepared))
    pin = s.Pinned(first.dlc.draft.fingerprint, first.own_commit)
    again = evolve(verified.state, rollover=evolve(verified.state.rollover, pinned=pin, aux=bytes(32)))
    (outcome,) = machine.on_answer(again, verified.arrived).outcomes
    assert outcome.own_commit == first.own_commit
    points = walk.find(s.AwaitingPoints, Role.TAKER)
    pinned = evolve(points.state, rollover=evolve(points.state.rollover, pinned=pin))
    assert isinstance(machine.on_message(pinned, points.arrived).state, s.AwaitingAgreement)
    other = evolve(points.arrived, publish=public_key(Secret(b"\x07" * 32)).encode())
    with pytest.raises(PeerViolation, match="this is another one"):
        machine.on_message(pinned, other)


CHANGES: dict[str, Callable[[m.Terms], m.Terms]] = {
    "hours": lambda x: evolve(x, hours=x.hours + 1),
    "settlement": lambda x: evolve(x, settlement=EventId("y")),
    "liquidations": lambda x: evolve(x, liquidations=(EventId("y"),)),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
@pytest.mark.parametrize("proposer", list(Role))
def test_an_answer_with_other_terms(rolled: dict[Role, Walk], proposer: Role, change: Any) -> None:
    arrival = rolled[proposer].find(s.AwaitingAnswer, proposer)
    with pytest.raises(PeerViolation, match="other terms"):
        machine.on_message(arrival.state, evolve(arrival.arrived, terms=change(arrival.arrived.terms)))


def test_only_the_maker_sets_the_rate(rolled: dict[Role, Walk]) -> None:
    for proposer in Role:
        arrival = rolled[proposer].find(s.AwaitingAnswer, proposer)
        other = evolve(arrival.arrived, terms=evolve(arrival.arrived.terms, funding_rate=Decimal("0.0002")))
        if proposer is Role.MAKER:
            with pytest.raises(PeerViolation, match="changed the funding rate"):
                machine.on_message(arrival.state, other)
        else:
            assert isinstance(machine.on_message(arrival.state, other).state, s.CheckingAnswer)


def test_no_phase_shows_a_secret(rolled: dict[Role, Walk]) -> None:
    for walk in rolled.values():
        for a in walk.arrivals:
            text, rollover = repr((a.state, a.arrived, a.step)), walk.rollovers[a.role]
            for keys in (rollover.keys, rollover.old_keys):
                for key in (keys.identity, keys.publish, keys.revocation):
                    assert key.reveal().hex() not in text
                    assert repr(key.reveal())[2:-1] not in text
