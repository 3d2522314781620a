"""The read model in words and figures: for each phase what a person is told, by when what happens, and the money."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from attrs import evolve

from cfd_core.cfd import commands as c
from cfd_core.cfd import events as e
from cfd_core.cfd import phases as p
from cfd_core.cfd.react import Deadlines
from cfd_core.cfd.summary import Deadline, Summary, summary
from cfd_core.values import HOUR, Position, Sats, Timestamp

DEADLINES = Deadlines()


def told(node: Any, price: Any = None, now: int | None = None, **changes: Any) -> Summary:
    cfd = evolve(node.cfd, **changes)
    at = Timestamp(node.now if now is None else now)
    return summary(
        cfd, now=at, tip=node.engine.tip, price=None if price is None else Decimal(price), deadlines=DEADLINES
    )


def taken(make_pair: Any, price: int, leverage: int, maker_leverage: int, **order: Any) -> Any:
    """A pair with an order at this price, as far as the order goes."""
    pair = make_pair(
        bid=Decimal(price), ask=Decimal(price), leverages=(leverage,), maker_leverage=maker_leverage, **order
    )
    pair.take(leverage=leverage)
    return pair


# --- the figures of domain.md ----------------------------------------------------------------------------------------


def test_liquidation_prices(make_pair: Any) -> None:
    assert told(taken(make_pair, 46_125, 5, 1).taker).liquidation_price == Fraction("38437.5")
    pair = taken(make_pair, 60_000, 2, 2)
    assert told(pair.taker).liquidation_price == 40_000
    pair.run()
    assert told(pair.maker).liquidation_price == 120_000


def test_a_short_with_leverage_1_is_never_liquidated(open_pair: Any) -> None:
    assert told(open_pair.maker).position is Position.SHORT
    assert told(open_pair.maker).liquidation_price is None


def test_profit_in_percent(make_pair: Any) -> None:
    """50,400 to 60,000 at 2x: 200 x (1 - 50,400 / 60,000) = 32 %, less what rounding to sats takes."""
    taker = taken(make_pair, 50_400, 2, 1).taker
    found = told(taker, 60_000)
    assert found.profit_percent is not None
    assert Fraction("31.9999") < found.profit_percent < 32
    # margin 992,063.49; value 1,984,126.98 less 1,666,666.67 sats
    assert (found.margin, found.unrealised, found.realised) == (992_063, 317_460, None)
    assert found.profit_percent == Fraction(100 * 317_460, 992_063)


@pytest.mark.parametrize("price", [1, 20_000, 33_333, 40_000, 50_000, 60_000, 1_000_000])
def test_one_sides_gain_is_the_others_loss(open_pair: Any, price: int) -> None:
    long, short = (told(node, price) for node in (open_pair.taker, open_pair.maker))
    assert long.unrealised is not None
    assert short.unrealised is not None
    assert abs(long.unrealised + short.unrealised) <= 1, "each is rounded to a sat"
    exact = Fraction(2_000_000) - Fraction(10**11, price)
    assert long.unrealised == round(max(min(exact, Fraction(2_000_000)), Fraction(-1_000_000)))
    assert -long.margin <= long.unrealised <= short.margin


def test_without_a_price_there_is_no_gain_to_tell(open_pair: Any) -> None:
    found = told(open_pair.taker)
    assert (found.unrealised, found.realised, found.profit_percent) == (None, None, None)


def test_fees_shift_the_gain_and_are_told(make_pair: Any) -> None:
    """The account of domain.md: 100 contracts at 50,000, 2x, 0.00024 a day, 2 sats for opening: 50 sats."""
    pair = make_pair(own_oracle=True, funding_rate=Decimal("0.00024"), opening_fee=2)
    pair.take(quantity=100)
    pair.run()
    pair.confirm_lock()
    assert [told(node).fees_owed for node in (pair.taker, pair.maker)] == [50, -50]
    assert [told(node, 50_000).unrealised for node in (pair.taker, pair.maker)] == [-50, 50]
    assert told(pair.taker).margin == 100_000
    for owed in (98, 146, 194):
        pair.later(24 * HOUR)
        pair.taker.give(c.RollOver(pair.taker.cfd.id, bytes(32)))
        pair.run()
        assert [told(node).fees_owed for node in (pair.taker, pair.maker)] == [owed, -owed]
        assert told(pair.taker, 50_000).unrealised == -owed


# --- warnings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("left", "hours"),
    [
        (24 * HOUR, None),
        (6 * HOUR + 1, None),
        (6 * HOUR, 6),
        (3 * HOUR + 1, 6),
        (3 * HOUR, 3),
        (1 * HOUR + 1, 3),
        (1 * HOUR, 1),
        (1, 1),
        (0, None),
        (-HOUR, None),
    ],
)
def test_warnings_before_expiry(open_pair: Any, left: int, hours: int | None) -> None:
    node = open_pair.taker
    text = "" if hours is None else f"expires in less than {hours} h and is not rolled over"
    assert told(node, now=node.cfd.expiry - left).warning == text


def test_only_an_open_cfd_is_warned_about(quick: Any) -> None:
    quick.take()
    assert told(quick.taker, now=quick.taker.cfd.expiry - 1).warning == ""
    quick.run()
    quick.confirm_lock()
    assert told(quick.taker, now=quick.taker.cfd.expiry - 1).warning
    quick.taker.give(c.ForceClose(quick.taker.cfd.id))
    assert told(quick.taker, now=quick.taker.cfd.expiry - 1).warning == ""


# --- words and deadlines, phase by phase -----------------------------------------------------------------------------


def test_setting_up(quick: Any) -> None:
    quick.take()
    found = told(quick.taker, 60_000)
    assert (found.state, found.actions, found.deadline) == ("setting up", (), None)
    assert (found.worst_case, found.fees_owed) == (0, 0), "nothing is at stake yet"


@pytest.mark.parametrize(("phase", "state"), [(p.Rejected, "rejected"), (p.SetupFailed, "failed")])
def test_what_never_began(quick: Any, phase: Any, state: str) -> None:
    quick.take()
    found = told(quick.taker, 60_000, phase=phase("the maker sleeps"))
    assert (found.state, found.actions, found.deadline) == (state, (), None)
    assert "the maker sleeps" in found.meaning
    assert (found.realised, found.unrealised, found.worst_case) == (0, None, 0)


def test_a_lock_of_which_a_signature_is_missing(open_pair: Any) -> None:
    node = open_pair.taker
    found = told(node, phase=p.LockSignedUnseen(Timestamp(1000)))
    assert found.state == "lock signed, not seen"
    assert found.deadline == Deadline("the lock is cancelled", Timestamp(1000 + DEADLINES.cancel_after), None)
    assert found.worst_case == found.margin


def test_on_its_way_and_open(quick: Any) -> None:
    quick.take()
    quick.run()
    for node in quick.nodes:
        assert (told(node).state, told(node).deadline) == ("opening", None)
        assert told(node).actions == ("force close",)
    quick.confirm_lock()
    for node in quick.nodes:
        found = told(node)
        assert (found.state, found.actions) == ("open", ("roll over", "settle", "force close"))
        assert found.deadline == Deadline("expiry", node.cfd.expiry, None)
        assert found.worst_case == found.margin


def test_an_outcome_gives_an_hour_to_settle(hourly_pair: Any) -> None:
    pair = hourly_pair
    pair.attest(48_935)
    for node in pair.nodes:
        found = told(node)
        by = Timestamp(node.cfd.expiry + DEADLINES.settle_within)
        assert (found.state, found.actions) == ("open", ("settle", "force close"))
        assert found.deadline == Deadline("the position is closed on the chain", by, None)


def test_closing_with_an_outcome(hourly_pair: Any) -> None:
    pair = hourly_pair
    pair.attest(48_935)
    pair.taker.give(c.ForceClose(pair.taker.cfd.id))
    pair.run()
    for node in pair.nodes:
        assert isinstance(node.phase, p.CommitPending)
        assert (told(node).state, told(node).actions, told(node).deadline) == ("closing", (), None)
    pair.mine()
    height = pair.chain.height
    for node in pair.nodes:
        found = told(node)
        assert found.state == "closing"
        assert "timelock" in found.meaning
        assert found.deadline == Deadline("the CET can be sent", None, height + 11)
    pair.mine(11)
    for node in pair.nodes:
        assert isinstance(node.phase, p.ExitPending)
        assert (told(node).state, told(node).deadline) == ("paying out", None)
        assert "CET" in told(node).meaning
    pair.mine()
    for node in pair.nodes:
        assert told(node).deadline == Deadline("final", None, pair.chain.height + 2)
    pair.mine(2)
    long, short = (told(node, 60_000) for node in (pair.taker, pair.maker))
    for found in (long, short):
        assert (found.state, found.actions, found.deadline) == ("closed", (), None)
        assert (found.unrealised, found.worst_case) == (None, 0)
    assert long.realised is not None
    assert short.realised is not None
    assert long.realised + short.realised == 0
    assert abs(long.realised - (2_000_000 - Fraction(10**11, 48_935))) <= Fraction(25, 10_000) * long.pool
    assert long.profit_percent == Fraction(100 * long.realised, 1_000_000)


def test_closing_without_an_outcome_waits_for_the_refund(hourly_pair: Any) -> None:
    pair = hourly_pair
    pair.taker.give(c.ForceClose(pair.taker.cfd.id))
    pair.mine()
    for node in pair.nodes:
        found = told(node)
        assert "not spoken yet" in found.meaning
        assert found.deadline == Deadline("the refund can be sent", None, pair.chain.height + 215)
    pair.mine(215 + 3)
    for node in pair.nodes:
        found = told(node)
        assert (found.state, found.meaning, found.realised) == ("closed", "Ended by refund.", 0)


def test_settling_together(hourly_pair: Any) -> None:
    pair = hourly_pair
    pair.taker.give(c.ProposeSettlement(pair.taker.cfd.id, Decimal(50_000)))
    pair.run()
    for node in pair.nodes:
        assert (told(node).state, told(node).actions, told(node).deadline) == ("settling", ("force close",), None)
    pair.mine()
    for node in pair.nodes:
        assert (told(node).state, told(node).deadline) == ("settling", Deadline("final", None, pair.chain.height + 2))
    pair.mine(2)
    for node in pair.nodes:
        found = told(node)
        assert (found.meaning, found.realised, found.profit_percent) == ("Ended by close.", 0, Fraction(0))


def test_punishing(hourly_pair: Any) -> None:
    pair = hourly_pair
    commit = pair.taker.held.live.sign_commit(pair.taker.settings.keychain.cfd_keys(pair.taker.cfd.key_id, 0))
    pair.later(2 * HOUR)
    pair.taker.give(c.RollOver(pair.taker.cfd.id, bytes(32)))
    pair.run()
    phase = p.CommitPending(p.Commit(0, commit.serialize(), 110))
    found = told(pair.maker, phase=phase)
    assert found.state == "punishing"
    assert "revoked" in found.meaning
    live = told(pair.maker, phase=p.CommitPending(p.Commit(1, b"commit", 110)))
    assert live.state == "closing"


def test_what_a_punishment_costs_and_brings(open_pair: Any) -> None:
    node = open_pair.maker
    pool = node.cfd.terms.pool
    won = told(node, phase=p.Closed(e.ExitKind.PUNISH, pool, Sats(0), 300))
    assert (won.meaning, won.realised, won.profit_percent) == ("Ended by punishment.", 1_000_000, Fraction(50))
    lost = told(open_pair.taker, phase=p.Closed(e.ExitKind.PUNISH, pool, Sats(0), 300))
    assert (lost.realised, lost.profit_percent) == (-1_000_000, Fraction(-100))


def test_a_lock_that_can_never_appear(open_pair: Any) -> None:
    found = told(open_pair.taker, phase=p.LockConflict(b"other", 0))
    assert (found.state, found.actions) == ("cancelling", ())
    closed = told(open_pair.taker, phase=p.Closed(e.ExitKind.CANCEL, Sats(0), Sats(0), 300))
    assert (closed.state, closed.meaning, closed.realised) == ("closed", "Ended by cancellation.", 0)


def test_an_oracle_that_contradicts_itself(hourly_pair: Any) -> None:
    pair = hourly_pair
    pair.attest(48_935)
    pair.attest(52_000)
    pair.taker.give(c.ForceClose(pair.taker.cfd.id))
    pair.mine()
    found = told(pair.taker)
    assert (found.state, found.actions) == ("oracle contradicts itself", ("choose",))
    assert found.warning == "the oracle signed two different prices for one event"
    pair.taker.give(c.ChooseOutcome(pair.taker.cfd.id, 48_935))
    assert told(pair.taker).state == "closing"
    assert told(pair.taker).warning, "the proof of its fault stays"
