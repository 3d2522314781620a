"""Both sides propose at once: whatever they propose, one proposal goes on and the other gives way."""

import hashlib
from decimal import Decimal
from itertools import product
from typing import Any

import pytest

from cfd_core import inputs as i
from cfd_core.cfd import commands as c
from cfd_core.cfd import phases as p
from cfd_core.engine import Policy
from cfd_core.protocols.rollover import messages as rollover
from cfd_core.protocols.settlement import messages as settlement
from cfd_core.values import HOUR, Role, RunId, Timestamp

QUOTED, OTHER = Decimal(50_000), Decimal("50123.5")


def opened(make_pair: Any, **more: Any) -> Any:
    pair = make_pair(own_oracle=True, tolerance=Decimal("0.1"), liquidations=(), **more)
    pair.take()
    pair.run()
    pair.confirm_lock()
    pair.later(2 * HOUR)
    return pair


def propose(node: Any, what: str) -> None:
    if what == "rollover":
        node.give(c.RollOver(node.cfd.id, hashlib.sha256(node.peer.encode()).digest()))
    else:
        node.give(c.ProposeSettlement(node.cfd.id, OTHER if node.role is Role.TAKER else QUOTED))


def winner(taker: str, maker: str) -> Role:
    return Role.MAKER if (taker, maker) == ("rollover", "settlement") else Role.TAKER


def interleave(pair: Any, first: int, steps: int) -> None:
    """Let one side's effects and the wire go so far before the other proposes."""
    for _ in range(steps):
        node = pair.nodes[first]
        if node.todo:
            effect = node.todo.popleft()
            node.done.append(effect)
            pair.act(node, effect)


PROPOSALS = list(product(["rollover", "settlement"], repeat=2))


@pytest.mark.parametrize("first", [0, 1], ids=["the taker a bit earlier", "the maker a bit earlier"])
@pytest.mark.parametrize("steps", [0, 1, 2])
@pytest.mark.parametrize(("taker", "maker"), PROPOSALS, ids=" and ".join)
def test_one_of_two_proposals_goes_on(
    make_pair: Any, audit: Any, taker: str, maker: str, first: int, steps: int
) -> None:
    pair = opened(make_pair)
    plans = [(pair.taker, taker), (pair.maker, maker)]
    for node, what in (plans[first], plans[1 - first]):
        propose(node, what)
        interleave(pair, first, steps)
    pair.run()
    if "settlement" not in (taker, maker):
        assert [node.held.live.number for node in pair.nodes] == [1, 1]
        assert not any(node.held.rolling for node in pair.nodes)
        audit(pair)
        return
    proposer = winner(taker, maker)
    decider, other = (pair.maker, pair.taker) if proposer is Role.TAKER else (pair.taker, pair.maker)
    (waiting,) = decider.engine.runs.values()
    assert waiting.protocol == settlement.PROTOCOL
    (out,) = other.engine.runs.values()
    assert out.protocol == settlement.PROTOCOL
    decider.give(c.AcceptSettlement(decider.cfd.id))
    pair.run()
    closes = [node.held.close for node in pair.nodes]
    assert {close.price for close in closes} == {str(OTHER if proposer is Role.TAKER else QUOTED)}
    assert all(close.complete for close in closes)
    audit(pair)
    pair.mine(4)
    assert all(isinstance(node.phase, p.Closed) for node in pair.nodes)


@pytest.mark.parametrize("taker", ["rollover", "settlement"])
def test_what_gave_way_may_be_proposed_again(make_pair: Any, audit: Any, taker: str) -> None:
    """The maker turns the taker's price down, then its own proposal has its turn."""
    pair = opened(make_pair)
    propose(pair.taker, taker)
    propose(pair.maker, "settlement")
    pair.run()
    decider = pair.maker if taker == "settlement" else pair.taker
    decider.give(c.RejectSettlement(decider.cfd.id, "not at this price"))
    pair.run()
    audit(pair)
    propose(pair.maker, "rollover")
    pair.run()
    assert [node.held.live.number for node in pair.nodes] == [1, 1]


def test_no_proposal_gives_way_once_it_is_accepted(make_pair: Any, audit: Any) -> None:
    pair = opened(make_pair)
    propose(pair.maker, "rollover")
    while not pair.maker.sent(rollover.Points):
        assert pair.step()
    (run,) = pair.maker.engine.runs
    kept = pair.maker.engine.runs[run]
    intruder = settlement.Propose(pair.maker.cfd.id, OTHER, bytes(32))
    before = len(pair.maker.todo)
    pair.maker.give(i.StreamOpened(RunId("late"), pair.taker.peer, settlement.PROTOCOL, bytes(32)))
    pair.maker.give(i.MessageReceived(RunId("late"), intruder))
    assert pair.maker.engine.runs == {run: kept}
    told = list(pair.maker.todo)[before]
    assert isinstance(told.message, settlement.Reject)
    pair.run()
    assert [node.held.live.number for node in pair.nodes] == [1, 1]
    audit(pair)


def test_two_nodes_that_both_roll_over_by_themselves_come_to_rest(make_pair: Any) -> None:
    """The maker's own requests, hour by hour, at the very second of the taker's automatic ones."""
    pair = opened(make_pair, taker_policy=Policy(auto_rollover=True, rollover_spread=0))
    for _ in range(3):
        number = pair.maker.held.live.number
        pair.maker.now = pair.taker.now = Timestamp((pair.taker.now // HOUR + 1) * HOUR)
        propose(pair.maker, "rollover")
        pair.both(i.TimerFired())
        assert [node.held.live.number for node in pair.nodes] == [number + 1] * 2
