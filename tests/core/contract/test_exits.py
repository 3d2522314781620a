"""What spends what, to whom and when: refund, commit and lock."""

from decimal import Decimal
from typing import Any

import pytest

from cfd_core.bitcoin import scripts
from cfd_core.contract.draft import ANCHOR_VOUT, COMMIT_VOUT, LOCK_VOUT
from cfd_core.values import EventId, Position, Role, Sats


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
    assert draft.commit.outputs[COMMIT_VOUT].script == scripts.p2wsh(draft.commit_script)
    assert draft.commit.outputs[ANCHOR_VOUT].script == scripts.P2A_SCRIPT
    assert draft.lock.outputs[LOCK_VOUT].script == scripts.p2wsh(draft.lock_script)


@pytest.mark.parametrize("taker", list(Position))
def test_each_cet_pays_each_side_what_the_schedule_says(workshop: Any, taker: Position) -> None:
    draft = workshop.draft(taker_position=taker)
    entry = draft.schedule.lookup(50_000)[1]
    pays = {Position.LONG: entry.long, Position.SHORT: entry.short}
    maker, taker_pays = pays[taker.other], pays[taker]
    assert maker != taker_pays
    assert draft.payouts(entry) == (maker, taker_pays)
    assert [(out.script, out.sats) for out in draft.cet(entry).outputs] == [
        (draft.maker.funder.payout_script, maker),
        (draft.taker.funder.payout_script, taker_pays),
    ]
    (spend,) = draft.cet(entry).inputs
    assert (spend.outpoint, spend.sequence) == (draft.commit.outpoint(0), 12)


@pytest.mark.parametrize("hours", [0, 1, 3])
def test_there_is_a_digest_and_a_point_for_each_cet(workshop: Any, hours: int) -> None:
    draft = workshop.draft(liquidations=tuple(EventId(f"hour {n}") for n in range(hours)))
    liquidations = 0 if not hours else len(draft.events[1].entries)
    assert len(draft.entries) == len(draft.schedule) + hours * liquidations
    assert len(draft.cet_digests) == 32 * len(draft.entries)
    assert len(draft.packed_points) == 33 * len(draft.entries)


GOLDEN = {
    Position.LONG: "7df154c89f4bacdebcdcf39ab0699b116747b56d96d48c41475325c50c1940c9",
    Position.SHORT: "d9ed2ad73bbfc9ebbf96f6aab9bc98087f7911daab97f5db20c710076d254e9d",
}


@pytest.mark.parametrize("taker", list(Position))
def test_the_same_contract_has_this_fingerprint_in_every_version(workshop: Any, taker: Position) -> None:
    """Two parties with different versions must come to the same transactions: another value breaks the protocol."""
    hours = (EventId("hour 1"), EventId("hour 2"))
    terms = {"opening_fee": Sats(500), "funding_rate": Decimal("0.0005"), "price": Decimal("50000.5")}
    draft = workshop.draft(taker_position=taker, liquidations=hours, **terms)
    assert draft.fingerprint.hex() == GOLDEN[taker]
