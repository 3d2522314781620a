"""The unconfirmed transactions. It stores and relates them; what may enter is `admission`'s business."""

from collections.abc import Iterable

from attrs import field, frozen

from cfd_core.values import OutPoint, Sats, Txid
from cfd_regtest.ledger import scripthash
from cfd_regtest.transactions import Tx, TxOutput


@frozen
class Entry:
    """A transaction in the pool with the outputs it spends (in input order) and its fee."""

    tx: Tx
    spent: tuple[TxOutput, ...] = field(repr=False)
    fee: Sats

    @property
    def scripthashes(self) -> set[str]:
        return {scripthash(out.script) for out in (*self.spent, *self.tx.outputs)}


class Mempool:
    """Entries in an order in which parents stand before children."""

    def __init__(self) -> None:
        self._entries: dict[Txid, Entry] = {}
        self._spenders: dict[OutPoint, Txid] = {}
        self._by_script: dict[str, dict[Txid, None]] = {}

    def __contains__(self, txid: object) -> bool:
        return txid in self._entries

    def __len__(self) -> int:
        return len(self._entries)

    def entries(self) -> list[Entry]:
        """All entries, parents first."""
        return list(self._entries.values())

    def get(self, txid: Txid) -> Entry | None:
        return self._entries.get(txid)

    def output(self, outpoint: OutPoint) -> TxOutput | None:
        """An unconfirmed output, spent or not."""
        entry = self._entries.get(outpoint.txid)
        if entry is None or outpoint.vout >= len(entry.tx.outputs):
            return None
        return entry.tx.outputs[outpoint.vout]

    def spender(self, outpoint: OutPoint) -> Txid | None:
        return self._spenders.get(outpoint)

    def touching(self, name: str) -> list[Entry]:
        """Entries that pay or spend a scripthash."""
        return [self._entries[txid] for txid in self._by_script.get(name, ())]

    def parents(self, tx: Tx) -> set[Txid]:
        return {outpoint.txid for outpoint in tx.spent if outpoint.txid in self._entries}

    def children(self, txid: Txid) -> set[Txid]:
        outputs = self._entries[txid].tx.created()
        return {self._spenders[outpoint] for outpoint, _ in outputs if outpoint in self._spenders}

    def ancestors(self, tx: Tx) -> set[Txid]:
        """Unconfirmed transactions that `tx`, in the pool or not, depends on."""
        found: set[Txid] = set()
        ahead = self.parents(tx)
        while ahead:
            txid = ahead.pop()
            found.add(txid)
            ahead |= self.parents(self._entries[txid].tx) - found
        return found

    def with_descendants(self, txids: Iterable[Txid]) -> set[Txid]:
        found: set[Txid] = set()
        ahead = set(txids)
        while ahead:
            txid = ahead.pop()
            found.add(txid)
            ahead |= self.children(txid) - found
        return found

    def add(self, entry: Entry) -> None:
        self._entries[entry.tx.txid] = entry
        for outpoint in entry.tx.spent:
            self._spenders[outpoint] = entry.tx.txid
        for name in entry.scripthashes:
            self._by_script.setdefault(name, {})[entry.tx.txid] = None

    def remove(self, txid: Txid) -> None:
        """Take out one entry and leave its children: it was confirmed, or they leave too."""
        entry = self._entries.pop(txid)
        for outpoint in entry.tx.spent:
            del self._spenders[outpoint]
        for name in entry.scripthashes:
            del self._by_script[name][txid]

    def confirm(self, tx: Tx) -> None:
        """A block holds `tx`: it leaves, and so does whatever conflicts with it."""
        if tx.txid in self._entries:
            self.remove(tx.txid)
        rivals = {self._spenders[outpoint] for outpoint in tx.spent if outpoint in self._spenders}
        for txid in self.with_descendants(rivals):
            self.remove(txid)
