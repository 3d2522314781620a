"""A counterparty that lies, stops or repeats while the CFD settles: one price at most, and force close stays open."""

from decimal import Decimal
from typing import Any

import pytest
from attrs import evolve

from cfd_core import inputs as i
from cfd_core.bitcoin.transaction import Transaction
from cfd_core.cfd import commands as c
from cfd_core.cfd import phases as p
from cfd_core.cfd.events import ExitKind
from cfd_core.errors import RuleViolation
from cfd_core.protocols.rollover import messages as rollover
from cfd_core.protocols.settlement import messages as m
from cfd_core.serial import wire
from cfd_core.testing import Parcel
from cfd_core.values import HOUR, PeerId, Role, RunId

E32 = bytes(range(32))
PRICE = Decimal("50123.5")
roles = pytest.mark.parametrize("victim", list(Role), ids=lambda role: f"to the {role.value}")


@pytest.fixture
def deal(make_pair: Any) -> Any:
    """Open, with few CETs and no liquidation events."""
    pair = make_pair(own_oracle=True, tolerance=Decimal("0.1"), liquidations=())
    pair.take()
    pair.run()
    pair.confirm_lock()
    return pair


def node_of(pair: Any, role: Role) -> Any:
    return pair.maker if role is Role.MAKER else pair.taker


def propose(pair: Any, role: Role, price: Decimal = PRICE) -> None:
    node = node_of(pair, role)
    node.give(c.ProposeSettlement(node.cfd.id, price))
    pair.run()


def accept(pair: Any, role: Role) -> None:
    node = node_of(pair, role)
    node.give(c.AcceptSettlement(node.cfd.id))
    pair.run()


def ends(pair: Any) -> ExitKind:
    """A force close, or the close if that is on its way: both see the same end."""
    for node in pair.nodes:
        if isinstance(node.phase, p.Open):
            node.give(c.ForceClose(node.cfd.id))
            break
    pair.attest(48_935, pair.taker.cfd.settlement.event_id)
    pair.mine(20)
    assert pair.taker.phase == pair.maker.phase
    assert isinstance(pair.taker.phase, p.Closed)
    return pair.taker.phase.kind


LIES: dict[str, Any] = {
    "another price": lambda x: evolve(x, price=x.price + 1),
    "another digest": lambda x: evolve(x, digest=bytes(32)),
}


@roles
@pytest.mark.parametrize("name", LIES)
def test_price_and_digest_must_fit(deal: Any, victim: Role, name: str) -> None:
    node = node_of(deal, victim)
    deal.alter(node, m.Propose, LIES[name])
    propose(deal, victim.other)
    assert not node.engine.runs
    assert not node.sent(m.Accept)
    assert not node.sent(m.CloseSignature)
    assert ends(deal) is ExitKind.CET


@pytest.mark.parametrize("price", ["0", "-1", "1E+30", "0.000000001", "NaN", "50000.123456789", "1E-999999999"])
def test_a_price_that_is_none_does_not_decode(deal: Any, price: str) -> None:
    def absurd(message: Any) -> bytes:
        raw = wire.encode_message(message)
        return raw.replace(b'"price":"50123.5"', f'"price":"{price}"'.encode())

    deal.alter(deal.maker, m.Propose, absurd)
    propose(deal, Role.TAKER)
    assert not deal.maker.engine.runs
    assert not deal.maker.sent(m.CloseSignature)
    assert ends(deal) is ExitKind.CET


@roles
@pytest.mark.parametrize("price", ["0.00000001", "999999999999", "1"])
def test_extreme_prices_pay_the_whole_pool_to_one_side(deal: Any, victim: Role, price: str) -> None:
    propose(deal, victim.other, Decimal(price))
    accept(deal, victim)
    deal.mine(4)
    phase = deal.taker.phase
    assert phase.kind is ExitKind.CLOSE
    assert phase.maker + phase.taker == deal.taker.cfd.terms.pool


