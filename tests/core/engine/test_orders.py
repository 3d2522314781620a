"""Orders and offers: what a maker refuses, what a taker refuses to send, and who decides."""

import hashlib
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from attrs import evolve

from cfd_core import effects as f
from cfd_core import inputs as i
from cfd_core.cfd import commands as c
from cfd_core.cfd import phases as p
from cfd_core.engine import Policy
from cfd_core.errors import RuleViolation
from cfd_core.protocols.contract_setup import messages as m
from cfd_core.values import CfdId, EventId, FeeRate, Network, OfferId, PeerId, Position, RunId, Sats, Timestamp

NOW = Timestamp(1633298400)
MAKER, TAKER = PeerId("SHA256:maker"), PeerId("SHA256:taker")
CFD = CfdId("ab" * 16)
E32 = bytes(range(32))


def say(node: Any, message: i.Message, run: str = "in", now: Timestamp = NOW, peer: PeerId = TAKER) -> list[Any]:
    """Open a stream to the maker and say one thing; what the maker does about it."""
    node.give(i.StreamOpened(RunId(run), peer, m.PROTOCOL, E32), now)
    node.todo.clear()
    node.give(i.MessageReceived(RunId(run), message), now)
    return list(node.todo)


def order(pair: Any, **changes: Any) -> m.Order:
    return evolve(m.Order(CFD, pair.offer.id, Position.LONG, 1_000, 2), **changes)


def refused(effects: list[Any]) -> str:
    """Exactly a reason and the end of the stream."""
    send, close = effects
    assert isinstance(send.message, m.Reject)
    assert isinstance(close, f.CloseStream)
    return str(send.message.reason)


ORDERS: dict[str, tuple[dict[str, Any], str]] = {
    "unknown offer": ({"offer": OfferId("ee" * 16)}, "no such offer"),
    "too few contracts": ({"quantity": 0}, "outside the offer's"),
    "negative quantity": ({"quantity": -1_000}, "outside the offer's"),
    "below the minimum": ({"quantity": 99}, "outside the offer's"),
    "above the maximum": ({"quantity": 10_100}, "outside the offer's"),
    "astronomic": ({"quantity": 10**4_000}, "outside the offer's"),
    "no whole lot": ({"quantity": 150}, "not a multiple of the lot"),
    "another leverage": ({"leverage": 3}, "not among the offer's"),
    "no leverage": ({"leverage": 0}, "not among the offer's"),
    "negative leverage": ({"leverage": -2}, "not among the offer's"),
}


@pytest.mark.parametrize("name", ORDERS)
def test_orders_outside_the_offer(quick: Any, name: str) -> None:
    change, reason = ORDERS[name]
    assert reason in refused(say(quick.maker, order(quick, **change)))
    assert not quick.maker.engine.cfds
    assert not quick.maker.engine.runs
    assert quick.maker.event_names() == ["OfferPublished"]


@pytest.mark.parametrize(("side", "missing"), [("bid", Position.SHORT), ("ask", Position.LONG)])
def test_a_one_sided_offer(make_pair: Any, side: str, missing: Position) -> None:
    pair = make_pair(tolerance=Decimal("0.05"), **{side: None})
    assert f"no price for going {missing.value}" in refused(say(pair.maker, order(pair, position=missing)))
    with pytest.raises(RuleViolation, match="no price for going"):
        pair.take(missing)
    pair.take(missing.other)
    pair.run()
    assert isinstance(pair.taker.phase, p.LockPending)


def test_a_withdrawn_offer(quick: Any) -> None:
    quick.maker.give(c.WithdrawOffer(quick.offer.id))
    assert "no such offer" in refused(say(quick.maker, order(quick)))
    with pytest.raises(RuleViolation, match="no offer"):
        quick.maker.give(c.WithdrawOffer(quick.offer.id))
    quick.take()
    quick.run()
    assert isinstance(quick.taker.phase, p.Rejected)
    assert "no such offer" in quick.taker.phase.reason


@pytest.mark.parametrize(("age", "stale"), [(0, False), (600, False), (601, True), (-600, False), (-601, True)])
def test_stale_offers(quick: Any, age: int, stale: bool) -> None:
    now = Timestamp(NOW + age)
    take = c.TakeOffer(MAKER, quick.offer.id, Position.LONG, 1_000, 2, E32)
    if stale:
        assert refused(say(quick.maker, order(quick), now=now)) == "the offer is stale"
        with pytest.raises(RuleViolation, match="stale"):
            quick.taker.give(take, now)
        with pytest.raises(RuleViolation, match="stale"):
            quick.maker.give(c.PublishOffer(quick.offer), now)
    else:
        sent = [x.message for x in say(quick.maker, order(quick), now=now) if isinstance(x, f.SendMessage)]
        assert sent == [m.Accept(CFD)]
        quick.taker.give(take, now)


