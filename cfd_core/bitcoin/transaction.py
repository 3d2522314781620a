"""Transactions as values. embit serialises and hashes; this module types it and closes its traps."""

from collections.abc import Sequence
from functools import cached_property
from io import BytesIO
from typing import Any, Final, Self

from attrs import define, evolve, field, frozen
from embit.script import Script, Witness
from embit.transaction import SIGHASH, TransactionInput, TransactionOutput
from embit.transaction import Transaction as EmbitTransaction

from cfd_core.errors import DecodeError
from cfd_core.values import OutPoint, Sats, Txid

MAX_TRANSACTION_BYTES: Final = 400_000
"""Larger transactions are not relayed (400,000 weight units), so no honest peer needs one."""
MAX_MONEY: Final = 21_000_000 * 100_000_000
SIGHASH_ALL: Final = 1
FINAL_SEQUENCE: Final = 0xFFFFFFFF
RBF_SEQUENCE: Final = 0xFFFFFFFD


@frozen
class TxOut:
    """An amount and the script that may spend it."""

    sats: Sats
    script: bytes


@frozen
class TxIn:
    """A spent outpoint, its nSequence (a BIP 68 relative lock in version 2), and its witness stack."""

    outpoint: OutPoint
    sequence: int = RBF_SEQUENCE
    witness: tuple[bytes, ...] = ()


@define(frozen=True, slots=False)
class Transaction:
    """A segwit transaction: version 2, no script signatures of ours; parsed ones keep theirs."""

    inputs: tuple[TxIn, ...]
    outputs: tuple[TxOut, ...]
    version: int = 2
    locktime: int = 0
    script_sigs: tuple[bytes, ...] = field(default=(), repr=False)
    """Empty, or one per input: only transactions of others carry them."""

    @cached_property
    def txid(self) -> Txid:
        return Txid(self._embit().txid().hex())

    def serialize(self) -> bytes:
        """Network serialisation, with witnesses where there are any."""
        return bytes(self._embit().serialize())

    @property
    def weight(self) -> int:
        """BIP 141 weight units."""
        stripped = len(self.without_witnesses().serialize())
        return stripped * 3 + len(self.serialize())

    @property
    def vsize(self) -> int:
        return (self.weight + 3) // 4

    def outpoint(self, vout: int) -> OutPoint:
        return OutPoint(self.txid, vout)

    def without_witnesses(self) -> "Transaction":
        return evolve(self, inputs=tuple(evolve(i, witness=()) for i in self.inputs))

    def with_witness(self, index: int, witness: Sequence[bytes]) -> "Transaction":
        inputs = list(self.inputs)
        inputs[index] = evolve(inputs[index], witness=tuple(witness))
        return evolve(self, inputs=tuple(inputs))

    def sighash_v0(self, index: int, script_code: bytes, sats: Sats) -> bytes:
        """BIP 143 digest, SIGHASH_ALL, for a witness version 0 input."""
        return bytes(self._embit().sighash_segwit(index, Script(script_code), sats, SIGHASH.ALL))

    def sighash_taproot(self, index: int, spent: Sequence[TxOut], sighash: int = 0) -> bytes:
        """BIP 341 key-path digest; `spent` are the outputs of all inputs, in order."""
        scripts = [Script(out.script) for out in spent]
        return bytes(self._embit().sighash_taproot(index, scripts, [out.sats for out in spent], sighash))

    def _embit(self) -> Any:
        sigs = self.script_sigs or (b"",) * len(self.inputs)
        # every list is passed: embit's defaults are shared between instances
        vin = [
            TransactionInput(
                bytes.fromhex(i.outpoint.txid), i.outpoint.vout, Script(s), i.sequence, Witness(list(i.witness))
            )
            for i, s in zip(self.inputs, sigs, strict=True)
        ]
        vout = [TransactionOutput(o.sats, Script(o.script)) for o in self.outputs]
        return EmbitTransaction(self.version, vin, vout, self.locktime)

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read one whole transaction; `DecodeError` for anything else, including a tail."""
        if len(raw) > MAX_TRANSACTION_BYTES:
            raise DecodeError(f"a transaction of {len(raw):,} bytes is over the limit of {MAX_TRANSACTION_BYTES:,}")
        _check_shape(raw)
        parsed = EmbitTransaction.read_from(BytesIO(raw))
        tx = cls(
            inputs=tuple(
                TxIn(OutPoint(Txid(i.txid.hex()), i.vout), i.sequence, tuple(i.witness.items)) for i in parsed.vin
            ),
            outputs=tuple(TxOut(Sats(o.value), o.script_pubkey.data) for o in parsed.vout),
            version=parsed.version,
            locktime=parsed.locktime,
            script_sigs=tuple(i.script_sig.data for i in parsed.vin)
            if any(i.script_sig.data for i in parsed.vin)
            else (),
        )
        if tx.serialize() != raw:
            raise DecodeError("a transaction that does not encode back to its own bytes")
        if any(out.sats > MAX_MONEY for out in tx.outputs):
            raise DecodeError("an output of more than 21 million bitcoin")
        return tx


class _Cursor:
    """Walks over raw bytes; every step checks that the bytes are there."""

    def __init__(self, raw: bytes) -> None:
        self.raw, self.at = raw, 0

    def skip(self, count: int) -> bytes:
        piece = self.raw[self.at : self.at + count]
        if len(piece) != count:
            raise DecodeError("a transaction that ends too early")
        self.at += count
        return piece

    def number(self) -> int:
        first = self.skip(1)[0]
        if first < 0xFD:
            return first
        return int.from_bytes(self.skip({0xFD: 2, 0xFE: 4, 0xFF: 8}[first]), "little")

    def strings(self, count: int, before: int, after: int) -> None:
        """Skip `count` records of fixed bytes, a length-prefixed string and fixed bytes."""
        for _ in range(count):
            self.skip(before)
            self.skip(self.number())
            self.skip(after)


def _check_shape(raw: bytes) -> None:
    # embit reads short input as empty fields and loops as often as a count says: look before it does
    cursor = _Cursor(raw)
    cursor.skip(4)
    segwit = raw[4:6] == b"\x00\x01"
    if segwit:
        cursor.skip(2)
    inputs = cursor.number()
    cursor.strings(inputs, 36, 4)
    cursor.strings(cursor.number(), 8, 0)
    for _ in range(inputs if segwit else 0):
        cursor.strings(cursor.number(), 0, 0)
    cursor.skip(4)
    if cursor.at != len(raw):
        raise DecodeError("a transaction followed by other bytes")
    if inputs == 0:
        raise DecodeError("a transaction without inputs")
