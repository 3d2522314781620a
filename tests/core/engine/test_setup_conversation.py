"""A contract is set up, opened, and settled by CET, without a socket."""

from typing import Any

from cfd_core import inputs as i
from cfd_core.bitcoin.transaction import Transaction
from cfd_core.cfd import commands as c
from cfd_core.cfd import phases as p
from cfd_core.cfd.events import ExitKind


def test_both_reach_the_same_lock(pair: Any) -> None:
    pair.take()
    pair.run()
    assert isinstance(pair.maker.cfd.phase, p.LockPending), pair.maker.cfd.phase
    assert isinstance(pair.taker.cfd.phase, p.LockPending), pair.taker.cfd.phase
    assert pair.maker.cfd.held.lock == pair.taker.cfd.held.lock
    lock = Transaction.parse(pair.taker.cfd.held.lock)
    assert pair.broadcasts == {lock.txid: lock}
    assert all(tx_in.witness for tx_in in lock.inputs)


def test_a_cfd_settles_by_cet_on_the_recorded_price(open_pair: Any) -> None:
    pair = open_pair
    assert isinstance(pair.taker.cfd.phase, p.Open)
    pair.both(i.AttestationReceived(pair.announcement.event_id, pair.attestation))
    pair.taker.give(c.ForceClose(pair.taker.cfd.id))
    pair.run()
    assert pair.draft.commit.txid in pair.broadcasts
    pair.mine()
    assert isinstance(pair.maker.cfd.phase, p.CommitConfirmed)
    ready = pair.taker.cfd.exit_for(0, ExitKind.CET)
    cet = Transaction.parse(ready.transaction)
    pair.mine(10)
    assert cet.txid not in pair.broadcasts, "one block too early"
    assert not pair.refused
    pair.mine()
    assert cet.txid in pair.broadcasts
    pair.mine(3)
    for node in (pair.maker, pair.taker):
        assert isinstance(node.cfd.phase, p.Closed)
        assert node.cfd.phase.kind is ExitKind.CET
        assert node.cfd.phase.maker + node.cfd.phase.taker == node.cfd.terms.pool
