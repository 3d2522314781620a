"""At which rate the CFD is rolled over when the maker's changes: within the taker's limits, or not at all."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from attrs import evolve

from cfd_core.cfd import commands as c
from cfd_core.cfd import events as e
from cfd_core.cfd.react import Deadlines
from cfd_core.cfd.summary import summary
from cfd_core.engine import Policy
from cfd_core.protocols.rollover import messages as m
from cfd_core.values import HOUR, OfferId, Position, Role, Sats

E32 = bytes(range(32))
OLD, NEW, DEAR = Decimal("0.0001"), Decimal("0.0024"), Decimal("0.09")


@pytest.fixture
def opened(make_pair: Any) -> Callable[..., Any]:
    def make(position: Position = Position.LONG, **policies: Any) -> Any:
        pair = make_pair(own_oracle=True, tolerance=Decimal("0.1"), liquidations=(), funding_rate=OLD, **policies)
        pair.take(position)
        pair.run()
        pair.confirm_lock()
        pair.later(2 * HOUR)
        return pair

    return make


def charge(pair: Any, rate: Decimal) -> None:
    """The maker's offer from now on."""
    newer = evolve(pair.offer, id=OfferId("1f" * 16), funding_rate=rate, published_at=pair.maker.now)
    pair.maker.engine = evolve(pair.maker.engine, offers={newer.id: newer})


def roll(pair: Any, role: Role = Role.TAKER) -> None:
    node = pair.maker if role is Role.MAKER else pair.taker
    node.give(c.RollOver(node.cfd.id, E32))
    pair.run()


def numbers(pair: Any) -> list[int]:
    return [node.held.live.number for node in pair.nodes]


def rate_of(pair: Any) -> Decimal:
    (rate,) = {node.held.live.draft.revision.funding_rate for node in pair.nodes}
    return Decimal(rate)


def warning(node: Any) -> str:
    return summary(node.cfd, now=node.now, tip=0, deadlines=Deadlines()).warning


def failures(node: Any) -> list[str]:
    return [r.event.reason for r in node.log if isinstance(r.event, e.RolloverFailed)]


def signed_but_lost(pair: Any) -> None:
    """The taker has signed the next commit at the rate of then; the maker never got it."""
    pair.alter(pair.maker, m.CommitSignature, lambda _: None)
    roll(pair)
    pair.later(60)
    pair.tamper = lambda _to, raw: raw
    assert pair.taker.held.next is not None
    assert pair.maker.held.next is None


# --- a rate that changed before anything was signed ------------------------------------------------------------------


@pytest.mark.parametrize("proposer", list(Role), ids=lambda role: role.value)
@pytest.mark.parametrize("rate", [NEW, -NEW, Decimal(0)], ids=str)
def test_a_new_rate_within_the_limits_is_rolled_over_at(opened: Any, audit: Any, proposer: Role, rate: Decimal) -> None:
    pair = opened()
    charge(pair, rate)
    roll(pair, proposer)
    assert numbers(pair) == [1, 1]
    assert rate_of(pair) == rate
    assert warning(pair.taker) == ""
    audit(pair)


@pytest.mark.parametrize("proposer", list(Role), ids=lambda role: role.value)
def test_a_rate_over_the_limit_is_refused_and_told(opened: Any, audit: Any, proposer: Role) -> None:
    pair = opened(maker_policy=Policy(max_funding_rate=Decimal("0.1")))
    charge(pair, DEAR)
    roll(pair, proposer)
    assert numbers(pair) == [0, 0]
    node = pair.maker if proposer is Role.MAKER else pair.taker
    (reason,) = failures(node)
    assert "a funding rate of 0.09 a day is over our limit of 0.01" in reason
    assert warning(node) == f"the last rollover failed: {reason}"
    audit(pair)
    charge(pair, NEW)
    roll(pair, proposer)
    assert (numbers(pair), rate_of(pair)) == ([1, 1], NEW)
    assert warning(node) == "", "what has passed is not told any more"


def test_the_same_failure_is_stored_once(opened: Any) -> None:
    pair = opened(maker_policy=Policy(max_funding_rate=Decimal("0.1")))
    charge(pair, DEAR)
    for _ in range(5):
        roll(pair)
    assert len(failures(pair.taker)) == 1
    assert not failures(pair.maker), "it did not propose"