def bad_offers(pair: Any) -> dict[str, tuple[Any, str]]:
    return {
        "another network": (evolve(pair.offer, network=Network.MAINNET), "the offer is for mainnet"),
        "dear fees": (evolve(pair.offer, fee_rate=FeeRate(501)), "over our limit"),
        "unknown event": (evolve(pair.offer, event="/x/other"), "not known yet"),
        "another expiry": (evolve(pair.offer, expiry=Timestamp(pair.offer.expiry - 60)), "not those that the oracle"),
        "other digits": (evolve(pair.offer, digits=19), "not those that the oracle"),
    }


@pytest.mark.parametrize("name", ["another network", "dear fees", "unknown event", "another expiry", "other digits"])
def test_offers_refused_on_both_sides(quick: Any, name: str) -> None:
    offer, reason = bad_offers(quick)[name]
    with pytest.raises(RuleViolation, match=reason):
        quick.maker.give(c.PublishOffer(offer))
    quick.taker.give(c.LearnOffers(MAKER, (offer,)))
    with pytest.raises(RuleViolation, match=reason):
        quick.take()
    assert not quick.taker.engine.cfds
    assert not quick.taker.log


@pytest.mark.parametrize("left", [-1, 0, 3_599, 25 * 3_600 + 1])
def test_events_that_are_due_or_too_far(make_pair: Any, left: int) -> None:
    pair = make_pair()
    now = Timestamp(pair.offer.expiry - left)
    offer = evolve(pair.offer, published_at=now)
    with pytest.raises(RuleViolation, match="outside our limits"):
        pair.maker.give(c.PublishOffer(offer), now)
    pair.taker.give(c.LearnOffers(MAKER, (offer,)), now)
    with pytest.raises(RuleViolation, match="outside our limits"):
        pair.taker.give(c.TakeOffer(MAKER, offer.id, Position.LONG, 1_000, 2, E32), now)
    settings = evolve(pair.maker.settings, policy=Policy(min_term=-10, max_term=10**9))
    lax = evolve(pair.maker.engine, settings=settings).handle(c.PublishOffer(offer), now).engine
    strict = evolve(lax, settings=pair.maker.settings)
    opened = strict.handle(i.StreamOpened(RunId("x"), TAKER, m.PROTOCOL, E32), now).engine
    step = opened.handle(i.MessageReceived(RunId("x"), order(pair)), now)
    assert "outside our limits" in refused(list(step.effects))


def test_the_taker_checks_its_own_order(quick: Any) -> None:
    for quantity, leverage, reason in ((50, 2, "outside"), (150, 2, "multiple"), (1_000, 3, "leverage 3")):
        with pytest.raises(RuleViolation, match=reason):
            quick.take(quantity=quantity, leverage=leverage)
    with pytest.raises(RuleViolation, match="no offer"):
        quick.taker.give(c.TakeOffer(MAKER, OfferId("ee" * 16), Position.LONG, 1_000, 2, E32))
    with pytest.raises(RuleViolation, match="no offer"):
        quick.taker.give(c.TakeOffer(TAKER, quick.offer.id, Position.LONG, 1_000, 2, E32))
    for size in (0, 15, 16, 31, 33):
        with pytest.raises(RuleViolation, match="32 bytes of entropy"):
            quick.taker.give(c.TakeOffer(MAKER, quick.offer.id, Position.LONG, 1_000, 2, bytes(size)))
    quick.take()
    with pytest.raises(RuleViolation, match="used before"):
        quick.take()


def test_a_leverage_that_is_a_text_is_told_as_one(quick: Any) -> None:
    with pytest.raises(RuleViolation, match="leverage '2' is not among the offer's 1, 2"):
        quick.take(leverage="2")


def test_offers_whose_contract_would_pay_one_price(make_pair: Any) -> None:
    """Nothing is at stake: a contract of one CET is no contract."""
    pair = make_pair(tolerance=Decimal("0.1"), leverages=(1,))
    flat = evolve(pair.offer, opening_fee=Sats(10**12))
    pair.maker.give(c.PublishOffer(flat))
    pair.taker.give(c.LearnOffers(MAKER, (flat,)))
    with pytest.raises(RuleViolation, match="the same at every price"):
        pair.take(quantity=100, leverage=1)
    assert "the same at every price" in refused(say(pair.maker, order(pair, quantity=100, leverage=1)))


def test_an_order_twice(quick: Any) -> None:
    say(quick.maker, order(quick), run="one")
    before = list(quick.maker.log)
    assert "placed before" in refused(say(quick.maker, order(quick), run="two"))
    assert "placed before" in refused(say(quick.maker, order(quick), run="three", peer=PeerId("SHA256:other")))
    assert quick.maker.log == before


