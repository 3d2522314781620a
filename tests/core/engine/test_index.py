"""The index that spares a turn the walk over all CFDs says what the walk would."""

from decimal import Decimal
from typing import Any

import pytest
from attrs import evolve

from cfd_core import inputs as i
from cfd_core.cfd import commands as c
from cfd_core.cfd import phases as p
from cfd_core.cfd.observe import observed
from cfd_core.cfd.react import react
from cfd_core.engine import Engine, Policy, Step
from cfd_core.engine.index import Index
from cfd_core.engine.indexing import indexed, stirs
from cfd_core.engine.turn import Turn
from cfd_core.serial.stored import read_events
from cfd_core.values import HOUR, CfdId, OutPoint, Timestamp, Txid


def held_against_a_walk(engine: Engine) -> None:
    """Every CFD looked at anew at the same time gives the same times and is found by its outpoints."""
    walk = indexed(Index(), engine.cfds, engine.cfds, engine.settings.policy, engine.rollover_tries, engine.clock)
    assert engine.index.rollovers == walk.rollovers
    assert engine.index.stirring == walk.stirring
    assert engine.index.peers == walk.peers
    assert engine.index.wakes.keys() == walk.wakes.keys()
    for key, at in engine.index.wakes.items():
        # a cancellation is looked at ten minutes after the last look: the index may have looked earlier
        assert engine.clock < at <= walk.wakes[key]
    for key, cfd in engine.cfds.items():
        assert all(key in engine.index.watching[outpoint] for outpoint in observed(cfd))


@pytest.fixture(autouse=True)
def every_turn(monkeypatch: pytest.MonkeyPatch) -> list[Step]:
    """Checks the index after every turn of every node."""
    taken: list[Step] = []
    handle = Engine.handle

    def checked(engine: Engine, happened: Any, now: Timestamp) -> Step:
        step = handle(engine, happened, now)
        held_against_a_walk(step.engine)
        taken.append(step)
        return step

    monkeypatch.setattr(Engine, "handle", checked)
    return taken


def timers(pair: Any, until: int) -> None:
    """Time passes; each timer fires when its engine wants it to."""
    begun = pair.taker.now
    while pair.taker.now < begun + until:
        due = [node.engine.deadline for node in pair.nodes if node.engine.deadline is not None]
        now = min([*due, Timestamp(begun + until)])
        for node in pair.nodes:
            node.now = max(node.now, now)
            if node.engine.deadline is not None and node.engine.deadline <= node.now:
                node.give(i.TimerFired())
        pair.run()


def test_through_setup_rollovers_by_itself_and_a_commit(make_pair: Any, every_turn: list[Step]) -> None:
    policy = Policy(auto_rollover=True)
    pair = make_pair(own_oracle=True, tolerance=Decimal("0.1"), liquidations=(), taker_policy=policy)
    pair.take()
    pair.run()
    pair.confirm_lock()
    timers(pair, 3 * HOUR)
    assert pair.taker.held.live.number == 2
    assert pair.taker.engine.index.rollovers
    pair.taker.give(c.ForceClose(pair.taker.cfd.id))
    pair.run()
    assert len(every_turn) > 30
    assert all(pair.taker.cfd.id in node.engine.index.watching[o] for node in pair.nodes for o in observed(node.cfd))


def test_through_a_cancellation(make_pair: Any, every_turn: list[Step]) -> None:
    pair = make_pair()
    pair.tamper = lambda to, raw: None if b"lock-signatures" in raw and to is pair.maker else raw
    pair.take()
    pair.run()
    pair.cut()
    pair.later(901)
    pair.mine(3)
    assert pair.taker.cfd.ended
    assert not pair.taker.engine.index.wakes
    assert len(every_turn) > 10


def test_a_loaded_engine_has_the_index_of_the_one_that_lived(make_pair: Any) -> None:
    pair = make_pair().opened()
    for node in pair.nodes:
        loaded = Engine.load(node.settings, read_events(node.records))
        assert loaded.index.watching == node.engine.index.watching
        assert loaded.index.wakes.keys() == node.engine.index.wakes.keys()


