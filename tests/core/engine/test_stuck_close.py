"""A close that does not confirm: bumped through the own output, force-closed over, and never fought by ourselves."""

from decimal import Decimal
from typing import Any

import pytest

from cfd_core import effects as f
from cfd_core import inputs as i
from cfd_core.bitcoin.transaction import Transaction
from cfd_core.cfd import commands as c
from cfd_core.cfd import phases as p
from cfd_core.cfd.events import ExitKind
from cfd_core.cfd.summary import summary
from cfd_core.errors import RuleViolation
from cfd_core.values import HOUR, Role

PRICE = Decimal(50_000)
roles = pytest.mark.parametrize("role", list(Role), ids=lambda role: role.value)


@pytest.fixture
def stuck(make_pair: Any) -> Any:
    """Both have signed and published the close, and no block takes it."""
    pair = settled(make_pair, PRICE)
    assert all(isinstance(node.phase, p.ClosePending) for node in pair.nodes)
    return pair


def settled(make_pair: Any, price: Decimal, **offer: Any) -> Any:
    pair = make_pair(own_oracle=True, tolerance=Decimal("0.1"), liquidations=(), **offer)
    pair.take()
    pair.run()
    pair.confirm_lock()
    pair.taker.give(c.ProposeSettlement(pair.taker.cfd.id, price))
    pair.run()
    if pair.maker.engine.runs:
        pair.maker.give(c.AcceptSettlement(pair.maker.cfd.id))
        pair.run()
    pair.chain.held_back.add(close_of(pair))
    return pair


def close_of(pair: Any) -> str:
    spender = pair.chain.spender(pair.draft.lock_outpoint)
    assert spender is not None
    return str(spender.txid)


def node_of(pair: Any, role: Role) -> Any:
    return pair.maker if role is Role.MAKER else pair.taker


def kinds(effects: Any) -> list[str]:
    return [x.kind for x in effects if isinstance(x, f.BroadcastTx)]


def owed_by(node: Any) -> list[str]:
    return kinds(node.engine.resume(node.now))


def same_end(pair: Any) -> ExitKind:
    ends = [node.phase for node in pair.nodes]
    assert all(isinstance(end, p.Closed) for end in ends), ends
    assert ends[0] == ends[1]
    assert ends[0].maker + ends[0].taker == pair.taker.cfd.terms.pool
    kind: ExitKind = ends[0].kind
    return kind


# --- bumping -------------------------------------------------------------------------------------------------------


def test_a_close_that_waits_gets_a_child_of_the_own_output(stuck: Any) -> None:
    """Who gets more out of it begins; the rate doubles with every second block."""
    close = close_of(stuck)
    stuck.mine(2)
    assert stuck.maker.cfd.bump is not None
    assert (stuck.maker.cfd.bump.parent, stuck.maker.cfd.bump.rate) == (close, 4)
    assert stuck.taker.cfd.bump is None, "the smaller share waits two blocks longer"
    stuck.mine(2)
    assert [node.cfd.bump.rate for node in stuck.nodes] == [4, 8]
    for node in stuck.nodes:
        child = Transaction.parse(node.cfd.bump.child)
        tx = stuck.chain.transactions[close]
        (spent,) = [tx.outputs[x.outpoint.vout].script for x in child.inputs if x.outpoint.txid == close]
        assert spent == stuck.draft.party(node.role).funder.payout_script
        assert child.txid in stuck.chain.transactions
        assert owed_by(node)[-1] == "fee bump"
    stuck.chain.held_back.clear()
    stuck.mine(3)
    assert same_end(stuck) is ExitKind.CLOSE


def test_the_fee_that_the_close_pays_itself_is_told_to_the_wallet(stuck: Any) -> None:
    stuck.mine(2)
    (bump,) = [x for x in stuck.maker.done if isinstance(x, f.BumpFee)]
    tx = Transaction.parse(bump.parent)
    lock = stuck.draft.lock.outputs[0].sats
    assert bump.parent_fee == lock - sum(out.sats for out in tx.outputs) >= 2 * tx.vsize
    assert tx.outputs[bump.vout].script == stuck.draft.maker.funder.payout_script


