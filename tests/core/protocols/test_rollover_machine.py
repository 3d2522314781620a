"""What a rollover says and stores, word for word, and the lies that end it."""

import hashlib
from decimal import Decimal
from typing import Any

import pytest
from attrs import evolve

from cfd_core import effects as f
from cfd_core.contract.scripts import RevisionPoints
from cfd_core.contract.terms import RevisionTerms
from cfd_core.crypto.secp import public_key
from cfd_core.errors import DecodeError, PeerViolation
from cfd_core.protocols.rollover import machine as typed_machine
from cfd_core.protocols.rollover import messages as m
from cfd_core.protocols.rollover import states as s
from cfd_core.values import CfdId, EventId, PeerId, Role, Secret, Txid

machine: Any = typed_machine
CFD = CfdId("ab" * 16)
roles = pytest.mark.parametrize("role", list(Role), ids=lambda role: role.value)


def point(label: int) -> bytes:
    return public_key(Secret(bytes(31) + bytes([label]))).encode()


def messages_of(walk: Any, role: Role) -> list[Any]:
    return [x.message for a in walk.arrivals if a.role is role for x in a.step.effects if isinstance(x, f.SendMessage)]


@roles
def test_the_proposal_names_the_commit_that_is_rolled_over(rolled: Any, role: Role) -> None:
    rollover, terms = rolled[role].rollovers[role], rolled[role].terms
    opening = f.OpenStream(rollover.run, PeerId("other"), m.PROTOCOL)
    propose = f.SendMessage(rollover.run, m.Propose(CFD, rollover.live.commit.txid, terms))
    assert machine.start_proposer(rollover, terms, opening) == machine.Step(
        s.AwaitingAnswer(rollover, terms), (opening, propose)
    )
    theirs = rolled[role].rollovers[role.other]
    proposal = m.Propose(CFD, rollover.live.commit.txid, terms)
    assert machine.start_accepter(theirs, proposal) == machine.Step(s.AwaitingDecision(theirs, terms))
    with pytest.raises(PeerViolation, match="another revision"):
        machine.start_accepter(theirs, m.Propose(CFD, Txid("11" * 32), terms))


@roles
def test_what_each_side_says(rolled: Any, role: Role) -> None:
    for proposer in Role:
        walk = rolled[proposer]
        rollover, words = walk.rollovers[role], messages_of(walk, role)
        exits = next(x for x in words if isinstance(x, m.Exits))
        commit = next(x for x in words if isinstance(x, m.CommitSignature))
        draft = walk.outcomes[role][-3].dlc.draft
        expected = [
            m.Points(CFD, public_key(rollover.keys.publish).encode(), public_key(rollover.keys.revocation).encode()),
            m.Agreement(CFD, draft.fingerprint),
            exits,
            m.CommitSignature(CFD, 1, commit.signature),
            m.Revocation(CFD, 0, rollover.old_keys.revocation.reveal()),
        ]
        assert words == ([] if role is proposer else [m.Accept(CFD, walk.terms)]) + expected
        assert all(x.cfd_id == CFD for x in words)


@roles
def test_what_is_stored_can_be_enforced_and_punished(rolled: Any, role: Role, accepts: Any) -> None:
    walk = rolled[role]
    prepared, signed, revoked = walk.outcomes[role][-3:]
    rollover, dlc = walk.rollovers[role], prepared.dlc
    assert dlc.role is role
    assert accepts(dlc.sign_refund(rollover.keys), dlc.draft.commit.outputs[:1])
    theirs = messages_of(walk, role.other)
    exits = next(x for x in theirs if isinstance(x, m.Exits))
    commit = next(x for x in theirs if isinstance(x, m.CommitSignature))
    assert (prepared.cets, dlc.their_refund) == (exits.cets, exits.refund)
    assert dlc.cets_sha256 == hashlib.sha256(exits.cets).digest()
    assert signed.their_commit == commit.signature
    own = next(x for x in messages_of(walk, role) if isinstance(x, m.CommitSignature))
    assert prepared.own_commit == own.signature
    assert (revoked.number, revoked.secret) == (0, walk.rollovers[role.other].old_keys.revocation)


