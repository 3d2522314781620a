"""Watched outputs: which scripts to listen to, what the server's history means, what was told last."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Final

from attrs import define, field

from cfd_core.bitcoin.transaction import Transaction
from cfd_core.inputs import OutpointReport, Spend
from cfd_core.values import OutPoint, Txid
from cfd_electrum import answers
from cfd_electrum.errors import ServerMisbehaved, ServerRefused
from cfd_electrum.server import ServerConnection
from cfd_electrum.transactions import Known, Transactions

OnOutpoint = Callable[[OutpointReport], Awaitable[None] | None]

FETCH_AT_ONCE: Final = 20
_UNKNOWN: Final = "unknown"
_log = logging.getLogger(__name__)


@define(eq=False)
class _Watched:
    """One script. `latest` is the status heard on this connection, `seen` that of the history last worked through."""

    scripthash: str
    script: bytes
    told: dict[OutPoint, OutpointReport | None] = field(factory=dict)
    latest: str | None = _UNKNOWN
    seen: str | None = _UNKNOWN
    queued: bool = False
    busy: bool = False


class Watcher:
    """Remembers watches for ever; works on them while `work` runs on a connection."""

    def __init__(self, transactions: Transactions, retry_seconds: float) -> None:
        self.on_outpoint: OnOutpoint | None = None
        self.on_trouble: Callable[[], None] | None = None
        self.troubles: dict[str, str] = {}
        """Scripthash -> why it cannot be watched at present; `on_trouble` says that this changed."""
        self._transactions = transactions
        self._retry_seconds = retry_seconds
        self._scripts: dict[str, _Watched] = {}
        self._outpoints: dict[OutPoint, str] = {}
        self._queue: asyncio.Queue[_Watched] | None = None

    def watch(self, outpoint: OutPoint, script: bytes) -> None:
        """Tell the truth about it now and at each change; watching it again tells it again."""
        scripthash = answers.scripthash(script)
        if self._outpoints.get(outpoint, scripthash) != scripthash:
            self.unwatch(outpoint)
        watched = self._scripts.setdefault(scripthash, _Watched(scripthash, script))
        watched.told[outpoint] = None
        self._outpoints[outpoint] = scripthash
        self._mark(watched)

    def unwatch(self, outpoint: OutPoint) -> None:
        scripthash = self._outpoints.pop(outpoint, None)
        if scripthash is not None:
            watched = self._scripts[scripthash]
            watched.told.pop(outpoint, None)
            self._mark(watched)

    def tell_again(self) -> None:
        """Forget what was told: everything is told once more."""
        for watched in self._scripts.values():
            watched.told = dict.fromkeys(watched.told)
            self._mark(watched)

    def connected(self) -> None:
        """A new connection knows none of our subscriptions."""
        self._queue = asyncio.Queue()
        self.troubles.clear()
        for watched in self._scripts.values():
            watched.latest, watched.queued, watched.busy = _UNKNOWN, False, False
            self._mark(watched)

    def heard(self, scripthash: str, status: str | None) -> None:
        """A notification came."""
        watched = self._scripts.get(scripthash)
        if watched is not None:
            watched.latest = status
            self._mark(watched)

    async def work(self, connection: ServerConnection) -> None:
        """Work through marked scripts until cancelled. Several may run at once, never two on one script."""
        queue = self._queue
        assert queue is not None, "connected() comes first"  # noqa: S101
        while True:
            watched = await queue.get()
            watched.queued, watched.busy = False, True
            try:
                await self._refresh(connection, watched)
            except ServerMisbehaved as error:
                connection.fail(f"misbehaved: {error}")
            except ServerRefused as error:  # a transaction replaced meanwhile, a busy server, too long a history
                self._retry(watched, f"{connection.name}: {error}")
            finally:
                watched.busy = False
            if watched.queued:
                queue.put_nowait(watched)

    def _mark(self, watched: _Watched) -> None:
        if self._queue is None or watched.queued:
            return
        watched.queued = True
        if not watched.busy:
            self._queue.put_nowait(watched)

    def _retry(self, watched: _Watched, trouble: str) -> None:
        _log.warning("cannot watch script %s: %s", watched.script.hex(), trouble)
        self._trouble(watched, trouble)
        watched.seen = _UNKNOWN
        asyncio.get_running_loop().call_later(self._retry_seconds, self._mark, watched)

    def _trouble(self, watched: _Watched, trouble: str | None) -> None:
        if self.troubles.get(watched.scripthash) == trouble:
            return
        self.troubles.pop(watched.scripthash, None)
        if trouble is not None:
            self.troubles[watched.scripthash] = trouble
        if self.on_trouble is not None:
            self.on_trouble()

    async def _refresh(self, connection: ServerConnection, watched: _Watched) -> None:
        if not watched.told:
            await self._forget(connection, watched)
            return
        if watched.latest == _UNKNOWN:
            status = await connection.ask(answers.status, "blockchain.scripthash.subscribe", watched.scripthash)
            if watched.latest == _UNKNOWN:  # else a notification, which is newer, overtook this answer
                watched.latest = status
        if watched.latest != watched.seen or None in watched.told.values():
            await self._work_through_history(connection, watched)
        self._trouble(watched, None)

    async def _forget(self, connection: ServerConnection, watched: _Watched) -> None:
        if self._scripts.get(watched.scripthash) is not watched:
            return
        del self._scripts[watched.scripthash]
        self._trouble(watched, None)
        if watched.latest != _UNKNOWN:
            with suppress(ServerRefused):  # servers older than protocol 1.4.2 do not know how
                await connection.ask(answers.anything, "blockchain.scripthash.unsubscribe", watched.scripthash)

    async def _work_through_history(self, connection: ServerConnection, watched: _Watched) -> None:
        heights = await connection.ask(answers.history, "blockchain.scripthash.get_history", watched.scripthash)
        known = await self._fetch(connection, list(heights))
        spends = spends_in(heights, known)
        for outpoint in list(watched.told):
            await self._tell(watched, truth(outpoint, watched.script, heights, known, spends))
        watched.seen = answers.history_status(heights)

    async def _fetch(self, connection: ServerConnection, txids: list[Txid]) -> dict[Txid, Known]:
        known = self._transactions.remembered(txids)
        missing = [txid for txid in txids if txid not in known]
        for start in range(0, len(missing), FETCH_AT_ONCE):
            some = missing[start : start + FETCH_AT_ONCE]
            fetched = await asyncio.gather(*(self._transactions.get(connection, txid) for txid in some))
            known.update(zip(some, fetched, strict=True))
        return known

    async def _tell(self, watched: _Watched, report: OutpointReport) -> None:
        outpoint = report.outpoint
        if self.on_outpoint is None or outpoint not in watched.told or watched.told[outpoint] == report:
            return
        watched.told[outpoint] = report  # before the call: whoever watches again meanwhile is told again
        try:
            answer = self.on_outpoint(report)
            if answer is not None:
                await answer
        except Exception:
            _log.exception("the listener failed on the report about %s", outpoint)
            if outpoint in watched.told:
                watched.told[outpoint] = None
            asyncio.get_running_loop().call_later(self._retry_seconds, self._mark, watched)


def spends_in(heights: Mapping[Txid, int], known: Mapping[Txid, Known]) -> dict[OutPoint, Spend]:
    """What the transactions of a history spend: a confirmed spend before one in the mempool.

    Once for all outputs of a script: a maker may watch a thousand outputs of one address with as long a history.
    """
    spends: dict[OutPoint, Spend] = {}
    for txid, entry in known.items():
        spend = Spend(entry.raw, max(0, heights[txid]))
        for tx_in in entry.parsed.inputs if entry.parsed is not None else ():
            other = spends.get(tx_in.outpoint)
            if other is None or other.height < spend.height:
                spends[tx_in.outpoint] = spend
    return spends


def truth(
    outpoint: OutPoint,
    script: bytes,
    heights: Mapping[Txid, int],
    known: Mapping[Txid, Known],
    spends: Mapping[OutPoint, Spend],
) -> OutpointReport:
    """What a script's history says about one of its outputs."""
    creator = known.get(outpoint.txid)
    if creator is None or not _pays(creator.parsed, outpoint.vout, script):
        return OutpointReport(outpoint, None, None)
    return OutpointReport(outpoint, max(0, heights[outpoint.txid]), spends.get(outpoint))


def _pays(creator: Transaction | None, vout: int, script: bytes) -> bool:
    return creator is not None and vout < len(creator.outputs) and creator.outputs[vout].script == script
