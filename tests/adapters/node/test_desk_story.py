"""What the desk tells of a CFD's life and its transactions."""

from cfd_node.desk.story import moment_of, transactions_of
from cfd_web import models as m

from cfd_core.cfd import commands as c
from cfd_core.testing import Pair


def told(pair: Pair) -> dict[str, m.ContractTx]:
    node = pair.taker
    return {tx.kind: tx for tx in transactions_of(node.cfd, node.events(node.cfd.id), node.engine.tip)}


def life(pair: Pair) -> dict[str, m.Moment]:
    """The last entry of each title."""
    return {moment.title: moment for moment in map(moment_of, pair.taker.events(pair.taker.cfd.id))}


def test_a_forced_close_says_why_and_in_which_block_its_transactions_are() -> None:
    pair = Pair()
    pair.take()
    pair.run()
    assert told(pair)["lock"].height is None
    pair.mine()
    lock = told(pair)["lock"].height
    assert lock == pair.taker.engine.tip
    assert life(pair)["lock seen"].meaning == f"in block {lock}"
    pair.taker.give(c.ForceClose(pair.taker.cfd.id))
    pair.run()
    assert life(pair)["force close started"].meaning == "because you asked for it"
    assert told(pair)["commit"].height is None
    pair.mine()
    found = told(pair)
    assert (found["lock"].height, found["commit"].height) == (lock, pair.taker.engine.tip)
    assert (found["lock"].confirmations, found["commit"].confirmations) == (2, 1)
    assert life(pair)["commit seen"].txid == found["commit"].txid
