"""The rollover machine: what arrives, in which phase, leads to what.

Points of no return: `Prepared` (every exit of the new revision is verified and stored) before our commit signature
leaves; `Signed` (the new revision is ours to enforce and stored) before our revocation secret of the old one leaves.
"""

import hashlib
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from attrs import frozen

from cfd_core import effects as f
from cfd_core import inputs, protocols
from cfd_core.contract import dlc as signing
from cfd_core.contract.dlc import Settleable
from cfd_core.contract.draft import Draft, Party
from cfd_core.contract.punish import check_revocation
from cfd_core.contract.scripts import RevisionPoints
from cfd_core.contract.terms import RevisionTerms
from cfd_core.crypto.secp import Point
from cfd_core.errors import PeerViolation
from cfd_core.inputs import Message
from cfd_core.protocols.rollover import messages as m
from cfd_core.protocols.rollover import states as s
from cfd_core.protocols.step import take
from cfd_core.values import Role, Secret


@frozen
class Quoted:
    """Maker: to be stored before our exits leave; the taker may not come to terms on anything else any more."""

    funding_rate: Decimal


@frozen
class Prepared:
    """Point of no return: to be stored before our commit signature leaves."""

    dlc: Settleable
    cets: bytes
    own_commit: bytes


@frozen
class Signed:
    """Point of no return: to be stored before our revocation secret leaves."""

    their_commit: bytes


@frozen
class Revoked:
    """The counterparty's secret of the old revision is here."""

    number: int
    secret: Secret


@frozen
class RolloverFailed:
    """Ended early."""

    reason: str


Outcome = Quoted | Prepared | Signed | Revoked | RolloverFailed
Step = protocols.Step[s.State, Outcome]


def start_proposer(rollover: s.Rollover, terms: m.Terms, open_stream: f.OpenStream) -> Step:
    """Propose to roll over."""
    propose = m.Propose(rollover.cfd_id, rollover.live.commit.txid, terms)
    return Step(s.AwaitingAnswer(rollover, terms), (open_stream, f.SendMessage(rollover.run, propose)))


def start_accepter(rollover: s.Rollover, proposal: m.Propose) -> Step:
    """A proposal came in; `PeerViolation` when it is for another revision than our live one."""
    if proposal.from_commit != rollover.live.commit.txid:
        raise PeerViolation("the proposal is for another revision than the one we hold")
    return Step(s.AwaitingDecision(rollover, proposal.terms))


def on_message(state: s.State, message: Message) -> Step:
    """The counterparty's message; `PeerViolation` when it is not due or not right."""
    if isinstance(message, m.Reject) and not isinstance(state, s.ENDED):
        return on_lost(state, f"the counterparty ended the rollover: {message.reason}")
    step: Step = take(_HANDLERS, s.TRANSITIONS, state, message)
    return step


def on_answer(state: s.State, answer: s.Answer) -> Step:
    """Our own side's answer; `RuleViolation` when nothing waits for it."""
    step: Step = take(_HANDLERS, s.TRANSITIONS, state, answer)
    return step


def on_lost(state: s.State, reason: str) -> Step:
    """The stream is gone, a deadline passed, or we gave the counterparty up. What is stored stays stored."""
    if isinstance(state, s.ENDED):
        return Step(state)
    return Step(s.Failed(state.rollover, reason), (f.CloseStream(state.rollover.run),), (RolloverFailed(reason),))


def _refused(rollover: s.Rollover, reason: str) -> Step:
    told = f.SendMessage(rollover.run, m.Reject(rollover.cfd_id, reason))
    return Step(s.Failed(rollover, reason), (told, f.CloseStream(rollover.run)), (RolloverFailed(reason),))


# --- terms ---------------------------------------------------------------------------------------------------------


def _on_accept(state: s.AwaitingAnswer, message: m.Accept) -> Step:
    ours, theirs = state.terms, message.terms
    if (ours.settlement, ours.liquidations, ours.hours) != (theirs.settlement, theirs.liquidations, theirs.hours):
        raise PeerViolation("the counterparty accepted other terms than we proposed")
    if state.rollover.role is Role.MAKER and theirs.funding_rate != ours.funding_rate:
        raise PeerViolation("the taker changed the funding rate")
    return Step(s.CheckingAnswer(state.rollover, theirs))


