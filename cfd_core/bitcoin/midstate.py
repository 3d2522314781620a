"""BIP 143 digests of transactions that differ only in their outputs.

All CETs of one event spend the same outpoint with the same sequence; only their payouts differ. Everything before and
after `hashOutputs` is therefore computed once.
"""

import hashlib
from collections.abc import Sequence

from attrs import field, frozen

from cfd_core.bitcoin.transaction import SIGHASH_ALL, TxIn, TxOut
from cfd_core.values import Sats


def _sha256d(data: bytes) -> bytes:
    return hashlib.sha256(hashlib.sha256(data).digest()).digest()


def compact_size(number: int) -> bytes:
    """Bitcoin's variable-length integer (up to 65,535; scripts here are shorter)."""
    if number < 0xFD:
        return bytes([number])
    return b"\xfd" + number.to_bytes(2, "little")


def encode_output(sats: int, script: bytes) -> bytes:
    """An output as it is serialised and hashed."""
    return sats.to_bytes(8, "little") + compact_size(len(script)) + script


@frozen
class OneInputDigest:
    """SIGHASH_ALL digests for a version 2 transaction with one witness v0 input and locktime 0."""

    _before: bytes = field(repr=False)
    _after: bytes = field(repr=False)

    @classmethod
    def of(cls, spent: TxIn, script_code: bytes, sats: Sats) -> "OneInputDigest":
        outpoint = bytes.fromhex(spent.outpoint.txid)[::-1] + spent.outpoint.vout.to_bytes(4, "little")
        sequence = spent.sequence.to_bytes(4, "little")
        code = compact_size(len(script_code)) + script_code
        before = (
            (2).to_bytes(4, "little")
            + _sha256d(outpoint)
            + _sha256d(sequence)
            + outpoint
            + code
            + sats.to_bytes(8, "little")
            + sequence
        )
        return cls(before, (0).to_bytes(4, "little") + SIGHASH_ALL.to_bytes(4, "little"))

    def digest(self, outputs: Sequence[TxOut]) -> bytes:
        """The 32 bytes to sign for these outputs."""
        return self.digest_encoded(b"".join(encode_output(out.sats, out.script) for out in outputs))

    def digest_encoded(self, outputs: bytes) -> bytes:
        """The same for outputs that are serialised already."""
        return _sha256d(self._before + _sha256d(outputs) + self._after)
