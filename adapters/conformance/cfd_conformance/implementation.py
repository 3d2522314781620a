"""What an implementation offers to the kit: a class with these methods, in Python; what it calls is its own affair.

Bytes are lower-case hex, amounts are whole sats, prices and rates decimal text, and the rest is as the vectors' README
says. A method that raises `NotImplementedError` is skipped, and the kit says so.
"""

from typing import Any, Protocol

Json = dict[str, Any]


class Invalid(Exception):
    """What was given is malformed or forbidden: the expected answer to vectors that are marked as bad."""


class Implementation(Protocol):
    """One implementation."""

    def verify_adaptor(self, signature: str, key: str, point: str, digest: str) -> bool:
        """Whether the 162 bytes are the key's ECDSA adaptor signature of the digest; `Invalid` if malformed."""

    def decrypt_adaptor(self, signature: str, secret: str) -> str:
        """r || s (64 bytes, low s)."""

    def recover_adaptor(self, signature: str, compact: str, point: str) -> str:
        """The secret of the encryption point; `Invalid` if the two signatures do not belong together."""

    def attestation_point(self, key: str, nonce: str, digest: str) -> str:
        """The point (33 bytes) of the BIP 340 signature with this nonce (x-only keys)."""

    def schedule(self, terms: Json) -> list[list[int]]:
        """The settlement's CETs in price order: digits of the prefix, its value, sats of the long, of the short."""

    def liquidation(self, terms: Json) -> list[list[int]]:
        """The same for one hourly event, which covers the two liquidation ranges only."""

    def contract(self, facts: Json) -> Json:
        """The unsigned transactions of one revision: see the README of the vectors."""

    def close(self, facts: Json, price: str) -> str:
        """The unsigned close at this price."""

    def revokes(self, point: str, secret: str) -> bool:
        """Whether the secret is that of the revocation point."""

    def publish_secret(self, facts: Json, role: str, own_commit: str, published: str) -> str:
        """The counterparty's publish secret from a commit that it published; `Invalid` if it did not."""

    def punish(self, facts: Json, role: str, sats: int) -> Json:
        """The unsigned transaction that takes a revoked commit's output and pays so many sats, and its `digest`."""
