"""A chain and its mempool, under the rules that matter here: spends, conflicts, fees, relative timelocks, reorgs.

Scripts are not run: `World.accepts` is the place for that.
"""

from cfd_core.bitcoin.transaction import Transaction, TxIn
from cfd_core.inputs import OutpointReport, Spend
from cfd_core.values import OutPoint, Txid

START_HEIGHT = 109
FINAL = 1 << 22
"""Sequence numbers from here on are no relative timelock of ours."""


class SimChain:
    """Blocks and mempool in one: a transaction's place is its height, or 0 while it waits."""

    def __init__(self) -> None:
        self.height = START_HEIGHT
        self.places: dict[str, int] = {}
        self.transactions: dict[str, Transaction] = {}
        self._spenders: dict[OutPoint, str] = {}
        self._raw: dict[str, bytes] = {}
        self.held_back: set[str] = set()
        """Transaction ids that miners leave out, whatever they pay."""
        self.block_rate = 0
        """sat/vB below which no block takes a transaction (a fee spike). A child may pay for its parent."""
        self.relay_floor = 0
        """sat/vB below which the mempool takes nothing."""

    def copy(self) -> "SimChain":
        """The same chain; what happens to one does not happen to the other."""
        twin = SimChain()
        twin.height, twin.block_rate, twin.relay_floor = self.height, self.block_rate, self.relay_floor
        twin.places, twin.transactions = dict(self.places), dict(self.transactions)
        twin._spenders, twin._raw, twin.held_back = dict(self._spenders), dict(self._raw), set(self.held_back)
        return twin

    def fund(self, tx: Transaction) -> None:
        """Coins from nowhere, long confirmed."""
        self.transactions[tx.txid], self.places[tx.txid] = tx, 1

    def place(self, tx: Transaction, height: int) -> None:
        """Stand at this height, or in the mempool (0), with no questions asked."""
        self.transactions[tx.txid], self.places[tx.txid] = tx, height
        self._raw[tx.txid] = tx.serialize()
        self._spenders.update((tx_in.outpoint, tx.txid) for tx_in in tx.inputs)

    # --- looking ---------------------------------------------------------------------------------------------------

    def spender(self, outpoint: OutPoint) -> Transaction | None:
        """What spends it, in a block or in the mempool."""
        txid = self._spenders.get(outpoint)
        return None if txid is None else self.transactions[txid]

    def report(self, outpoint: OutPoint) -> OutpointReport:
        """The present truth about an output, as an Electrum server would tell it."""
        spender = self.spender(outpoint)
        spend = Spend(self._raw[spender.txid], self.places[spender.txid]) if spender else None
        return OutpointReport(outpoint, self.places.get(outpoint.txid), spend)

    @property
    def waiting(self) -> list[str]:
        """Transaction ids in the mempool, sorted."""
        return sorted(txid for txid, place in self.places.items() if not place)

    def fee(self, tx: Transaction) -> int | None:
        """Sats; None where an input is of a transaction that this chain does not know."""
        known = [self.transactions.get(tx_in.outpoint.txid) for tx_in in tx.inputs]
        spent = [x.outputs[i.outpoint.vout].sats for x, i in zip(known, tx.inputs, strict=True) if x is not None]
        return None if None in known else sum(spent) - sum(out.sats for out in tx.outputs)

    # --- the mempool -----------------------------------------------------------------------------------------------

    def submit(self, tx: Transaction) -> bool:
        """Into the mempool, in the place of unconfirmed conflicts; False if it may not stand in the next block."""
        if tx.txid in self.transactions:
            return True
        if not all(self._exists(tx_in.outpoint) and self._mature(tx_in) for tx_in in tx.inputs):
            return False
        fee = self.fee(tx)
        conflicts = {found for i in tx.inputs if (found := self._spenders.get(i.outpoint)) is not None}
        if fee is None or fee < 0 or fee < self.relay_floor * tx.vsize:
            return False
        if any(self.places[txid] for txid in conflicts) or (conflicts and not self._replaces(tx, fee, conflicts)):
            return False
        for txid in conflicts:
            self.drop(txid)
        self.place(tx, 0)
        return True

    def _exists(self, outpoint: OutPoint) -> bool:
        parent = self.transactions.get(outpoint.txid)
        return parent is not None and outpoint.vout < len(parent.outputs)

    def _mature(self, tx_in: TxIn) -> bool:
        if tx_in.sequence >= FINAL or not tx_in.sequence:
            return True
        place = self.places.get(tx_in.outpoint.txid, 0)
        return place > 0 and self.height + 1 >= place + tx_in.sequence

    def _replaces(self, tx: Transaction, fee: int, conflicts: set[str]) -> bool:
        """BIP 125: pays more than all that it drives out, at a higher rate than what it conflicts with."""
        gone = {x for txid in conflicts for x in self._with_children(txid)}
        lost = sum(self.fee(self.transactions[txid]) or 0 for txid in gone)
        rates = [self._rate({txid}) for txid in conflicts]
        return fee >= lost + tx.vsize and fee / tx.vsize > max(rates)

    def drop(self, txid: str) -> None:
        """Out of the mempool (an eviction, a conflict), with everything that spends it."""
        self.places.pop(txid, None)
        tx = self.transactions.pop(txid, None)
        if tx is None:
            return
        for tx_in in tx.inputs:
            if self._spenders.get(tx_in.outpoint) == txid:
                del self._spenders[tx_in.outpoint]
        for vout in range(len(tx.outputs)):
            child = self._spenders.get(OutPoint(Txid(txid), vout))
            if child is not None:
                self.drop(child)

    def purge(self) -> None:
        """Evict whatever pays less than the relay floor, packages taken together."""
        for txid in self.waiting:
            if txid in self.places and not self._pays(txid, self.relay_floor):
                self.drop(txid)

    # --- blocks ----------------------------------------------------------------------------------------------------

    def mine(self, count: int = 1) -> None:
        """Blocks with everything that may be in them."""
        for _ in range(count):
            self.height += 1
            for txid, place in self.places.items():
                if not place and self._may_be_mined(txid):
                    self.places[txid] = self.height

    def _may_be_mined(self, txid: str) -> bool:
        parents = [tx_in.outpoint.txid for tx_in in self.transactions[txid].inputs]
        known = txid not in self.held_back and all(self.places.get(parent, 1) for parent in parents)
        return known and self._pays(txid, self.block_rate)

    def _pays(self, txid: str, rate: int) -> bool:
        """Whether it, or a child together with all that must be mined before it, pays the rate."""
        if not rate:
            return True
        return any(self._rate(self._with_parents(child)) >= rate for child in self._with_children(txid))

    def _rate(self, txids: set[str]) -> float:
        size = sum(self.transactions[txid].vsize for txid in txids)
        return sum(self.fee(self.transactions[txid]) or 0 for txid in txids) / size

    def _with_parents(self, txid: str) -> set[str]:
        found = {txid}
        for tx_in in self.transactions[txid].inputs:
            if self.places.get(tx_in.outpoint.txid) == 0:
                found |= self._with_parents(tx_in.outpoint.txid)
        return found

    def _with_children(self, txid: str) -> set[str]:
        found = {txid}
        for vout in range(len(self.transactions[txid].outputs)):
            child = self._spenders.get(OutPoint(Txid(txid), vout))
            if child is not None and child not in found:
                found |= self._with_children(child)
        return found

    def reorg(self, depth: int, *, forget: bool = False) -> None:
        """Undo blocks; their transactions wait in the mempool again, or are forgotten wholly."""
        self.height -= depth
        undone = [txid for txid, place in self.places.items() if place > self.height]
        for txid in undone:
            self.places[txid] = 0
        for txid in list(self.places):
            tx = self.transactions.get(txid)
            if tx is None or self.places[txid]:
                continue
            if (forget and txid in undone) or not all(map(self._mature, tx.inputs)):
                self.drop(txid)
