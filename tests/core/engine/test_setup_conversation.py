"""A contract is set up, opened, and settled by CET, without a socket."""

from typing import Any

from cfd_core import inputs as i
from cfd_core.bitcoin.transaction import Transaction
from cfd_core.cfd import commands as c
from cfd_core.cfd import phases as p
from cfd_core.cfd.aggregate import CetReady


def test_both_reach_the_same_lock(pair: Any) -> None:
    pair.take()
    pair.run()
    assert isinstance(pair.maker.cfd.phase, p.LockPending), pair.maker.cfd.phase
    assert isinstance(pair.taker.cfd.phase, p.LockPending), pair.taker.cfd.phase
    assert pair.maker.cfd.phase.held.lock == pair.taker.cfd.phase.held.lock
    lock = Transaction.parse(pair.taker.cfd.phase.held.lock)
    assert pair.broadcasts == {lock.txid: lock}
    assert all(tx_in.witness for tx_in in lock.inputs)


def test_a_cfd_settles_by_cet_on_the_recorded_price(open_pair: Any) -> None:
    pair = open_pair
    assert isinstance(pair.taker.cfd.phase, p.Open)
    key = pair.taker.cfd.id
    pair.both(i.AttestationReceived(pair.announcement.event_id, pair.attestation))
    assert isinstance(pair.taker.cfd.outcome, CetReady)
    pair.taker.give(c.ForceClose(key))
    pair.run()
    commit = pair.draft.commit.txid
    assert commit in pair.broadcasts
    raw = pair.broadcasts[commit].serialize()
    pair.both(i.TipChanged(111))
    pair.both(i.OutpointReport(pair.draft.lock_outpoint, 110, i.Spend(raw, 111)))
    assert isinstance(pair.maker.cfd.phase, p.CommitConfirmed)
    cet = Transaction.parse(pair.taker.cfd.outcome.cet)
    pair.both(i.TipChanged(121))
    assert cet.txid not in pair.broadcasts, "one block too early"
    pair.both(i.TipChanged(122))
    assert cet.txid in pair.broadcasts
    pair.both(i.TipChanged(123))
    pair.both(i.OutpointReport(pair.draft.commit_outpoint, 111, i.Spend(cet.serialize(), 123)))
    pair.both(i.TipChanged(125))
    for node in (pair.maker, pair.taker):
        assert isinstance(node.cfd.phase, p.Closed)
        assert node.cfd.phase.maker + node.cfd.phase.taker == node.cfd.terms.pool
