"""A regtest chain in this process: Core's own validation engine, with a mempool and indexes in Python."""

import logging
import tempfile
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final, Self

from attrs import frozen

from cfd_core.errors import DecodeError
from cfd_core.values import OutPoint, Sats, Timestamp, Txid
from cfd_regtest.admission import admit
from cfd_regtest.blocks import COINBASE_MATURITY, Block, assemble, header_hash, parse_block
from cfd_regtest.errors import BlockRefused, Rejected
from cfd_regtest.kernel import Kernel
from cfd_regtest.ledger import Ledger, Place, scripthash
from cfd_regtest.mempool import Entry, Mempool
from cfd_regtest.purse import OWN_SCRIPT, Purse
from cfd_regtest.template import fees, fitting
from cfd_regtest.transactions import Tx, parse_tx
from cfd_regtest.views import HistoryItem, Unspent, history, unspent

BLOCK_INTERVAL: Final = 600
"""Seconds between blocks, unless the caller says otherwise."""
FUNDING_FEE_RATE: Final = 2
"""sat/vB of `EmbeddedChain.fund`."""

log = logging.getLogger(__name__)


@frozen
class Change:
    """What listeners hear after an operation: where the chain is, and whether its tip moved."""

    height: int
    tip: str
    tip_moved: bool


Listener = Callable[[Change], None]


