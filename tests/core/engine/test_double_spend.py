"""The counterparty spends its own coin of the lock elsewhere: an outcome of its own, and no option for anybody."""

from collections import deque
from typing import Any

import pytest

from cfd_core import effects as f
from cfd_core.bitcoin.transaction import Transaction, TxIn, TxOut
from cfd_core.cfd import phases as p
from cfd_core.cfd.events import ExitKind
from cfd_core.cfd.react import Deadlines
from cfd_core.cfd.summary import summary
from cfd_core.values import Sats


def spend_elsewhere(pair: Any, node: Any, sats: int = 1_000_000) -> Transaction:
    """One of this side's coins of the lock goes somewhere else."""
    coin = pair.draft_of(pair.taker).party(node.role).funder.inputs[0]
    tx = Transaction((TxIn(coin.outpoint),), (TxOut(Sats(sats), node.wallet.script),))
    assert pair.chain.submit(tx)
    return tx


@pytest.fixture
def withheld(pair: Any) -> Any:
    """The maker has the taker's lock signature and keeps its own."""
    pair.tamper = lambda to, raw: None if b"lock-signatures" in raw and to is pair.taker else raw
    pair.take()
    while not pair.maker.event_names().count("LockCompleted"):
        assert pair.step()
    kept = [x for x in pair.maker.todo if not isinstance(x, f.BroadcastTx | f.SendMessage)]
    pair.maker.todo = deque(kept)
    pair.cut()
    pair.tamper = lambda _to, raw: raw
    assert isinstance(pair.taker.phase, p.LockSignedUnseen)
    return pair


def told(node: Any) -> Any:
    return summary(node.cfd, now=node.now, tip=node.engine.tip, deadlines=Deadlines())


def ended(node: Any) -> ExitKind:
    phase = node.phase
    assert isinstance(phase, p.Closed)
    return phase.kind


def test_it_ends_as_what_it_is(withheld: Any) -> None:
    pair = withheld
    spend_elsewhere(pair, pair.maker)
    pair.run()
    assert isinstance(pair.taker.phase, p.LockDoubleSpent)
    assert told(pair.taker).state == "double-spent"
    assert told(pair.taker).meaning.startswith("The counterparty spent its coin of the lock elsewhere")
    pair.mine(2)
    assert isinstance(pair.taker.phase, p.LockDoubleSpent), "not final yet"
    pair.mine()
    assert ended(pair.taker) is ExitKind.DOUBLE_SPEND
    assert told(pair.taker).meaning.endswith("the CFD never opens, and nothing of yours is locked in it.")
    assert (told(pair.taker).state, told(pair.taker).realised) == ("closed", 0)
    assert ended(pair.maker) is ExitKind.CANCEL, "it spent its own coin"


def test_one_that_stays_in_the_mempool_is_no_free_option(withheld: Any) -> None:
    """Replaced by the lock when the price has moved, it would open the CFD at yesterday's price: we cancel before."""
    pair = withheld
    lock = Transaction.parse(pair.maker.held.lock)
    cheap = spend_elsewhere(pair, pair.maker)
    pair.chain.held_back.add(cheap.txid)
    pair.run()
    assert isinstance(pair.taker.phase, p.LockDoubleSpent)
    assert pair.taker.engine.deadline is not None
    pair.later(1799)
    assert pair.taker.held.cancel == b""
    pair.later(1)
    assert isinstance(pair.taker.phase, p.LockConflict), "our own cancellation"
    pair.mine()
    pair.chain.drop(cheap.txid)
    assert not pair.chain.submit(lock)
    pair.mine(3)
    assert ended(pair.taker) is ExitKind.CANCEL


def test_whichever_is_in_a_block_first_counts(withheld: Any) -> None:
    pair = withheld
    theirs = spend_elsewhere(pair, pair.maker)
    pair.chain.held_back.add(theirs.txid)
    pair.run()
    pair.later(1801)
    cancel = Transaction.parse(pair.taker.held.cancel)
    pair.chain.held_back = {cancel.txid}
    pair.mine()
    assert isinstance(pair.taker.phase, p.LockDoubleSpent)
    pair.chain.held_back.clear()
    pair.mine()
    assert pair.taker.phase.height == pair.chain.height - 1, "ours, a block later, changes nothing"
    pair.mine()
    assert ended(pair.taker) is ExitKind.DOUBLE_SPEND


def test_one_that_a_reorg_takes_away_lets_the_lock_come(withheld: Any) -> None:
    pair = withheld
    lock = Transaction.parse(pair.maker.held.lock)
    theirs = spend_elsewhere(pair, pair.maker)
    pair.mine()
    assert pair.taker.phase.height == pair.chain.height
    pair.chain.drop(theirs.txid)
    pair.chain.height -= 1
    assert pair.chain.submit(lock)
    pair.mine(2)
    assert isinstance(pair.taker.phase, p.Open)
    assert isinstance(pair.maker.phase, p.Open)


def test_news_told_again_is_no_news(withheld: Any) -> None:
    pair = withheld
    theirs = spend_elsewhere(pair, pair.maker)
    pair.chain.held_back.add(theirs.txid)
    pair.run()
    pair.later(1801)
    length = len(pair.taker.log)
    for report in list(pair.taker.reported.values()):
        pair.taker.give(report)
    assert len(pair.taker.log) == length
    pair.restart(pair.taker)
    pair.run()
    assert len(pair.taker.log) == length
