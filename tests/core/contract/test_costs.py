"""What both parties share, in numbers: both must come to the same sats, so another number is another protocol."""

from typing import Any

import pytest

from cfd_core.bitcoin import scripts
from cfd_core.bitcoin.transaction import Transaction
from cfd_core.contract.costs import LARGEST_PAYOUT_SCRIPT, SharedCosts, fee_of, shared_costs
from cfd_core.contract.funding import change_of, needed
from cfd_core.contract.scripts import COMMIT_SCRIPT_BYTES, SIGNATURE_BYTES, placeholder_witness
from cfd_core.errors import PeerViolation
from cfd_core.values import FeeRate, Role, Sats

P2WPKH = bytes.fromhex("0014") + bytes(20)
P2TR = bytes.fromhex("5120") + bytes(32)


@pytest.mark.parametrize(("weight", "rate", "fee"), [(0, 1, 0), (1, 1, 1), (4, 1, 1), (5, 1, 2), (400, 7, 700)])
def test_fees_are_for_whole_virtual_bytes(weight: int, rate: int, fee: int) -> None:
    assert fee_of(weight, FeeRate(rate)) == fee


@pytest.mark.parametrize(
    ("maker", "taker", "exit_vbytes"),
    [(P2WPKH, P2WPKH, 207), (P2TR, P2WPKH, 219), (P2WPKH, P2TR, 219), (P2TR, P2TR, 231)],
)
def test_virtual_bytes_by_hand(maker: bytes, taker: bytes, exit_vbytes: int) -> None:
    """Commit 162 with its anchor of 13, its body and the lock's 54; exits by the scripts they pay to."""
    costs = shared_costs(FeeRate(3), maker, taker)
    assert costs == SharedCosts(Sats(3 * 162), Sats(3 * exit_vbytes), Sats(3 * 54))
    assert costs.total == 3 * (162 + exit_vbytes + 54) + 240


def test_halves_are_rounded_up() -> None:
    assert SharedCosts(Sats(10), Sats(20), Sats(30)).half == 150
    assert SharedCosts(Sats(10), Sats(20), Sats(31)).half == 151


def test_the_lock_is_as_heavy_as_its_parts(workshop: Any) -> None:
    """Body, inputs with signatures as long as they can be, and change; nothing is forgotten or paid twice."""
    draft = workshop.draft()
    lock: Transaction = draft.lock
    for index, out in enumerate(draft.lock_spent):
        signed = (bytes(65),) if scripts.script_kind(out.script).value == "p2tr" else (bytes(72), bytes(33))
        lock = lock.with_witness(index, signed)
    own = sum(scripts.input_weight(out.script) for out in draft.lock_spent)
    change = sum(scripts.output_weight(out.script) for out in lock.outputs[1:])
    assert fee_of(lock.weight - own - change, FeeRate(1)) == shared_costs(FeeRate(1), P2WPKH, P2WPKH).lock_body_fee


def test_coin_selection_counts_the_longest_payout_scripts(workshop: Any) -> None:
    terms = workshop.terms()
    assert len(LARGEST_PAYOUT_SCRIPT) == 34
    for role in Role:
        assert needed(terms, role) == terms.margin(role) + shared_costs(terms.fee_rate, P2TR, P2TR).half


def test_the_placeholder_is_as_long_as_signatures_can_be() -> None:
    assert SIGNATURE_BYTES == 72
    assert [len(item) for item in placeholder_witness(COMMIT_SCRIPT_BYTES)] == [72, 72, 224]


def test_inputs_may_be_used_up_to_the_last_sat(workshop: Any) -> None:
    costs, margin, rate = shared_costs(FeeRate(2), P2WPKH, P2WPKH), Sats(1_000_000), FeeRate(2)
    enough = margin + costs.half + fee_of(scripts.input_weight(P2WPKH), rate)
    assert change_of(workshop.side("maker", (("p2wpkh", enough),)).party.funder, margin, costs, rate) == 0
    with pytest.raises(PeerViolation, match="are 1 short of margin and fees"):
        change_of(workshop.side("maker", (("p2wpkh", enough - 1),)).party.funder, margin, costs, rate)