def test_a_takers_cfd_id_cannot_be_taken_again_after_it_failed(quick: Any) -> None:
    say(quick.maker, order(quick), run="one")
    quick.maker.give(i.StreamClosed(RunId("one"), "cut"))
    assert isinstance(quick.maker.phase, p.SetupFailed)
    assert "placed before" in refused(say(quick.maker, order(quick), run="two"))


@pytest.mark.parametrize(
    "message",
    [m.Accept(CFD), m.Reject(CFD, "x"), m.Agreement(CFD, bytes(32)), m.LockSignatures(CFD, ())],
    ids=lambda message: type(message).__name__,
)
def test_the_first_message_is_an_order(quick: Any, message: i.Message) -> None:
    assert refused(say(quick.maker, message)) == "that is not how this protocol begins"
    assert not quick.maker.engine.runs


def test_streams_of_other_protocols_and_too_many_streams(quick: Any) -> None:
    maker = quick.maker
    maker.give(i.StreamOpened(RunId("other"), TAKER, "cfd-setup@2", E32))
    assert list(maker.todo) == [f.CloseStream(RunId("other"))]
    assert not maker.engine.runs
    for number in range(20):
        maker.give(i.StreamOpened(RunId(f"run {number}"), TAKER, m.PROTOCOL, E32))
    assert len(maker.engine.runs) == Policy().max_runs_per_peer == 16
    assert list(maker.todo)[1:] == [f.CloseStream(RunId(f"run {number}")) for number in range(16, 20)]
    maker.give(i.StreamOpened(RunId("friend"), PeerId("SHA256:other"), m.PROTOCOL, E32))
    assert RunId("friend") in maker.engine.runs
    with pytest.raises(RuleViolation, match="exists already"):
        maker.give(i.StreamOpened(RunId("friend"), TAKER, m.PROTOCOL, E32))
    with pytest.raises(RuleViolation, match="32 bytes"):
        maker.give(i.StreamOpened(RunId("weak"), MAKER, m.PROTOCOL, bytes(16)))


def test_silent_streams_time_out(quick: Any) -> None:
    quick.maker.give(i.StreamOpened(RunId("quiet"), TAKER, m.PROTOCOL, E32))
    assert quick.maker.engine.deadline == NOW + 60
    quick.maker.give(i.TimerFired(), Timestamp(NOW + 60))
    assert not quick.maker.engine.runs
    assert quick.maker.engine.deadline is None
    assert list(quick.maker.todo) == [f.CloseStream(RunId("quiet"))]


def test_too_many_open_cfds_with_one_taker(make_pair: Any) -> None:
    pair = make_pair(maker_policy=Policy(max_cfds_per_peer=2), tolerance=Decimal("0.1"))
    effects: list[Any] = []
    for number in range(3):
        key = CfdId(hashlib.sha256(bytes([number])).hexdigest()[:32])
        effects = say(pair.maker, order(pair, cfd_id=key), run=str(number))
    assert "too many open CFDs" in refused(effects)
    pair.maker.give(i.StreamClosed(RunId("0"), "cut"))
    say(pair.maker, order(pair), run="again")
    assert RunId("again") in pair.maker.engine.runs


def deciding(make_pair: Any, **policy: Any) -> Any:
    pair = make_pair(maker_policy=Policy(**policy), tolerance=Decimal("0.1"))
    pair.take()
    pair.run()
    return pair


def test_orders_above_the_limit_wait_for_a_person(make_pair: Any, audit: Callable[[Any], None]) -> None:
    margin = 2_000_000
    pair = deciding(make_pair, accept_up_to=Sats(margin - 1))
    assert isinstance(pair.maker.phase, p.SettingUp)
    assert not pair.maker.sent(m.Accept)
    pair.maker.give(c.AcceptOrder(pair.maker.cfd.id))
    with pytest.raises(RuleViolation, match="OrderApproved is not due"):
        pair.maker.give(c.AcceptOrder(pair.maker.cfd.id))
    with pytest.raises(RuleViolation, match="OrderRefused is not due"):
        pair.maker.give(c.RejectOrder(pair.maker.cfd.id, "too late"))
    pair.run()
    assert isinstance(pair.taker.phase, p.LockPending)
    audit(pair)
    at_limit = deciding(make_pair, accept_up_to=Sats(margin))
    assert isinstance(at_limit.maker.phase, p.LockPending)


def test_a_person_rejects(make_pair: Any, audit: Callable[[Any], None]) -> None:
    pair = deciding(make_pair, accept_up_to=Sats(0))
    pair.maker.give(c.RejectOrder(pair.maker.cfd.id, "not today\n" + "x" * 10_000))
    pair.run()
    assert isinstance(pair.taker.phase, p.Rejected)
    assert pair.taker.phase.reason.startswith("not today x")
    assert len(pair.taker.phase.reason) <= 500
    assert isinstance(pair.maker.phase, p.Rejected)
    audit(pair)


