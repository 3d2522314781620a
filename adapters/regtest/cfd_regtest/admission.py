"""What may enter the mempool: consensus rules, relay policy and replacement, with Bitcoin Core's reject reasons.

Policy follows Core's defaults, with two differences on the strict side: the relay floor is 1 sat/vB, and data outputs
hold at most 80 bytes. Signature encoding rules that are policy only (low S, NULLFAIL) are not checked.
"""

from typing import Final

from attrs import frozen

from cfd_core.values import Txid
from cfd_regtest.blocks import COINBASE_MATURITY
from cfd_regtest.errors import Rejected
from cfd_regtest.kernel import Kernel
from cfd_regtest.ledger import Coin, Ledger, fee_of
from cfd_regtest.mempool import Entry, Mempool
from cfd_regtest.standard import MIN_RELAY_FEE_RATE, check_inputs_standard, check_sane, check_standard
from cfd_regtest.transactions import Tx

MAX_CHAIN: Final = 25
"""Most unconfirmed ancestors or descendants, the transaction itself included."""
MAX_REPLACED: Final = 100
TRUC_VERSION: Final = 3
TRUC_MAX_VSIZE: Final = 10_000
TRUC_CHILD_MAX_VSIZE: Final = 1_000

_LOCKTIME_THRESHOLD = 500_000_000
_FINAL = 0xFFFFFFFF
_RELATIVE_DISABLED = 1 << 31
_RELATIVE_TIME = 1 << 22


@frozen
class Admitted:
    """An entry that may enter once `replaced` (conflicts and what hangs on them) have left."""

    entry: Entry
    replaced: frozenset[Txid]


def admit(tx: Tx, ledger: Ledger, pool: Mempool, kernel: Kernel) -> Admitted:
    """Check `tx` against the next block and the pool; raises `Rejected`, changes nothing."""
    check_sane(tx)
    if tx.is_coinbase:
        raise Rejected("coinbase")
    check_standard(tx)
    if not is_final(tx, ledger):
        raise Rejected("non-final")
    _check_new(tx, ledger, pool)
    coins = _coins(tx, ledger, pool)
    if not relative_locks_met(tx, coins, ledger):
        raise Rejected("non-BIP68-final")
    entry = _entry(tx, coins, ledger)
    check_inputs_standard(tx, entry.spent)
    _check_fee(entry)
    replaced = _replaced(entry, pool)
    _check_chain(tx, pool, replaced)
    _check_truc(tx, pool, replaced)
    failed = kernel.script_failure(tx, entry.spent)
    if failed is not None:
        raise Rejected(f"mandatory-script-verify-flag-failed, input {failed} of {tx.txid}")
    return Admitted(entry, replaced)


def is_final(tx: Tx, ledger: Ledger) -> bool:
    """Whether nLockTime allows the next block."""
    if tx.locktime == 0 or all(item.sequence == _FINAL for item in tx.inputs):
        return True
    now = ledger.height + 1 if tx.locktime < _LOCKTIME_THRESHOLD else ledger.median_time()
    return tx.locktime < now


def relative_locks_met(tx: Tx, coins: list[Coin], ledger: Ledger) -> bool:
    """BIP 68: whether every input's relative lock allows the next block."""
    if tx.version < 2:
        return True
    return all(_lock_met(item.sequence, coin, ledger) for item, coin in zip(tx.inputs, coins, strict=True))


def _lock_met(sequence: int, coin: Coin, ledger: Ledger) -> bool:
    if sequence & _RELATIVE_DISABLED:
        return True
    value = sequence & 0xFFFF
    if not sequence & _RELATIVE_TIME:
        return coin.height + value <= ledger.height + 1
    if coin.height > ledger.height:
        return value == 0
    return ledger.median_time(coin.height - 1) + value * 512 <= ledger.median_time()


def _check_new(tx: Tx, ledger: Ledger, pool: Mempool) -> None:
    if tx.txid in pool:
        raise Rejected("txn-same-nonwitness-data-in-mempool")
    if any(ledger.coin(outpoint) for outpoint, _ in tx.created()):
        raise Rejected("txn-already-known")


