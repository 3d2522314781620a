"""What the active chain says: coins, history per script, where each transaction is. Folded from blocks, undoable."""

import hashlib
from collections.abc import Iterator
from functools import lru_cache

from attrs import field, frozen

from cfd_core.values import OutPoint, Sats, Timestamp, Txid
from cfd_regtest.blocks import GENESIS, Block, header_hash
from cfd_regtest.transactions import Tx, TxOutput


@lru_cache(maxsize=100_000)
def scripthash(script: bytes) -> str:
    """The Electrum protocol's name of a script: its SHA-256, bytes reversed, as hex."""
    return hashlib.sha256(script).digest()[::-1].hex()


@frozen
class Coin:
    """An unspent confirmed output, with what maturity and relative locks ask about it."""

    out: TxOutput
    height: int
    coinbase: bool


@frozen
class Place:
    """Where a transaction is confirmed."""

    height: int
    index: int


@frozen
class _Link:
    block: Block
    spent: dict[OutPoint, Coin] = field(repr=False)


class Ledger:
    """The state after the blocks connected so far; height 0 is regtest's own first block."""

    def __init__(self) -> None:
        self._links: list[_Link] = []
        self._hashes = [header_hash(GENESIS)]
        self._times = [int.from_bytes(GENESIS[68:72], "little")]
        self._places: dict[Txid, Place] = {}
        self._coins: dict[OutPoint, Coin] = {}
        self._by_script: dict[str, set[OutPoint]] = {}
        self._history: dict[str, list[Txid]] = {}

    @property
    def height(self) -> int:
        return len(self._links)

    @property
    def tip(self) -> str:
        return self._hashes[-1]

    @property
    def tip_time(self) -> Timestamp:
        return Timestamp(self._times[-1])

    def hash_at(self, height: int) -> str:
        return self._hashes[height]

    def header(self, height: int) -> bytes:
        """80 bytes; `IndexError` outside the chain."""
        if not 0 <= height <= self.height:
            raise IndexError(f"no block at height {height}")
        return GENESIS if height == 0 else self._links[height - 1].block.header

    def block(self, height: int) -> Block:
        """`IndexError` outside the chain and for height 0, whose coinbase nobody can spend."""
        if not 1 <= height <= self.height:
            raise IndexError(f"no block at height {height}")
        return self._links[height - 1].block

    def median_time(self, height: int | None = None) -> Timestamp:
        """BIP 113: the median of the last eleven block times up to `height` (default: the tip)."""
        last = self.height if height is None else height
        window = sorted(self._times[max(0, last - 10) : last + 1])
        return Timestamp(window[len(window) // 2])

    def coin(self, outpoint: OutPoint) -> Coin | None:
        return self._coins.get(outpoint)

    def coins_of(self, name: str) -> list[tuple[OutPoint, Coin]]:
        """The unspent outputs of a scripthash, oldest first."""
        found = [(outpoint, self._coins[outpoint]) for outpoint in self._by_script.get(name, ())]
        return sorted(found, key=lambda item: (item[1].height, item[0]))

    def place(self, txid: Txid) -> Place | None:
        return self._places.get(txid)

    def transaction(self, txid: Txid) -> Tx | None:
        place = self._places.get(txid)
        return None if place is None else self.block(place.height).transactions[place.index]

    def history(self, name: str) -> list[Txid]:
        """Confirmed transactions that touch a scripthash, in the chain's order."""
        return list(self._history.get(name, ()))

    def connect(self, block: Block) -> None:
        """Take the next block of the active chain. The kernel has checked it."""
        height = self.height + 1
        spent: dict[OutPoint, Coin] = {}
        for index, tx in enumerate(block.transactions):
            touched = [] if index == 0 else self._spend(tx, spent)
            touched += self._create(tx, height, index)
            self._places[tx.txid] = Place(height, index)
            for name in dict.fromkeys(touched):
                self._history.setdefault(name, []).append(tx.txid)
        self._links.append(_Link(block, spent))
        self._hashes.append(block.hash)
        self._times.append(block.time)

    def disconnect(self) -> Block:
        """Undo the last block and return it."""
        link = self._links.pop()
        self._hashes.pop()
        self._times.pop()
        for index, tx in reversed(list(enumerate(link.block.transactions))):
            self._undo(tx, link.spent if index else {})
        return link.block

    def _spend(self, tx: Tx, spent: dict[OutPoint, Coin]) -> list[str]:
        touched = []
        for outpoint in tx.spent:
            spent[outpoint] = coin = self._coins.pop(outpoint)
            name = scripthash(coin.out.script)
            self._by_script[name].discard(outpoint)
            touched.append(name)
        return touched

    def _create(self, tx: Tx, height: int, index: int) -> list[str]:
        touched = []
        for outpoint, out in _spendable(tx):
            self._put(outpoint, Coin(out, height, index == 0))
            touched.append(scripthash(out.script))
        return touched

    def _put(self, outpoint: OutPoint, coin: Coin) -> None:
        self._coins[outpoint] = coin
        self._by_script.setdefault(scripthash(coin.out.script), set()).add(outpoint)

    def _undo(self, tx: Tx, spent: dict[OutPoint, Coin]) -> None:
        touched = []
        for outpoint, out in _spendable(tx):
            name = scripthash(out.script)
            self._coins.pop(outpoint, None)
            self._by_script[name].discard(outpoint)
            touched.append(name)
        for outpoint in tx.spent if spent else ():
            self._put(outpoint, spent[outpoint])
            touched.append(scripthash(spent[outpoint].out.script))
        for name in dict.fromkeys(touched):
            self._history[name].pop()
        del self._places[tx.txid]


def _spendable(tx: Tx) -> Iterator[tuple[OutPoint, TxOutput]]:
    return ((outpoint, out) for outpoint, out in tx.created() if not out.script.startswith(b"\x6a"))


def fee_of(tx: Tx, spent: list[TxOutput]) -> Sats:
    """What the inputs bring beyond the outputs; negative if the transaction makes money."""
    return Sats(sum(out.sats for out in spent) - sum(out.sats for out in tx.outputs))