@pytest.mark.parametrize(("price", "winner"), [("1", Role.MAKER), ("999999999999", Role.TAKER)])
def test_without_an_output_there_is_nothing_to_bump_with_and_nothing_to_lose(
    make_pair: Any, price: str, winner: Role
) -> None:
    pair = settled(make_pair, Decimal(price), fee_rate=1)  # what comes back of the fees is dust then
    loser = node_of(pair, winner.other)
    pair.mine(8)
    assert node_of(pair, winner).cfd.bump is not None
    assert loser.cfd.bump is None
    assert not [x for x in loser.done if isinstance(x, f.BumpFee)]
    pair.chain.held_back.clear()
    pair.mine(3)
    assert same_end(pair) is ExitKind.CLOSE


def test_waiting_counts_from_when_it_was_first_seen(stuck: Any) -> None:
    """Neither a restart nor an eviction that is made good at once begins it anew; a block that was undone does."""
    tip = stuck.chain.height
    stuck.mine(1)
    stuck.restart(stuck.taker)
    stuck.run()
    assert stuck.taker.phase.tip == tip
    stuck.chain.held_back.clear()
    stuck.mine(1)
    stuck.chain.reorg(1)
    stuck.both(i.TipChanged(stuck.chain.height))
    assert isinstance(stuck.taker.phase, p.ClosePending)
    assert stuck.taker.phase.tip >= tip


# --- force close over it ---------------------------------------------------------------------------------------------


@roles
def test_force_close_is_taken_while_the_close_waits(stuck: Any, role: Role) -> None:
    """Nodes keep the close, which pays no less: the commit is offered with every block, the close is not repeated."""
    node, close = node_of(stuck, role), close_of(stuck)
    node.give(c.ForceClose(node.cfd.id))
    stuck.run()
    assert isinstance(node.phase, p.ClosePending), "that is what is in the mempool"
    assert stuck.draft.commit.txid in {tx.txid for tx in stuck.refused}
    assert close_of(stuck) == close
    with pytest.raises(RuleViolation, match="published already"):
        node.give(c.ForceClose(node.cfd.id))
    stuck.restart(node)
    stuck.run()
    assert "commit" in owed_by(node)
    assert "close" not in owed_by(node)
    stuck.mine(4)
    assert node.cfd.bump is not None, "while it is what waits, it is helped"
    stuck.chain.held_back.clear()
    stuck.mine(3)
    assert same_end(stuck) is ExitKind.CLOSE


@roles
def test_after_an_eviction_the_commit_gets_in(stuck: Any, role: Role) -> None:
    node = node_of(stuck, role)
    node.give(c.ForceClose(node.cfd.id))
    stuck.run()
    stuck.chain.drop(close_of(stuck))
    node.give(i.TipChanged(stuck.chain.height))
    assert "close" not in kinds(node.todo)
    while node.todo:
        stuck.act(node, node.todo.popleft())
    node.give(stuck.chain.report(stuck.draft.lock_outpoint))
    while node.todo:
        stuck.act(node, node.todo.popleft())
    assert close_of(stuck) == stuck.draft.commit.txid
    stuck.run()
    assert all(isinstance(n.phase, p.CommitPending) for n in stuck.nodes)
    assert stuck.chain.spender(stuck.draft.lock_outpoint).txid == stuck.draft.commit.txid, "the other cannot undo it"
    stuck.attest(48_935)
    stuck.mine(16)
    assert same_end(stuck) is ExitKind.CET


