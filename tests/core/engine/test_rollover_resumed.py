"""A rollover that stopped after a point of no return is taken up on the living link: by whoever lacks something."""

from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from cfd_core import effects as f
from cfd_core import inputs as i
from cfd_core.cfd import commands as c
from cfd_core.engine import Engine
from cfd_core.engine.tries import Tries
from cfd_core.protocols.rollover import messages as m
from cfd_core.serial import stored, wire
from cfd_core.values import HOUR, RunId, Timestamp

E32 = bytes(range(32))
NOW = Timestamp(1633298400)
COMMITS_BEGIN, MESSAGES = 8, 12


@pytest.fixture
def rolling(make_pair: Any) -> Any:
    pair = make_pair(own_oracle=True, tolerance=Decimal("0.1"), liquidations=())
    pair.take()
    pair.run()
    pair.confirm_lock()
    pair.later(2 * HOUR)
    return pair


def stop_after(pair: Any, messages: int) -> None:
    """A rollover of which only so many messages arrive; the link itself lives, and the streams are not cut."""
    left = iter(range(10**6))
    pair.tamper = lambda _to, raw: raw if next(left) < messages else None
    pair.taker.give(c.RollOver(pair.taker.cfd.id, E32))
    pair.run()
    pair.later(60)  # it times out


def tick(pair: Any, seconds: int, *, each: int = 1) -> None:
    """Time passes; timers fire when the engines want them to, or a bit later."""
    end = pair.taker.now + seconds
    while pair.taker.now < end:
        for node in pair.nodes:
            node.now = Timestamp(node.now + each)
        for node in pair.nodes:
            if node.engine.deadline is not None and node.engine.deadline <= node.now:
                node.give(i.TimerFired())
        pair.run()


def asked(node: Any) -> list[f.OpenStream]:
    return [x for x in node.done if isinstance(x, f.OpenStream) and x.protocol == m.RESUME_PROTOCOL]


@pytest.mark.parametrize("arrived", range(COMMITS_BEGIN, MESSAGES))
def test_a_failed_run_is_completed_without_a_new_connection(rolling: Any, audit: Any, arrived: int) -> None:
    """Commit signatures and revocations are lost one by one; nobody reconnects."""
    pair = rolling
    stop_after(pair, arrived)
    assert any(node.held.rolling for node in pair.nodes)
    numbers = [node.held.live.number for node in pair.nodes]
    assert max(numbers) - min(numbers) <= 1
    pair.tamper = lambda _to, raw: raw
    tick(pair, 10 * 60)
    assert [node.held.live.number for node in pair.nodes] == [1, 1]
    assert not any(node.held.rolling for node in pair.nodes)
    tick(pair, 120)
    for node in pair.nodes:
        assert not node.engine.runs
        assert not node.engine.resume_tries
    audit(pair)


def test_before_a_commit_is_signed_there_is_nothing_to_resume(rolling: Any) -> None:
    stop_after(rolling, COMMITS_BEGIN - 2)
    tick(rolling, 600, each=10)
    for node in rolling.nodes:
        assert not asked(node)
        assert not node.engine.resume_tries


def test_a_peer_that_answers_nothing_is_asked_ever_more_seldom(rolling: Any) -> None:
    """A day without one answer: some tens of questions, evenly spread, and still a bounded number of runs."""
    pair = rolling
    stop_after(pair, MESSAGES - 1)
    pair.tamper = lambda _to, _raw: None
    times = []
    for _ in range(24 * HOUR // 30):
        before = len(asked(pair.taker))
        tick(pair, 30, each=30)
        times += [pair.taker.now] * (len(asked(pair.taker)) - before)
        assert len(pair.taker.engine.runs) <= 3
    assert 15 <= len(times) <= 40
    gaps = [later - sooner for sooner, later in pairwise(times)]
    assert max(gaps) <= 1.5 * HOUR + 60
    assert min(gaps[8:]) >= HOUR


def test_the_waiting_begins_anew_with_a_connection(rolling: Any) -> None:
    pair = rolling
    stop_after(pair, MESSAGES - 1)
    pair.tamper = lambda _to, _raw: None
    tick(pair, 2 * HOUR, each=30)
    assert pair.taker.engine.resume_tries[pair.maker.peer].before > 5
    pair.cut()
    pair.taker.give(i.PeerConnected(pair.maker.peer, E32))
    assert pair.taker.engine.resume_tries[pair.maker.peer] == Tries(pair.taker.now)


def test_a_restart_forgets_no_open_step(rolling: Any) -> None:
    pair = rolling
    stop_after(pair, MESSAGES - 1)
    for node in pair.nodes:
        pair.restart(node)
    pair.tamper = lambda _to, raw: raw
    assert pair.maker.peer in pair.taker.engine.resume_tries
    tick(pair, 60)
    assert not pair.taker.held.rolling


def test_who_lacks_nothing_says_nothing_by_itself(rolling: Any) -> None:
    pair = rolling
    pair.taker.give(c.RollOver(pair.taker.cfd.id, E32))
    pair.run()
    for _ in range(3):
        pair.reconnect()
        tick(pair, 2 * HOUR, each=600)
    for node in pair.nodes:
        assert node.held.live.number == 1
        assert not asked(node)


def test_a_stream_is_answered_once_however_often_it_asks(rolling: Any) -> None:
    pair = rolling
    pair.taker.give(c.RollOver(pair.taker.cfd.id, E32))
    pair.run()
    pair.maker.todo.clear()
    run = RunId("again")
    pair.maker.give(i.StreamOpened(run, pair.taker.peer, m.RESUME_PROTOCOL, E32))
    signature = pair.taker.held.live.own_commit
    for _ in range(50):
        pair.maker.give(i.MessageReceived(run, m.CommitSignature(pair.maker.cfd.id, 1, signature)))
    (answer,) = pair.maker.todo
    assert isinstance(answer.message, m.Revocation)


def test_resuming_never_goes_back_further_than_one_step(rolling: Any) -> None:
    """Old resume messages come in at any later time: the books stay as they are."""
    pair = rolling
    heard: list[tuple[Any, bytes]] = []

    def listen(to: Any, raw: bytes) -> bytes:
        heard.append((to, raw))
        return raw

    pair.tamper = listen
    for _ in range(3):
        pair.taker.give(c.RollOver(pair.taker.cfd.id, E32))
        pair.run()
        pair.later(HOUR)
    kinds = (m.CommitSignature, m.Revocation)
    messages = [(to, wire.decode_message(raw)) for to, raw in heard]
    books = [node.cfd for node in pair.nodes]
    for number, (to, message) in enumerate(messages):
        if isinstance(message, kinds):
            sender = pair.maker if to is pair.taker else pair.taker
            to.give(i.StreamOpened(RunId(f"old{number}"), sender.peer, m.RESUME_PROTOCOL, E32))
            to.give(i.MessageReceived(RunId(f"old{number}"), message))
            to.give(i.StreamClosed(RunId(f"old{number}"), "over"))
    pair.run()
    assert [node.cfd for node in pair.nodes] == books
    for node in pair.nodes:
        loaded = Engine.load(node.settings, stored.read_events(stored.to_stored(record) for record in node.log))
        assert loaded.cfds == node.engine.cfds
