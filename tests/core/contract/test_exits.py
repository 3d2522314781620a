"""What spends what, to whom and when: refund, commit and lock."""

from decimal import Decimal
from typing import Any

import pytest

from cfd_core.bitcoin import scripts
from cfd_core.values import Position, Role, Sats


@pytest.mark.parametrize("taker", list(Position))
def test_the_refund_gives_each_side_its_own_margin_after_its_timelock(workshop: Any, taker: Position) -> None:
    """Also when fees were charged: a refund settles nothing."""
    draft = workshop.draft(taker_position=taker, opening_fee=Sats(5_000), funding_rate=Decimal("0.001"))
    maker, taker_margin = draft.terms.margin(Role.MAKER), draft.terms.margin(Role.TAKER)
    assert maker != taker_margin
    assert [(out.script, out.sats) for out in draft.refund.outputs] == [
        (draft.maker.funder.payout_script, maker),
        (draft.taker.funder.payout_script, taker_margin),
    ]
    (spend,) = draft.refund.inputs
    assert (spend.outpoint, spend.sequence) == (draft.commit.outpoint(0), 216)


def test_the_commit_spends_the_lock_at_once(workshop: Any) -> None:
    draft = workshop.draft()
    (spend,) = draft.commit.inputs
    assert spend.outpoint == draft.lock.outpoint(0)
    assert spend.sequence >> 31, "no relative timelock"
    assert draft.commit.outputs[0].script == scripts.p2wsh(draft.commit_script)
    assert draft.lock.outputs[0].script == scripts.p2wsh(draft.lock_script)
