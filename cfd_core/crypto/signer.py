"""The signer boundary: what the rest of the core may ask of the secret keys of one CFD at one DLC revision.

`CfdKeys` answers in the process. A signer elsewhere (another process, a machine, a device) answers the same questions
and may refuse by rules of its own. It must not sign a digest because it is asked to: `purpose` says what the signature
is for (`cfd_core.contract.purpose`), with everything from which the digest can be derived anew.

Calls block. They raise `SignerRefused` when the signer will not, and `SignerUnavailable` when it cannot be asked: then
what it was asked for has not happened, and is asked for again.
"""

from typing import Final, Protocol

from attrs import frozen

from cfd_core.crypto.curve import Point
from cfd_core.errors import RuleViolation
from cfd_core.values import CfdId, Network, Secret


class SignerRefused(RuleViolation):
    """The signer's own rules forbid it."""


class SignerUnavailable(Exception):
    """The signer does not answer. Nothing has changed; what was asked for is asked again when it is back.

    No `CfdError`: like a store that cannot be written it is nobody's word on anything, and must not be taken for one.
    """


NOT_SIGNED: Final = (SignerRefused, SignerUnavailable)


@frozen
class PublicKeys:
    """33 bytes each."""

    identity: bytes
    publish: bytes
    revocation: bytes


class CetSigning(Protocol):
    """The work of making one revision's CET signatures, picklable; may be cut anywhere between two CETs."""

    def __hash__(self) -> int: ...

    def __len__(self) -> int: ...

    def slice(self, start: int, stop: int) -> "CetSigning": ...

    def run(self) -> bytes:
        """The adaptor signatures, packed, 162 bytes each."""


class Signer(Protocol):
    """The keys of one CFD at one DLC revision."""

    @property
    def public(self) -> PublicKeys:
        """What the counterparty is told."""

    def sign(self, digest: bytes, purpose: object) -> bytes:
        """DER signature of a transaction's digest with the identity key."""

    def encrypt_sign(self, digest: bytes, point: bytes, aux: bytes, purpose: object) -> bytes:
        """Adaptor signature with the identity key, encrypted to a point (162 bytes)."""

    def cets_job(self, digests: bytes, points: tuple[Point, ...], aux: bytes, purpose: object) -> CetSigning:
        """The work of signing all CETs: 32 bytes of digest and a point for each. Refused here or not at all."""

    def decrypt(self, signature: bytes, purpose: object) -> bytes:
        """The counterparty's adaptor signature on the commit, decrypted with the publish key: r || s.

        Whoever publishes what comes of it reveals the publish secret.
        """

    def reveal_revocation(self) -> Secret:
        """The revocation secret, for the counterparty. From then on this revision's commit must never be published."""


class Keyring(Protocol):
    """The signers of all CFDs of one node on one network."""

    @property
    def network(self) -> Network:
        """Whose addresses and rules apply."""

    def cfd_keys(self, cfd: CfdId, revision: int) -> Signer:
        """The signer of a CFD at a revision, 0 to 2^31 - 1; revision 0 is the one made at contract setup."""
