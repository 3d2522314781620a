"""A rollover that one side does not complete: no free choice between two revisions, whoever withholds what, and when.

While it is open the silent side may publish the commit of either revision. Once the oracle has spoken for the old
one, it would know which pays it more; so the other side publishes its newest commit an hour before, or at once.
"""

from decimal import Decimal
from typing import Any

import pytest

from cfd_core import inputs as i
from cfd_core.cfd import commands as c
from cfd_core.cfd import phases as p
from cfd_core.cfd.events import CloseReason, ExitKind
from cfd_core.cfd.summary import summary
from cfd_core.testing import attestation
from cfd_core.values import HOUR, EventId, Role

ENTROPY = bytes(range(32))
roles = pytest.mark.parametrize("liar", list(Role), ids=lambda role: f"the {role.value} withholds")
WITHHELD = {"revocation": b'"type":"revocation"', "commit signature": b'"type":"commit-signature"'}


@pytest.fixture
def opened(make_pair: Any) -> Any:
    return begin(make_pair)


def begin(make_pair: Any, liquidations: tuple[EventId, ...] = ()) -> Any:
    pair = make_pair(own_oracle=True, tolerance=Decimal("0.1"), liquidations=liquidations)
    pair.take()
    pair.run()
    pair.confirm_lock()
    return pair


def roll_over(pair: Any, liar: Role, what: str = "revocation", hours: int = 2) -> tuple[Any, Any]:
    """A rollover in which `liar` withholds; the honest side and the other."""
    pair.later(hours * HOUR)
    pair.liar, pair.honest = (pair.maker, pair.taker) if liar is Role.MAKER else (pair.taker, pair.maker)
    pair.tamper = lambda to, raw: None if WITHHELD[what] in raw and to is pair.honest else raw
    pair.taker.give(c.RollOver(pair.taker.cfd.id, ENTROPY))
    pair.run()
    pair.cut()
    return pair.honest, pair.liar


def commit(node: Any, dlc: Any) -> Any:
    return dlc.sign_commit(node.settings.keychain.cfd_keys(node.cfd.key_id, dlc.number))


def alone(pair: Any, node: Any, seconds: int) -> None:
    """Time passes for the honest side; the other has switched its own clockwork off."""
    node.now += seconds
    node.give(i.TimerFired())
    while node.todo:
        pair.act(node, node.todo.popleft())


def is_open(node: Any) -> bool:
    return isinstance(node.phase, p.Open)


@roles
def test_the_new_commit_goes_out_before_the_old_event(opened: Any, liar: Role) -> None:
    pair = opened
    old_expiry = pair.taker.cfd.expiry
    stale = {node.role: commit(node, node.held.live) for node in pair.nodes}
    honest, cheat = roll_over(pair, liar)
    assert honest.held.old is not None, "the other's secret is missing"
    left = old_expiry - HOUR - honest.now
    alone(pair, honest, left - 1)
    assert is_open(honest)
    assert honest.engine.deadline == old_expiry - HOUR
    alone(pair, honest, 1)
    assert honest.cfd.close_reason is CloseReason.UNREVOKED
    assert honest.phase.commit.number == 1
    pair.mine()
    assert not pair.chain.submit(stale[cheat.role]), "the old one comes too late"
    pair.attest(48_935, honest.cfd.settlement.event_id)
    pair.mine(16)
    assert honest.phase.kind is ExitKind.CET
    assert honest.phase == cheat.phase


@roles
def test_the_old_one_may_be_published_before_and_is_settled_then(opened: Any, liar: Role) -> None:
    """That choice is made without knowing the price: it is lawful, and honest parties follow."""
    pair = opened
    stale = {node.role: commit(node, node.held.live) for node in pair.nodes}
    event = pair.taker.cfd.settlement.event_id
    honest, cheat = roll_over(pair, liar)
    cheat.conscience.chain_lies = True  # its own books do not know what it does behind them
    assert pair.chain.submit(stale[cheat.role])
    pair.mine()
    assert honest.phase.commit.number == 0
    assert honest.cfd.exit_for(0, ExitKind.PUNISH) is None
    pair.attest(60_000, event)
    pair.mine(16)
    assert honest.phase.kind is ExitKind.CET


@roles
@pytest.mark.parametrize("what", WITHHELD)
def test_once_the_old_event_is_attested_nothing_is_waited_for(opened: Any, liar: Role, what: str) -> None:
    """The node was off, or its clock is wrong: the oracle speaks for the old revision while the rollover is open."""
    pair = opened
    event = pair.taker.cfd.settlement.event_id
    honest, _ = roll_over(pair, liar, what)
    if honest.held.rolling_since is None:
        assert (liar, what) == (Role.TAKER, "commit signature"), "then nothing of ours is out"
        return
    assert is_open(honest)
    honest.give(i.AttestationReceived(event, attestation(event, 48_935)))
    assert honest.cfd.close_reason is CloseReason.UNREVOKED
    assert honest.phase.commit.number == honest.held.live.number
    pair.run()
    pair.attest(48_935, honest.cfd.settlement.event_id)
    pair.mine(16)
    assert honest.phase.kind is ExitKind.CET


