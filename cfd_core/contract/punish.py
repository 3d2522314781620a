"""Punishing a revoked commit: the wronged party takes its whole output before any CET can move."""

from typing import Final

from attrs import field, frozen

from cfd_core.bitcoin.transaction import Transaction, TxIn, TxOut
from cfd_core.contract.costs import fee_of
from cfd_core.contract.draft import COMMIT_VOUT, Draft
from cfd_core.contract.scripts import RevisionPoints, witness_signature
from cfd_core.crypto import secp
from cfd_core.crypto.secp import public_key
from cfd_core.errors import PeerViolation, RuleViolation
from cfd_core.values import FeeRate, Role, Sats, Secret

_FIRST_BRANCH: Final = b"\x01"
_SECOND_BRANCH: Final = b""
_NO_SIGNATURE: Final = b""
MAX_FEE_SHARE: Final = 2
"""A punishment spends at most 1/2 of the pool on fees; the rest is worth waiting for."""


@frozen
class Revoked:
    """What punishing one revision needs, and nothing else (below 1 kB)."""

    number: int
    maker_points: RevisionPoints
    taker_points: RevisionPoints
    own_commit: bytes = field(repr=False)
    """Our adaptor signature on its commit."""
    secret: Secret
    """The counterparty's revocation secret."""
    tip: int = 0
    """The height at which we learned it; 0 when that is not known."""


def check_revocation(point: bytes, secret: Secret) -> None:
    """`PeerViolation` unless `secret` is the secret key of the revocation point."""
    try:
        matches = public_key(secret).encode() == point
    except RuleViolation:
        matches = False
    if not matches:
        raise PeerViolation("the revocation secret does not belong to the revision")


def sign_punish(
    draft: Draft, role: Role, identity: Secret, publish: Secret, revocation: Secret, rate: FeeRate
) -> Transaction:
    """The transaction that takes the output of the revoked revision `draft`, at `rate` sat/vB.

    `publish` and `revocation` are the counterparty's secrets. Signing again at a higher rate makes a replacement.
    """
    spent = draft.commit.outputs[COMMIT_VOUT]
    script = draft.party(role).funder.payout_script
    sketch = _sign(draft, role, (identity, publish, revocation), TxOut(spent.sats, script), spent.sats)
    fee = min(fee_of(sketch.weight, rate), spent.sats // MAX_FEE_SHARE)
    return _sign(draft, role, (identity, publish, revocation), TxOut(Sats(spent.sats - fee), script), spent.sats)


def _sign(draft: Draft, role: Role, secrets: tuple[Secret, Secret, Secret], output: TxOut, sats: Sats) -> Transaction:
    tx = Transaction((TxIn(draft.commit_outpoint),), (output,))
    digest = tx.sighash_v0(0, draft.commit_script, sats)
    proofs = [(witness_signature(secp.ecdsa_sign(key, digest)), public_key(key).encode()) for key in secrets]
    (own, own_key), (publish, publish_key), (revocation, revocation_key) = proofs
    branch = _FIRST_BRANCH if role is Role.MAKER else _SECOND_BRANCH
    # read from the top: no signature of the maker, then the branch, then what the branch checks, in its order
    stack = (revocation, revocation_key, publish, publish_key, own, own_key, branch, _NO_SIGNATURE)
    return tx.with_witness(0, (*stack, draft.commit_script))