def _on_answer_accepted(state: s.CheckingAnswer, answer: s.TermsAccepted) -> Step:
    return Step(s.AwaitingEvents(state.rollover, _revision(state.rollover, answer.terms)))


def _on_terms_accepted(state: s.AwaitingDecision, answer: s.TermsAccepted) -> Step:
    accept = f.SendMessage(state.rollover.run, m.Accept(state.rollover.cfd_id, answer.terms))
    return Step(s.AwaitingEvents(state.rollover, _revision(state.rollover, answer.terms)), (accept,))


def _on_terms_refused(state: s.AwaitingDecision | s.CheckingAnswer, answer: s.TermsRefused) -> Step:
    return _refused(state.rollover, answer.reason)


def _revision(rollover: s.Rollover, terms: m.Terms) -> RevisionTerms:
    live = rollover.live
    funding = live.terms.funding_of(terms.funding_rate, terms.hours)
    return RevisionTerms(
        number=live.revision.number + 1,
        settlement=terms.settlement,
        liquidations=terms.liquidations,
        long_pays_short=live.revision.long_pays_short + funding,
        funding_rate=terms.funding_rate,
        hours=terms.hours,
    )


# --- agreeing ------------------------------------------------------------------------------------------------------


def _on_events(state: s.AwaitingEvents, answer: s.EventsKnown) -> Step:
    public = state.rollover.keys.public
    own = RevisionPoints(public.publish, public.revocation)
    points = m.Points(state.rollover.cfd_id, own.publish, own.revocation)
    waiting = s.AwaitingPoints(state.rollover, state.revision, answer.announcements, own)
    return Step(waiting, (f.SendMessage(state.rollover.run, points),))


def _on_points(state: s.AwaitingPoints, message: m.Points) -> Step:
    rollover, live = state.rollover, state.rollover.live
    for point in (message.publish, message.revocation):
        Point.parse(point)
    theirs = RevisionPoints(message.publish, message.revocation)
    known = {p for party in (live.maker, live.taker) for p in (party.points.publish, party.points.revocation)}
    known |= {live.maker.funder.identity, live.taker.funder.identity, state.own.publish, state.own.revocation}
    if theirs.publish in known or theirs.revocation in known or theirs.publish == theirs.revocation:
        raise PeerViolation("a public point is used twice")
    points = {rollover.role: state.own, rollover.role.other: theirs}
    draft = Draft(
        terms=live.terms,
        revision=state.revision,
        announcements=state.announcements,
        maker=Party(live.maker.funder, points[Role.MAKER]),
        taker=Party(live.taker.funder, points[Role.TAKER]),
    )
    if rollover.pinned is not None and rollover.pinned.fingerprint != draft.fingerprint:
        raise PeerViolation("an earlier rollover from this revision is not complete, and this is another one")
    agreement = m.Agreement(rollover.cfd_id, draft.fingerprint)
    return Step(s.AwaitingAgreement(rollover, draft), (f.SendMessage(rollover.run, agreement),))


def _on_agreement(state: s.AwaitingAgreement, message: m.Agreement) -> Step:
    if message.fingerprint != state.draft.fingerprint:
        raise PeerViolation("the counterparty derived other transactions from the same terms")
    rollover = state.rollover
    job = signing.sign_cets_job(state.draft, rollover.keys, rollover.aux)
    return Step(s.SigningCets(rollover, state.draft), (f.SignCets(rollover.cfd_id, rollover.run, job),))


# --- signing -------------------------------------------------------------------------------------------------------


def _on_cets_signed(state: s.SigningCets, answer: inputs.CetsSigned) -> Step:
    rollover = state.rollover
    exits = m.Exits(rollover.cfd_id, signing.sign_refund(state.draft, rollover.keys), answer.signatures)
    rate = state.draft.revision.funding_rate
    new = rollover.role is Role.MAKER and rate != rollover.quoted
    outcomes = (Quoted(rate),) if new else ()
    return Step(s.AwaitingExits(rollover, state.draft), (f.SendMessage(rollover.run, exits),), outcomes)


def _on_exits(state: s.AwaitingExits, message: m.Exits) -> Step:
    rollover = state.rollover
    signing.check_refund(state.draft, rollover.role, message.refund)
    job = signing.verify_cets_job(state.draft, rollover.role, message.cets)
    dlc = Settleable(
        role=rollover.role,
        draft=state.draft,
        their_refund=message.refund,
        cets_sha256=hashlib.sha256(message.cets).digest(),
    )
    return Step(s.VerifyingCets(rollover, dlc, message.cets), (f.VerifyCets(rollover.cfd_id, rollover.run, job),))


