"""The two witness scripts of a CFD and the witness stacks that satisfy them.

The lock is a 2-of-2. A commit output can be spent by both together (CET, refund), or by one party alone that knows
the other's publish *and* revocation secret: the publish secret is revealed by publishing the commit, the revocation
secret by moving on to the next revision, so only a revoked commit that was published can be punished.
"""

from typing import Final

from attrs import frozen

from cfd_core.bitcoin import scripts
from cfd_core.bitcoin.transaction import SIGHASH_ALL

SIGNATURE_BYTES: Final = 72
"""Weights count this many per signature (with its sighash byte): a decrypted adaptor signature cannot be ground."""

LOCK_SCRIPT_BYTES: Final = 70
COMMIT_SCRIPT_BYTES: Final = 224


@frozen
class RevisionPoints:
    """One party's two public points of one DLC revision, 33 bytes each."""

    publish: bytes
    revocation: bytes


def lock_script(maker: bytes, taker: bytes) -> bytes:
    """2-of-2 over the identity keys: `<maker> CHECKSIGVERIFY <taker> CHECKSIG`."""
    return scripts.miniscript(f"c:and_v(v:pk({maker.hex()}),pk_k({taker.hex()}))")


def commit_script(maker: bytes, taker: bytes, maker_points: RevisionPoints, taker_points: RevisionPoints) -> bytes:
    """Both together, or one alone with the other's publish and revocation secrets."""
    m, t = maker.hex(), taker.hex()
    return scripts.miniscript(f"c:andor(pk({m}),pk_k({t}),or_i({_punish(m, taker_points)},{_punish(t, maker_points)}))")


def _punish(wronged: str, offender: RevisionPoints) -> str:
    publish, revocation = offender.publish.hex(), offender.revocation.hex()
    return f"and_v(v:pkh({wronged}),and_v(v:pkh({publish}),pk_h({revocation})))"


def witness_signature(der: bytes) -> bytes:
    """A DER signature as it stands in a witness."""
    return der + bytes([SIGHASH_ALL])


def both_witness(maker_der: bytes, taker_der: bytes, script: bytes) -> tuple[bytes, ...]:
    """Spends a lock or a commit output with both signatures (the maker's is checked first, so it is on top)."""
    return witness_signature(taker_der), witness_signature(maker_der), script


def placeholder_witness(script_bytes: int) -> tuple[bytes, ...]:
    """As heavy as `both_witness` can be; for weights only."""
    return bytes(SIGNATURE_BYTES), bytes(SIGNATURE_BYTES), bytes(script_bytes)