SIGNATURES: dict[str, Any] = {
    "none": lambda x: evolve(x, signature=b""),
    "a flipped bit": lambda x: evolve(x, signature=x.signature[:20] + bytes([x.signature[20] ^ 1]) + x.signature[21:]),
    "a sighash byte": lambda x: evolve(x, signature=x.signature + b"\x01"),
    "very long": lambda x: evolve(x, signature=bytes(300_000)),
}


@roles
@pytest.mark.parametrize("name", SIGNATURES)
def test_a_bad_signature_on_the_close(deal: Any, victim: Role, name: str) -> None:
    """To the accepter: nothing of ours leaves. To the proposer: its signature is out; force close stays open."""
    node = node_of(deal, victim)
    deal.chain_speaks = False
    deal.alter(node, m.CloseSignature, SIGNATURES[name])
    propose(deal, victim.other)
    accept(deal, victim)
    assert not node.sent(m.CloseSignature)
    assert node.held.close is None
    deal.cut()
    deal.tamper = lambda _to, raw: raw
    liar = node_of(deal, victim.other)
    assert liar.held.close is not None
    assert not liar.held.close.complete
    deal.chain_speaks = True
    assert ends(deal) is ExitKind.CET


@roles
@pytest.mark.parametrize("name", SIGNATURES)
def test_a_proposer_without_the_last_signature(deal: Any, victim: Role, name: str) -> None:
    deal.alter(node_of(deal, victim), m.CloseSignature, SIGNATURES[name])
    propose(deal, victim)
    accept(deal, victim.other)
    assert not node_of(deal, victim).engine.runs
    deal.mine(4)
    for node in deal.nodes:
        assert node.phase.kind is ExitKind.CLOSE, "the other side broadcast it"


@pytest.mark.parametrize("proposer", list(Role), ids=lambda role: role.value)
@pytest.mark.parametrize("which", range(4))
@pytest.mark.parametrize("copies", [0, 2], ids=["lost", "doubled"])
def test_a_message_lost_or_doubled(deal: Any, audit: Any, proposer: Role, which: int, copies: int) -> None:
    count = iter(range(10**6))

    def tamper(to: Any, raw: bytes) -> bytes | None:
        if next(count) != which:
            return raw
        for _ in range(copies - 1):
            deal.network.wire.appendleft(Parcel(to.peer, deal.run_of(to), raw))
        return raw if copies else None

    deal.tamper = tamper
    propose(deal, proposer)
    other = node_of(deal, proposer.other)
    if any(run.state is not None for run in other.engine.runs.values()):
        accept(deal, proposer.other)
    deal.tamper = lambda _to, raw: raw
    deal.fire_timers(60)
    audit(deal)
    assert ends(deal) in (ExitKind.CET, ExitKind.CLOSE)


def samples(pair: Any) -> list[i.Message]:
    key = pair.taker.cfd.id
    return [
        m.Propose(key, PRICE, bytes(32)),
        m.Accept(key),
        m.CloseSignature(key, b"\x30"),
        m.Reject(key, "no"),
        rollover.Agreement(key, bytes(32)),
        rollover.Revocation(key, 0, bytes(32)),
    ]


@roles
@pytest.mark.parametrize("kind", range(6))
def test_a_message_out_of_turn_in_every_state(make_pair: Any, audit: Any, victim: Role, kind: int) -> None:
    pair = None
    for steps in range(14):
        pair = make_pair(own_oracle=True, tolerance=Decimal("0.1"), liquidations=())
        pair.take()
        pair.run()
        pair.confirm_lock()
        pair.taker.give(c.ProposeSettlement(pair.taker.cfd.id, pair.offer.bid))
        pair.run(steps)
        node = node_of(pair, victim)
        for run in list(node.engine.runs):
            node.give(i.MessageReceived(run, samples(pair)[kind]))
        pair.run()
        pair.fire_timers(60)
        audit(pair)
    assert ends(pair) in (ExitKind.CET, ExitKind.CLOSE)