class EmbeddedChain:
    """A chain of its own in a temporary folder, from regtest's first block.

    `start_time` is the time of block 1 (default: `interval` after regtest's first block, in 2011), each later block
    comes `interval` seconds after the one before. Real time plays no part, but the engine refuses blocks more than two
    hours ahead of it. Every method may be called from any thread; listeners run in the caller's thread, after the
    operation, and must not block.
    """

    def __init__(self, *, start_time: int | None = None, interval: int = BLOCK_INTERVAL) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="cfd-regtest-", ignore_cleanup_errors=True)
        self._kernel = Kernel(Path(self._folder.name))
        self._ledger = Ledger()
        self._pool = Mempool()
        self._known: dict[str, Block] = {}
        self._listeners: list[Listener] = []
        self._lock = threading.RLock()
        self._nonce = 0
        self._interval = interval
        self._start_time = start_time
        self.not_before = Timestamp(0)
        """Blocks that are mined, but for those of a reorg, bear this time at least."""
        self.min_block_fee_rate = 0
        """sat/vB that a transaction, or its package, must pay for a place in a block; the mempool keeps the others."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop the engine and remove its folder. Safe to call twice."""
        with self._lock:
            self._kernel.close()
            self._folder.cleanup()

    # --- reading ---------------------------------------------------------------------------------------------------

    @property
    def height(self) -> int:
        return self._ledger.height

    @property
    def tip(self) -> str:
        """Hash of the last block, display order."""
        return self._ledger.tip

    @property
    def tip_time(self) -> Timestamp:
        """The time that the last block bears."""
        with self._lock:
            return self._ledger.tip_time

    @property
    def median_time(self) -> Timestamp:
        """What nLockTime and time-based relative locks are measured against (BIP 113)."""
        with self._lock:
            return self._ledger.median_time()

    @property
    def own_script(self) -> bytes:
        """The output script that `mine` pays by default and `fund` pays from."""
        return OWN_SCRIPT

    def hash_at(self, height: int) -> str:
        """`IndexError` outside the chain."""
        return header_hash(self.header(height))

    def header(self, height: int) -> bytes:
        """80 bytes; `IndexError` outside the chain."""
        with self._lock:
            return self._ledger.header(height)

    def headers(self, start: int, count: int) -> list[bytes]:
        """Up to `count` headers from `start`, fewer at the end of the chain."""
        with self._lock:
            return [self._ledger.header(h) for h in range(start, min(start + count, self.height + 1))]

    def block_txids(self, height: int) -> list[Txid]:
        """`IndexError` outside the chain and for height 0."""
        with self._lock:
            return [tx.txid for tx in self._ledger.block(height).transactions]

    def transaction(self, txid: Txid) -> Tx | None:
        """From the mempool or the active chain."""
        with self._lock:
            entry = self._pool.get(txid)
            return entry.tx if entry else self._ledger.transaction(txid)

    def place(self, txid: Txid) -> Place | None:
        """Where it is confirmed, or None."""
        with self._lock:
            return self._ledger.place(txid)

    def height_of(self, txid: Txid) -> int | None:
        """The height at which it is confirmed, or None."""
        place = self.place(txid)
        return None if place is None else place.height

    def mempool(self) -> list[Entry]:
        """Unconfirmed transactions, parents first."""
        with self._lock:
            return self._pool.entries()

    def history(self, name: str) -> list[HistoryItem]:
        """All transactions that touch a scripthash: confirmed in chain order, then unconfirmed."""
        with self._lock:
            return history(self._ledger, self._pool, name)

    def unspent(self, name: str) -> list[Unspent]:
        """What a scripthash owns, confirmed first, without what the mempool spends."""
        with self._lock:
            return unspent(self._ledger, self._pool, name)

    def confirmed_balance(self, name: str) -> Sats:
        """What a scripthash owned at the tip, whatever the mempool does to it."""
        with self._lock:
            return Sats(sum(coin.out.sats for _, coin in self._ledger.coins_of(name)))

    def standing_still(self) -> AbstractContextManager[bool]:
        """While it is held, no other thread changes the chain: for answers made of several questions."""
        return self._lock

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` after every change; the result ends that."""
        with self._lock:
            self._listeners.append(listener)
        return lambda: self._unsubscribe(listener)

    # --- changing --------------------------------------------------------------------------------------------------

    def submit_transaction(self, raw: bytes) -> Txid:
        """Put a transaction into the mempool; the same one again is fine. `Rejected` says why not."""
        try:
            tx = parse_tx(raw)
        except DecodeError as error:
            raise Rejected(f"TX decode failed, {error}") from error
        with self._lock:
            if self._present(tx):
                return tx.txid
            self._enter(tx)
        self._announce(tip_moved=False)
        return tx.txid

    def refusal(self, raw: bytes) -> str | None:
        """Why `submit_transaction` would raise `Rejected`, or None; changes nothing."""
        try:
            tx = parse_tx(raw)
            with self._lock:
                if not self._present(tx):
                    admit(tx, self._ledger, self._pool, self._kernel)
        except DecodeError as error:
            return f"TX decode failed, {error}"
        except Rejected as refusal:
            return refusal.reason
        return None

    def evict(self, txid: Txid) -> None:
        """Drop an unconfirmed transaction and all that depend on it, as a full mempool would. Unknown ones are fine."""
        with self._lock:
            leaving = self._pool.with_descendants([txid]) if txid in self._pool else set()
            for each in leaving:
                self._pool.remove(each)
        self._announce(tip_moved=False)

    def mine(
        self,
        count: int = 1,
        script_pubkey: bytes | None = None,
        transactions: Sequence[bytes] | None = None,
        *,
        time: int | None = None,
    ) -> list[str]:
        """Add blocks on the tip and return their hashes.

        The first takes `transactions` (raw, parents first; default: the mempool, as much as fits) and has the time
        `time`. `BlockRefused` if the engine calls a block invalid; the blocks before it stay.
        """
        chosen = None if transactions is None else [parse_tx(raw) for raw in transactions]
        script = OWN_SCRIPT if script_pubkey is None else script_pubkey
        with self._lock:
            try:
                return [
                    self._mine_one(script, chosen if n == 0 else None, time if n == 0 else None) for n in range(count)
                ]
            finally:
                self._announce(tip_moved=True)

    def submit_block(self, raw: bytes) -> str:
        """Hand a block to the engine and return its hash; `BlockRefused` if it is invalid. It may be a side branch."""
        try:
            block = parse_block(raw)
        except DecodeError as error:
            raise BlockRefused(f"undecodable, {error}") from error
        with self._lock:
            before = self.tip
            self._process(block)
            moved = self.tip != before
        self._announce(tip_moved=moved)
        return block.hash

    def reorg(self, depth: int, transactions: Sequence[bytes] = ()) -> list[str]:
        """Replace the last `depth` blocks by `depth + 1` others and return their hashes.

        The first of these holds `transactions` only; what the replaced blocks held returns to the mempool if it still
        can. `ValueError` for a depth the chain does not have.
        """
        if not 1 <= depth <= self.height:
            raise ValueError(f"no {depth} blocks to replace at height {self.height}")
        with self._lock:
            fork = self.height - depth
            previous, time = self.hash_at(fork), self._time_at(fork)
            body = [parse_tx(raw) for raw in transactions]
            hashes = []
            for n in range(depth + 1):
                time += self._interval
                block = self._assemble(previous, fork + n + 1, time, OWN_SCRIPT, body if n == 0 else [])
                self._process(block)
                previous = block.hash
                hashes.append(previous)
        self._announce(tip_moved=True)
        return hashes

    def fund(self, script_pubkey: bytes, sats: int, fee_rate: int = FUNDING_FEE_RATE) -> Txid:
        """Pay from the chain's own matured coins (output 0 is the payment); it waits in the mempool for a block.

        `OutOfCoins` when they do not suffice, `Rejected` for what relay policy refuses (dust).
        """
        with self._lock:
            tx = Purse(tuple(self._own_coins()), fee_rate).pay(script_pubkey, sats)
            return self.submit_transaction(tx.raw)

    # --- inside ----------------------------------------------------------------------------------------------------

    def _own_coins(self) -> list[tuple[OutPoint, Sats]]:
        ready = [coin for coin in self.unspent(scripthash(OWN_SCRIPT)) if self._mature(coin)]
        ready.sort(key=lambda coin: (coin.height == 0, -coin.sats))
        return [(coin.outpoint, coin.sats) for coin in ready]

    def _mature(self, unspent: Unspent) -> bool:
        coin = self._ledger.coin(unspent.outpoint)
        return coin is None or not coin.coinbase or self.height + 1 - coin.height >= COINBASE_MATURITY

    def _time_at(self, height: int) -> int:
        return int.from_bytes(self.header(height)[68:72], "little")

    def _next_time(self) -> int:
        if self.height == 0 and self._start_time is not None:
            return max(self._start_time, self.not_before)
        return max(self._ledger.tip_time + self._interval, self.not_before)

    def _mine_one(self, script: bytes, chosen: list[Tx] | None, time: int | None) -> str:
        body = fitting(self._pool, self.min_block_fee_rate) if chosen is None else chosen
        when = self._next_time() if time is None else time
        block = self._assemble(self.tip, self.height + 1, when, script, body)
        self._process(block)
        return block.hash

    def _assemble(self, previous: str, height: int, time: int, script: bytes, body: Sequence[Tx]) -> Block:
        self._nonce += 1
        return assemble(
            previous=previous,
            height=height,
            time=time,
            script=script,
            transactions=body,
            fees=fees(body, self._ledger),
            nonce=self._nonce,
        )

    def _process(self, block: Block) -> None:
        self._known[block.hash] = block
        try:
            self._kernel.process(block.serialize())
        finally:
            self._follow()  # a refused branch may have moved the engine before it was refused

    def _follow(self) -> None:
        """Bring ledger and mempool to where the engine is."""
        undone: list[Block] = []
        while self.height > self._kernel.height or self.tip != self._kernel.hash_at(self.height):
            undone.append(self._ledger.disconnect())
        while self.height < self._kernel.height:
            block = self._known[self._kernel.hash_at(self.height + 1)]
            self._ledger.connect(block)
            for tx in block.transactions[1:]:
                self._pool.confirm(tx)
        if undone:
            self._refill(tx for block in reversed(undone) for tx in block.transactions[1:])

    def _refill(self, returned: Iterable[Tx]) -> None:
        waiting = [*returned, *(entry.tx for entry in self._pool.entries())]
        self._pool = Mempool()
        for tx in waiting:
            try:
                self._enter(tx)
            except Rejected as refusal:
                log.info("%s does not return to the mempool: %s", tx.txid, refusal.reason)

    def _present(self, tx: Tx) -> bool:
        present = self._pool.get(tx.txid)
        return present is not None and present.tx.wtxid == tx.wtxid

    def _enter(self, tx: Tx) -> None:
        admitted = admit(tx, self._ledger, self._pool, self._kernel)
        for txid in admitted.replaced:
            self._pool.remove(txid)
        self._pool.add(admitted.entry)

    def _announce(self, *, tip_moved: bool) -> None:
        with self._lock:
            change, listeners = Change(self.height, self.tip, tip_moved), list(self._listeners)
        for listener in listeners:
            listener(change)

    def _unsubscribe(self, listener: Listener) -> None:
        with self._lock:
            if listener in self._listeners:
                self._listeners.remove(listener)