def test_with_the_makers_commit_signature_withheld_the_taker_publishes_what_it_has(opened: Any) -> None:
    """The maker could publish either revision, the taker only the old one: that goes out before its event."""
    pair = opened
    old_expiry = pair.taker.cfd.expiry
    taker, maker = roll_over(pair, Role.MAKER, "commit signature")
    assert taker.held.next is not None
    assert maker.held.live.number == 1
    alone(pair, taker, old_expiry - HOUR - taker.now)
    assert taker.cfd.close_reason is CloseReason.UNREVOKED
    pair.mine()
    assert taker.phase.commit.number == 0
    pair.attest(48_935)
    pair.mine(16)
    assert taker.phase == maker.phase
    assert taker.phase.kind is ExitKind.CET


@roles
def test_a_silent_side_that_comes_back_in_time_completes_it(opened: Any, liar: Role) -> None:
    pair = opened
    honest, _ = roll_over(pair, liar)
    old_expiry = honest.held.old.draft.announcements[0].maturity
    pair.tamper = lambda _to, raw: raw
    pair.reconnect()
    assert honest.held.old is None
    assert honest.held.rolling_since is None
    alone(pair, honest, old_expiry - HOUR // 2 - honest.now)
    assert is_open(honest)
    assert honest.cfd.close_reason is None


def test_a_late_rollover_has_its_ten_minutes(opened: Any) -> None:
    """Half an hour before the old event, an open rollover is not given up at once."""
    pair = opened
    old_expiry = pair.taker.cfd.expiry
    pair.later(old_expiry - 1800 - pair.taker.now)
    taker, _ = roll_over(pair, Role.MAKER, hours=0)
    begun = taker.held.rolling_since
    assert begun == taker.now
    alone(pair, taker, 599)
    assert is_open(taker)
    assert taker.engine.deadline == begun + 600
    alone(pair, taker, 1)
    assert taker.cfd.close_reason is CloseReason.UNREVOKED
    assert taker.phase.commit.number == 1


@pytest.mark.parametrize("minutes", [70, 50, 5])
def test_an_honest_late_rollover_is_not_disturbed(opened: Any, minutes: int) -> None:
    pair = opened
    pair.later(pair.taker.cfd.expiry - minutes * 60 - pair.taker.now)
    pair.taker.give(c.RollOver(pair.taker.cfd.id, ENTROPY))
    pair.run()
    pair.later(1)
    assert [node.held.live.number for node in pair.nodes] == [1, 1]
    assert [node.held.rolling_since for node in pair.nodes] == [None, None]
    pair.later(2 * HOUR)
    assert all(isinstance(node.phase, p.Open) for node in pair.nodes)


def test_trying_again_does_not_gain_time(opened: Any) -> None:
    pair = opened
    taker, _ = roll_over(pair, Role.MAKER, "commit signature")
    begun = taker.held.rolling_since
    for _ in range(3):
        pair.later(300)
        taker.give(c.RollOver(taker.cfd.id, ENTROPY))
        pair.run()
        pair.cut()
    assert taker.held.next is not None
    assert taker.held.rolling_since == begun


def test_a_liquidation_that_only_the_old_revision_knows(make_pair: Any, hourly: Any) -> None:
    """The old one's hourly event is not in the new one: the silent side could take the pool, so ours goes out."""
    pair = begin(make_pair, hourly(1, 3))
    event = pair.offer.liquidations[2]
    taker, _ = roll_over(pair, Role.MAKER, hours=3)
    assert event not in taker.held.live.draft.revision.events
    taker.give(i.AttestationReceived(event, attestation(event, 20_000)))
    assert taker.cfd.close_reason is CloseReason.UNREVOKED
    assert taker.phase.commit.number == 1


def test_a_restart_keeps_the_time(opened: Any) -> None:
    pair = opened
    honest, _ = roll_over(pair, Role.MAKER)
    since = honest.held.rolling_since
    assert since is not None
    pair.restart(honest)
    assert honest.held.rolling_since == since
    assert honest.engine.deadline is not None


def test_what_a_person_is_told(opened: Any) -> None:
    pair = opened
    honest, _ = roll_over(pair, Role.MAKER)
    limits = honest.settings.policy.deadlines

    def told() -> Any:
        return summary(honest.cfd, now=honest.now, tip=honest.engine.tip, deadlines=limits)

    old_expiry = honest.held.old.draft.announcements[0].maturity
    assert told().deadline.at == old_expiry - HOUR
    assert "unless the rollover is completed" in told().deadline.what
    assert "not complete" not in told().warning
    alone(pair, honest, 600)
    assert "rollover is not complete" in told().warning
