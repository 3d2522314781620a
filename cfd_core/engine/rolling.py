"""Rollovers: whose turn it is, and on which terms."""

from decimal import Decimal
from typing import Final

from attrs import evolve

from cfd_core import effects as f
from cfd_core.cfd import commands as c
from cfd_core.cfd import decide
from cfd_core.cfd.aggregate import Cfd, Held
from cfd_core.crypto import secp
from cfd_core.engine import runs
from cfd_core.engine.settings import Policy
from cfd_core.engine.tries import Tries
from cfd_core.engine.turn import Run, Turn
from cfd_core.errors import CfdError, PeerViolation, RuleViolation
from cfd_core.oracle import hourly_event_id, read_price_event, utc_text
from cfd_core.payouts import rollover_hours
from cfd_core.protocols.rollover import machine
from cfd_core.protocols.rollover import messages as m
from cfd_core.protocols.rollover import states as s
from cfd_core.values import HOUR, EventId, Position, Role, RunId, Timestamp

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
    tried(turn, cfd)
    key = runs.fresh(turn, f"rollover:{cfd.id}:{held.live.number}")
    run = runs.open_run(turn, key, cfd.peer, m.PROTOCOL, command.entropy, cfd_id=cfd.id, ours=True)
    opening = f.OpenStream(run.id, run.peer, m.PROTOCOL)
    runs.follow(turn, run, machine.start_proposer(_rollover(turn, run, cfd, held), terms, opening))


def tried(turn: Turn, cfd: Cfd) -> None:
    """Count one more try; until it succeeds, the next one by itself comes later."""
    tries = turn.rollover_tries.get(cfd.id)
    fresh = tries is None or tries.at < cfd.expiry - turn.policy.rollover_from
    turn.rollover_tries[cfd.id] = Tries(turn.now) if tries is None or fresh else tries.again(turn.now)


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
        later = utc_text(Timestamp((cfd.expiry - CONTRACT_TERM) // HOUR * HOUR + HOUR))[:16].replace("T", " ")
        latest = "the CFD expires as late as a rollover could move it to"
        raise RuleViolation(f"{latest}: one is possible from {later} UTC on")
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
        quoted=cfd.quoted,
    )


# --- deciding ------------------------------------------------------------------------------------------------------


def proposed(turn: Turn, run: Run, message: m.Propose) -> None:
    """The counterparty wants to roll over: hold its terms against the oracle's calendar and our limits."""
    try:
        cfd = runs.with_peer(turn, run, message.cfd_id)
        held = decide.check_can_roll_over(cfd)
        run = evolve(run, cfd_id=cfd.id)
        step = machine.start_accepter(_rollover(turn, run, cfd, held), message)
        runs.make_way(turn, run, cfd)
        turn.runs[run.id] = run
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
        terms = _judged(turn, cfd, _priced(turn, cfd, run.state))
    except CfdError as error:
        runs.answer_run(turn, run, s.TermsRefused(str(error)))
    else:
        runs.answer_run(turn, run, s.TermsAccepted(terms))
        fetch_events(turn, key)


def _priced(turn: Turn, cfd: Cfd, state: s.AwaitingDecision | s.CheckingAnswer) -> m.Terms:
    """A proposal as a maker answers it: at its rate of now, or at the one that it signed for if the taker asks that.

    A taker that has signed the new commit can come to terms on nothing else.
    """
    terms = state.terms
    if cfd.role is Role.TAKER or isinstance(state, s.CheckingAnswer) or terms.funding_rate == cfd.quoted:
        return terms
    return evolve(terms, funding_rate=_rate(turn, cfd))


def _judged(turn: Turn, cfd: Cfd, terms: m.Terms) -> m.Terms:
    """The terms, if we accept them; `PeerViolation` says what is wrong with them."""
    if cfd.held is not None and cfd.held.next is not None:
        pinned = _own_terms(turn, cfd, cfd.held)
        if terms != pinned:
            raise PeerViolation(_not_the_same(pinned, terms))
        return terms
    _check_calendar(turn, cfd, terms)
    if terms.funding_rate != cfd.quoted:
        _check_limits(turn.policy, cfd, terms)
    return terms


def _not_the_same(pinned: m.Terms, terms: m.Terms) -> str:
    unfinished = f"a rollover to {pinned.settlement} at {pinned.funding_rate} a day is signed and not complete"
    if evolve(terms, funding_rate=pinned.funding_rate) == pinned:
        return f"{unfinished}: it cannot go on at {terms.funding_rate} a day"
    return f"{unfinished}: it cannot go on to other terms"


def _check_limits(policy: Policy, cfd: Cfd, terms: m.Terms) -> None:
    if abs(terms.funding_rate) > policy.max_funding_rate:
        raise PeerViolation(
            f"a funding rate of {terms.funding_rate} a day is over our limit of {policy.max_funding_rate}"
        )
    funding = cfd.terms.funding_of(terms.funding_rate, terms.hours)
    cost = funding if cfd.position is Position.LONG else -funding
    if policy.max_rollover_cost is not None and cost > policy.max_rollover_cost:
        raise PeerViolation(f"the rollover costs us {cost} sats, over our limit of {policy.max_rollover_cost}")


def _check_calendar(turn: Turn, cfd: Cfd, terms: m.Terms) -> None:
    expiry = _time_of(cfd, terms.settlement)
    skewed = tuple(Timestamp(turn.now + skew) for skew in (-CLOCK_SKEW, 0, CLOCK_SKEW))
    # a whole term ahead and no less: after an expiry a day is charged, and nobody is to charge it hour after hour
    if expiry <= cfd.expiry or expiry not in {now // HOUR * HOUR + CONTRACT_TERM for now in skewed}:
        raise PeerViolation("the new expiry is not a contract term from now")
    allowed = {rollover_hours(cfd.expiry, expiry, now) for now in skewed}
    if terms.hours not in allowed:
        raise PeerViolation(f"{terms.hours} h of funding where {min(allowed)} h are due")
    if terms.liquidations not in {_liquidations(cfd, now, expiry) for now in skewed}:
        raise PeerViolation("the liquidation events are not each full hour until the new expiry")


def _time_of(cfd: Cfd, event: EventId) -> Timestamp:
    known, found = read_price_event(cfd.settlement.event_id), read_price_event(event)
    if (known.source, known.digits) != (found.source, found.digits):
        raise PeerViolation("an event of another kind than the CFD's")
    return found.maturity


# --- announcements -------------------------------------------------------------------------------------------------


def fetch_events(turn: Turn, key: RunId, *, ask: bool = True) -> None:
    """Go on once every announcement of the CFD's oracle is known; ask for those that are not."""
    run = turn.runs.get(key)
    if run is None or not isinstance(run.state, s.AwaitingEvents) or run.cfd_id is None:
        return
    oracle = turn.cfds[run.cfd_id].oracle
    found = {event: turn.announcement(event, oracle) for event in run.state.wanted}
    missing = [event for event, announcement in found.items() if announcement is None]
    if missing:
        turn.effects.extend(f.FetchAnnouncement(event) for event in missing if ask)
        return
    runs.answer_run(turn, run, s.EventsKnown(tuple(x for x in found.values() if x is not None)))


def announced(turn: Turn) -> None:
    """An announcement came in: some run may have waited for it."""
    for key in list(turn.runs):
        fetch_events(turn, key, ask=False)
