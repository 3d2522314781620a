"""What the crash campaign found, each in the fewest words that show it."""

from decimal import Decimal

from cfd_core.cfd import phases as p
from cfd_core.testing import Moment, Pair, SimNode
from cfd_core.testing.stories import opened, roll
from cfd_core.values import Role


def die_after(node: SimNode, event: str) -> None:
    """Between storing this event and doing what follows from it."""
    node.mortal = lambda who, moment: moment is Moment.STORED and who.event_names()[-1] == event


def test_coins_are_freed_though_the_process_died_before_it_freed_them() -> None:
    pair = Pair(liquidations=(), tolerance=Decimal("0.1"))
    pair.maker.input_problems = ("input 0 is spent",)
    die_after(pair.taker, "ContractSetupFailed")
    pair.take()
    pair.run()
    assert pair.taker.dead
    assert pair.taker.wallet.reserved
    pair.revive()
    assert isinstance(pair.taker.phase, p.SetupFailed)
    assert not pair.taker.wallet.reserved


def test_a_revoked_revision_is_deleted_though_the_process_died_before_it_was() -> None:
    pair = opened()
    die_after(pair.taker, "RevisionRevoked")
    roll(Role.TAKER)(pair)
    assert pair.taker.dead
    assert {number for _, number in pair.taker.revisions} == {0, 1}
    pair.taker.mortal = lambda _node, _moment: False
    pair.revive()
    assert {number for _, number in pair.taker.revisions} == {1}
