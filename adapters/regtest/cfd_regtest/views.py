"""What ledger and mempool say together about one script."""

from attrs import frozen

from cfd_core.values import OutPoint, Sats, Txid
from cfd_regtest.ledger import Ledger, scripthash
from cfd_regtest.mempool import Entry, Mempool


@frozen
class HistoryItem:
    """A transaction that touches a script. `height` as Electrum counts: 0 unconfirmed, -1 with unconfirmed parents.

    `fee` is known for unconfirmed ones only.
    """

    txid: Txid
    height: int
    fee: Sats | None = None


@frozen
class Unspent:
    """An output nobody spends, not even in the mempool. `height` is 0 while unconfirmed."""

    outpoint: OutPoint
    sats: Sats
    height: int


def history(ledger: Ledger, pool: Mempool, name: str) -> list[HistoryItem]:
    """Transactions that touch scripthash `name`: confirmed in chain order, then unconfirmed in the protocol's order."""
    confirmed = []
    for txid in ledger.history(name):
        place = ledger.place(txid)
        confirmed += [HistoryItem(txid, place.height)] if place else []
    waiting = [_waiting(entry, pool) for entry in pool.touching(name)]
    return confirmed + sorted(waiting, key=lambda item: (-item.height, item.txid))


def unspent(ledger: Ledger, pool: Mempool, name: str) -> list[Unspent]:
    """What scripthash `name` owns, confirmed first, without what the mempool spends."""
    coins = [Unspent(outpoint, coin.out.sats, coin.height) for outpoint, coin in ledger.coins_of(name)]
    for entry in pool.touching(name):
        created = entry.tx.created()
        coins += [Unspent(outpoint, out.sats, 0) for outpoint, out in created if scripthash(out.script) == name]
    return [coin for coin in coins if pool.spender(coin.outpoint) is None]


def _waiting(entry: Entry, pool: Mempool) -> HistoryItem:
    return HistoryItem(entry.tx.txid, -1 if pool.parents(entry.tx) else 0, entry.fee)
