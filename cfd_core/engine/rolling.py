"""Rollovers: whose turn it is, on which terms, and what is sent again on a new connection."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from attrs import evolve

from cfd_core import effects as f
from cfd_core import inputs as i
from cfd_core.cfd import commands as c
from cfd_core.cfd import decide
from cfd_core.cfd import phases as p
from cfd_core.cfd.aggregate import Cfd, Held
from cfd_core.crypto import secp
from cfd_core.engine import runs
from cfd_core.engine.settings import Policy
from cfd_core.engine.turn import Run, Turn
from cfd_core.errors import CfdError, PeerViolation, RuleViolation
from cfd_core.oracle import hourly_event_id, read_price_event
from cfd_core.payouts import rollover_hours
from cfd_core.protocols.rollover import machine
from cfd_core.protocols.rollover import messages as m
from cfd_core.protocols.rollover import states as s
from cfd_core.values import HOUR, CfdId, EventId, Role, RunId, Secret, Timestamp

CONTRACT_TERM: Final = 24 * HOUR
CLOCK_SKEW: Final = 120
"""Seconds by which the two parties' clocks may differ."""


# --- proposing -----------------------------------------------------------------------------------------------------


def roll_over(turn: Turn, command: c.RollOver) -> None:
    """Propose to move the expiry a full contract term ahead."""
    cfd = turn.cfd(command.cfd_id)
    held = decide.check_can_roll_over(cfd)
    if runs.of_cfd(turn, cfd.id) is not None:
        raise RuleViolation("a protocol for this CFD is in flight")
    terms = _own_terms(turn, cfd, held)
    key = runs.fresh(turn, f"rollover:{cfd.id}:{held.live.number}")
    run = runs.open_run(turn, key, cfd.peer, m.PROTOCOL, command.entropy, cfd.id)
    opening = f.OpenStream(run.id, run.peer, m.PROTOCOL)
    runs.follow(turn, run, machine.start_proposer(_rollover(turn, run, cfd, held), terms, opening))


