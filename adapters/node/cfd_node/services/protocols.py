"""The protocol runner as a service: the pump with all that serves it, made anew from the database in each life."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from attrs import frozen
from cfd_electrum import ElectrumChain
from cfd_network import Stream
from cfd_store import EventStore, StoreError
from cfd_wallet import BdkWallet

from cfd_core.cfd.aggregate import Cfd
from cfd_core.cfd.events import Recorded
from cfd_core.effects import Effect
from cfd_core.engine import Settings, Step
from cfd_core.errors import DecodeError
from cfd_core.serial.records import StoredSnapshot
from cfd_core.values import PeerId
from cfd_node.acting import Acting
from cfd_node.announcements import Announcements
from cfd_node.attestations import AttestationPoller
from cfd_node.clock import Clock
from cfd_node.counts import Counts
from cfd_node.jobs import JobRunner
from cfd_node.offers import OfferStreams
from cfd_node.pump import Pump
from cfd_node.services.database import DatabaseService
from cfd_node.services.oracle import OracleService
from cfd_node.sessions import Sessions
from cfd_node.snapshots import SnapshotKeeper
from cfd_node.supervision import Level, ServiceFailed, Tell

OpenStream = Callable[[PeerId, str], Awaitable[Stream]]
POLL_SECONDS = 5.0
"""Between two questions for an attestation that is due."""
TOLD_EVERY = 100
"""CFDs between two words about how far the reading is."""


@frozen
class Running:
    """One life of the runner."""

    pump: Pump
    sessions: Sessions
    offers: OfferStreams
    announcements: Announcements
    poller: AttestationPoller
    acting: Acting

    @property
    def oracle_trouble(self) -> str:
        """What was last missed of the oracle; empty: nothing."""
        return self.poller.trouble or self.announcements.trouble


@frozen(kw_only=True)
class Shells:
    """What effects are run with."""

    database: DatabaseService
    chain: ElectrumChain
    wallet: BdkWallet
    oracle: OracleService
    jobs: JobRunner
    counts: Counts
    open_stream: OpenStream
    attestation_delay: float
    bump_delay: float

    def around(self, pump: Pump, store: EventStore, clock: Clock) -> Running:
        """All that serves one pump."""
        sessions = Sessions(pump)
        announcements = Announcements(pump, self.oracle)
        poller = AttestationPoller(pump, self.oracle, clock, delay=self.attestation_delay, every=POLL_SECONDS)
        acting = Acting(
            pump=pump,
            sessions=sessions,
            chain=self.chain,
            wallet=self.wallet,
            store=store,
            announcements=announcements,
            poller=poller,
            jobs=self.jobs,
            counts=self.counts,
            open_stream=self.open_stream,
            bump_delay=self.bump_delay,
        )
        return Running(pump, sessions, OfferStreams(pump, clock), announcements, poller, acting)


class _Progress:
    """Tells how many CFDs were read, from whatever thread, and not too often."""

    def __init__(self, tell: Tell) -> None:
        self._tell, self._loop = tell, asyncio.get_running_loop()

    def __call__(self, done: int, total: int) -> None:
        if done % TOLD_EVERY == 0:
            told = f"reads the database: {done:,} of {total:,} CFDs"
            self._loop.call_soon_threadsafe(self._tell, Level.LOADING, told)


class Listener(Protocol):
    """Who hears of what the runner does, over all its lives."""

    def begun(self, running: Running) -> None:
        """A life begins: before anything happens in it."""
        ...

    def recorded(self, recorded: Recorded) -> None:
        """An event was stored."""
        ...

    def turned(self, step: Step) -> None:
        """A turn was taken."""
        ...

    def row(self, cfd: Cfd) -> StoredSnapshot | None:
        """What is kept of a CFD to list it by, before there is an engine; called in another thread."""
        ...


class ProtocolsService:
    """Reads the events, takes up what was left, and runs until stopped."""

    name = "protocols"
    needs = ("database",)

    def __init__(
        self,
        settings: Settings,
        shells: Shells,
        clock: Clock,
        *,
        run_effect: Callable[[Running, Effect], None],
        listener: Listener,
    ) -> None:
        self._settings, self._shells, self._clock = settings, shells, clock
        self._run_effect, self._listener = run_effect, listener
        self._running: Running | None = None

    @property
    def running(self) -> Running:
        """The present life; `ServiceFailed` between two."""
        if self._running is None:
            raise ServiceFailed("the database has not been read yet")
        return self._running

    @property
    def alive(self) -> bool:
        """Whether there is one."""
        return self._running is not None

    async def run(self, tell: Tell) -> None:
        tell(Level.LOADING, "reads the database")
        store = self._shells.database.store
        progress = _Progress(tell)
        try:
            pump = await asyncio.to_thread(Pump, self._settings, store, self._clock, progress)
        except (StoreError, DecodeError) as error:
            raise ServiceFailed(f"the database cannot be read: {error}") from error
        running = self._running = self._shells.around(pump, store, self._clock)
        room, row = (lambda: self._shells.database.roomy and not pump.store_problem), self._listener.row
        keeper = SnapshotKeeper(lambda: pump.engine, store, pump.snapshots, row=row, room=room)
        try:
            self._begin(running, keeper)
            tell(Level.RUNNING)
            await keeper.run()
        finally:
            self._running = None
            await pump.stop()
            await keeper.leave()

    def _begin(self, running: Running, keeper: SnapshotKeeper) -> None:
        pump = running.pump
        pump.subscribe(keeper.changed)
        pump.on_store_problem = self._shells.database.failed
        pump.on_turn = self._listener.turned
        pump.subscribe(self._listener.recorded)
        self._listener.begun(running)
        try:
            pump.start(lambda effect: self._run_effect(running, effect))
        except StoreError as error:
            raise ServiceFailed(f"the database cannot be written: {error}") from error
