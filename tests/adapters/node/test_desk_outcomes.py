"""What the desk tells of an oracle that signed two prices for one event."""

from decimal import Decimal

from cfd_node.desk.contradictions import outcomes_of

from cfd_core.cfd import commands as c
from cfd_core.cfd import phases as p
from cfd_core.inputs import AttestationReceived
from cfd_core.testing import Pair
from cfd_core.testing.oracle import attestation
from cfd_core.values import HOUR


def test_each_price_with_what_it_pays_and_the_chosen_one_pays_that() -> None:
    pair = Pair(liquidations=(), tolerance=Decimal("0.1"))
    pair.take()
    pair.run()
    pair.mine()
    assert outcomes_of(pair.taker.cfd) == ()
    pair.advance(24 * HOUR)
    for node in pair.nodes:
        for price in (48_935, 60_000):
            node.give(AttestationReceived(pair.offer.event, attestation(pair.offer.event, price)))
    found = {node: outcomes_of(node.cfd) for node in pair.nodes}
    pool = pair.taker.cfd.terms.pool
    for ours, theirs in zip(found[pair.taker], found[pair.maker], strict=True):
        assert (ours.event, ours.outcome, ours.chosen) == (theirs.event, theirs.outcome, False)
        assert ours.payout is not None
        assert theirs.payout is not None
        assert ours.payout + theirs.payout == pool
    low, high = found[pair.taker]
    assert (low.outcome, high.outcome) == (48_935, 60_000)
    assert low.gain is not None
    assert high.gain is not None
    assert low.gain < 0 < high.gain

    for node in pair.nodes:
        node.give(c.ChooseOutcome(node.cfd.id, 60_000))
    assert [each.chosen for each in outcomes_of(pair.taker.cfd)] == [False, True]
    pair.run()
    pair.advance(2 * HOUR)
    pair.mine(20)
    phase = pair.taker.cfd.phase
    assert isinstance(phase, p.Closed)
    assert abs(phase.taker - (high.payout or 0)) < 1_000  # fees of the exit
    assert [each.payout for each in outcomes_of(pair.taker.cfd)] == [low.payout, high.payout]