@roles
def test_the_next_revision_adds_the_funding_of_its_hours(rolled: Any, role: Role) -> None:
    """3 h at 0.01 % a day on the short's margin of 2,000,000 sats: 25 sats, long to short."""
    rollover = rolled[role].rollovers[role]
    before = evolve(rollover.live.revision, number=4, long_pays_short=100)
    live = evolve(rollover, live=evolve(rollover.live, revision=before))
    terms = evolve(rolled[role].terms, liquidations=(EventId("hour"),))
    for state in (s.CheckingAnswer(live, terms), s.AwaitingDecision(live, terms)):
        step = machine.on_answer(state, s.TermsAccepted(terms))
        assert step.state.revision == RevisionTerms(
            number=5,
            settlement=terms.settlement,
            liquidations=(EventId("hour"),),
            long_pays_short=125,
            funding_rate=Decimal("0.0001"),
            hours=3,
        )
        assert step.state.wanted == (terms.settlement, EventId("hour"))


@roles
def test_both_sides_hold_each_other_in_their_places(rolled: Any, role: Role) -> None:
    walk = rolled[role]
    draft = walk.outcomes[role][-3].dlc.draft
    for side in Role:
        keys = walk.rollovers[side].keys
        own = RevisionPoints(public_key(keys.publish).encode(), public_key(keys.revocation).encode())
        assert draft.party(side).points == own
        assert draft.party(side).funder == walk.rollovers[side].live.party(side).funder
    assert draft.announcements == (walk.announcement,)


USED = ["own publish", "own revocation"] + [
    f"{side} {kind}" for side in ("maker", "taker") for kind in ("publish", "revocation", "identity")
]


@roles
@pytest.mark.parametrize("used", USED)
@pytest.mark.parametrize("field", ["publish", "revocation"])
def test_no_point_is_used_twice(rolled: Any, role: Role, used: str, field: str) -> None:
    arrival = rolled[role].find(s.AwaitingPoints, role)
    side, kind = used.split()
    if side == "own":
        again = getattr(arrival.state.own, kind)
    else:
        party = getattr(arrival.state.rollover.live, side)
        again = party.funder.identity if kind == "identity" else getattr(party.points, kind)
    with pytest.raises(PeerViolation, match="used twice"):
        machine.on_message(arrival.state, evolve(arrival.arrived, **{field: again}))


@roles
def test_new_points_must_be_two_and_points(rolled: Any, role: Role) -> None:
    arrival = rolled[role].find(s.AwaitingPoints, role)
    with pytest.raises(PeerViolation, match="used twice"):
        machine.on_message(arrival.state, m.Points(CFD, point(8), point(8)))
    for bad in (m.Points(CFD, b"\x05" * 33, point(8)), m.Points(CFD, point(8), b"\x05" * 33)):
        with pytest.raises(DecodeError):
            machine.on_message(arrival.state, bad)
    assert isinstance(machine.on_message(arrival.state, m.Points(CFD, point(8), point(9))).state, s.AwaitingAgreement)


@roles
def test_another_fingerprint_ends_it(rolled: Any, role: Role) -> None:
    arrival = rolled[role].find(s.AwaitingAgreement, role)
    with pytest.raises(PeerViolation, match="derived other transactions"):
        machine.on_message(arrival.state, m.Agreement(CFD, bytes(32)))


@roles
def test_exits_of_somebody_else(rolled: Any, role: Role) -> None:
    arrival = rolled[role].find(s.AwaitingExits, role)
    own = next(x for x in messages_of(rolled[role], role) if isinstance(x, m.Exits))
    with pytest.raises(PeerViolation, match="signature on the refund"):
        machine.on_message(arrival.state, evolve(arrival.arrived, refund=own.refund))
    with pytest.raises(PeerViolation, match="bytes of CET signatures"):
        machine.on_message(arrival.state, evolve(arrival.arrived, cets=own.cets[:-1]))


