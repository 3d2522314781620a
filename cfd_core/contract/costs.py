"""Fees that both parties share, from the real weights of the real transactions."""

from typing import Final

from attrs import frozen

from cfd_core.bitcoin import scripts
from cfd_core.bitcoin.transaction import Transaction, TxIn, TxOut
from cfd_core.contract.scripts import COMMIT_SCRIPT_BYTES, LOCK_SCRIPT_BYTES, placeholder_witness
from cfd_core.values import FeeRate, OutPoint, Sats

LARGEST_PAYOUT_SCRIPT: Final = bytes.fromhex("5120") + bytes(32)
"""P2TR and P2WSH are the longest scripts a party may be paid to."""
_ANY_OUTPOINT: Final = OutPoint.parse("00" * 32 + ":0")
_ANY_P2WSH: Final = bytes.fromhex("0020") + bytes(32)
_LOCK_BODY_WEIGHT: Final = 4 * (4 + 1 + 1 + 4) + 2 + scripts.output_weight(_ANY_P2WSH)
"""Version, two counts, locktime, segwit marker and flag (one weight unit each), the lock output."""


@frozen
class SharedCosts:
    """In sats."""

    commit_fee: Sats
    exit_fee: Sats
    """Reserved for the CET or refund that ends the CFD."""
    lock_body_fee: Sats
    """For the part of the lock that is neither an input nor a change output."""

    @property
    def total(self) -> int:
        return self.commit_fee + scripts.ANCHOR_SATS + self.exit_fee + self.lock_body_fee

    @property
    def half(self) -> int:
        """What each party pays; an odd sat goes to the lock's fee."""
        return (self.total + 1) // 2


def fee_of(weight: int, rate: FeeRate) -> Sats:
    """Fee in sats for so many weight units, rounded up to whole virtual bytes as nodes count them."""
    return Sats((weight + 3) // 4 * rate)


def commit_transaction(lock: OutPoint, sats: Sats, script_pubkey: bytes) -> Transaction:
    """The unsigned commit: one output to the commit script, one anchor that anyone can bump the fee with."""
    outputs = (TxOut(sats, script_pubkey), TxOut(scripts.ANCHOR_SATS, scripts.P2A_SCRIPT))
    return Transaction(inputs=(TxIn(lock),), outputs=outputs)


def exit_transaction(commit: OutPoint, outputs: tuple[TxOut, ...], timelock: int) -> Transaction:
    """An unsigned CET or refund, valid `timelock` blocks after the commit confirmed."""
    return Transaction(inputs=(TxIn(commit, sequence=timelock),), outputs=outputs)


def shared_costs(rate: FeeRate, maker_payout_script: bytes, taker_payout_script: bytes) -> SharedCosts:
    """What the two parties share at this fee rate, with the scripts they want to be paid to."""
    payments = (TxOut(Sats(0), maker_payout_script), TxOut(Sats(0), taker_payout_script))
    commit = commit_transaction(_ANY_OUTPOINT, Sats(0), _ANY_P2WSH)
    exit_tx = exit_transaction(_ANY_OUTPOINT, payments, 0)
    return SharedCosts(
        commit_fee=fee_of(commit.with_witness(0, placeholder_witness(LOCK_SCRIPT_BYTES)).weight, rate),
        exit_fee=fee_of(exit_tx.with_witness(0, placeholder_witness(COMMIT_SCRIPT_BYTES)).weight, rate),
        lock_body_fee=fee_of(_LOCK_BODY_WEIGHT, rate),
    )