def test_first_messages_that_begin_nothing(deal: Any) -> None:
    for number, message in enumerate(samples(deal)[1:]):
        run = RunId(f"x{number}")
        deal.maker.give(i.StreamOpened(run, PeerId("SHA256:taker"), m.PROTOCOL, E32))
        deal.maker.give(i.MessageReceived(run, message))
        assert run not in deal.maker.engine.runs


@roles
def test_a_second_price_while_one_is_signed(deal: Any, victim: Role) -> None:
    """Neither by our own command nor by theirs; the same price again is fine."""
    node, liar = node_of(deal, victim), node_of(deal, victim.other)
    deal.chain_speaks = False
    deal.alter(liar, m.CloseSignature, lambda _: None)
    propose(deal, victim)
    accept(deal, victim.other)
    deal.cut()
    deal.tamper = lambda _to, raw: raw
    assert node.held.close is not None
    with pytest.raises(RuleViolation, match="second price"):
        node.give(c.ProposeSettlement(node.cfd.id, PRICE + 1))
    propose(deal, victim.other, PRICE + 1)
    assert node.held.close.price == str(PRICE)
    assert not node.engine.runs
    propose(deal, victim)
    accept(deal, victim.other)
    assert node.held.close.complete
    with pytest.raises(RuleViolation):
        node.give(c.RollOver(node.cfd.id, E32))


def test_the_same_price_again_does_not_forget_the_complete_close(deal: Any) -> None:
    """A close that the network does not take (a fee spike) is proposed again, and the other side is gone."""
    deal.chain_speaks = False
    propose(deal, Role.TAKER)
    accept(deal, Role.MAKER)
    complete = deal.taker.held.close
    assert complete.complete
    deal.alter(deal.maker, m.CloseSignature, lambda _: None)
    propose(deal, Role.TAKER)
    accept(deal, Role.MAKER)
    deal.cut()
    assert deal.taker.held.close == complete


@roles
def test_a_close_is_not_signed_once_a_commit_is_out(deal: Any, victim: Role) -> None:
    """The price was proposed before a liquidation or a force close, and must not race it."""
    node, other = node_of(deal, victim), node_of(deal, victim.other)
    deal.alter(node, m.Accept, lambda _: None)
    propose(deal, victim)
    accept(deal, victim.other)
    keys = other.settings.keychain.cfd_keys(other.cfd.key_id, 0)
    deal.chain.submit(other.held.live.sign_commit(keys))
    deal.report_news()
    deal.report_news()
    assert isinstance(node.phase, p.COMMITTED)
    for run in list(node.engine.runs):
        node.give(i.MessageReceived(run, m.Accept(node.cfd.id)))
    deal.run()
    assert not node.sent(m.CloseSignature)
    assert not node.engine.runs
    deal.tamper = lambda _to, raw: raw
    assert ends(deal) is ExitKind.CET


@roles
@pytest.mark.parametrize("steps", range(0, 12, 2))
def test_force_close_at_any_moment_of_a_settlement(deal: Any, victim: Role, steps: int) -> None:
    node = node_of(deal, victim)
    deal.taker.give(c.ProposeSettlement(deal.taker.cfd.id, deal.offer.bid))
    deal.run(steps)
    if isinstance(node.phase, p.Open):
        node.give(c.ForceClose(node.cfd.id))
    assert ends(deal) in (ExitKind.CET, ExitKind.CLOSE)


