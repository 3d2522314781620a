"""Messages lost, doubled, late or out of turn, streams cut, and processes that die at every step."""

import json
from decimal import Decimal
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from cfd_core import inputs as i
from cfd_core.cfd import phases as p
from cfd_core.protocols.contract_setup import messages as m
from cfd_core.serial import wire
from cfd_core.testing import Parcel
from cfd_core.values import CfdId, OfferId, Position, Role, Timestamp

MESSAGES = 10
"""Order, Accept, and two each of Params, Agreement, Signatures, LockSignatures."""
NOW = Timestamp(1633298400)


def deliver_only(pair: Any, which: int, copies: int) -> None:
    """Let message number `which` arrive so many times."""
    count = iter(range(10**6))

    def tamper(_to: Any, raw: bytes) -> bytes | None:
        if next(count) != which:
            return raw
        for _ in range(copies - 1):
            pair.network.wire.appendleft(Parcel(_to.peer, pair.run_of(_to), raw))
        return raw if copies else None

    pair.tamper = tamper


def test_a_setup_takes_ten_messages(quick: Any, audit: Any) -> None:
    seen: list[bytes] = []

    def count(_to: Any, raw: bytes) -> bytes:
        seen.append(raw)
        return raw

    quick.tamper = count
    quick.take()
    quick.run()
    assert len(seen) == MESSAGES
    audit(quick)


@pytest.mark.parametrize("which", range(MESSAGES))
def test_a_lost_message_ends_in_a_time_out(quick: Any, audit: Any, which: int) -> None:
    deliver_only(quick, which, 0)
    quick.take()
    quick.run()
    waiting = quick.maker.engine.runs | quick.taker.engine.runs
    assert waiting or which not in (0, 8), "elsewhere the next message, or the end of the stream, shows the gap"
    quick.fire_timers(59)
    assert quick.maker.engine.runs | quick.taker.engine.runs == waiting, "a second early"
    quick.fire_timers(60)
    audit(quick)
    if which < MESSAGES - 4:
        assert isinstance(quick.taker.phase, p.SetupFailed)
    if which == MESSAGES - 2:  # the taker's lock signature
        assert isinstance(quick.taker.phase, p.LockSignedUnseen)
        assert isinstance(quick.maker.phase, p.SetupFailed)


@pytest.mark.parametrize("which", range(MESSAGES))
def test_a_cut_stream_ends_at_once_and_the_same(quick: Any, audit: Any, which: int) -> None:
    deliver_only(quick, which, 0)
    quick.take()
    quick.run()
    for node in (quick.maker, quick.taker):
        for run in list(node.engine.runs):
            node.give(i.StreamClosed(run, "connection reset"))
    quick.run()
    audit(quick)


@pytest.mark.parametrize("which", range(MESSAGES))
def test_a_doubled_message_harms_nobody(quick: Any, audit: Any, which: int) -> None:
    deliver_only(quick, which, 2)
    quick.take()
    quick.run()
    quick.fire_timers()
    audit(quick)


@pytest.mark.parametrize("role", list(Role), ids=lambda role: role.value)
def test_more_messages_than_are_due(quick: Any, audit: Any, role: Role) -> None:
    """A flood while the other side's wallet works is refused, not kept."""
    node = quick.maker if role is Role.MAKER else quick.taker
    quick.take()
    while not any(type(run.state).__name__ == "ReservingCoins" for run in node.engine.runs.values()):
        assert quick.step()
    (run,) = node.engine.runs
    for _ in range(10):
        node.give(i.MessageReceived(run, m.Agreement(node.cfd.id, bytes(32))))
    assert isinstance(node.phase, p.SetupFailed)
    assert node.phase.reason == "more messages than are due"
    quick.run()
    audit(quick)


def test_answers_that_come_late_or_twice_change_nothing(quick: Any, audit: Any) -> None:
    quick.take()
    answers: list[tuple[Any, Any]] = []
    for node in (quick.maker, quick.taker):
        original = node.give

        def keep(happened: Any, now: Any = NOW, node: Any = node, original: Any = original) -> None:
            original(happened, now)
            if not isinstance(happened, i.MessageReceived | i.StreamOpened | i.StreamClosed):
                answers.append((node, happened))
                original(happened, now)

        node.give = keep
    quick.run()
    assert quick.maker.held.lock == quick.taker.held.lock
    kinds = {type(happened) for _, happened in answers}
    assert {i.CoinsReserved, i.InputsChecked, i.CetsSigned, i.CetsVerified, i.LockInputsSigned} <= kinds
    logs = (list(quick.maker.log), list(quick.taker.log))
    for node, happened in list(answers):
        type(node).give(node, happened)
    quick.run()
    assert (quick.maker.log, quick.taker.log) == logs
    assert quick.taker.wallet.reserved == {quick.taker.cfd.id}
    audit(quick)


def test_coins_that_come_after_the_end_are_given_back(quick: Any, audit: Any) -> None:
    quick.take()
    while not any(type(run.state).__name__ == "ReservingCoins" for run in quick.taker.engine.runs.values()):
        assert quick.step()
    (run,) = quick.taker.engine.runs
    (reserve,) = [x for x in quick.taker.todo if type(x).__name__ == "ReserveCoins"]
    quick.taker.todo.remove(reserve)
    quick.taker.give(i.StreamClosed(run, "cut"))
    quick.run()
    quick.act(quick.taker, reserve)
    assert quick.taker.wallet.reserved
    quick.run()
    assert not quick.taker.wallet.reserved
    quick.fire_timers()
    audit(quick)