def _own_terms(turn: Turn, cfd: Cfd, held: Held) -> m.Terms:
    if held.next is not None:
        # our commit signature for these terms may be out: no other ones until that revision is settled
        pinned = held.next.dlc.draft.revision
        return m.Terms(
            settlement=pinned.settlement,
            liquidations=pinned.liquidations,
            funding_rate=pinned.funding_rate,
            hours=pinned.hours,
        )
    expiry = Timestamp(turn.now // HOUR * HOUR + CONTRACT_TERM)
    if expiry <= cfd.expiry:
        raise RuleViolation("the CFD expires as late as a rollover could move it to")
    return m.Terms(
        settlement=_event_at(cfd, expiry),
        liquidations=_liquidations(cfd, turn.now, expiry),
        funding_rate=_rate(turn, cfd),
        hours=rollover_hours(cfd.expiry, expiry, turn.now),
    )


def _rate(turn: Turn, cfd: Cfd) -> Decimal:
    """A maker charges what its newest offer says; a taker proposes what it pays now."""
    offers = [o for o in turn.offers.values() if o.product == cfd.terms.product]
    if cfd.role is Role.MAKER and offers:
        return max(offers, key=lambda offer: offer.published_at).funding_rate
    return cfd.terms.funding_rate


def _event_at(cfd: Cfd, at: Timestamp) -> EventId:
    known = read_price_event(cfd.settlement.event_id)
    return hourly_event_id(at, known.digits, known.source)


def _liquidations(cfd: Cfd, now: Timestamp, expiry: Timestamp) -> tuple[EventId, ...]:
    """Each full hour between now and the expiry, if the CFD has liquidations at all."""
    if not cfd.terms.liquidations:
        return ()
    return tuple(_event_at(cfd, Timestamp(at)) for at in range((now // HOUR + 1) * HOUR, expiry, HOUR))


def _rollover(turn: Turn, run: Run, cfd: Cfd, held: Held) -> s.Rollover:
    return s.Rollover(
        run=run.id,
        cfd_id=cfd.id,
        role=cfd.role,
        live=held.live.draft,
        old_keys=turn.keys(cfd.id, held.live.number),
        keys=turn.keys(cfd.id, held.live.number + 1),
        aux=secp.tagged_hash("cfd/rollover-aux", run.entropy),
        pinned=s.Pinned(held.next.dlc.draft.fingerprint, held.next.own_commit) if held.next is not None else None,
    )


# --- deciding ------------------------------------------------------------------------------------------------------


def proposed(turn: Turn, run: Run, message: m.Propose) -> None:
    """The counterparty wants to roll over: hold its terms against the oracle's calendar and our limits."""
    try:
        cfd = _with_peer(turn, run, message.cfd_id)
        held = decide.check_can_roll_over(cfd)
        if runs.of_cfd(turn, cfd.id) is not None:
            raise PeerViolation("another protocol for this CFD is in flight")
        run = turn.runs[run.id] = evolve(run, cfd_id=cfd.id)
        step = machine.start_accepter(_rollover(turn, run, cfd, held), message)
    except CfdError as error:
        runs.refuse(turn, run, message.cfd_id, str(error))
        return
    runs.follow(turn, run, step)
    decide_terms(turn, run.id)


def decide_terms(turn: Turn, key: RunId) -> None:
    """Answer a run that waits for our word on terms."""
    run = turn.runs.get(key)
    if run is None or not isinstance(run.state, s.AwaitingDecision | s.CheckingAnswer) or run.cfd_id is None:
        return
    cfd = turn.cfds[run.cfd_id]
    try:
        terms = _judged(turn, cfd, run.state.terms)
    except CfdError as error:
        runs.answer_run(turn, run, s.TermsRefused(str(error)))
    else:
        runs.answer_run(turn, run, s.TermsAccepted(terms))
        fetch_events(turn, key)


def _judged(turn: Turn, cfd: Cfd, terms: m.Terms) -> m.Terms:
    """The terms as we accept them; `PeerViolation` says what is wrong with them."""
    held = cfd.held
    if cfd.role is Role.MAKER:
        terms = evolve(terms, funding_rate=_rate(turn, cfd))
    if held is not None and held.next is not None:
        pinned = _own_terms(turn, cfd, held)
        if evolve(terms, funding_rate=pinned.funding_rate) != pinned:
            raise PeerViolation("an earlier rollover to other terms is not complete")
        terms = pinned
    else:
        _check_calendar(turn, cfd, terms)
    if abs(terms.funding_rate) > turn.policy.max_funding_rate:
        raise PeerViolation(f"a funding rate of {terms.funding_rate} a day is over our limit")
    return terms


def _check_calendar(turn: Turn, cfd: Cfd, terms: m.Terms) -> None:
    expiry = _time_of(cfd, terms.settlement)
    if not cfd.expiry < expiry <= turn.now + turn.policy.max_term:
        raise PeerViolation("the new expiry is not within a contract term from now")
    allowed = {rollover_hours(cfd.expiry, expiry, Timestamp(turn.now + skew)) for skew in (-CLOCK_SKEW, 0, CLOCK_SKEW)}
    if terms.hours not in allowed:
        raise PeerViolation(f"{terms.hours} h of funding where {min(allowed)} h are due")
    calendars = (_liquidations(cfd, Timestamp(turn.now + skew), expiry) for skew in (-CLOCK_SKEW, 0, CLOCK_SKEW))
    if terms.liquidations not in set(calendars):
        raise PeerViolation("the liquidation events are not each full hour until the new expiry")


def _time_of(cfd: Cfd, event: EventId) -> Timestamp:
    known, found = read_price_event(cfd.settlement.event_id), read_price_event(event)
    if (known.source, known.digits) != (found.source, found.digits):
        raise PeerViolation("an event of another kind than the CFD's")
    return found.maturity


# --- announcements -------------------------------------------------------------------------------------------------


def fetch_events(turn: Turn, key: RunId) -> None:
    """Go on once every announcement is known; ask for those that are not."""
    run = turn.runs.get(key)
    if run is None or not isinstance(run.state, s.AwaitingEvents):
        return
    wanted = run.state.wanted
    missing = [event for event in wanted if event not in turn.announcements]
    if missing:
        turn.effects.extend(f.FetchAnnouncement(event) for event in missing)
        return
    runs.answer_run(turn, run, s.EventsKnown(tuple(turn.announcements[event] for event in wanted)))


def announced(turn: Turn) -> None:
    """An announcement came in: some run may have waited for it."""
    for key in list(turn.runs):
        fetch_events(turn, key)


# --- resuming ------------------------------------------------------------------------------------------------------


def peer_connected(turn: Turn, peer: i.PeerConnected) -> None:
    """Send the peer again what it may lack; any number of times, in any order."""
    owed = [message for cfd in turn.cfds.values() if cfd.peer == peer.peer for message in _unheard(turn, cfd)]
    if not owed:
        return
    key = runs.fresh(turn, f"resume:{peer.peer}")
    runs.open_run(turn, key, peer.peer, m.RESUME_PROTOCOL, peer.entropy)
    turn.effects.append(f.OpenStream(key, peer.peer, m.RESUME_PROTOCOL))
    turn.effects.extend(f.SendMessage(key, message) for message in owed)


def _unheard(turn: Turn, cfd: Cfd) -> Iterator[i.Message]:
    held = cfd.held
    if held is None or cfd.ended or isinstance(cfd.phase, p.COMMITTED):
        return
    if held.next is not None:
        yield m.CommitSignature(cfd.id, held.next.dlc.number, held.next.own_commit)
    if held.old is not None:
        yield m.CommitSignature(cfd.id, held.live.number, held.live.own_commit)
    yield from _revocations(turn, cfd, held)


def _revocations(turn: Turn, cfd: Cfd, held: Held) -> Iterator[m.Revocation]:
    """Ours of the revision before the live one; a maker's only after the taker's."""
    if held.live.number > 0 and (cfd.role is Role.TAKER or held.old is None):
        number = held.live.number - 1
        yield m.Revocation(cfd.id, number, turn.keys(cfd.id, number).revocation.reveal())


def resumed(turn: Turn, run: Run, message: i.Message) -> None:
    """A message on a resume stream: check it against the CFD, and answer with what it makes due."""
    try:
        cfd = _with_peer(turn, run, message.cfd_id)
        if runs.of_cfd(turn, cfd.id) is not None:
            return  # a live run speaks about it: it will come to the same
        match message:
            case m.CommitSignature(key, number, signature):
                events = decide.take_commit_signature(cfd, number, signature)
            case m.Revocation(key, number, secret):
                events = decide.take_revocation(cfd, number, Secret(secret))
            case _:
                raise PeerViolation("only commit signatures and revocations are sent again")
    except CfdError:
        turn.effects.append(f.CloseStream(run.id))
        turn.runs.pop(run.id, None)
        return
    if events:
        turn.record(key, *events)
        held = turn.cfds[key].held
        if held is not None:
            answers = _revocations(turn, turn.cfds[key], held)
            turn.effects.extend(f.SendMessage(run.id, answer) for answer in answers)


def _with_peer(turn: Turn, run: Run, key: CfdId) -> Cfd:
    cfd = turn.cfds.get(key)
    if cfd is None or cfd.peer != run.peer:
        raise PeerViolation("there is no such CFD with you")
    return cfd


# --- by itself -----------------------------------------------------------------------------------------------------


def next_try(cfd: Cfd, policy: Policy, tried: Timestamp | None) -> Timestamp | None:
    """When an automatic rollover is due: just after an hour, spread out, and again some time after a failure."""
    if not policy.auto_rollover or cfd.role is not Role.TAKER or not isinstance(cfd.phase, p.Open):
        return None
    if cfd.held is None or cfd.held.close is not None or decide.is_due(cfd, cfd.held):
        return None
    first = max(cfd.expiry - policy.rollover_from, cfd.opened_at)
    hour = -(-first // HOUR) * HOUR
    if tried is not None and tried >= hour:
        return Timestamp(tried + policy.rollover_retry)
    return Timestamp(hour + int(cfd.id[:4], 16) % 120)


def try_due(turn: Turn) -> None:
    """Roll over what is due by itself; a refusal is tried again later."""
    for key, cfd in list(turn.cfds.items()):
        due = next_try(cfd, turn.policy, turn.rollover_tries.get(key))
        if due is None or turn.now < due:
            continue
        turn.rollover_tries[key] = turn.now
        entropy = secp.tagged_hash("cfd/auto-rollover", f"{key}:{turn.now}".encode())
        try:
            roll_over(turn, c.RollOver(key, entropy))
        except CfdError:
            continue