def test_equivocation_after_the_cet_was_signed_stops_it_until_someone_chooses(deal: Any) -> None:
    pair = deal
    pair.taker.give(c.ForceClose(pair.taker.cfd.id))
    pair.mine()
    pair.attest(48_935)
    assert pair.taker.cfd.exit_for(0, ExitKind.CET) is not None
    pair.attest(60_000)
    for node in pair.nodes:
        assert node.cfd.exit_for(0, ExitKind.CET) is None
    pair.mine(14)
    assert all(isinstance(node.phase, p.CommitConfirmed) for node in pair.nodes), "neither is acted on"
    for node in pair.nodes:
        node.give(c.ChooseOutcome(node.cfd.id, 60_000))
    pair.mine(4)
    draft = pair.taker.held.live.draft
    entry = draft.event(pair.announcement.event_id).find(60_000)[1]
    assert (pair.taker.phase.maker, pair.taker.phase.taker) == draft.payouts(entry)


def test_the_waiting_of_a_commit_counts_anew_after_a_reorg(deal: Any) -> None:
    commit = deal.draft.commit.txid
    deal.chain.held_back.add(commit)
    deal.taker.give(c.ForceClose(deal.taker.cfd.id))
    deal.mine(6)
    assert deal.taker.phase.commit.tip == 110
    deal.chain.held_back.clear()
    deal.mine()
    confirmed = deal.taker.phase.commit_height
    deal.chain.held_back.add(commit)
    deal.chain.reorg(1)
    deal.both(i.TipChanged(deal.chain.height))
    assert isinstance(deal.taker.phase, p.CommitPending)
    assert deal.taker.phase.commit.tip == confirmed


def test_a_cancellation_pays_more_while_it_waits_and_comes_back_when_lost(make_pair: Any) -> None:
    pair = make_pair(tolerance=Decimal("0.1"))
    pair.tamper = lambda to, raw: None if b"lock-signatures" in raw and to is pair.maker else raw
    pair.take()
    pair.run()
    pair.cut()
    pair.later(901)
    coin = pair.draft.taker.funder.inputs[0].outpoint
    first = pair.chain.spender(coin)
    pair.chain.held_back.add(first.txid)
    pair.later(HOUR)
    pair.mine()
    second = pair.chain.spender(coin)
    assert second.outputs[0].sats < first.outputs[0].sats
    pair.chain.held_back.add(second.txid)
    pair.chain.drop(second.txid)
    pair.mine()
    assert pair.chain.spender(coin) is not None, "lost, and sent again"
    pair.chain.held_back.clear()
    pair.mine(3)
    assert pair.taker.phase.kind is ExitKind.CANCEL


def test_after_the_end_nothing_is_said(deal: Any) -> None:
    propose(deal, Role.TAKER)
    accept(deal, Role.MAKER)
    deal.mine(4)
    for node in deal.nodes:
        assert isinstance(node.phase, p.Closed)
        for command in (
            c.ForceClose(node.cfd.id),
            c.RollOver(node.cfd.id, E32),
            c.ProposeSettlement(node.cfd.id, PRICE),
            c.AcceptSettlement(node.cfd.id),
            c.ChooseOutcome(node.cfd.id, 1),
        ):
            with pytest.raises(RuleViolation):
                node.give(command)
        assert node.engine.deadline is None
    assert sum(out.sats for out in Transaction.parse(deal.taker.held.close.transaction).outputs) > 0


def test_a_cancellation_signed_too_late_is_asked_for_again(make_pair: Any) -> None:
    """While the wallet signed, time passed and the rate rose."""
    pair = make_pair(tolerance=Decimal("0.1"))
    pair.chain_speaks = False
    pair.tamper = lambda to, raw: None if b"lock-signatures" in raw and to is pair.maker else raw
    pair.take()
    pair.run()
    pair.taker.now += 901
    pair.taker.give(i.TimerFired())
    (ask,) = [x for x in pair.taker.todo if type(x).__name__ == "SignCancel"]
    pair.taker.now += 4 * HOUR
    before = pair.taker.cfd
    pair.taker.give(i.CancelInputSigned(ask.cfd_id, pair.taker.wallet.sign(ask.psbt)))
    assert pair.taker.cfd == before
    pair.taker.give(i.TipChanged(110))
    pair.run()
    assert pair.taker.held.cancel