@roles
def test_a_reorg_leads_back_to_the_force_close(stuck: Any, role: Role) -> None:
    """The decision is kept however the close comes and goes."""
    node, close = node_of(stuck, role), close_of(stuck)
    node.give(c.ForceClose(node.cfd.id))
    stuck.run()
    stuck.chain.held_back.clear()
    stuck.mine()
    assert isinstance(node.phase, p.CloseConfirmed)
    stuck.chain.reorg(1)
    stuck.chain.drop(close)
    node.give(i.TipChanged(stuck.chain.height))
    node.give(stuck.chain.report(stuck.draft.lock_outpoint))
    assert isinstance(node.phase, p.CommitPending)
    assert node.phase.commit == node.cfd.forced
    node.restart()
    assert isinstance(node.phase, p.CommitPending)


def test_the_agreed_close_may_still_come_after_a_force_close(make_pair: Any) -> None:
    """We force-close while only the other side holds the whole close: whichever nodes hear of first counts."""
    pair = make_pair(own_oracle=True, tolerance=Decimal("0.1"), liquidations=())
    pair.take()
    pair.run()
    pair.confirm_lock()
    pair.tamper = lambda to, raw: None if b"close-signature" in raw and to is pair.taker else raw
    pair.chain_speaks = False
    pair.taker.give(c.ProposeSettlement(pair.taker.cfd.id, PRICE))
    pair.run()
    pair.cut()
    pair.taker.give(c.ForceClose(pair.taker.cfd.id))
    assert isinstance(pair.taker.phase, p.CommitPending)
    pair.chain_speaks = True
    pair.run()
    assert isinstance(pair.taker.phase, p.ClosePending), "the maker's was first"
    pair.mine(3)
    assert same_end(pair) is ExitKind.CLOSE


def test_a_confirmed_close_is_not_closed_over(stuck: Any) -> None:
    stuck.chain.held_back.clear()
    stuck.mine()
    with pytest.raises(RuleViolation, match="close confirmed"):
        stuck.taker.give(c.ForceClose(stuck.taker.cfd.id))


def test_what_a_person_is_told(stuck: Any) -> None:
    taker = stuck.taker

    def told() -> Any:
        return summary(taker.cfd, now=taker.now, tip=taker.engine.tip, deadlines=taker.settings.policy.deadlines)

    assert (told().state, told().actions) == ("settling", ("force close",))
    taker.give(c.ForceClose(taker.cfd.id))
    assert told().actions == ()
    assert "force close" in told().meaning
    stuck.chain.held_back.clear()
    stuck.mine()
    assert "final after" in told().meaning


@roles
def test_no_clock_closes_over_a_close_that_both_signed(make_pair: Any, role: Role) -> None:
    """It is an end that we can bring about alone; a commit pays no more and is no faster."""
    pair = make_pair(own_oracle=True, tolerance=Decimal("0.1"), liquidations=())
    pair.take()
    pair.run()
    pair.confirm_lock()
    pair.chain_speaks = False
    pair.taker.give(c.ProposeSettlement(pair.taker.cfd.id, PRICE))
    pair.run()
    node = node_of(pair, role)
    assert isinstance(node.phase, p.Open), "nothing was heard of it yet"
    pair.attest(48_935)
    pair.later(30 * HOUR)
    assert node.cfd.close_reason is None
    assert "close" in owed_by(node)
    pair.chain_speaks = True
    pair.mine(3)
    assert same_end(pair) is ExitKind.CLOSE


def test_a_close_replaces_an_exit_that_a_reorg_took_away(stuck: Any) -> None:
    """Commit and exit were in blocks; the longer chain has the close."""
    pair, taker = stuck, stuck.taker
    taker.give(c.ForceClose(taker.cfd.id))
    close = pair.chain.transactions[close_of(pair)].serialize()
    pair.chain.drop(close_of(pair))
    pair.attest(48_935)
    pair.mine(14)
    assert isinstance(taker.phase, p.ExitPending | p.ExitConfirmed)
    height = pair.chain.height
    taker.give(i.OutpointReport(pair.draft.lock_outpoint, 110, i.Spend(close, height)))
    assert isinstance(taker.phase, p.CloseConfirmed)
    taker.give(i.TipChanged(height + 2))
    assert isinstance(taker.phase, p.Closed)
    assert taker.phase.kind is ExitKind.CLOSE
