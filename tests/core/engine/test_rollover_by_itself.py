"""Automatic rollovers: each hour from 23 h before the expiry, spread over many CFDs, again after failures."""

import itertools
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest
from attrs import evolve

from cfd_core import inputs as i
from cfd_core.cfd import commands as c
from cfd_core.cfd import events as e
from cfd_core.cfd.react import Deadlines
from cfd_core.cfd.summary import summary
from cfd_core.engine import Policy
from cfd_core.engine.punctual import next_try
from cfd_core.engine.tries import Tries, spread
from cfd_core.errors import RuleViolation
from cfd_core.protocols.rollover import messages as m
from cfd_core.values import HOUR, CfdId, OfferId, Sats, Timestamp

NOW = Timestamp(1633298400)
AUTOMATIC = Policy(auto_rollover=True)


def opened(make_pair: Any, policy: Policy = AUTOMATIC) -> Any:
    pair = make_pair(own_oracle=True, tolerance=Decimal("0.1"), liquidations=(), taker_policy=policy)
    pair.take()
    pair.run()
    pair.confirm_lock()
    return pair


def until(pair: Any, at: int) -> None:
    """Time passes up to so many seconds after the beginning; each timer fires when its engine wants it to."""
    end = Timestamp(NOW + at)
    while True:
        due = [node.engine.deadline for node in pair.nodes if node.engine.deadline is not None]
        now = min([*due, end])
        for node in pair.nodes:
            node.now = max(node.now, now)
            if node.engine.deadline is not None and node.engine.deadline <= node.now:
                node.give(i.TimerFired())
        pair.run()
        if now >= end:
            return


def proposals(node: Any) -> int:
    return sum(1 for x in node.done if isinstance(getattr(x, "message", None), m.Propose))


def test_a_day_of_automatic_rollovers(make_pair: Any) -> None:
    pair = opened(make_pair)
    until(pair, HOUR - 1)
    assert pair.taker.held.live.number == 0
    for hour in range(1, 25):
        until(pair, hour * HOUR + 900)
        assert [node.held.live.number for node in pair.nodes] == [hour, hour]
        assert pair.taker.cfd.expiry == NOW + (hour + 24) * HOUR
    assert proposals(pair.taker) == 24
    assert not proposals(pair.maker)


def test_nobody_rolls_over_by_itself_who_did_not_ask_for_it(make_pair: Any) -> None:
    pair = opened(make_pair, Policy())
    until(pair, 20 * HOUR)
    assert pair.taker.held.live.number == 0
    assert not proposals(pair.taker)


def test_a_rollover_before_its_first_hour_says_from_when_it_is_possible(make_pair: Any) -> None:
    pair = opened(make_pair, Policy())
    command = c.RollOver(pair.taker.cfd.id, bytes(32))
    for soon in (0, HOUR - 1):
        with pytest.raises(RuleViolation, match="one is possible from 2021-10-03 23:00 UTC on"):
            pair.taker.give(command, Timestamp(NOW + soon))
    for node in pair.nodes:
        node.now = Timestamp(NOW + HOUR)
    pair.taker.give(command)
    pair.run()
    assert pair.taker.held.live.number == 1


def test_a_thousand_cfds_are_spread_over_a_quarter_of_an_hour(make_pair: Any) -> None:
    cfd = opened(make_pair).taker.cfd
    tries = [next_try(evolve(cfd, id=CfdId(f"{n:032x}")), AUTOMATIC, None) for n in range(1000)]
    offsets = [at - (NOW + HOUR) for at in tries if at is not None]
    assert len(offsets) == 1000
    assert (min(offsets) >= 0, max(offsets) <= 900) == (True, True)
    per_minute = Counter(offset // 60 for offset in offsets)
    assert len(per_minute) >= 15
    assert max(per_minute.values()) <= 100
    assert max(Counter(offsets).values()) <= 10
    narrow = Policy(auto_rollover=True, rollover_spread=0)
    assert next_try(cfd, narrow, None) == NOW + HOUR


def test_it_is_tried_again_after_failures_ever_more_seldom_but_each_half_hour(make_pair: Any) -> None:
    pair = opened(make_pair)
    pair.tamper = lambda _to, _raw: None
    tried = []
    for minute in range(60, 20 * 60):
        before = proposals(pair.taker)
        until(pair, minute * 60)
        tried += [minute] * (proposals(pair.taker) - before)
    gaps = [later - sooner for sooner, later in itertools.pairwise(tried)]
    assert 5 <= gaps[0] <= 9
    assert max(gaps) <= 47
    assert len(tried) >= 24
    pair.tamper = lambda _to, raw: raw
    until(pair, 21 * HOUR)
    assert [node.held.live.number for node in pair.nodes] == [1, 1]
    assert [type(r.event).__name__ for r in pair.taker.log].count("RolloverFailed") == 1


def warnings_at(pair: Any, *hours_left: float) -> list[str]:
    cfd = pair.taker.cfd
    found = (summary(cfd, now=Timestamp(int(cfd.expiry - h * HOUR)), tip=0, deadlines=Deadlines()) for h in hours_left)
    return [one.warning for one in found]


def test_warnings_at_six_three_and_one_hour_name_the_reason(make_pair: Any) -> None:
    pair = opened(make_pair)
    assert warnings_at(pair, 20, 6.1) == ["", ""]
    plain = [f"expires in less than {hours} h and is not rolled over" for hours in (6, 3, 1)]
    assert warnings_at(pair, 6, 3, 1) == plain
    pair.alter(pair.maker, m.Propose, lambda _: None)
    until(pair, 2 * HOUR)
    pair.tamper = lambda _to, raw: raw
    assert warnings_at(pair, 20) == ["the last rollover failed: timed out"]
    assert warnings_at(pair, 6, 3, 1) == [f"{text}; the last rollover failed: timed out" for text in plain]
    until(pair, 4 * HOUR)
    assert warnings_at(pair, 23) == [""]


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"max_funding_rate": Decimal("0.001")}, "a funding rate of 0.002 a day is over our limit"),
        ({"max_rollover_cost": Sats(10)}, "the rollover costs us"),
    ],
    ids=["rate", "sats"],
)
def test_the_users_limits_hold_for_automatic_rollovers(make_pair: Any, limits: dict[str, Any], reason: str) -> None:
    pair = opened(make_pair, Policy(auto_rollover=True, **limits))
    dear = evolve(pair.offer, id=OfferId("1f" * 16), funding_rate=Decimal("0.002"), published_at=Timestamp(NOW + 1))
    pair.maker.give(c.PublishOffer(dear))
    until(pair, 4 * HOUR)
    assert [node.held.live.number for node in pair.nodes] == [0, 0]
    told = [r.event for r in pair.taker.log if isinstance(r.event, e.RolloverFailed)]
    assert 1 <= len(told) <= 4, "once, or once an hour where the sum differs"
    assert all(reason in one.reason for one in told)
    assert reason in warnings_at(pair, 20)[0]


def test_waiting_doubles_up_to_its_most_and_differs_by_side() -> None:
    waits = [Tries(NOW, before).due("x", 10, 3600) - NOW for before in range(40)]
    for before, wait in enumerate(waits):
        least = min(10 * 2**before, 3600)
        assert least <= wait <= least * 1.5
    sides = {tuple(Tries(NOW, n).due(who, 300, 1800) for n in range(5)) for who in ("maker", "taker")}
    assert len(sides) == 2
    assert {spread(str(n), 1) for n in range(20)} == {0, 1}
    assert spread("x", 0) == 0
