"""The whole desk of a running node, and what it tells by itself."""

import asyncio
from collections.abc import Callable, Mapping

import structlog
from cfd_pricefeed import Quote
from cfd_web import models as m
from cfd_web.desk import Unsubscribe

from cfd_core.engine import NODE_STREAM, Engine, Step
from cfd_core.engine.turn import Unsigned
from cfd_core.values import CfdId, PeerId, Secret
from cfd_node.daemon import Maker, Taker
from cfd_node.desk import quotes, rows
from cfd_node.desk.making_part import LiveMaking
from cfd_node.desk.node_part import LiveNode
from cfd_node.desk.progress import progress_of
from cfd_node.desk.requests import requests_in
from cfd_node.desk.resting import kept_row
from cfd_node.desk.trading_part import LiveTrading
from cfd_node.desk.wallet_part import LiveWallet
from cfd_node.logs import LogBook
from cfd_node.services.feed import FeedService
from cfd_node.supervision import Health

log = structlog.get_logger()
Listener = Callable[[m.Change], None]


class LiveDesk:
    """A `cfd_web.desk.Desk`. Make it before the node starts."""

    def __init__(
        self,
        maker: Maker,
        taker: Taker,
        logbook: LogBook,
        *,
        feed: FeedService | None = None,
        phrase: Secret | None = None,
        version: str = "0.1.0",
        sandbox: bool = False,
    ) -> None:
        """`maker` and `taker` work on one node."""
        self._node, self._maker, self._taker = maker.node, maker, taker
        self.node = LiveNode(maker.node, logbook, feed, version=version, sandbox=sandbox)
        self.trading = LiveTrading(taker, feed)
        self.wallet = LiveWallet(maker.node, phrase)
        self.making = LiveMaking(maker, lambda: self.trading.mark)
        self._listeners: list[Listener] = []
        self._told = _Told()
        self._not_signed: Mapping[CfdId, Unsigned] = {}
        self._background: set[asyncio.Task[None]] = set()
        deadlines = maker.node.config.policy.deadlines
        maker.node.keep_row = lambda cfd: kept_row(cfd, deadlines)
        maker.node.watch(self._turned)
        maker.node.counts.on_change.append(self._counted)
        maker.node.supervisor.subscribe(self._service)
        if feed is not None:
            feed.on_quote.append(self._quoted)

    def now(self) -> int:
        return self._node.clock.now()

    def subscribe(self, listener: Listener) -> Unsubscribe:
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener) if listener in self._listeners else None

    def _tell(self, change: m.Change) -> None:
        for listener in tuple(self._listeners):
            try:
                listener(change)
            except Exception:
                log.exception("a listener of the desk failed")

    # --- what the node does --------------------------------------------------------------------------------------

    def _turned(self, step: Step) -> None:
        if not self._listeners:
            return
        engine = self._node.engine
        changed = [CfdId(r.stream) for r in step.events if r.stream != NODE_STREAM]
        for key in dict.fromkeys((*changed, *self._unsigned(engine))):
            self._tell(m.CfdChanged(cfd=rows.row_of(self._node, engine.cfds[key], self.trading.mark)))
        self._progress(engine)
        self._offers(engine)
        if self._told.changes("requests", found := requests_in(engine)):
            self._tell(m.RequestsChanged(requests=found))
        if self._told.changes("tip", engine.tip) and engine.tip:
            self._tell(m.TipMoved(tip=m.Tip(height=engine.tip, time=self._node.block_time)))

    def _unsigned(self, engine: Engine) -> set[CfdId]:
        """Of which CFDs it is news what our signer did not sign."""
        before, self._not_signed = self._not_signed, engine.unsigned
        keys = before.keys() | engine.unsigned.keys()
        return {key for key in keys if before.get(key) != engine.unsigned.get(key) and key in engine.cfds}

    def _progress(self, engine: Engine) -> None:
        for run in engine.runs.values():
            if run.cfd_id is not None and run.state is not None and self._told.changes(run.cfd_id, type(run.state)):
                made = progress_of(self._node, engine.cfds[run.cfd_id])
                if made is not None:
                    self._tell(m.ProgressMade(progress=made))

    def _counted(self, key: CfdId) -> None:
        if self._listeners and key in self._node.engine.cfds:
            made = progress_of(self._node, self._node.engine.cfds[key])
            if made is not None:
                self._tell(m.ProgressMade(progress=made))

    def _offers(self, engine: Engine) -> None:
        for link in self._node.links:
            if self._told.changes(link.name, (engine.market.get(link.peer), len(engine.voices))):
                self._maker_changed(link.peer)
        if self._told.changes("own offers", tuple(engine.offers)):
            own = tuple(quotes.offer_model(o, self._node.peer_id, own=True) for o in self._maker.offers)
            us = m.Maker(peer=self._node.peer_id, name="ourselves", address="", connected=True, reason="", offers=own)
            self._tell(m.MakerChanged(maker=us))

    def _maker_changed(self, peer: PeerId) -> None:
        link = next(link for link in self._node.links if link.peer == peer)
        health = self._node.health()[link.name]
        self._tell(m.MakerChanged(maker=quotes.maker_model(self._taker, link, health)))

    def _service(self, name: str, health: Health) -> None:
        self._tell(m.ServiceChanged(service=self.node.service(name, health)))
        for link in self._node.links:
            if link.name == name:
                self._maker_changed(link.peer)
        if name == "wallet" and health.level.up and self._listeners:
            self._spawn_wallet()

    def wallet_moved(self) -> None:
        """The wallet's figures may have changed."""
        if self._listeners:
            self._spawn_wallet()

    def _spawn_wallet(self) -> None:
        task = asyncio.create_task(self._tell_wallet(), name="tell the wallet's figures")
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _tell_wallet(self) -> None:
        try:
            found = await self.wallet.wallet()
        except Exception as error:  # of a desk call, or of a wallet that is just stopped
            log.info("the wallet's figures are not known now", reason=str(error))
        else:
            self._tell(m.WalletChanged(wallet=found))

    def _quoted(self, quote: Quote) -> None:
        self._tell(m.PriceChanged(price=m.MarketPrice(bid=quote.bid, ask=quote.ask, at=quote.at, stale=False)))


class _Told:
    """What was told last, so that nothing is told twice."""

    def __init__(self) -> None:
        self._last: dict[str, object] = {}

    def changes(self, what: str, value: object) -> bool:
        """Whether this is news; it is told from now on."""
        if what in self._last and self._last[what] == value:
            return False
        self._last[what] = value
        return True
