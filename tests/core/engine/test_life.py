"""Every way a CFD can go, without a socket: rollover, settlement, liquidation, refund, punishment, cancellation."""

from decimal import Decimal
from typing import Any

import pytest

from cfd_core import inputs as i
from cfd_core.bitcoin.transaction import Transaction
from cfd_core.cfd import commands as c
from cfd_core.cfd import phases as p
from cfd_core.cfd.events import CloseReason, ExitKind
from cfd_core.errors import RuleViolation
from cfd_core.oracle import read_attestation
from cfd_core.testing import attestation
from cfd_core.values import HOUR, Position

ENTROPY = bytes(range(32))


def closed(pair: Any, kind: ExitKind) -> p.Closed:
    for node in pair.nodes:
        assert isinstance(node.cfd.phase, p.Closed), node.cfd.phase
        assert node.cfd.phase.kind is kind
    end: p.Closed = pair.taker.cfd.phase
    assert end == pair.maker.cfd.phase
    return end


def roll_over(pair: Any, hours: int = 2) -> None:
    pair.later(hours * HOUR)
    pair.taker.give(c.RollOver(pair.taker.cfd.id, ENTROPY))
    pair.run()


# --- rollover ------------------------------------------------------------------------------------------------------


def test_a_rollover_moves_the_expiry_and_revokes_the_old_revision(hourly_pair: Any) -> None:
    pair = hourly_pair
    before = pair.taker.cfd.expiry
    roll_over(pair)
    for node in pair.nodes:
        held = node.cfd.held
        assert held.live.number == 1
        assert held.old is None
        assert held.next is None
        assert [revoked.number for revoked in held.revoked] == [0]
        assert node.cfd.expiry == before + 2 * HOUR
        assert list(node.revisions) == [(node.cfd.id, 1)], "the old CET signatures are dropped"
    assert pair.taker.cfd.held.live.draft.fingerprint == pair.maker.cfd.held.live.draft.fingerprint


@pytest.mark.parametrize("side", ["maker", "taker"])
def test_either_side_may_propose(hourly_pair: Any, side: str) -> None:
    pair = hourly_pair
    pair.later(HOUR)
    node = getattr(pair, side)
    node.give(c.RollOver(node.cfd.id, ENTROPY))
    pair.run()
    assert [n.cfd.held.live.number for n in pair.nodes] == [1, 1]


def test_24_rollovers_then_the_cet_of_the_last_revision(hourly_pair: Any) -> None:
    pair = hourly_pair
    for _ in range(24):
        roll_over(pair, hours=1)
    assert [node.cfd.held.live.number for node in pair.nodes] == [24, 24]
    settlement = pair.taker.cfd.settlement.event_id
    pair.attest(48_935, settlement)
    pair.taker.give(c.ForceClose(pair.taker.cfd.id))
    pair.mine(16)
    closed(pair, ExitKind.CET)


def test_funding_is_charged_by_the_hours_moved(make_pair: Any) -> None:
    pair = make_pair(own_oracle=True, funding_rate=Decimal("0.00024"), opening_fee=2)
    pair.take(quantity=100)
    pair.run()
    pair.confirm_lock()
    owed = [pair.taker.cfd.balance]
    for _ in range(3):
        roll_over(pair, hours=24)
        owed.append(pair.taker.cfd.balance)
    assert owed == [50, 98, 146, 194]
    assert pair.maker.cfd.balance == 194


def test_a_rollover_cut_after_any_message_is_completed_or_forgotten(make_pair: Any) -> None:
    outcomes = set()
    for messages in range(14):
        pair = opened(make_pair)
        pair.later(2 * HOUR)
        left = [messages]

        def count(_to: Any, raw: bytes, left: list[int] = left) -> bytes | None:
            left[0] -= 1
            return raw if left[0] >= 0 else None

        pair.tamper = count
        pair.taker.give(c.RollOver(pair.taker.cfd.id, ENTROPY))
        pair.run()
        pair.tamper = lambda _to, raw: raw
        pair.cut()
        for node in pair.nodes:
            node.restart()
        pair.reconnect()
        live = [node.cfd.held.live.number for node in pair.nodes]
        assert abs(live[0] - live[1]) <= 1
        for node in pair.nodes:
            node.give(c.ForceClose(node.cfd.id))
            break
        pair.mine()
        committed = pair.taker.cfd.phase.commit.number
        event = pair.taker.cfd.held.settleable(committed).draft.revision.settlement
        pair.attest(48_935, event)
        pair.mine(16)
        closed(pair, ExitKind.CET)
        outcomes.add((committed, *live))
    assert (0, 0, 0) in outcomes
    assert (1, 1, 1) in outcomes


