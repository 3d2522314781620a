"""The lock transaction: who puts in what, and what comes back as change.

Everyone pays for their own inputs and change. What serves both (the commit with its anchor, the transaction that
ends the CFD, the body of the lock) is halved; an odd sat goes to the lock's fee.
"""

from typing import Final

from attrs import field, frozen

from cfd_core.bitcoin import scripts
from cfd_core.bitcoin.transaction import Transaction, TxIn, TxOut
from cfd_core.contract.costs import LARGEST_PAYOUT_SCRIPT, SharedCosts, fee_of, shared_costs
from cfd_core.contract.terms import ContractTerms
from cfd_core.errors import DecodeError, PeerViolation
from cfd_core.values import FeeRate, OutPoint, Role, Sats

MAX_INPUTS_EACH: Final = 50


@frozen
class LockInput:
    """A coin that one party puts into the lock."""

    outpoint: OutPoint
    output: TxOut


@frozen(kw_only=True)
class Funder:
    """One party's side of the lock."""

    identity: bytes = field(repr=lambda key: key.hex())
    """33-byte public key, fresh for each CFD."""
    inputs: tuple[LockInput, ...]
    change_script: bytes
    payout_script: bytes

    def __attrs_post_init__(self) -> None:
        if not 1 <= len(self.inputs) <= MAX_INPUTS_EACH:
            raise DecodeError(f"a party brings 1 to {MAX_INPUTS_EACH} inputs, not {len(self.inputs)}")
        if len({coin.outpoint for coin in self.inputs}) != len(self.inputs):
            raise DecodeError("the same input twice")
        for coin in self.inputs:
            scripts.input_weight(coin.output.script)
        scripts.script_kind(self.change_script)
        scripts.script_kind(self.payout_script)


def change_of(funder: Funder, margin: Sats, costs: SharedCosts, rate: FeeRate) -> Sats:
    """What comes back to this party: 0 when it would be dust. `PeerViolation` when the inputs do not suffice."""
    brought = sum(coin.output.sats for coin in funder.inputs)
    own_inputs = sum(scripts.input_weight(coin.output.script) for coin in funder.inputs)
    left = brought - margin - costs.half - fee_of(own_inputs, rate)
    if left < 0:
        raise PeerViolation(f"inputs of {brought:,} sats are {-left:,} short of margin and fees")
    change = left - fee_of(scripts.output_weight(funder.change_script), rate)
    return Sats(change) if change >= scripts.dust_limit(funder.change_script) else Sats(0)


def needed(terms: ContractTerms, role: Role) -> Sats:
    """What coin selection must cover besides the fees of its own inputs and change.

    The counterparty's payout script is not known yet, so the longest is counted.
    """
    costs = shared_costs(terms.fee_rate, LARGEST_PAYOUT_SCRIPT, LARGEST_PAYOUT_SCRIPT)
    return Sats(terms.margin(role) + costs.half)


def build_lock(
    terms: ContractTerms, maker: Funder, taker: Funder, script_pubkey: bytes, costs: SharedCosts
) -> Transaction:
    """The unsigned lock: maker's inputs then taker's; lock output, maker's change, taker's change."""
    coins = maker.inputs + taker.inputs
    if len({coin.outpoint for coin in coins}) != len(coins):
        raise PeerViolation("both parties bring the same input")
    locked = Sats(terms.pool + costs.commit_fee + scripts.ANCHOR_SATS + costs.exit_fee)
    changes = (
        TxOut(change_of(maker, terms.margin(Role.MAKER), costs, terms.fee_rate), maker.change_script),
        TxOut(change_of(taker, terms.margin(Role.TAKER), costs, terms.fee_rate), taker.change_script),
    )
    return Transaction(
        inputs=tuple(TxIn(coin.outpoint) for coin in coins),
        outputs=(TxOut(locked, script_pubkey), *(out for out in changes if out.sats > 0)),
    )
