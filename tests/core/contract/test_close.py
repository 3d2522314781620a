"""The close at an agreed price: who gets what, at which fee, under both signatures."""

from decimal import Decimal
from typing import Any

import pytest

from cfd_core.contract.close import build_close, closing_price_position, complete_close, sign_close
from cfd_core.contract.costs import fee_of
from cfd_core.contract.scripts import LOCK_SCRIPT_BYTES, placeholder_witness
from cfd_core.errors import PeerViolation
from cfd_core.values import FeeRate, Position, Role, Sats

roles = pytest.mark.parametrize("role", list(Role))


@pytest.mark.parametrize(
    ("price", "long", "short"),
    [
        (Decimal(50_000), 1_000_000, 2_000_000),
        (Decimal(40_000), 500_000, 2_500_000),
        (Decimal("40000.5"), 500_031, 2_499_969),  # 500,031.2...
        (Decimal(100_000), 2_000_000, 1_000_000),
        (Decimal("33333.3"), 0, 3_000_000),
    ],
)
def test_payouts_by_hand(workshop: Any, price: Decimal, long: int, short: int) -> None:
    """1,000 contracts at 50,000, long at 2x, short at 1x, no fees."""
    for taker, (taker_gets, maker_gets) in {Position.LONG: (long, short), Position.SHORT: (short, long)}.items():
        leverage = {Position.LONG: 2, Position.SHORT: 1}
        draft = workshop.draft(
            taker_position=taker, taker_leverage=leverage[taker], maker_leverage=leverage[taker.other]
        )
        close = build_close(draft, price)
        assert (close.price, close.maker, close.taker) == (price, maker_gets, taker_gets)


def test_fees_of_the_revision_are_settled(workshop: Any) -> None:
    close = build_close(workshop.draft(opening_fee=Sats(5_000)), Decimal(50_000))
    assert (close.maker, close.taker) == (2_005_000, 995_000)


@pytest.mark.parametrize("rate", [1, 2, 3, 50])
def test_what_the_close_does_not_need_goes_back_in_halves(workshop: Any, rate: int) -> None:
    draft = workshop.draft(fee_rate=FeeRate(rate))
    close = build_close(draft, Decimal(45_000))
    maker, taker = close.transaction.outputs
    assert maker.script == draft.maker.funder.payout_script
    assert taker.script == draft.taker.funder.payout_script
    assert maker.sats - close.maker == taker.sats - close.taker > 0
    signed = close.transaction.with_witness(0, placeholder_witness(LOCK_SCRIPT_BYTES))
    fee = draft.lock.outputs[0].sats - maker.sats - taker.sats
    due = fee_of(signed.weight, FeeRate(rate))
    assert fee in (due, due + 1), "an odd sat goes to the fee"


def test_a_side_that_lost_all_leaves_what_comes_back_to_the_other(workshop: Any) -> None:
    """The fee is that of two outputs, so neither side gains by the other's being dust."""
    draft = workshop.draft(fee_rate=FeeRate(1))
    close, both = build_close(draft, Decimal(1_000)), build_close(draft, Decimal(45_000))
    (out,) = close.transaction.outputs
    assert (close.maker, close.taker) == (3_000_000, 0)
    assert out.sats == sum(each.sats for each in both.transaction.outputs)


@roles
def test_core_accepts_it_with_both_signatures(contract: Any, accepts: Any, role: Role) -> None:
    close = build_close(contract.draft, Decimal(48_935))
    own, theirs = (sign_close(close, contract.side(one).keys) for one in (role, role.other))
    whole = complete_close(contract.draft, role, close, own, theirs)
    assert accepts(whole, contract.draft.lock.outputs[:1])
    assert whole.without_witnesses() == close.transaction
    assert whole.inputs[0].outpoint == contract.draft.lock_outpoint
    assert whole == complete_close(contract.draft, role.other, close, theirs, own)


@roles
def test_a_bad_signature_is_the_counterpartys_fault(contract: Any, role: Role) -> None:
    close, other = (build_close(contract.draft, Decimal(price)) for price in (48_935, 48_936))
    own = sign_close(close, contract.side(role).keys)
    for bad in (own, sign_close(other, contract.side(role.other).keys), b"", b"\x30", bytes(70)):
        with pytest.raises(PeerViolation, match="the signature on the close is not valid"):
            complete_close(contract.draft, role, close, own, bad)


def test_a_long_closes_at_the_bid_and_a_short_at_the_ask() -> None:
    assert closing_price_position(Position.LONG) is Position.SHORT
    assert closing_price_position(Position.SHORT) is Position.LONG