@pytest.mark.parametrize("phase", [s.AwaitingFirstCommitSignature, s.AwaitingCommitSignature])
def test_commit_signatures_of_somebody_else_or_another_revision(rolled: Any, phase: type) -> None:
    arrival = rolled[Role.TAKER].find(phase)
    own = next(x for x in messages_of(rolled[Role.TAKER], arrival.role) if isinstance(x, m.CommitSignature))
    for revision in (0, 2):
        with pytest.raises(PeerViolation, match="a commit signature for another revision"):
            machine.on_message(arrival.state, evolve(arrival.arrived, revision=revision))
    with pytest.raises(PeerViolation, match="adaptor signature on the commit"):
        machine.on_message(arrival.state, own)


@roles
def test_revocations_of_somebody_else_or_another_revision(rolled: Any, role: Role) -> None:
    arrival = rolled[role].find(s.AwaitingRevocation, role)
    with pytest.raises(PeerViolation, match="a revocation of another revision"):
        machine.on_message(arrival.state, evolve(arrival.arrived, revision=1))
    own = arrival.state.rollover.old_keys.revocation.reveal()
    for secret in (own, bytes(32), bytes(31) + b"\x01"):
        with pytest.raises(PeerViolation, match="does not belong to the revision"):
            machine.on_message(arrival.state, evolve(arrival.arrived, secret=secret))


def test_the_maker_answers_the_takers_revocation_before_it_leaves(rolled: Any) -> None:
    for walk in rolled.values():
        maker, taker = (walk.find(s.AwaitingRevocation, role).step.effects for role in (Role.MAKER, Role.TAKER))
        assert [type(x) for x in maker] == [f.SendMessage, f.CloseStream]
        assert [type(x) for x in taker] == [f.CloseStream]


def test_every_step_names_its_run(rolled: Any) -> None:
    for walk in rolled.values():
        for arrival in walk.arrivals:
            runs = {x.run for x in arrival.step.effects}
            assert runs <= {walk.rollovers[arrival.role].run}


@roles
def test_an_end_is_told_to_whom_it_concerns(rolled: Any, role: Role) -> None:
    arrival = rolled[role].find(s.AwaitingAnswer, role)
    rollover = arrival.state.rollover
    words = "the counterparty ended the rollover: no"
    ended = machine.Step(
        s.Failed(rollover, words), (f.CloseStream(rollover.run),), (typed_machine.RolloverFailed(words),)
    )
    assert machine.on_message(arrival.state, m.Reject(CFD, "no")) == ended


def test_rollover_terms_at_and_beyond_their_limits() -> None:
    good: dict[str, Any] = {
        "settlement": EventId("x"),
        "liquidations": tuple(EventId(str(n)) for n in range(26)),
        "funding_rate": Decimal("-0.1"),
        "hours": 48,
    }
    m.Terms(**good)
    m.Terms(**{**good, "hours": 0})
    for change in (
        {"liquidations": tuple(EventId(str(n)) for n in range(27))},
        {"hours": 49},
        {"hours": -1},
        {"funding_rate": Decimal("0.11")},
        {"funding_rate": Decimal("NaN")},
    ):
        with pytest.raises(DecodeError):
            m.Terms(**{**good, **change})


@roles
def test_a_refusal_ends_the_run_with_its_reason(rolled: Any, role: Role) -> None:
    rollover = rolled[role].rollovers[role]
    step = machine.on_answer(s.AwaitingDecision(rollover, rolled[role].terms), s.TermsRefused("too dear"))
    assert step.state == s.Failed(rollover, "too dear")


def test_a_rate_that_the_makers_exits_stood_for_before_is_not_stored_again(rolled: Any) -> None:
    for role in Role:
        arrival = rolled[Role.TAKER].find(s.SigningCets, role)
        rollover, rate = arrival.state.rollover, arrival.state.draft.revision.funding_rate
        for quoted in (None, rate, rate + 1):
            state = evolve(arrival.state, rollover=evolve(rollover, quoted=quoted))
            stored = role is Role.MAKER and quoted != rate
            expected = (typed_machine.Quoted(rate),) if stored else ()
            assert machine.on_answer(state, arrival.arrived).outcomes == expected