def test_only_an_open_cfd_without_a_close_is_quiet_in_a_block(make_pair: Any, every_turn: list[Step]) -> None:
    """For all states that a force close and a settlement lead through: what is quiet owes the same at any height."""
    ends: list[Any] = [c.ForceClose, lambda key: c.ProposeSettlement(key, Decimal(50_000))]
    quiet = stirring = 0
    for end in ends:
        pair = make_pair().opened()
        pair.taker.give(end(pair.taker.cfd.id))
        pair.run()
        pair.mine(16)
    for engine in (step.engine for step in every_turn):
        for key, cfd in engine.cfds.items():
            assert (key in engine.index.stirring) is stirs(cfd)
            stirring += stirs(cfd)
            if cfd.held is None or cfd.ended or stirs(cfd):
                continue
            quiet += 1
            assert isinstance(cfd.phase, p.Open)
            for tip in (engine.tip + 1, engine.tip + 400):
                later = evolve(engine, tip=tip)
                assert later.resume(engine.clock) == engine.resume(engine.clock)
                assert react(cfd, Turn(later, engine.clock)._circumstances()) == ()
    assert quiet
    assert stirring


def test_what_came_due_in_another_turn_is_for_the_next_timer(make_pair: Any) -> None:
    pair = make_pair().opened()
    node = pair.taker
    due = min(node.engine.index.wakes.values())
    nothing = i.OutpointReport(OutPoint(Txid("ab" * 32), 0), 5, None)
    passed = node.engine.handle(nothing, Timestamp(due + 5)).engine
    assert passed.index.overdue == {node.cfd.id}
    assert passed.deadline == due + 6
    assert passed.handle(nothing, Timestamp(due + 6)).engine.index.overdue == {node.cfd.id}
    asked = passed.handle(i.TimerFired(), Timestamp(due + 6))
    assert not asked.engine.index.overdue
    there = node.engine.handle(i.TimerFired(), Timestamp(due + 6))
    assert asked.events == there.events
    assert asked.effects == there.effects


def test_a_loaded_engine_asks_all_once_the_height_is_known(make_pair: Any) -> None:
    pair = make_pair().opened()
    node = pair.taker
    loaded = Engine.load(node.settings, read_events(node.records))
    assert loaded.index.unasked == {node.cfd.id}
    started = loaded.handle(i.NodeStarted(), node.now).engine
    assert started.index.unasked == {node.cfd.id}
    step = started.handle(i.TipChanged(node.engine.tip), node.now)
    assert not step.engine.index.unasked


def test_peers_are_known_by_their_cfds(make_pair: Any) -> None:
    pair = make_pair().opened()
    for node in pair.nodes:
        assert node.engine.index.peers == {node.cfd.peer: {node.cfd.id}}
        loaded = Engine.load(node.settings, read_events(node.records))
        assert loaded.index.peers == node.engine.index.peers


def test_a_report_about_an_output_of_nobody_touches_no_cfd(make_pair: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pair = make_pair().opened()
    monkeypatch.setattr("cfd_core.cfd.decide.observe", lambda *_: pytest.fail("a CFD was asked"))
    step = pair.taker.engine.handle(i.OutpointReport(OutPoint(Txid("ab" * 32), 0), 5, None), pair.taker.now)
    assert (step.events, step.effects) == ((), ())


def test_rollovers_of_busy_cfds_do_not_wake() -> None:
    one, two = CfdId("1" * 32), CfdId("2" * 32)
    index = Index({one: Timestamp(50)}, {one: Timestamp(5), two: Timestamp(7)})
    assert sorted(index.first(())) == [5, 50]
    assert sorted(index.first([one])) == [7, 50]
    assert index.first([one, two]) == [50]
    assert index.due(Timestamp(7)) == {one, two}
    assert index.due(Timestamp(4)) == set()
    assert Index().first(()) == []
