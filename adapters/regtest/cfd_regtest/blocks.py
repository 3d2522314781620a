"""Blocks with regtest's rules: merkle trees, coinbases, proof of work."""

from collections.abc import Sequence
from typing import Final

from attrs import frozen

from cfd_core.errors import DecodeError
from cfd_core.values import OutPoint, Sats, Timestamp
from cfd_regtest.transactions import NULL_TXID, Cursor, Tx, TxInput, TxOutput, compact_size, make_tx, sha256d

BITS: Final = 0x207FFFFF
TARGET: Final = 0x7FFFFF << 8 * (0x20 - 3)
VERSION: Final = 0x20000000
HALVING_INTERVAL: Final = 150
COINBASE_MATURITY: Final = 100
MAX_BLOCK_WEIGHT: Final = 4_000_000
GENESIS: Final = bytes.fromhex(
    "0100000000000000000000000000000000000000000000000000000000000000000000003ba3edfd7a7b12b27ac72c3e67768f617fc81bc3"
    "888a51323a9fb8aa4b1e5e4adae5494dffff7f2002000000"
)
"""The header of regtest's first block; its coinbase cannot be spent and is not kept."""


@frozen
class Block:
    """A block: 80 header bytes and its transactions, the coinbase first."""

    header: bytes
    transactions: tuple[Tx, ...]

    @property
    def hash(self) -> str:
        """Display order, as explorers print it."""
        return header_hash(self.header)

    @property
    def previous(self) -> str:
        return self.header[4:36][::-1].hex()

    @property
    def time(self) -> Timestamp:
        return Timestamp(int.from_bytes(self.header[68:72], "little"))

    def serialize(self) -> bytes:
        return self.header + compact_size(len(self.transactions)) + b"".join(tx.raw for tx in self.transactions)


def parse_block(raw: bytes) -> Block:
    """Read one whole block; `DecodeError` for anything else. Its rules are the kernel's business."""
    cursor = Cursor(raw)
    header = cursor.take(80)
    transactions = tuple(cursor.transaction() for _ in range(cursor.count()))
    cursor.end()
    if not transactions:
        raise DecodeError("a block without transactions")
    return Block(header, transactions)


def header_hash(header: bytes) -> str:
    return sha256d(header)[::-1].hex()


def internal(display_hex: str) -> bytes:
    """A hash in the byte order in which it is hashed."""
    return bytes.fromhex(display_hex)[::-1]


def merkle_root(hashes: Sequence[bytes]) -> bytes:
    """Root over hashes in internal byte order, at least one."""
    level = list(hashes)
    while len(level) > 1:
        level = _parents(level)
    return level[0]


def merkle_branch(hashes: Sequence[bytes], index: int) -> list[bytes]:
    """The siblings from leaf `index` up to the root."""
    level, branch = list(hashes), []
    while len(level) > 1:
        branch.append(level[min(index ^ 1, len(level) - 1)])
        level, index = _parents(level), index // 2
    return branch


def _parents(level: list[bytes]) -> list[bytes]:
    even = level if len(level) % 2 == 0 else [*level, level[-1]]
    return [sha256d(even[n] + even[n + 1]) for n in range(0, len(even), 2)]


def subsidy(height: int) -> Sats:
    """New coins of a block, without fees."""
    return Sats(5_000_000_000 >> height // HALVING_INTERVAL)


def assemble(
    *, previous: str, height: int, time: int, script: bytes, transactions: Sequence[Tx], fees: int, nonce: int
) -> Block:
    """A block that keeps the rules if its transactions do. `nonce` makes the coinbase unlike any other."""
    body = [tx.wtxid for tx in transactions]
    coinbase = _coinbase(height, nonce, script, subsidy(height) + fees, merkle_root([bytes(32), *body]))
    everything = (coinbase, *transactions)
    root = merkle_root([internal(tx.txid) for tx in everything])
    return Block(_mined_header(internal(previous), root, time), everything)


def _coinbase(height: int, nonce: int, script: bytes, sats: int, witness_root: bytes) -> Tx:
    reserved = bytes(32)
    commitment = b"\x6a\x24\xaa\x21\xa9\xed" + sha256d(witness_root + reserved)
    script_sig = _push_height(height) + b"\x08" + nonce.to_bytes(8, "little")
    item = TxInput(OutPoint(NULL_TXID, 0xFFFFFFFF), script_sig, 0xFFFFFFFF, (reserved,))
    return make_tx([item], [TxOutput(Sats(sats), script), TxOutput(Sats(0), commitment)])


def _push_height(height: int) -> bytes:
    # BIP 34 with minimal pushes: 1 to 16 have opcodes of their own
    if height <= 16:
        return bytes([0x50 + height])
    width = (height.bit_length() + 8) // 8
    return bytes([width]) + height.to_bytes(width, "little")


def _mined_header(previous: bytes, root: bytes, time: int) -> bytes:
    start = VERSION.to_bytes(4, "little") + previous + root + time.to_bytes(4, "little") + BITS.to_bytes(4, "little")
    for nonce in range(1 << 32):
        header = start + nonce.to_bytes(4, "little")
        if int.from_bytes(sha256d(header), "little") <= TARGET:
            return header
    raise AssertionError("every second nonce should do")
