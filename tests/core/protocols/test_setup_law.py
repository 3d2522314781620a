"""The law of the contract setup: each phase with each arrival, against the one table."""

from typing import Any, get_args

import pytest

from cfd_core import effects as f
from cfd_core import inputs as i
from cfd_core.errors import PeerViolation, RuleViolation
from cfd_core.protocols.contract_setup import machine
from cfd_core.protocols.contract_setup import messages as m
from cfd_core.protocols.contract_setup import states as s
from cfd_core.values import CfdId, OfferId, OutPoint, Position, Role, RunId, Txid

CFD = CfdId("ab" * 16)
STATES = get_args(s.State)
MESSAGES = get_args(m.SetupMessage)
ANSWERS = get_args(s.Answer)
SAMPLES: dict[type, Any] = {
    m.Order: m.Order(CFD, OfferId("0f" * 16), Position.LONG, 1_000, 2),
    m.Accept: m.Accept(CFD),
    m.Reject: m.Reject(CFD, "no"),
    m.Params: m.Params(
        CFD, bytes(33), bytes(33), bytes(33), (m.FundingInput(OutPoint(Txid("11" * 32), 0), b""),), b"", b""
    ),
    m.Agreement: m.Agreement(CFD, bytes(32)),
    m.Signatures: m.Signatures(CFD, bytes(162), b"", b""),
    m.LockSignatures: m.LockSignatures(CFD, ()),
    i.CoinsReserved: i.CoinsReserved(CFD, (), b"", b""),
    i.CoinsRefused: i.CoinsRefused(CFD, "no coins"),
    i.LockInputsSigned: i.LockInputsSigned(CFD, b""),
    i.LockSigningFailed: i.LockSigningFailed(CFD, "locked"),
    i.CetsSigned: i.CetsSigned(CFD, RunId("r"), b""),
    i.CetsVerified: i.CetsVerified(CFD, RunId("r"), 3),
    i.InputsChecked: i.InputsChecked(CFD, ("spent",)),
    s.OrderApproved: s.OrderApproved(),
    s.OrderRefused: s.OrderRefused("not today"),
}


def in_phase(walk: Any, phase: type) -> Any:
    if phase is s.Failed:
        return s.Failed(walk.parties[Role.TAKER].setup, "over")
    if phase is s.Finished:
        return s.Finished(walk.parties[Role.TAKER].setup)
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
        assert following
        assert set(following) <= set(STATES)
        waits_for_us = arrived in ANSWERS
        assert waits_for_us == (phase in s.BUSY)
    assert {phase for phase, _ in s.TRANSITIONS} == set(STATES) - set(s.ENDED)


def test_the_walk_takes_each_phase_of_each_role(walk: Any) -> None:
    seen = {(type(a.state), type(a.arrived)) for _, a in walk.arrivals}
    good = {pair for pair in s.TRANSITIONS if pair[1] not in (i.CoinsRefused, i.LockSigningFailed, s.OrderRefused)}
    assert seen == good
    for _, arrival in walk.arrivals:
        assert type(arrival.step.state) in s.TRANSITIONS[type(arrival.state), type(arrival.arrived)]
    assert all(isinstance(party.state, s.Finished) for party in walk.parties.values())


def test_the_point_of_no_return_is_stored_with_the_step_that_sends(walk: Any) -> None:
    for role in Role:
        kinds = [type(outcome) for outcome in walk.outcomes[role]]
        assert kinds == [machine.LockSigned, machine.LockCompleted]
    for _, arrival in walk.arrivals:
        sends = any(
            isinstance(x, f.SendMessage) and isinstance(x.message, m.LockSignatures) for x in arrival.step.effects
        )
        assert sends == any(isinstance(o, machine.LockSigned) for o in arrival.step.outcomes)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda t: t.__name__)
@pytest.mark.parametrize("phase", STATES, ids=lambda t: t.__name__)
def test_every_phase_with_every_message(walk: Any, phase: type, message: type) -> None:
    state = in_phase(walk, phase)
    before = repr(state)
    if message is m.Reject and phase not in s.ENDED:
        step = machine.on_message(state, SAMPLES[message])
        assert isinstance(step.state, s.Failed)
        return
    if (phase, message) in s.TRANSITIONS:
        step = machine.on_message(state, walk.find(phase).arrived)
        assert type(step.state) in s.TRANSITIONS[phase, message]
        return
    with pytest.raises(PeerViolation, match=f"{message.__name__} is not due while"):
        machine.on_message(state, SAMPLES[message])
    assert repr(state) == before


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda t: t.__name__)
@pytest.mark.parametrize("phase", STATES, ids=lambda t: t.__name__)
def test_every_phase_with_every_answer(walk: Any, phase: type, answer: type) -> None:
    state = in_phase(walk, phase)
    before = repr(state)
    if (phase, answer) in s.TRANSITIONS:
        legal: Any = walk.find(phase).arrived
        given: Any = legal if type(legal) is answer else SAMPLES[answer]
        step = machine.on_answer(state, given)
        assert type(step.state) in s.TRANSITIONS[phase, answer]
        return
    with pytest.raises(RuleViolation, match=f"{answer.__name__} is not due while"):
        machine.on_answer(state, SAMPLES[answer])
    assert repr(state) == before