@pytest.mark.parametrize(("position", "rate"), [(Position.LONG, NEW), (Position.SHORT, -NEW)], ids=["long", "short"])
@pytest.mark.parametrize("spare", [0, 1])
def test_a_limit_in_sats_holds_for_what_the_rollover_costs(
    opened: Any, audit: Any, position: Position, rate: Decimal, spare: int
) -> None:
    cost = 400  # 1,000 contracts at 50,000 are 2,000,000 sats; 0.0024 of it for 2 of 24 hours
    pair = opened(position, taker_policy=Policy(max_rollover_cost=Sats(cost - spare)))
    charge(pair, rate)
    roll(pair)
    if not spare:
        assert numbers(pair) == [1, 1]
        assert abs(pair.taker.cfd.balance - pair.taker.cfd.terms.first_revision.long_pays_short) == cost
    else:
        assert numbers(pair) == [0, 0]
        assert f"costs us {cost} sats, over our limit of {cost - 1}" in failures(pair.taker)[0]
    audit(pair)


def test_what_a_rollover_brings_is_not_what_it_costs(opened: Any) -> None:
    pair = opened(taker_policy=Policy(max_rollover_cost=Sats(0)))
    charge(pair, -NEW)
    roll(pair)
    assert numbers(pair) == [1, 1]


# --- a rate that changed after the taker signed ----------------------------------------------------------------------


def test_the_maker_stands_by_a_rate_that_it_signed_for(opened: Any, audit: Any) -> None:
    pair = opened()
    signed_but_lost(pair)
    charge(pair, NEW)
    pair.restart(pair.maker)
    charge(pair, NEW)
    roll(pair)
    assert (numbers(pair), rate_of(pair)) == ([1, 1], OLD)
    pair.later(HOUR)
    roll(pair)
    assert (numbers(pair), rate_of(pair)) == ([2, 2], NEW), "only of that one revision"
    audit(pair)


def test_it_stands_by_it_though_its_own_limit_is_lower_now(opened: Any) -> None:
    pair = opened()
    signed_but_lost(pair)
    strict = evolve(pair.maker.settings, policy=Policy(max_funding_rate=Decimal(0)))
    pair.maker.engine = evolve(pair.maker.engine, settings=strict)
    roll(pair)
    assert (numbers(pair), rate_of(pair)) == ([1, 1], OLD)


def test_who_asks_for_another_rate_gets_the_present_one(opened: Any) -> None:
    """A taker that has signed nothing is not bound to the rate of a run that failed."""
    pair = opened()
    pair.alter(pair.taker, m.Exits, lambda _: None)
    roll(pair)
    pair.later(60)
    pair.tamper = lambda _to, raw: raw
    assert pair.maker.cfd.quoted == OLD
    charge(pair, NEW)
    pair.alter(pair.maker, m.Propose, lambda x: evolve(x, terms=evolve(x.terms, funding_rate=Decimal("0.001"))))
    roll(pair)
    assert (numbers(pair), rate_of(pair)) == ([1, 1], NEW)


def test_a_proposal_of_the_maker_at_a_new_rate_is_refused_by_a_taker_that_signed(opened: Any) -> None:
    pair = opened()
    signed_but_lost(pair)
    charge(pair, NEW)
    roll(pair, Role.MAKER)
    assert numbers(pair) == [0, 0]
    assert "is signed and not complete: it cannot go on at 0.0024 a day" in failures(pair.maker)[0]
    pair.later(HOUR // 2)  # the taker proposes it again by itself
    assert (numbers(pair), rate_of(pair)) == ([1, 1], OLD)


def test_a_maker_that_breaks_its_word_is_named(opened: Any, audit: Any) -> None:
    """It answers the rollover that the taker signed at another rate: refused before anything is signed again."""
    pair = opened()
    signed_but_lost(pair)
    pair.alter(pair.taker, m.Accept, lambda x: evolve(x, terms=evolve(x.terms, funding_rate=NEW)))
    signed = pair.taker.held.next
    roll(pair)
    assert pair.taker.held.next == signed
    assert "at 0.0001 a day is signed and not complete: it cannot go on at 0.0024 a day" in warning(pair.taker)
    pair.tamper = lambda _to, raw: raw
    audit(pair)


def test_the_word_is_stored_before_the_exits_leave(opened: Any) -> None:
    pair = opened()
    roll(pair)
    names = pair.maker.event_names()
    assert names.index("RolloverQuoted") < names.index("RolloverPrepared")
    assert "RolloverQuoted" not in pair.taker.event_names()
    assert pair.maker.cfd.quoted is None, "it was for the revision that is the live one now"
