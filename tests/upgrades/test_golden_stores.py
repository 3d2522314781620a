"""Stores of version 1 load for ever, and what they hold can be acted on to its end."""

from collections.abc import Callable
from typing import Any

import pytest
from cfd_store import Batch

from cfd_core.cfd import commands as c
from cfd_core.cfd import phases as p
from cfd_core.cfd.events import ExitKind
from cfd_core.engine import Engine
from cfd_core.serial import stored
from cfd_core.values import HOUR

Open = Callable[..., Any]
PRICE = 48_935
OPEN = ("rolled", "broken")


def payout(cfd: Any, number: int) -> tuple[int, int]:
    """What (maker, taker) must get at `PRICE`, from the terms of that revision alone."""
    draft = cfd.held.settleable(number).draft
    return draft.payouts(draft.terms.schedule_of(draft.revision).lookup(PRICE)[1])  # type: ignore[no-any-return]


def end(museum: Any, events: set[str]) -> None:
    """The oracle speaks, the chain grows."""
    pair = museum.pair
    for event in sorted(events):
        pair.attest(PRICE, event)
    pair.mine(18)


def settlements(pair: Any) -> set[str]:
    cfds = [cfd for node in pair.nodes for cfd in node.engine.cfds.values() if cfd.held and not cfd.ended]
    return {dlc.draft.revision.settlement for cfd in cfds for dlc in cfd.held.unrevoked}


def test_they_hold_one_closed_one_open_one_amid_a_rollover(open_museum: Open) -> None:
    museum = open_museum()
    for node in museum.pair.nodes:
        closed, rolled, broken = (museum.cfd(node, name) for name in ("closed", "rolled", "broken"))
        assert isinstance(closed.phase, p.Closed)
        assert closed.phase.kind is ExitKind.CLOSE
        assert isinstance(rolled.phase, p.Open)
        assert (rolled.held.live.number, [x.number for x in rolled.held.revoked]) == (1, [0])
        assert isinstance(broken.phase, p.Open)
    maker, taker = (museum.cfd(node, "broken").held for node in (museum.pair.maker, museum.pair.taker))
    assert taker.next is not None
    assert (maker.live.number, maker.old.number, taker.live.number) == (1, 0, 0)


@pytest.mark.parametrize("alone", ["maker", "taker", "both"])
def test_each_side_alone_brings_each_to_its_end(open_museum: Open, alone: str) -> None:
    """`both`: after they have found each other, and the rollover that broke off is complete."""
    museum = open_museum()
    pair = museum.pair
    museum.switch_on()
    due = {name: payout(museum.cfd(pair.taker, name), museum.cfd(pair.taker, name).held.live.number) for name in OPEN}
    if alone == "both":
        pair.reconnect()
        due["broken"] = payout(museum.cfd(pair.taker, "broken"), 1)
    elif alone == "maker":
        due["broken"] = payout(museum.cfd(pair.maker, "broken"), 1)
    node = pair.maker if alone == "maker" else pair.taker
    for name in OPEN:
        node.give(c.ForceClose(museum.cfd(node, name).id))
    pair.run()
    end(museum, settlements(pair))
    for one in pair.nodes:
        for name in OPEN:
            phase = museum.cfd(one, name).phase
            assert isinstance(phase, p.Closed)
            assert phase.kind is ExitKind.CET
            assert (phase.maker, phase.taker) == due[name]


def test_what_was_open_can_be_settled_together_and_rolled_over(open_museum: Open) -> None:
    museum = open_museum()
    pair = museum.pair
    museum.switch_on()
    pair.reconnect()
    broken = museum.cfd(pair.taker, "broken")
    assert broken.held.live.number == 1
    assert [x.number for x in broken.held.revoked] == [0], "resume completed the rollover"
    pair.later(HOUR)
    rolled = museum.cfd(pair.taker, "rolled").id
    pair.taker.give(c.RollOver(rolled, bytes(32)))
    pair.run()
    assert museum.cfd(pair.maker, "rolled").held.live.number == 2
    for name in OPEN:
        pair.taker.give(c.ProposeSettlement(museum.cfd(pair.taker, name).id, pair.offer.bid))
        pair.run()
        pair.maker.give(c.AcceptSettlement(museum.cfd(pair.maker, name).id))
        pair.run()
    pair.mine(4)
    assert {cfd.phase.kind for node in pair.nodes for cfd in node.engine.cfds.values()} == {ExitKind.CLOSE}


def test_a_revoked_commit_of_then_is_punished_now(open_museum: Open) -> None:
    """The maker kept the signature of the revision that was revoked before the stores were written."""
    museum = open_museum()
    pair = museum.pair
    museum.switch_on()
    cheat = Engine.load(pair.maker.settings, [(x.stream, x.event) for x in before_rollovers(pair.maker)])
    cfd = museum.cfd(pair.maker, "rolled")
    keys = pair.maker.settings.keychain.cfd_keys(cfd.key_id, 0)
    held = cheat.cfds[cfd.id].held
    assert held is not None
    revoked = held.live.sign_commit(keys)
    pair.cheats(pair.maker)
    assert pair.chain.submit(revoked)
    pair.mine(4)
    phase = museum.cfd(pair.taker, "rolled").phase
    assert isinstance(phase, p.Closed)
    assert phase.kind is ExitKind.PUNISH


def before_rollovers(node: Any) -> list[Any]:
    """The node's log as it was before anything was rolled over."""
    names = [type(x.event).__name__ for x in node.log]
    return list(node.log[: names.index("RolloverPrepared")])


def test_the_file_can_be_written_on(open_museum: Open) -> None:
    museum = open_museum()
    pair = museum.pair
    lengths = {node.role: len(node.log) for node in pair.nodes}
    museum.switch_on()
    pair.taker.give(c.ForceClose(museum.cfd(pair.taker, "rolled").id))
    end(museum, settlements(pair))
    for node in pair.nodes:
        store = museum.stores[node.role.value]
        for recorded in node.log[lengths[node.role] :]:
            store.append_all([Batch(recorded.stream, recorded.version - 1, (stored.to_stored(recorded),))])
        again = Engine.load(node.settings, stored.read_events(store.load_all()))
        assert again.cfds == node.engine.cfds