def _on_cets_verified(state: s.VerifyingCets, answer: inputs.CetsVerified) -> Step:
    rollover = state.rollover
    if answer.first_invalid is not None:
        return _refused(rollover, f"CET signature {answer.first_invalid} is not valid")
    if rollover.role is Role.MAKER:
        return Step(s.AwaitingFirstCommitSignature(rollover, state.dlc, state.cets))
    commit, send = _sign_commit(rollover, state.dlc)
    return Step(s.AwaitingCommitSignature(rollover, state.dlc), (send,), (Prepared(state.dlc, state.cets, commit),))


def _sign_commit(rollover: s.Rollover, dlc: Settleable) -> tuple[bytes, f.SendMessage]:
    if rollover.pinned is not None:
        commit = rollover.pinned.own_commit
    else:
        commit = signing.sign_commit(dlc.draft, rollover.role, rollover.keys, rollover.aux)
    return commit, f.SendMessage(rollover.run, m.CommitSignature(rollover.cfd_id, dlc.number, commit))


def _on_first_commit_signature(state: s.AwaitingFirstCommitSignature, message: m.CommitSignature) -> Step:
    rollover = state.rollover
    _check_commit(rollover, state.dlc, message)
    commit, send = _sign_commit(rollover, state.dlc)
    outcomes = (Prepared(state.dlc, state.cets, commit), Signed(message.signature))
    return Step(s.AwaitingRevocation(rollover), (send,), outcomes)


def _on_commit_signature(state: s.AwaitingCommitSignature, message: m.CommitSignature) -> Step:
    _check_commit(state.rollover, state.dlc, message)
    send = f.SendMessage(state.rollover.run, revocation(state.rollover))
    return Step(s.AwaitingRevocation(state.rollover), (send,), (Signed(message.signature),))


def _check_commit(rollover: s.Rollover, dlc: Settleable, message: m.CommitSignature) -> None:
    if message.revision != dlc.number:
        raise PeerViolation("a commit signature for another revision")
    signing.check_commit(dlc.draft, rollover.role, message.signature)


def revocation(rollover: s.Rollover) -> m.Revocation:
    """Our word that the old revision is over."""
    secret = rollover.old_keys.reveal_revocation().reveal()
    return m.Revocation(rollover.cfd_id, rollover.live.revision.number, secret)


def _on_revocation(state: s.AwaitingRevocation, message: m.Revocation) -> Step:
    rollover = state.rollover
    if message.revision != rollover.live.revision.number:
        raise PeerViolation("a revocation of another revision")
    secret = Secret(message.secret)
    check_revocation(rollover.live.party(rollover.role.other).points.revocation, secret)
    sends: tuple[f.Effect, ...] = (f.CloseStream(rollover.run),)
    if rollover.role is Role.MAKER:
        sends = (f.SendMessage(rollover.run, revocation(rollover)), *sends)
    return Step(s.Finished(rollover), sends, (Revoked(message.revision, secret),))


_HANDLERS: Final[dict[tuple[type, type], Callable[[Any, Any], Step]]] = {
    (s.AwaitingAnswer, m.Accept): _on_accept,
    (s.CheckingAnswer, s.TermsAccepted): _on_answer_accepted,
    (s.CheckingAnswer, s.TermsRefused): _on_terms_refused,
    (s.AwaitingDecision, s.TermsAccepted): _on_terms_accepted,
    (s.AwaitingDecision, s.TermsRefused): _on_terms_refused,
    (s.AwaitingEvents, s.EventsKnown): _on_events,
    (s.AwaitingPoints, m.Points): _on_points,
    (s.AwaitingAgreement, m.Agreement): _on_agreement,
    (s.SigningCets, inputs.CetsSigned): _on_cets_signed,
    (s.AwaitingExits, m.Exits): _on_exits,
    (s.VerifyingCets, inputs.CetsVerified): _on_cets_verified,
    (s.AwaitingFirstCommitSignature, m.CommitSignature): _on_first_commit_signature,
    (s.AwaitingCommitSignature, m.CommitSignature): _on_commit_signature,
    (s.AwaitingRevocation, m.Revocation): _on_revocation,
}
