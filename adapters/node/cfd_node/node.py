"""The composition root: one maker or taker node, wired from its adapters as services that look after themselves."""

import asyncio
import random
from collections.abc import Awaitable, Callable

import structlog
from cfd_network import Address, peer_id
from cfd_oracle import OracleClient
from cfd_store import EventStore

from cfd_core.cfd.aggregate import Cfd
from cfd_core.cfd.commands import Command
from cfd_core.cfd.events import CfdClosed, Recorded
from cfd_core.effects import Effect
from cfd_core.engine import NODE_STREAM, Engine, Settings, Step
from cfd_core.inputs import OutpointReport, TipChanged
from cfd_core.serial.records import StoredSnapshot
from cfd_core.values import EventId, PeerId, Timestamp
from cfd_node.clock import Clock
from cfd_node.counts import Counts
from cfd_node.jobs import JobRunner
from cfd_node.node_config import NodeConfig
from cfd_node.payments import Payments
from cfd_node.peering import Peering
from cfd_node.pump import Pump
from cfd_node.services.clock import ClockLimits, ClockService
from cfd_node.services.database import IDENTITY_FILE, DatabaseService
from cfd_node.services.folder import FolderService
from cfd_node.services.network import MakerService, NetworkService
from cfd_node.services.oracle import OracleService
from cfd_node.services.payments import PaymentsService
from cfd_node.services.protocols import ProtocolsService, Running, Shells
from cfd_node.services.signer import SignerService
from cfd_node.services.wallet import WalletService
from cfd_node.supervision import Health, Level, Service, Supervisor
from cfd_node.way_to_chain import way_to_chain

__all__ = ["IDENTITY_FILE", "Node", "NodeConfig"]
log = structlog.get_logger()

OWN = ("folder", "database", "wallet", "protocols", "network")
"""Services that need nothing from outside this machine."""


