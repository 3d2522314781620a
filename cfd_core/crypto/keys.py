"""Every key of a node, from one BIP 32 seed. Seed and event log together are a full backup.

Nothing here is random or stored: the log names the CFDs and their revisions, the seed gives back their keys.

Layout (h: hardened; our own branch is hardened throughout, so a leaked key leads to no other):

    m / 84h / ...                                    the wallet's, by BIP 84; nothing of ours is below
    m / 4408900h / network / 0h / id1h .. id5h / 0h               identity key of one CFD
    m / 4408900h / network / 0h / id1h .. id5h / 1h / revision h  revocation key of one DLC revision
    m / 4408900h / network / 0h / id1h .. id5h / 2h / revision h  publish key of one DLC revision
    m / 4408900h / network / 1h                                   transport key (Ed25519)

4408900 is `CFD` in ASCII and no purpose of BIP 43's. The 128 bits of a CFD id are five indices of up to 31 bits, most
significant first; the id here is the CFD's `key_id`, which for a maker is not the id that the taker chose. Networks
have different branches: mainnet 0h, testnet4 1h, signet 2h, regtest 3h. All of this is for ever: a change of any number
loses keys.

Hardened derivation needs one HMAC and one scalar addition a step, so it is done here on `secp`. embit's BIP 32 would
also compute each step's public key, with curve functions that may fall back to variable-time Python; the tests compare.
"""

import hmac
from typing import Final

from attrs import field, frozen
from embit import base58, bip39

from cfd_core.crypto import adaptor
from cfd_core.crypto.cets import SignCetsJob
from cfd_core.crypto.secp import Point, ecdsa_sign, public_key, scalar_sum, valid_scalar
from cfd_core.crypto.signer import PublicKeys
from cfd_core.errors import RuleViolation
from cfd_core.values import CfdId, Network, Secret, cfd_id, kind, of_type

_HARDENED: Final = 1 << 31
_PURPOSE: Final = int.from_bytes(b"CFD", "big")
_CFDS, _TRANSPORT = 0, 1
_IDENTITY, _REVOCATION, _PUBLISH = 0, 1, 2
_BRANCH: Final = {Network.MAINNET: 0, Network.TESTNET4: 1, Network.SIGNET: 2, Network.REGTEST: 3}
_XPRV: Final = bytes.fromhex("0488ade4")
_TPRV: Final = bytes.fromhex("04358394")
_PHRASE_LENGTHS: Final = (12, 15, 18, 21, 24)


@frozen
class _Node:
    """A private key of the tree with its chain code."""

    key: Secret
    chain_code: Secret

    def child(self, index: int) -> "_Node":
        """The hardened child (BIP 32, CKDpriv). Fails once in 2^127 indices, then with `RuleViolation`."""
        data = b"\x00" + self.key.reveal() + (index + _HARDENED).to_bytes(4, "big")
        left, right = _halves(self.chain_code.reveal(), data)
        return _Node(scalar_sum([left, self.key]), right)

    def descend(self, *indices: int) -> "_Node":
        node = self
        for index in indices:
            node = node.child(index)
        return node


@frozen
class CfdKeys:
    """Our secret keys of one CFD at one DLC revision."""

    identity: Secret
    """The same for all revisions of the CFD; the 2-of-2 key."""
    revocation: Secret
    """Handed to the counterparty when the revision is revoked."""
    publish: Secret
    """Revealed on chain by whoever publishes the revision's commit."""

    # --- a `Signer`: it is asked by our own process, so it does as it is told

    @property
    def public(self) -> PublicKeys:
        secrets = (self.identity, self.publish, self.revocation)
        return PublicKeys(*(public_key(secret).encode() for secret in secrets))

    def sign(self, digest: bytes, purpose: object) -> bytes:  # noqa: ARG002
        return ecdsa_sign(self.identity, digest)

    def encrypt_sign(self, digest: bytes, point: bytes, aux: bytes, purpose: object) -> bytes:  # noqa: ARG002
        return adaptor.encrypt_sign(self.identity, Point.parse(point), digest, aux)

    def cets_job(
        self,
        digests: bytes,
        points: tuple[Point, ...],
        aux: bytes,
        purpose: object,  # noqa: ARG002
    ) -> SignCetsJob:
        return SignCetsJob(self.identity, digests, points, aux)

    def decrypt(self, signature: bytes, purpose: object) -> bytes:  # noqa: ARG002
        return adaptor.decrypt(signature, self.publish)

    def reveal_revocation(self) -> Secret:
        return self.revocation


