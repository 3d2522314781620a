"""What a block may take from the mempool, and what its coinbase may add."""

from collections.abc import Sequence
from typing import Final

from cfd_core.values import Sats
from cfd_regtest.blocks import MAX_BLOCK_WEIGHT
from cfd_regtest.ledger import Ledger, fee_of
from cfd_regtest.mempool import Entry, Mempool
from cfd_regtest.packages import Waiting, reaching
from cfd_regtest.transactions import Tx

RESERVED_WEIGHT: Final = 4_000
"""For the header and the coinbase."""


def fitting(pool: Mempool, floor: int = 0) -> list[Tx]:
    """The mempool's transactions, parents first, as far as they fit into one block and pay `floor` sat/vB.

    A child may pay for its parents: see `packages`.
    """
    paying = _paying(pool, floor)
    room, chosen = MAX_BLOCK_WEIGHT - RESERVED_WEIGHT, []
    for entry in paying:
        if entry.tx.weight > room:
            break  # what follows may depend on it
        room -= entry.tx.weight
        chosen.append(entry.tx)
    return chosen


def _paying(pool: Mempool, floor: int) -> list[Entry]:
    entries = pool.entries()
    if floor <= 0:
        return entries
    waiting = [Waiting(e.tx.txid, e.fee, e.tx.vsize, frozenset(pool.parents(e.tx))) for e in entries]
    chosen = set(reaching(waiting, floor))
    return [entry for entry in entries if entry.tx.txid in chosen]


def fees(body: Sequence[Tx], ledger: Ledger) -> Sats:
    """What the coinbase may add; a transaction with unknown inputs counts nothing: the engine will refuse it."""
    inside = {outpoint: out for tx in body for outpoint, out in tx.created()}
    total = 0
    for tx in body:
        coins = [ledger.coin(outpoint) for outpoint in tx.spent]
        spent = [coin.out if coin else inside.get(o) for o, coin in zip(tx.spent, coins, strict=True)]
        known = [out for out in spent if out is not None]
        total += max(0, fee_of(tx, known)) if len(known) == len(spent) else 0
    return Sats(total)