def effect_kinds(step: machine.Step) -> list[type]:
    return [type(effect) for effect in step.effects]


@pytest.mark.parametrize("phase", STATES, ids=lambda t: t.__name__)
def test_losing_the_stream(walk: Any, phase: type) -> None:
    step = machine.on_lost(in_phase(walk, phase), "cut")
    if phase in s.ENDED:
        assert (effect_kinds(step), step.outcomes) == ([], ())
        assert type(step.state) is phase
    elif phase is s.AwaitingLastLockSignatures:
        assert (effect_kinds(step), step.outcomes) == ([f.CloseStream], ()), "our signature is out: no coin is freed"
        assert step.state == s.Failed(in_phase(walk, phase).setup, "cut")
    else:
        assert effect_kinds(step) == [f.CloseStream, f.ReleaseCoins]
        assert step.outcomes == (machine.SetupFailed("cut"),)
        assert step.state == s.Failed(in_phase(walk, phase).setup, "cut")


@pytest.mark.parametrize("phase", [x for x in STATES if x not in s.ENDED], ids=lambda t: t.__name__)
def test_being_rejected(walk: Any, phase: type) -> None:
    step = machine.on_message(in_phase(walk, phase), m.Reject(CFD, "sorry"))
    assert not any(isinstance(effect, f.SendMessage) for effect in step.effects), "nobody answers a reject"
    assert f.CloseStream in effect_kinds(step)
    if phase is s.AwaitingLastLockSignatures:
        assert step.outcomes == ()
        assert f.ReleaseCoins not in effect_kinds(step)
        return
    assert f.ReleaseCoins in effect_kinds(step)
    (outcome,) = step.outcomes
    if phase is s.AwaitingAnswer:
        assert outcome == machine.SetupRejected("sorry")
    else:
        assert outcome == machine.SetupFailed("the counterparty ended the setup: sorry")


def told(step: machine.Step) -> str:
    """The reason the counterparty learns; the stream is closed and the coins are free after it."""
    send, close, release = step.effects
    assert isinstance(send, f.SendMessage)
    assert isinstance(send.message, m.Reject)
    assert isinstance(close, f.CloseStream)
    assert isinstance(release, f.ReleaseCoins)
    return send.message.reason


@pytest.mark.parametrize(
    ("phase", "answer", "tells", "keeps"),
    [
        (s.AwaitingDecision, s.OrderRefused("not today"), "not today", machine.SetupRejected("not today")),
        (
            s.ReservingCoins,
            i.CoinsRefused(CFD, "wallet is empty"),
            "cannot fund the contract",
            machine.SetupFailed("wallet is empty"),
        ),
        (s.CheckingInputs, i.InputsChecked(CFD, ("spent", "fake")), "spent; fake", machine.SetupFailed("spent; fake")),
        (
            s.VerifyingCets,
            i.CetsVerified(CFD, RunId("r"), 7),
            "CET signature 7 is not valid",
            machine.SetupFailed("CET signature 7 is not valid"),
        ),
        (
            s.SigningLock,
            i.LockSigningFailed(CFD, "wallet is locked"),
            "could not sign the lock",
            machine.SetupFailed("wallet is locked"),
        ),
    ],
    ids=["order refused", "no coins", "bad inputs", "bad CET", "no lock signature"],
)
def test_refusals_of_our_own_side(walk: Any, phase: type, answer: Any, tells: str, keeps: Any) -> None:
    step = machine.on_answer(in_phase(walk, phase), answer)
    assert told(step) == tells
    assert step.outcomes == (keeps,)
    assert isinstance(step.state, s.Failed)


@pytest.mark.parametrize("role", list(Role))
def test_a_wallet_that_did_not_sign_leaves_nothing_behind(walk: Any, role: Role) -> None:
    arrival = walk.find(s.SigningLock, role)
    unsigned = next(x.psbt for r, a in walk.arrivals if r is role for x in a.step.effects if isinstance(x, f.SignLock))
    step = machine.on_answer(arrival.state, i.LockInputsSigned(CFD, unsigned))
    assert told(step) == "could not sign the lock"
    assert step.outcomes == (machine.SetupFailed("could not sign the lock"),)


def test_reasons_are_short_and_printable() -> None:
    reason = m.Reject(CFD, "a\nb\x1b[31m\u202e\ud800" + "x" * 10_000).reason
    assert reason.isprintable()
    assert reason.startswith("a b")
    assert len(reason) == 500


def test_no_phase_shows_a_secret(walk: Any) -> None:
    for role, arrival in walk.arrivals:
        keys = walk.parties[role].setup.keys
        text = repr(arrival)
        for key in (keys.identity, keys.publish, keys.revocation):
            assert key.reveal().hex() not in text
            assert repr(key.reveal())[2:-1] not in text
        assert repr(walk.parties[role].setup.aux)[2:-1] not in text