@frozen
class Keychain:
    """All keys of one node on one network."""

    network: Network = field(validator=kind(Network))
    _master: _Node = field(repr=False)

    @classmethod
    def from_seed(cls, seed: Secret, network: Network) -> "Keychain":
        """From a BIP 32 seed of 16 to 64 bytes; `RuleViolation` for another length."""
        of_type(seed, (Secret,), "a seed is a Secret")
        if not 16 <= len(seed.reveal()) <= 64:
            raise RuleViolation(f"a seed has 16 to 64 bytes, not {len(seed.reveal())}")
        key, chain_code = _halves(b"Bitcoin seed", seed.reveal())
        valid_scalar(key)
        return cls(network, _Node(key, chain_code))

    @classmethod
    def from_mnemonic(cls, phrase: Secret, network: Network) -> "Keychain":
        """From a BIP 39 recovery phrase in English (UTF-8, words apart by white space), without a passphrase.

        `RuleViolation` for a phrase of another length, a word not on the list (its place is told, not the word) or a
        wrong checksum.
        """
        words = _checked_words(phrase)
        return cls.from_seed(Secret(bip39.mnemonic_to_seed(words)), network)

    def cfd_keys(self, cfd: CfdId, revision: int) -> CfdKeys:
        """The keys of a CFD at a revision, 0 to 2^31 - 1; revision 0 is the one made at contract setup."""
        if not 0 <= revision < _HARDENED:
            raise RuleViolation(f"a DLC revision lies between 0 and 2^31 - 1, not {revision}")
        number = int(cfd_id(cfd), 16)
        id_path = [(number >> shift) % _HARDENED for shift in (124, 93, 62, 31, 0)]
        node = self._ours().descend(_CFDS, *id_path)
        return CfdKeys(
            identity=node.child(_IDENTITY).key,
            revocation=node.descend(_REVOCATION, revision).key,
            publish=node.descend(_PUBLISH, revision).key,
        )

    def transport_key(self) -> Secret:
        """32 bytes that are the private key of the node's Ed25519 transport identity."""
        return self._ours().child(_TRANSPORT).key

    def wallet_xprv(self) -> Secret:
        """The master key for the wallet, in ASCII: xprv... on mainnet, tprv... elsewhere (BIP 32).

        It is the root, as wallet software expects for BIP 84 descriptors; who holds it can derive every key here.
        """
        version = _XPRV if self.network is Network.MAINNET else _TPRV
        origin = bytes(9)  # depth, parent's fingerprint and child number of a root are zero
        payload = version + origin + self._master.chain_code.reveal() + b"\x00" + self._master.key.reveal()
        return Secret(base58.encode_check(payload).encode())

    def _ours(self) -> _Node:
        return self._master.descend(_PURPOSE, _BRANCH[self.network])


def _halves(key: bytes, data: bytes) -> tuple[Secret, Secret]:
    raw = hmac.digest(key, data, "sha512")
    return Secret(raw[:32]), Secret(raw[32:])


def _checked_words(phrase: Secret) -> str:
    """The words with single spaces between them. embit's own errors would show a word, so they never get out."""
    words = phrase.reveal().decode(errors="replace").split()
    if len(words) not in _PHRASE_LENGTHS:
        raise RuleViolation(f"a recovery phrase has 12, 15, 18, 21 or 24 words, not {len(words)}")
    unknown = [place for place, word in enumerate(words, 1) if word not in bip39.WORDLIST]
    if unknown:
        raise RuleViolation(f"word {unknown[0]} of the recovery phrase is not on BIP 39's list")
    text = " ".join(words)
    if not bip39.mnemonic_is_valid(text):
        raise RuleViolation("the recovery phrase has a wrong checksum: some word is wrong or out of place")
    return text