def opened(make_pair: Any, **offer: Any) -> Any:
    pair = make_pair(own_oracle=True, **offer)
    pair.take()
    pair.run()
    pair.confirm_lock()
    return pair


def test_after_our_commit_signature_only_the_same_rollover_can_go_on(hourly_pair: Any) -> None:
    pair = hourly_pair
    pair.later(2 * HOUR)
    pair.tamper = lambda _to, raw: None if b"commit-signature" in raw else raw
    pair.taker.give(c.RollOver(pair.taker.cfd.id, ENTROPY))
    pair.run()
    pair.tamper = lambda _to, raw: raw
    pair.cut()
    assert pair.taker.cfd.held.next is not None
    assert pair.maker.cfd.held.live.number == 0
    signed = pair.taker.cfd.held.next.own_commit
    pair.later(HOUR)  # it is proposed again by itself
    assert [node.cfd.held.live.number for node in pair.nodes] == [1, 1]
    assert pair.taker.cfd.held.live.own_commit == signed
    assert pair.taker.cfd.held.live.draft.fingerprint == pair.maker.cfd.held.live.draft.fingerprint


# --- settlement ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", ["maker", "taker"])
def test_a_settlement_pays_the_exact_price(open_pair: Any, side: str) -> None:
    pair = open_pair
    node, other = getattr(pair, side), pair.maker if side == "taker" else pair.taker
    node.give(c.ProposeSettlement(node.cfd.id, Decimal("50123.5")))
    pair.run()
    other.give(c.AcceptSettlement(other.cfd.id))
    pair.run()
    assert all(isinstance(n.cfd.phase, p.ClosePending) for n in pair.nodes), [n.cfd.phase for n in pair.nodes]
    pair.mine(3)
    end = closed(pair, ExitKind.CLOSE)
    exact = pair.taker.cfd.terms.curve.long_payout(Decimal("50123.5").as_integer_ratio()[0] * 1 // 2)
    assert end.maker + end.taker == pair.taker.cfd.terms.pool
    assert exact >= 0


def test_a_maker_takes_its_own_quote_by_itself(open_pair: Any) -> None:
    pair = open_pair
    pair.taker.give(c.ProposeSettlement(pair.taker.cfd.id, Decimal(50_000)))
    pair.run()
    pair.mine(3)
    end = closed(pair, ExitKind.CLOSE)
    assert (end.taker, end.maker) == (1_000_000, 2_000_000)


def test_a_second_price_is_never_signed_while_one_is_out(open_pair: Any) -> None:
    pair = open_pair
    pair.tamper = lambda to, raw: None if b"close-signature" in raw and to is pair.taker else raw
    pair.taker.give(c.ProposeSettlement(pair.taker.cfd.id, Decimal(50_000)))
    pair.run()
    pair.cut()
    for node in pair.nodes:
        if not node.cfd.ended:
            with pytest.raises(RuleViolation, match=r"second price|cannot be settled"):
                node.give(c.ProposeSettlement(node.cfd.id, Decimal(51_000)))
    pair.mine(3)
    closed(pair, ExitKind.CLOSE)


def test_force_close_is_never_blocked(hourly_pair: Any) -> None:
    pair = hourly_pair
    pair.later(HOUR)
    pair.taker.give(c.RollOver(pair.taker.cfd.id, ENTROPY))
    pair.run(12)
    pair.taker.give(c.ForceClose(pair.taker.cfd.id))
    pair.mine()
    assert all(isinstance(node.cfd.phase, p.CommitConfirmed) for node in pair.nodes)


def test_a_rollover_in_flight_never_gives_up_the_commit_that_we_published(make_pair: Any) -> None:
    for steps in range(0, 60, 2):
        pair = opened(make_pair)
        pair.later(HOUR)
        pair.taker.give(c.RollOver(pair.taker.cfd.id, ENTROPY))
        pair.run(steps)
        for node in pair.nodes:
            if not isinstance(node.cfd.phase, p.COMMITTED):
                node.give(c.ForceClose(node.cfd.id))
        pair.mine(2)
        assert not any(node.cfd.exit_for(number, ExitKind.PUNISH) for node in pair.nodes for number in (0, 1))


# --- liquidation ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("price", "winner"), [(33_000, "short"), (101_000, "long")])
def test_liquidation_of_either_side(make_pair: Any, price: int, winner: str) -> None:
    pair = opened(make_pair, maker_leverage=2)
    pair.attest(price, pair.offer.liquidations[4])
    assert {node.cfd.close_reason for node in pair.nodes} == {CloseReason.LIQUIDATION}
    pair.mine(16)
    end = closed(pair, ExitKind.LIQUIDATION)
    won = end.taker if winner == "long" else end.maker
    assert won == pair.taker.cfd.terms.pool


def test_an_hourly_price_between_the_thresholds_changes_nothing(hourly_pair: Any) -> None:
    hourly_pair.attest(48_935, hourly_pair.offer.liquidations[0])
    assert all(isinstance(node.cfd.phase, p.Open) for node in hourly_pair.nodes)
    assert not hourly_pair.taker.cfd.attestations


# --- the oracle fails ----------------------------------------------------------------------------------------------


def test_a_refund_when_the_oracle_never_speaks(open_pair: Any) -> None:
    pair = open_pair
    pair.later(24 * HOUR + 12 * HOUR + 1)
    assert pair.taker.cfd.close_reason is CloseReason.EXPIRED
    pair.mine(1 + 214)
    assert not any(isinstance(node.cfd.phase, p.Closed | p.ExitPending) for node in pair.nodes)
    assert not pair.refused, "nothing is sent a block early"
    pair.mine(5)
    end = closed(pair, ExitKind.REFUND)
    assert (end.maker, end.taker) == (2_000_000, 1_000_000)


def test_expired_and_attested_closes_by_itself(hourly_pair: Any) -> None:
    pair = hourly_pair
    pair.later(24 * HOUR)
    pair.attest(48_935)
    assert isinstance(pair.taker.cfd.phase, p.Open), "there is time to settle together"
    pair.later(HOUR + 1)
    pair.mine(16)
    closed(pair, ExitKind.CET)


def test_neither_of_two_attested_prices_is_acted_on_until_someone_chooses(hourly_pair: Any) -> None:
    pair = hourly_pair
    pair.attest(48_935)
    pair.attest(60_000)
    pair.taker.give(c.ForceClose(pair.taker.cfd.id))
    pair.mine(14)
    assert all(isinstance(node.cfd.phase, p.CommitConfirmed) for node in pair.nodes)
    assert len(pair.taker.cfd.equivocations) == 1
    with pytest.raises(RuleViolation, match="did not attest"):
        pair.taker.give(c.ChooseOutcome(pair.taker.cfd.id, 50_000))
    pair.taker.give(c.ChooseOutcome(pair.taker.cfd.id, 60_000))
    pair.mine(4)
    closed(pair, ExitKind.CET)


# --- a counterparty cheats, or vanishes ----------------------------------------------------------------------------


@pytest.mark.parametrize("cheat", ["maker", "taker"])
@pytest.mark.parametrize("rollovers", [1, 3])
def test_a_revoked_commit_is_punished_from_the_mempool_on(make_pair: Any, cheat: str, rollovers: int) -> None:
    pair = opened(make_pair)
    cheater = getattr(pair, cheat)
    honest = pair.maker if cheat == "taker" else pair.taker
    keys = cheater.settings.keychain.cfd_keys(cheater.cfd.key_id, 0)
    revoked = cheater.cfd.held.live.sign_commit(keys)
    for _ in range(rollovers):
        roll_over(pair, hours=1)
    pair.cheats(cheater)
    assert pair.chain.submit(revoked)
    pair.run()
    punish = honest.cfd.exit_for(0, ExitKind.PUNISH)
    assert punish is not None
    assert Transaction.parse(punish.transaction).txid in pair.broadcasts
    pair.mine(4)
    assert isinstance(honest.cfd.phase, p.Closed)
    assert honest.cfd.phase.kind is ExitKind.PUNISH
    got = honest.cfd.phase.maker if honest is pair.maker else honest.cfd.phase.taker
    assert got > pair.taker.cfd.terms.pool * 99 // 100


def test_a_punishment_that_waits_pays_more_with_every_second_block(make_pair: Any) -> None:
    pair = opened(make_pair)
    keys = pair.taker.settings.keychain.cfd_keys(pair.taker.cfd.key_id, 0)
    revoked = pair.taker.cfd.held.live.sign_commit(keys)
    roll_over(pair)
    pair.cheats(pair.taker)
    pair.chain.submit(revoked)
    pair.run()
    paid = []
    for _ in range(8):
        punish = Transaction.parse(pair.maker.cfd.exit_for(0, ExitKind.PUNISH).transaction)
        paid.append(punish.outputs[0].sats)
        pair.chain.held_back.add(punish.txid)
        pair.mine()
    assert paid == sorted(paid, reverse=True)
    assert len(set(paid)) == 4
    pair.chain.held_back.clear()
    pair.mine(4)
    assert pair.maker.cfd.phase.kind is ExitKind.PUNISH


def test_the_old_revision_can_be_settled_until_it_is_revoked(make_pair: Any) -> None:
    pair = opened(make_pair)
    pair.tamper = lambda to, raw: None if b'"type":"revocation"' in raw and to is pair.maker else raw
    keys = pair.taker.settings.keychain.cfd_keys(pair.taker.cfd.key_id, 0)
    lawful = pair.taker.cfd.held.live.sign_commit(keys)
    old_event = pair.taker.cfd.settlement.event_id
    roll_over(pair)
    assert pair.maker.cfd.held.old is not None
    pair.cut()
    pair.chain.submit(lawful)
    pair.mine()
    assert pair.maker.cfd.exit_for(0, ExitKind.PUNISH) is None
    pair.attest(48_935, old_event)
    pair.mine(16)
    assert pair.maker.cfd.phase.kind is ExitKind.CET


def test_a_lock_that_never_comes_is_cancelled(make_pair: Any) -> None:
    pair = make_pair()
    pair.tamper = lambda to, raw: None if b"lock-signatures" in raw and to is pair.maker else raw
    pair.take()
    pair.run()
    assert isinstance(pair.taker.cfd.phase, p.LockSignedUnseen)
    pair.cut()
    pair.later(901)
    assert isinstance(pair.taker.cfd.phase, p.LockConflict), pair.taker.cfd.phase
    pair.mine(3)
    assert isinstance(pair.taker.cfd.phase, p.Closed)
    assert pair.taker.cfd.phase.kind is ExitKind.CANCEL
    assert pair.maker.cfd.ended


def test_a_withheld_lock_that_appears_opens_the_cfd_for_both(make_pair: Any) -> None:
    pair = make_pair()
    pair.tamper = lambda to, raw: None if b"lock-signatures" in raw and to is pair.taker else raw
    pair.take()
    pair.run()
    pair.mine()
    assert all(isinstance(node.cfd.phase, p.Open) for node in pair.nodes)
    assert pair.taker.cfd.held.lock, "the complete lock was read off the chain"


# --- the chain -----------------------------------------------------------------------------------------------------


def test_a_reorg_takes_the_lock_and_the_commit_back(open_pair: Any) -> None:
    pair = open_pair
    pair.chain.reorg(1)
    pair.both(i.TipChanged(pair.chain.height))
    assert all(isinstance(node.cfd.phase, p.LockPending) for node in pair.nodes)
    pair.mine()
    pair.taker.give(c.ForceClose(pair.taker.cfd.id))
    pair.mine(2)
    pair.chain.reorg(2)
    pair.both(i.TipChanged(pair.chain.height))
    assert all(isinstance(node.cfd.phase, p.CommitPending) for node in pair.nodes)
    pair.mine()
    assert all(isinstance(node.cfd.phase, p.CommitConfirmed) for node in pair.nodes)


def test_an_evicted_lock_is_broadcast_again(pair: Any) -> None:
    pair.take()
    pair.run()
    lock = pair.draft.lock.txid
    pair.chain.drop(lock)
    pair.both(i.TipChanged(pair.chain.height + 1))
    assert lock in pair.chain.transactions


def test_a_commit_that_waits_gets_a_child_that_pays(open_pair: Any) -> None:
    pair = open_pair
    pair.taker.give(c.ForceClose(pair.taker.cfd.id))
    pair.run()
    pair.chain.held_back.add(pair.draft.commit.txid)
    pair.mine(2)
    assert pair.taker.cfd.bump is not None
    assert pair.taker.cfd.bump.rate == 4
    pair.mine(4)
    assert pair.taker.cfd.bump.rate == 16
    assert pair.maker.cfd.bump is not None, "the other side helps when it takes long"


def test_a_short_position_of_the_taker_lives_the_same_life(make_pair: Any) -> None:
    pair = make_pair(own_oracle=True)
    pair.take(position=Position.SHORT, leverage=2)
    pair.run()
    pair.confirm_lock()
    roll_over(pair)
    pair.attest(48_935, pair.taker.cfd.settlement.event_id)
    pair.maker.give(c.ForceClose(pair.maker.cfd.id))
    pair.mine(16)
    closed(pair, ExitKind.CET)


def test_everything_survives_a_restart_after_every_step_of_its_life(make_pair: Any) -> None:
    pair = opened(make_pair)
    roll_over(pair)
    for node in pair.nodes:
        node.restart()
        pair.run()
    pair.taker.give(c.ForceClose(pair.taker.cfd.id))
    pair.mine()
    for node in pair.nodes:
        node.restart()
    pair.attest(48_935, pair.taker.cfd.settlement.event_id)
    for _ in range(16):
        for node in pair.nodes:
            node.restart()
        pair.mine()
    closed(pair, ExitKind.CET)


# --- products ------------------------------------------------------------------------------------------------------


def test_a_quanto_contract_lives_on_the_same_code(make_pair: Any) -> None:
    ether = tuple(f"/x/BitMEX/BETH/{event.split('/')[-1]}" for event in HOURLY)
    pair = make_pair(
        own_oracle=True,
        product="ETHUSD-quanto",
        bid=Decimal(1000),
        ask=Decimal(1000),
        event=ether[-1],
        liquidations=ether[:-1],
        maker_leverage=2,
    )
    pair.take(quantity=100, leverage=2)
    pair.run()
    pair.confirm_lock()
    roll_over(pair)
    assert [node.cfd.held.live.number for node in pair.nodes] == [1, 1]
    pair.attest(1_030, pair.taker.cfd.settlement.event_id)
    pair.taker.give(c.ForceClose(pair.taker.cfd.id))
    pair.mine(16)
    end = closed(pair, ExitKind.CET)
    exact = 100 * 1000 * 100 // 2 + 100 * 100 * 30
    assert abs(end.taker - exact) <= pair.taker.cfd.terms.pool * Decimal("0.0025")


def test_an_event_of_another_index_is_refused(make_pair: Any) -> None:
    with pytest.raises(RuleViolation, match="is not a price of ETHUSD-quanto"):
        make_pair(own_oracle=True, product="ETHUSD-quanto", bid=Decimal(1000), ask=Decimal(3000))


HOURLY = tuple(
    f"/x/BitMEX/BXBT/2021-10-0{3 + (22 + h) // 24}T{(22 + h) % 24:02}:00:00.price?n=20" for h in range(1, 25)
)


# --- races and absences --------------------------------------------------------------------------------------------


def test_a_punishment_wins_the_race_against_the_revoked_cet(make_pair: Any) -> None:
    """The cheater kept its old CET signatures and waits for the twelve blocks; ours is in the mempool before."""
    pair = opened(make_pair)
    cheater = pair.taker
    keys = cheater.settings.keychain.cfd_keys(cheater.cfd.key_id, 0)
    old, packed = cheater.cfd.held.live, cheater.revisions[cheater.cfd.id, 0]
    event = cheater.cfd.settlement
    roll_over(pair)
    pair.maker.conscience.may_punish = True
    assert pair.chain.submit(old.sign_commit(keys))
    pair.run()
    raw = attestation(event.event_id, 48_935)
    cet = old.sign_cet(keys, read_attestation(event, raw), packed).transaction
    for _ in range(12):
        assert not pair.chain.submit(cet), "its timelock, then our punishment, keeps the CET out"
        punish = pair.maker.cfd.exit_for(0, ExitKind.PUNISH)
        pair.chain.held_back.add(Transaction.parse(punish.transaction).txid)
        pair.mine()
    pair.chain.held_back.clear()
    assert not pair.chain.submit(cet), "the timelock is over, but the punishment pays more"
    pair.mine(4)
    assert isinstance(pair.maker.cfd.phase, p.Closed)
    assert pair.maker.cfd.phase.kind is ExitKind.PUNISH


def test_a_node_that_was_off_for_two_days_finds_its_money(open_pair: Any) -> None:
    """Meanwhile the counterparty force-closed, the oracle spoke, and 288 blocks came."""
    pair = open_pair
    absent = pair.maker
    key = pair.taker.cfd.id
    pair.taker.give(i.AttestationReceived(pair.announcement.event_id, pair.attestation))
    pair.taker.give(c.ForceClose(key))
    absent_todo = absent.todo
    for _ in range(288):
        while pair.taker.todo:
            pair.act(pair.taker, pair.taker.todo.popleft())
        pair.chain.mine()
        pair.taker.give(i.TipChanged(pair.chain.height))
        for outpoint in list(pair.taker.watched):
            pair.taker.give(pair.chain.report(outpoint))
    assert isinstance(pair.taker.cfd.phase, p.Closed)
    assert isinstance(absent.cfd.phase, p.Open)
    absent_todo.clear()
    absent.restart()
    absent.give(i.TipChanged(pair.chain.height))
    pair.run()
    absent.give(i.TipChanged(pair.chain.height))
    assert isinstance(absent.cfd.phase, p.Closed)
    assert absent.cfd.phase == pair.taker.cfd.phase