def test_nobody_decides_in_time(make_pair: Any, audit: Callable[[Any], None]) -> None:
    pair = deciding(make_pair, accept_up_to=Sats(0))
    pair.fire_timers()
    assert isinstance(pair.maker.phase, p.SetupFailed)
    assert isinstance(pair.taker.phase, p.SetupFailed | p.Rejected)
    with pytest.raises(RuleViolation, match="waits for a decision"):
        pair.maker.give(c.AcceptOrder(pair.maker.cfd.id))
    audit(pair)


def test_decisions_about_nothing(quick: Any) -> None:
    for command in (c.AcceptOrder(CFD), c.RejectOrder(CFD, "no")):
        with pytest.raises(RuleViolation, match="waits for a decision"):
            quick.maker.give(command)
    with pytest.raises(RuleViolation, match="no CFD"):
        quick.maker.give(c.ForceClose(CFD))


@pytest.mark.parametrize("who", ["maker", "taker"])
def test_a_poor_wallet(quick: Any, audit: Callable[[Any], None], who: str) -> None:
    poor, other = (quick.maker, quick.taker) if who == "maker" else (quick.taker, quick.maker)
    poor.wallet.coins = []
    quick.take()
    quick.run()
    assert poor.phase == p.SetupFailed("not enough coins")
    assert "cannot fund the contract" in other.phase.reason
    assert "coins" not in other.phase.reason, "what is in a wallet is nobody's business"
    audit(quick)


def test_learned_offers_replace_earlier_ones_and_ask_for_events(quick: Any) -> None:
    unknown = evolve(quick.offer, id=OfferId("1f" * 16), event=EventId("/x/other"))
    quick.taker.give(c.LearnOffers(MAKER, (unknown, evolve(unknown, id=OfferId("2f" * 16)), quick.offer)))
    assert list(quick.taker.todo) == [f.FetchAnnouncement(EventId("/x/other"))]
    quick.taker.give(c.LearnOffers(MAKER, ()))
    with pytest.raises(RuleViolation, match="no offer"):
        quick.take()


def test_what_is_still_on_the_wire_after_the_end_is_ignored(quick: Any) -> None:
    for happened in (
        i.MessageReceived(RunId("gone"), m.Accept(CFD)),
        i.MessageUndecodable(RunId("gone"), "x"),
        i.StreamClosed(RunId("gone"), "x"),
        i.CoinsReserved(CFD, (), b"", b""),
        i.CetsVerified(CFD, RunId("gone"), None),
        i.InputsChecked(CFD, ()),
        i.LockInputsSigned(CFD, b"x"),
    ):
        before = quick.maker.engine
        step = before.handle(happened, NOW)
        assert (step.events, step.effects) == ((), ())
        assert step.engine == before


def abandoned(maker: Any, number: int, at: int, peer: PeerId = TAKER) -> bool:
    """One more order of a peer that then goes away; whether the maker began to set it up."""
    now, run = Timestamp(NOW + at), RunId(f"spam {number} {peer}")
    key = CfdId(f"{number:032x}")
    (offer,) = maker.engine.offers
    maker.give(i.StreamOpened(run, peer, m.PROTOCOL, E32), now)
    maker.give(i.MessageReceived(run, m.Order(key, offer, Position.LONG, 1_000, 2)), now)
    maker.give(i.StreamClosed(run, "gone"), now)
    return key in maker.engine.cfds


def test_orders_that_come_to_nothing_are_limited_by_the_hour_and_peer(make_pair: Any) -> None:
    pair = make_pair(maker_policy=Policy(max_failed_orders_per_hour=3), tolerance=Decimal("0.05"))
    assert [abandoned(pair.maker, n, n) for n in range(5)] == [True, True, True, False, False]
    stored = len(pair.maker.log)
    assert not abandoned(pair.maker, 5, 60)
    assert len(pair.maker.log) == stored, "a refused order stores nothing"
    assert abandoned(pair.maker, 6, 60, PeerId("SHA256:another")), "others are not held to it"
    pair.maker.restart()
    assert not abandoned(pair.maker, 7, 61), "a restart forgets nothing"


def test_what_was_stored_of_a_failed_order_is_little(quick: Any) -> None:
    before = len(quick.maker.records)
    assert abandoned(quick.maker, 1, 0)
    found = [record for record in quick.maker.records[before:] if record.name != "announcement-kept"]
    assert [record.name for record in found] == ["order-placed", "contract-setup-failed"]
    assert sum(len(record.payload) for record in found) < 2_000
