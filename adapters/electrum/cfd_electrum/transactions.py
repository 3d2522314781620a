"""Transactions by id: fetched, checked against their id, and remembered up to a number of bytes."""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

from attrs import field, frozen

from cfd_core.bitcoin.transaction import MAX_TRANSACTION_BYTES, Transaction
from cfd_core.errors import DecodeError
from cfd_core.values import Txid
from cfd_electrum import answers
from cfd_electrum.errors import ServerMisbehaved
from cfd_electrum.server import ServerConnection

_OVERHEAD: Final = 2_000
"""Bytes that an entry costs beside its raw bytes, roughly."""


@frozen
class Known:
    """A transaction and its network serialisation. `parsed` is None for one too large to be any of ours."""

    raw: bytes = field(repr=False)
    parsed: Transaction | None


class Transactions:
    """The least recently used go first once `limit` bytes are kept."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._known: OrderedDict[Txid, Known] = OrderedDict()

    def forget(self) -> None:
        """Begin anew, for another server: an id covers no witnesses, so those are only as good as who sent them."""
        self._size = 0
        self._known.clear()

    def remembered(self, txids: Iterable[Txid]) -> dict[Txid, Known]:
        """Those of them that need not be asked for."""
        found = {txid: known for txid in txids if (known := self._known.get(txid)) is not None}
        for txid in found:
            self._known.move_to_end(txid)
        return found

    async def get(self, connection: ServerConnection, txid: Txid) -> Known:
        """Raises `Disconnected`, `ServerRefused` (unknown to the server), `ServerMisbehaved` (not that transaction)."""
        if known := self.remembered([txid]):
            return known[txid]
        raw = await connection.ask(answers.raw_bytes, "blockchain.transaction.get", txid)
        fetched = _checked(connection.name, txid, raw)
        self._keep(txid, fetched)
        return fetched

    def _keep(self, txid: Txid, known: Known) -> None:
        if txid not in self._known:
            self._size += len(known.raw) + _OVERHEAD
        self._known[txid] = known
        while self._size > self._limit and len(self._known) > 1:
            _, dropped = self._known.popitem(last=False)
            self._size -= len(dropped.raw) + _OVERHEAD


def _checked(server: str, txid: Txid, raw: bytes) -> Known:
    if len(raw) > MAX_TRANSACTION_BYTES:  # miners may include such a thing; nothing of ours is so large
        return Known(b"", None)
    try:
        parsed = Transaction.parse(raw)
    except DecodeError as error:
        raise ServerMisbehaved(f"{server} sent as transaction {txid}: {error}") from error
    if parsed.txid != txid:
        raise ServerMisbehaved(f"{server} sent transaction {parsed.txid} instead of {txid}")
    return Known(raw, parsed)
