"""Transactions as a block or the mempool holds them, and the canonical codec for them.

Unlike the core's own transactions these may be anything a block may hold: coinbases, legacy inputs, any version.
"""

import hashlib
from collections.abc import Sequence
from typing import Final

from attrs import field, frozen

from cfd_core.errors import DecodeError
from cfd_core.values import OutPoint, Sats, Txid

MAX_TRANSACTION_BYTES: Final = 4_000_000
NULL_TXID: Final = Txid("00" * 32)


@frozen
class TxInput:
    """A spent outpoint with everything that unlocks it."""

    outpoint: OutPoint
    script_sig: bytes = b""
    sequence: int = 0xFFFFFFFD
    witness: tuple[bytes, ...] = ()


@frozen
class TxOutput:
    """An amount and the script that locks it."""

    sats: Sats
    script: bytes


@frozen
class Tx:
    """One decoded transaction. `weight` is in BIP 141 units; `wtxid` is in internal byte order."""

    raw: bytes = field(repr=False)
    txid: Txid
    wtxid: bytes = field(repr=False)
    version: int
    inputs: tuple[TxInput, ...]
    outputs: tuple[TxOutput, ...]
    locktime: int
    weight: int

    @property
    def vsize(self) -> int:
        return (self.weight + 3) // 4

    @property
    def stripped_size(self) -> int:
        """Bytes without the witnesses."""
        return (self.weight - len(self.raw)) // 3

    @property
    def is_coinbase(self) -> bool:
        return len(self.inputs) == 1 and self.inputs[0].outpoint.txid == NULL_TXID

    @property
    def spent(self) -> tuple[OutPoint, ...]:
        return tuple(item.outpoint for item in self.inputs)

    def created(self) -> list[tuple[OutPoint, TxOutput]]:
        """The outputs with their outpoints."""
        return [(OutPoint(self.txid, n), out) for n, out in enumerate(self.outputs)]


def sha256d(data: bytes) -> bytes:
    return hashlib.sha256(hashlib.sha256(data).digest()).digest()


def compact_size(number: int) -> bytes:
    """Bitcoin's variable-length integer."""
    if number < 0xFD:
        return bytes([number])
    for marker, width in ((0xFD, 2), (0xFE, 4), (0xFF, 8)):
        if number < 1 << 8 * width:
            return bytes([marker]) + number.to_bytes(width, "little")
    raise ValueError(f"no compact size holds {number}")


def encode_outpoint(outpoint: OutPoint) -> bytes:
    return bytes.fromhex(outpoint.txid)[::-1] + outpoint.vout.to_bytes(4, "little")


def encode_output(out: TxOutput) -> bytes:
    return out.sats.to_bytes(8, "little") + compact_size(len(out.script)) + out.script


def make_tx(inputs: Sequence[TxInput], outputs: Sequence[TxOutput], *, version: int = 2, locktime: int = 0) -> Tx:
    """Put a transaction together; witnesses are written where any input has one."""
    core = compact_size(len(inputs)) + b"".join(_encode_input(item) for item in inputs)
    core += compact_size(len(outputs)) + b"".join(encode_output(out) for out in outputs)
    head, tail = version.to_bytes(4, "little"), locktime.to_bytes(4, "little")
    stripped = raw = head + core + tail
    if any(item.witness for item in inputs):
        raw = head + b"\x00\x01" + core + b"".join(_encode_witness(item.witness) for item in inputs) + tail
    txid = Txid(sha256d(stripped)[::-1].hex())
    weight = 3 * len(stripped) + len(raw)
    return Tx(raw, txid, sha256d(raw), version, tuple(inputs), tuple(outputs), locktime, weight)


def parse_tx(raw: bytes) -> Tx:
    """Read one whole transaction in its canonical form; `DecodeError` for anything else."""
    if len(raw) > MAX_TRANSACTION_BYTES:
        raise DecodeError(f"a transaction of {len(raw):,} bytes")
    cursor = Cursor(raw)
    tx = cursor.transaction()
    cursor.end()
    return tx


def _encode_input(item: TxInput) -> bytes:
    sequence = item.sequence.to_bytes(4, "little")
    return encode_outpoint(item.outpoint) + compact_size(len(item.script_sig)) + item.script_sig + sequence


def _encode_witness(stack: tuple[bytes, ...]) -> bytes:
    return compact_size(len(stack)) + b"".join(compact_size(len(item)) + item for item in stack)


class Cursor:
    """Walks over raw bytes; every step checks that the bytes are there."""

    def __init__(self, raw: bytes) -> None:
        self._raw, self._at = raw, 0

    def take(self, count: int) -> bytes:
        piece = self._raw[self._at : self._at + count]
        if len(piece) != count:
            raise DecodeError("bytes that end too early")
        self._at += count
        return piece

    def end(self) -> None:
        if self._at != len(self._raw):
            raise DecodeError("other bytes follow")

    def integer(self, width: int) -> int:
        return int.from_bytes(self.take(width), "little")

    def count(self) -> int:
        first = self.integer(1)
        return first if first < 0xFD else self.integer({0xFD: 2, 0xFE: 4, 0xFF: 8}[first])

    def string(self) -> bytes:
        return self.take(self.count())

    def transaction(self) -> Tx:
        """Read one transaction; it must encode back to the very same bytes."""
        start = self._at
        version = self.integer(4)
        segwit = self._raw[self._at : self._at + 2] == b"\x00\x01"
        if segwit:
            self.take(2)
        inputs = [self._input() for _ in range(self.count())]
        outputs = [TxOutput(Sats(self.integer(8)), self.string()) for _ in range(self.count())]
        if segwit:
            inputs = [self._with_witness(item) for item in inputs]
        tx = make_tx(inputs, outputs, version=version, locktime=self.integer(4))
        if not inputs or tx.raw != self._raw[start : self._at]:
            raise DecodeError("not the canonical encoding of a transaction")
        return tx

    def _input(self) -> TxInput:
        txid = Txid(self.take(32)[::-1].hex())
        vout = self.integer(4)
        return TxInput(OutPoint(txid, vout), self.string(), self.integer(4))

    def _with_witness(self, item: TxInput) -> TxInput:
        stack = tuple(self.string() for _ in range(self.count()))
        return TxInput(item.outpoint, item.script_sig, item.sequence, stack)