@pytest.mark.parametrize(
    "who", [(Role.MAKER,), (Role.TAKER,), (Role.MAKER, Role.TAKER)], ids=["maker", "taker", "both"]
)
def test_a_restart_at_every_step(make_pair: Any, audit: Any, who: tuple[Role, ...]) -> None:
    outcomes = set()
    for steps in range(200):
        pair = make_pair(tolerance=Decimal("0.1"))
        pair.take()
        pair.run(steps)
        done = not (pair.network.wire or pair.maker.todo or pair.taker.todo)
        for role in who:
            pair.restart(pair.maker if role is Role.MAKER else pair.taker)
        pair.run()
        pair.fire_timers()
        audit(pair)
        names = [type(cfd.phase).__name__ for node in (pair.maker, pair.taker) for cfd in node.engine.cfds.values()]
        outcomes.add(tuple(names))
        broadcast_if_complete(pair)
        if done:
            break
    else:
        pytest.fail("the conversation does not end")
    assert ("LockPending", "LockPending") in outcomes
    assert ("SetupFailed", "SetupFailed") in outcomes
    allowed = {"SetupFailed", "LockSignedUnseen", "LockPending"}
    assert {name for names in outcomes for name in names} <= allowed


def broadcast_if_complete(pair: Any) -> None:
    """Whoever holds a whole lock brings it to the network, and then both see the contract open."""
    whole = [
        n for n in (pair.maker, pair.taker) if any(isinstance(c.phase, p.LockPending) for c in n.engine.cfds.values())
    ]
    if not whole:
        assert not pair.broadcasts
        return
    draft = pair.draft_of(whole[0])
    assert list(pair.broadcasts) == [draft.lock.txid]
    pair.confirm_lock()
    assert isinstance(pair.maker.phase, p.Open)
    assert isinstance(pair.taker.phase, p.Open)


@pytest.mark.parametrize("role", list(Role), ids=lambda role: role.value)
def test_a_crash_between_storing_the_point_of_no_return_and_sending(quick: Any, audit: Any, role: Role) -> None:
    node = quick.maker if role is Role.MAKER else quick.taker
    quick.take()
    while "LockSigned" not in node.event_names():
        assert quick.step()
    assert not node.sent(m.LockSignatures)
    quick.restart(node)
    quick.run()
    quick.fire_timers()
    assert node.cfd.held is not None, "what was stored is known again"
    assert quick.draft_of(node).lock_outpoint in node.watched, "and watched"
    if role is Role.MAKER:
        assert list(quick.broadcasts) == [quick.draft_of(node).lock.txid], "the whole lock goes out without a word"
    else:
        assert isinstance(quick.maker.phase, p.SetupFailed), "the maker never got the signature"
        assert not quick.broadcasts
    audit(quick)


samples = st.sampled_from(
    [
        m.Order(CfdId("ab" * 16), OfferId("0f" * 16), Position.LONG, 1_000, 2),
        m.Accept(CfdId("ab" * 16)),
        m.Agreement(CfdId("ab" * 16), bytes(32)),
        m.Signatures(CfdId("ab" * 16), bytes(162), b"", b""),
        m.LockSignatures(CfdId("ab" * 16), ()),
        m.Reject(CfdId("ab" * 16), "no"),
    ]
)


@settings(max_examples=60, deadline=None)
@given(plan=st.lists(st.tuples(st.integers(0, 60), st.booleans(), samples, st.booleans()), min_size=1, max_size=4))
def test_messages_out_of_turn(make_pair: Any, audit: Any, plan: list[tuple[int, bool, Any, bool]]) -> None:
    """At any moment either side says anything, about this CFD or another."""
    pair = make_pair(tolerance=Decimal("0.1"))
    pair.take()
    for steps, to_maker, message, same_cfd in plan:
        pair.run(steps)
        node = pair.maker if to_maker else pair.taker
        for run in list(node.engine.runs):
            key = pair.taker.cfd.id if same_cfd else message.cfd_id
            raw = wire.encode_message(evolve(message, cfd_id=key))
            pair.deliver(node, run, raw)
    pair.run()
    pair.fire_timers()
    audit(pair)


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_mutated_messages(make_pair: Any, audit: Any, data: st.DataObject) -> None:
    """One real message with odd plain data somewhere in it."""
    pair = make_pair(tolerance=Decimal("0.1"))
    which = data.draw(st.integers(0, MESSAGES - 1))
    count = iter(range(10**6))
    odd: Any = st.sampled_from([None, 0, -1, 10**40, "", "AAAA", "x", [], {}, [[]], "0f" * 16, "11" * 32 + ":0"])

    def tamper(_to: Any, raw: bytes) -> bytes:
        if next(count) != which:
            return raw
        fields = json.loads(raw)
        return json.dumps(mutate(data, fields, odd)).encode()

    pair.tamper = tamper
    pair.take()
    pair.run()
    pair.fire_timers()
    audit(pair)


def mutate(data: Any, value: Any, odd: Any) -> Any:
    """Walk down to a random place and put something odd there."""
    if isinstance(value, dict | list) and value and data.draw(st.booleans()):
        keys = sorted(value) if isinstance(value, dict) else range(len(value))
        key = data.draw(st.sampled_from(list(keys)))
        copy = dict(value) if isinstance(value, dict) else list(value)
        copy[key] = mutate(data, value[key], odd)
        return copy
    if isinstance(value, str) and value and data.draw(st.booleans()):
        at = data.draw(st.integers(0, len(value) - 1))
        return value[:at] + data.draw(st.sampled_from("AZz09+/=")) + value[at + 1 :]
    return data.draw(odd)
