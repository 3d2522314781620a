"""The close: a collaborative settlement spends the lock output straight to both parties."""

from decimal import Decimal
from fractions import Fraction

from attrs import frozen

from cfd_core.bitcoin.transaction import Transaction, TxIn
from cfd_core.contract.costs import fee_of
from cfd_core.contract.draft import LOCK_VOUT, Draft
from cfd_core.contract.scripts import LOCK_SCRIPT_BYTES, both_witness, placeholder_witness
from cfd_core.crypto import secp
from cfd_core.crypto.keys import CfdKeys
from cfd_core.crypto.secp import Point
from cfd_core.errors import PeerViolation
from cfd_core.values import Position, Role, Sats, round_half_up


@frozen
class Close:
    """An unsigned close at an agreed price."""

    price: Decimal
    transaction: Transaction
    digest: bytes
    """What both sign."""
    maker: Sats
    """Payout by the payoff, before the returned fee reserve."""
    taker: Sats


def build_close(draft: Draft, price: Decimal) -> Close:
    """The close of the CFD at exactly this price, with all fees of the revision.

    What the lock reserved for commit and exit and the close does not need goes back in halves; an odd sat to the fee.
    """
    curve = draft.terms.curve_of(draft.revision)
    long = Sats(round_half_up(curve.long_payout(Fraction(price))))
    short = Sats(draft.terms.pool - long)
    maker, taker = (long, short) if draft.terms.position(Role.MAKER) is Position.LONG else (short, long)
    spent = draft.lock.outputs[LOCK_VOUT]
    spend = (TxIn(draft.lock_outpoint),)
    sketch = Transaction(spend, draft.payments(maker, taker, with_both=True))
    weight = sketch.with_witness(0, placeholder_witness(LOCK_SCRIPT_BYTES)).weight
    back = max(0, spent.sats - draft.terms.pool - fee_of(weight, draft.terms.fee_rate)) // 2
    close = Transaction(spend, draft.payments(Sats(maker + back), Sats(taker + back)))
    return Close(price, close, close.sighash_v0(0, draft.lock_script, spent.sats), maker, taker)


def closing_price_position(taker: Position) -> Position:
    """Which side of the maker's quote closes a taker's position: a long sells at the bid, a short buys at the ask."""
    return taker.other


def sign_close(close: Close, keys: CfdKeys) -> bytes:
    """Our DER signature."""
    return secp.ecdsa_sign(keys.identity, close.digest)


def complete_close(draft: Draft, role: Role, close: Close, own: bytes, theirs: bytes) -> Transaction:
    """The close with both signatures; `PeerViolation` when the counterparty's is not valid."""
    key = Point.parse(draft.party(role.other).funder.identity)
    if not secp.ecdsa_verify(key, close.digest, theirs):
        raise PeerViolation("the signature on the close is not valid")
    maker, taker = (own, theirs) if role is Role.MAKER else (theirs, own)
    return close.transaction.with_witness(0, both_witness(maker, taker, draft.lock_script))
