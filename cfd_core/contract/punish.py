"""Punishing a revoked commit: the wronged party takes its whole output before any CET can move."""

from typing import Final

from attrs import field, frozen

from cfd_core.bitcoin.transaction import Transaction, TxIn, TxOut
from cfd_core.contract.costs import fee_of
from cfd_core.contract.draft import COMMIT_VOUT, Draft
from cfd_core.contract.purpose import Action, Purpose
from cfd_core.contract.scripts import SIGNATURE_BYTES, RevisionPoints, witness_signature
from cfd_core.crypto import secp
from cfd_core.crypto.secp import public_key
from cfd_core.crypto.signer import Signer
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


def revokes(point: bytes, secret: Secret) -> bool:
    """Whether `secret` is the secret key of the revocation point."""
    try:
        return public_key(secret).encode() == point
    except RuleViolation:
        return False


def check_revocation(point: bytes, secret: Secret) -> None:
    """`PeerViolation` unless `secret` is the secret key of the revocation point."""
    if not revokes(point, secret):
        raise PeerViolation("the revocation secret does not belong to the revision")


def punishment(draft: Draft, role: Role, sats: Sats) -> Transaction:
    """The unsigned transaction that takes the output of the revoked commit and pays `sats` of it to this side."""
    output = TxOut(sats, draft.party(role).funder.payout_script)
    return Transaction((TxIn(draft.commit_outpoint),), (output,))


def punish_digest(draft: Draft, tx: Transaction) -> bytes:
    """What all three keys sign."""
    return tx.sighash_v0(0, draft.commit_script, draft.commit.outputs[COMMIT_VOUT].sats)


def sign_punish(
    draft: Draft, role: Role, keys: Signer, publish: Secret, revocation: Secret, rate: FeeRate
) -> Transaction:
    """The transaction that takes the output of the revoked revision `draft`, at `rate` sat/vB.

    `publish` and `revocation` are the counterparty's secrets. Signing again at a higher rate makes a replacement.
    """
    spent = draft.commit.outputs[COMMIT_VOUT].sats
    theirs, own_key = (publish, revocation), keys.public.identity
    sketch = _with_witness(draft, role, punishment(draft, role, spent), bytes(SIGNATURE_BYTES - 1), own_key, theirs)
    sats = Sats(spent - min(fee_of(sketch.weight, rate), spent // MAX_FEE_SHARE))
    tx = punishment(draft, role, sats)
    own = keys.sign(punish_digest(draft, tx), Purpose(action=Action.PUNISH, draft=draft, sats=sats))
    return _with_witness(draft, role, tx, own, own_key, theirs)


def _with_witness(
    draft: Draft, role: Role, tx: Transaction, own: bytes, own_key: bytes, theirs: tuple[Secret, Secret]
) -> Transaction:
    digest = punish_digest(draft, tx)
    proofs = [(witness_signature(secp.ecdsa_sign(key, digest)), public_key(key).encode()) for key in theirs]
    (publish, publish_key), (revocation, revocation_key) = proofs
    branch = _FIRST_BRANCH if role is Role.MAKER else _SECOND_BRANCH
    # read from the top: no signature of the maker, then the branch, then what the branch checks, in its order
    proven = (revocation, revocation_key, publish, publish_key, witness_signature(own), own_key)
    return tx.with_witness(0, (*proven, branch, _NO_SIGNATURE, draft.commit_script))
