"""The close: a collaborative settlement spends the lock output straight to both parties."""

from decimal import Decimal
from fractions import Fraction

from attrs import field, frozen

from cfd_core.bitcoin.transaction import Transaction, TxIn
from cfd_core.contract.costs import fee_of
from cfd_core.contract.draft import LOCK_VOUT, Draft
from cfd_core.contract.purpose import Action, Purpose
from cfd_core.contract.scripts import LOCK_SCRIPT_BYTES, both_witness, placeholder_witness
from cfd_core.crypto import secp
from cfd_core.crypto.secp import Point
from cfd_core.crypto.signer import Signer
from cfd_core.errors import DecodeError, PeerViolation
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
    draft: Draft = field(repr=False)


def build_close(draft: Draft, price: Decimal) -> Close:
    """The close of the CFD at exactly this price, with all fees of the revision.

    What the lock reserved for commit and exit and the close does not need goes back in halves; an odd sat to the fee.
    """
    curve = draft.terms.curve_of(draft.revision)
    long = Sats(round_half_up(curve.long_payout(Fraction(price))))
    short = Sats(draft.terms.pool - long)
    maker, taker = (long, short) if draft.terms.position(Role.MAKER) is Position.LONG else (short, long)
    back = _given_back(draft)
    close = Transaction((TxIn(draft.lock_outpoint),), draft.payments(Sats(maker + back), Sats(taker + back)))
    digest = close.sighash_v0(0, draft.lock_script, draft.lock.outputs[LOCK_VOUT].sats)
    return Close(price, close, digest, maker, taker, draft)


def _given_back(draft: Draft) -> int:
    """Sats of the reserve for each side; the same at every price."""
    sketch = Transaction((TxIn(draft.lock_outpoint),), draft.payments(Sats(0), Sats(0), with_both=True))
    weight = sketch.with_witness(0, placeholder_witness(LOCK_SCRIPT_BYTES)).weight
    reserved = draft.lock.outputs[LOCK_VOUT].sats - draft.terms.pool
    return max(0, reserved - fee_of(weight, draft.terms.fee_rate)) // 2


def close_of_unknown_price(draft: Draft, role: Role, spend: Transaction) -> tuple[Sats, Sats] | None:
    """What (maker, taker) get in a close that our books do not hold, though we signed it; None when it is none.

    Books from a backup may lack a close. It spends the lock and nothing else, pays both parties' payout scripts what
    was locked, and has our signature, which nobody can make up. A share that was dust counts as the other side's.
    """
    paid = {out.script: out.sats for out in spend.outputs}
    scripts = [draft.party(side).funder.payout_script for side in (Role.MAKER, Role.TAKER)]
    back, pool = _given_back(draft), draft.terms.pool
    lawful = [tx_in.outpoint for tx_in in spend.inputs] == [draft.lock_outpoint] and set(paid) <= set(scripts)
    if not lawful or sum(paid.values()) != pool + 2 * back or not _signed_by(draft, role, spend):
        return None
    if len(paid) == 1:
        return (Sats(pool), Sats(0)) if scripts[0] in paid else (Sats(0), Sats(pool))
    return Sats(paid[scripts[0]] - back), Sats(paid[scripts[1]] - back)


def _signed_by(draft: Draft, role: Role, spend: Transaction) -> bool:
    witness = spend.inputs[0].witness
    if len(witness) != 3 or witness[2] != draft.lock_script:
        return False
    signature = witness[1 if role is Role.MAKER else 0][:-1]
    digest = spend.sighash_v0(0, draft.lock_script, draft.lock.outputs[LOCK_VOUT].sats)
    try:
        low = secp.compact_to_der(secp.low_s(secp.der_to_compact(signature)))
        return secp.ecdsa_verify(Point.parse(draft.party(role).funder.identity), digest, low)
    except DecodeError:
        return False


def closing_price_position(taker: Position) -> Position:
    """Which side of the maker's quote closes a taker's position: a long sells at the bid, a short buys at the ask."""
    return taker.other


def sign_close(close: Close, keys: Signer) -> bytes:
    """Our DER signature."""
    return keys.sign(close.digest, Purpose(action=Action.CLOSE, draft=close.draft, price=close.price))


def complete_close(draft: Draft, role: Role, close: Close, own: bytes, theirs: bytes) -> Transaction:
    """The close with both signatures; `PeerViolation` when the counterparty's is not valid."""
    key = Point.parse(draft.party(role.other).funder.identity)
    if not secp.ecdsa_verify(key, close.digest, theirs):
        raise PeerViolation("the signature on the close is not valid")
    maker, taker = (own, theirs) if role is Role.MAKER else (theirs, own)
    return close.transaction.with_witness(0, both_witness(maker, taker, draft.lock_script))