def _coins(tx: Tx, ledger: Ledger, pool: Mempool) -> list[Coin]:
    coins = []
    for outpoint in tx.spent:
        unconfirmed = pool.output(outpoint)
        coin = ledger.coin(outpoint) if unconfirmed is None else Coin(unconfirmed, ledger.height + 1, coinbase=False)
        if coin is None:
            raise Rejected("bad-txns-inputs-missingorspent")
        coins.append(coin)
    return coins


def _entry(tx: Tx, coins: list[Coin], ledger: Ledger) -> Entry:
    if any(coin.coinbase and ledger.height + 1 - coin.height < COINBASE_MATURITY for coin in coins):
        raise Rejected("bad-txns-premature-spend-of-coinbase")
    spent = [coin.out for coin in coins]
    fee = fee_of(tx, spent)
    if fee < 0:
        raise Rejected(f"bad-txns-in-belowout, {-fee} sat more out than in")
    return Entry(tx, tuple(spent), fee)


def _check_fee(entry: Entry) -> None:
    floor = entry.tx.vsize * MIN_RELAY_FEE_RATE
    if entry.fee < floor:
        raise Rejected(f"min relay fee not met, {entry.fee} < {floor}")


def _replaced(entry: Entry, pool: Mempool) -> frozenset[Txid]:
    tx = entry.tx
    conflicts = {rival for outpoint in tx.spent if (rival := pool.spender(outpoint)) is not None}
    if not conflicts:
        return frozenset()
    leaving = pool.with_descendants(conflicts)
    if len(leaving) > MAX_REPLACED:
        raise Rejected(f"too many potential replacements, {len(leaving)} > {MAX_REPLACED}")
    if leaving & pool.ancestors(tx):
        raise Rejected("bad-txns-spends-conflicting-tx")
    _check_pays_for(entry, [e for e in pool.entries() if e.tx.txid in leaving], conflicts)
    return frozenset(leaving)


def _check_pays_for(entry: Entry, leaving: list[Entry], conflicts: set[Txid]) -> None:
    size = entry.tx.vsize
    for rival in leaving:
        # cross-multiplied, so that no rounding lets an equal rate pass
        if rival.tx.txid in conflicts and entry.fee * rival.tx.vsize <= rival.fee * size:
            raise Rejected("insufficient fee, the new fee rate is not above the replaced one")
    needed = sum(rival.fee for rival in leaving) + size * MIN_RELAY_FEE_RATE
    if entry.fee < needed:
        raise Rejected(f"insufficient fee, {entry.fee} < {needed}")


def _check_chain(tx: Tx, pool: Mempool, replaced: frozenset[Txid]) -> None:
    ancestors = pool.ancestors(tx)
    if len(ancestors) + 1 > MAX_CHAIN:
        raise Rejected(f"too-long-mempool-chain, {len(ancestors)} unconfirmed ancestors")
    for txid in ancestors:
        if len(pool.with_descendants([txid]) - replaced) + 1 > MAX_CHAIN:
            raise Rejected(f"too-long-mempool-chain, too many descendants of {txid}")


def _check_truc(tx: Tx, pool: Mempool, replaced: frozenset[Txid]) -> None:
    """BIP 431: version 3 transactions stand alone or in pairs."""
    truc = tx.version == TRUC_VERSION
    if truc and tx.vsize > TRUC_MAX_VSIZE:
        raise Rejected(f"TRUC-violation, {tx.vsize} vB is too big")
    ancestors = [entry for txid in pool.ancestors(tx) if (entry := pool.get(txid))]
    if any((entry.tx.version == TRUC_VERSION) != truc for entry in ancestors):
        raise Rejected("TRUC-violation, unconfirmed parents of the other kind")
    if not truc or not ancestors:
        return
    if len(ancestors) > 1 or tx.vsize > TRUC_CHILD_MAX_VSIZE:
        raise Rejected("TRUC-violation, too many unconfirmed ancestors or too big a child")
    if pool.children(ancestors[0].tx.txid) - replaced:
        raise Rejected("TRUC-violation, the parent has a child already")