class Node:
    """One node. Starting it never fails: every part comes up by itself, or says in `health` why it does not."""

    def __init__(
        self,
        config: NodeConfig,
        clock: Clock,
        *,
        jitter: Callable[[], float] = random.random,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jobs: JobRunner | None = None,
    ) -> None:
        """Touches nothing. Services of the user's own may be added to `supervisor`.

        `jobs` runs the slow crypto; None: on a thread per core. Its worker processes, if any, are kept going.
        """
        self.config, self.clock = config, clock
        self.peer_id = peer_id(config.keychain.transport_key())
        self.block_time: Timestamp | None = None
        """Of the newest block."""
        self.keep_from: Callable[[Effect], bool] = lambda _effect: False
        """For demos and tests: effects that this node is kept from running, as by a fault or by malice."""
        self.counts = Counts()
        """Signatures that are being made or verified."""
        self.keep_row: Callable[[Cfd], StoredSnapshot | None] = lambda _cfd: None
        """What is kept of a CFD for who lists them before there is an engine; asked in another thread."""
        self.lives = 0
        """How often an engine was read from the database."""
        way = way_to_chain(config)
        self.chain, self.wallet, self._chain = way.chain, way.wallet, way.service
        self._peering = Peering(config)
        self._listeners: list[Callable[[Recorded], None]] = []
        self._watchers: list[Callable[[Step], None]] = []
        self._levels: dict[str, Level] = {}
        self._jobs = jobs or JobRunner()
        self._make_services()
        self.links = tuple(
            MakerService(self._network, address, peer, jitter=jitter, now=clock.now) for address, peer in config.makers
        )
        limits = config.clock_limits or ClockLimits.of(config.network)
        services: list[Service] = [self._folder, self._database, self._chain, self._wallet, self._payments]
        clock_watch = ClockService(clock.now, lambda: self.block_time, limits)
        if (workers := self._jobs.service) is not None:
            workers.wait_first = self.settled
            services.append(workers)
        services += [self._oracle, clock_watch, self._protocols, *self._signers(), self._network]
        self.supervisor = Supervisor([*services, *self.links], now=clock.now, jitter=jitter, sleep=sleep)
        self.supervisor.subscribe(self._on_service)

    def _make_services(self) -> None:
        config = self.config
        self._folder = FolderService(config.folder)
        self._database = DatabaseService(config.folder, f"{config.network.value}/{self.peer_id}", config.database)
        self._wallet = WalletService(self.wallet, lambda: self.chain.health.reason)
        self.payments = Payments(self.wallet, self.chain, config.policy.max_fee_rate)
        self._payments = PaymentsService(self.payments)
        self._oracle = OracleService(
            lambda: OracleClient(
                config.oracle_url, config.oracle_dialect, config.oracle_keys, proxy=config.oracle_proxy
            ),
            lambda: self._protocols.running.oracle_trouble if self._protocols.alive else "",
        )
        shells = Shells(
            database=self._database,
            chain=self.chain,
            wallet=self.wallet,
            oracle=self._oracle,
            jobs=self._jobs,
            counts=self.counts,
            open_stream=self._peering.open_stream,
            attestation_delay=config.attestation_delay,
            bump_delay=config.bump_delay,
        )
        keyring = config.signer or config.keychain
        settings = Settings(network=config.network, keychain=keyring, policy=config.policy)
        self._protocols = ProtocolsService(settings, shells, self.clock, run_effect=self._run_effect, listener=self)
        self._network = NetworkService(lambda: self._peering.transport(self._protocols.running), config.listen)

    def _signers(self) -> list[Service]:
        """The service of the signer, if there is one."""
        if self.config.signer is None:
            return []
        return [SignerService(self.config.signer, self.config.folder, self._open_cfds)]

    def _open_cfds(self) -> list[Cfd]:
        return [cfd for cfd in self.engine.cfds.values() if not cfd.ended]

    # --- life ----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to bring everything up, and return at once."""
        with structlog.contextvars.bound_contextvars(node=self.config.name):  # the tasks that begin here inherit it
            self.supervisor.start_all()

    async def settled(self) -> None:
        """Return once every part that needs nothing from outside runs, or has said why not."""
        await self.supervisor.until(lambda: all(self._has_tried(name) for name in OWN))

    @property
    def obstacle(self) -> str:
        """Why a part that needs nothing from outside does not run; empty: they all do."""
        health = self.health()
        return next((f"{name}: {health[name].reason}" for name in OWN if health[name].level is Level.FAILED), "")

    def _has_tried(self, name: str) -> bool:
        health = self.health()[name]
        if health.waits_for:
            return not self.health()[health.waits_for].level.up and self._has_tried(health.waits_for)
        return health.level is not Level.LOADING

    async def stop(self) -> None:
        """Stop everything, in the order that loses nothing: what is stored is enough to go on. Call it twice."""
        await self.supervisor.stop_all()
        self._jobs.close()

    async def __aenter__(self) -> "Node":
        self.start()
        try:
            await self.settled()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    # --- what users do -------------------------------------------------------------------------------------------

    @property
    def pump(self) -> Pump:
        """`ServiceFailed` with the reason while the database cannot be read."""
        if not self._protocols.alive:
            self._database.store  # noqa: B018 - whose reason comes first
        return self._protocols.running.pump

    @property
    def engine(self) -> Engine:
        return self.pump.engine

    @property
    def store(self) -> EventStore:
        """`ServiceFailed` while it is not open."""
        return self._database.store

    @property
    def readable(self) -> EventStore:
        """The store, for showing what is in it while nothing can be done yet; `ServiceFailed` while it is not open."""
        return self._database.readable

    @property
    def ready(self) -> bool:
        """Whether there is an engine."""
        return self._protocols.alive

    def command(self, command: Command) -> Step:
        """Give a command; `RuleViolation` when it is refused."""
        return self.pump.give(command)

    async def learn_event(self, event: EventId) -> None:
        """Fetch an event's announcement, before publishing an offer on it. Without success it is not known after."""
        await self._protocols.running.announcements.learn(event)

    @property
    def address(self) -> Address | None:
        return self._network.address

    def want_sync(self) -> None:
        """Have the wallet synced soon."""
        self._wallet.want_sync()

    def connected(self, peer: PeerId) -> bool:
        """Whether there is a link to the peer, dialled or accepted."""
        return peer in self._peering

    @property
    def connections(self) -> int:
        """How many links are up."""
        return len(self._peering)

    def disconnect(self, peer: PeerId) -> None:
        """Cut the link to a peer, if there is one."""
        self._peering.disconnect(peer)

    def health(self) -> dict[str, Health]:
        """Every service's state and the reason for it."""
        return self.supervisor.health()

    def subscribe(self, listener: Callable[[Recorded], None]) -> None:
        """Hear of each event after it is stored, over all restarts."""
        self._listeners.append(listener)

    def watch(self, watcher: Callable[[Step], None]) -> None:
        """Hear of each turn of the engine, over all restarts."""
        self._watchers.append(watcher)

    # --- the runner tells ----------------------------------------------------------------------------------------

    def begun(self, running: Running) -> None:
        """A life of the protocol runner begins: the chain tells it everything once."""
        self.lives += 1
        self.chain.on_tip = self._on_tip
        self.chain.on_outpoint = self._on_outpoint
        running.pump.subscribe(self._on_event)

    def recorded(self, recorded: Recorded) -> None:
        """An event was stored."""
        about = {"cfd": recorded.stream} if recorded.stream != NODE_STREAM else {}
        log.info("stored", stored_event=type(recorded.event).__name__, version=recorded.version, **about)
        for listener in self._listeners:
            listener(recorded)

    def turned(self, step: Step) -> None:
        """A turn was taken."""
        for watcher in self._watchers:
            try:
                watcher(step)
            except Exception:
                log.exception("a watcher of turns failed")

    def row(self, cfd: Cfd) -> StoredSnapshot | None:
        """What is kept of a CFD for listing it."""
        return self.keep_row(cfd)

    def _run_effect(self, running: Running, effect: Effect) -> None:
        if not self.keep_from(effect):
            running.acting.run(effect)

    def _on_event(self, recorded: Recorded) -> None:
        if isinstance(recorded.event, CfdClosed):
            running = self._protocols.running
            running.pump.spawn(running.acting.release(recorded.stream), "release spent coins")

    # --- the shells tell -----------------------------------------------------------------------------------------

    def _on_tip(self, height: int, time: int) -> None:
        self.block_time = Timestamp(time)
        self._wallet.want_sync()
        self._payments.want()
        if self._protocols.alive:
            self.pump.give(TipChanged(height))

    def _on_outpoint(self, report: OutpointReport) -> None:
        self._wallet.want_sync()
        if self._protocols.alive:
            self.pump.give(report)

    def _on_service(self, name: str, health: Health) -> None:
        """A recovery pass whenever something came back: all that is owed is asked for again."""
        before, self._levels[name] = self._levels.get(name), health.level
        if health.level is not Level.RUNNING or before is Level.RUNNING:
            return
        if name == "chain":
            self._wallet.want_sync()
            self._payments.want()
        if self._protocols.alive:
            running = self._protocols.running
            if name == "signer":
                running.pump.wake()
            else:
                running.pump.resume()
            if name in ("wallet", "protocols"):
                running.pump.spawn(self._release_forgotten(running), "release forgotten coins")

    async def _release_forgotten(self, running: Running) -> None:
        """Give back what a process had no time to give back between storing a CFD's end and releasing its coins."""
        for cfd in tuple(running.pump.engine.cfds.values()):
            if cfd.ended:
                await running.acting.release(cfd.id)
