"""The composition root: one maker or taker node, wired from its adapters."""

import asyncio
import random
import secrets
from collections.abc import Callable
from contextlib import AsyncExitStack, ExitStack, closing
from enum import Enum
from pathlib import Path
from typing import Final

import structlog
from attrs import field, frozen
from cfd_electrum import ElectrumChain
from cfd_electrum import State as ChainState
from cfd_network import Address, Connection, Disconnected, ReconnectingLink, SshTransport, Stream, TransportError
from cfd_oracle import OracleClient
from cfd_store import SqlStore, sqlite_url
from cfd_wallet import BdkWallet, WalletError

from cfd_core.cfd.commands import Command
from cfd_core.cfd.events import CfdClosed, Recorded
from cfd_core.crypto.keys import Keychain
from cfd_core.effects import Effect
from cfd_core.engine import Engine, Policy, Settings, Step
from cfd_core.engine.machines import PROTOCOLS, RESUME
from cfd_core.inputs import OutpointReport, PeerConnected, TipChanged
from cfd_core.oracle import Dialect, OracleKeys
from cfd_core.serial.wire import OFFERS_PROTOCOL
from cfd_core.values import EventId, Network, PeerId
from cfd_node.acting import Acting
from cfd_node.announcements import Announcements
from cfd_node.attestations import AttestationPoller
from cfd_node.clock import Clock
from cfd_node.folder import own_folder
from cfd_node.jobs import JobRunner
from cfd_node.offers import OfferStreams
from cfd_node.pump import RETRY_SECONDS, Pump
from cfd_node.sessions import Sessions

log = structlog.get_logger()


@frozen(kw_only=True)
class NodeConfig:
    """What a node is told at its start."""

    name: str
    keychain: Keychain
    network: Network
    folder: Path
    """Holds the event store and the wallet; created for its owner only."""
    electrum: tuple[str, int]
    oracle_url: str
    oracle_dialect: Dialect
    oracle_keys: OracleKeys
    listen: Address | None = None
    """Where takers reach this node; None: it does not listen. Port 0 takes a free one."""
    makers: tuple[tuple[Address, PeerId], ...] = ()
    policy: Policy = field(factory=Policy)
    attestation_delay: float = 60
    """Seconds after an event's time before the oracle is asked."""
    bump_delay: float = 5
    """Seconds between wanting a fee bump and signing it: news of a confirmation may be on its way."""


IDENTITY_FILE: Final = "identity"
"""Whose store it is, for tools that look at it without the seed."""


class Level(Enum):
    """How a subsystem is."""

    RUNNING = "running"
    DEGRADED = "degraded"
    STOPPED = "stopped"


@frozen
class SubsystemHealth:
    """One subsystem, for people."""

    level: Level
    reason: str


class Node:
    """One node. Only its own store can keep it from starting; everything else comes up by itself or says why."""

    def __init__(self, config: NodeConfig, clock: Clock) -> None:
        """Takes the folder and opens the store: `FolderRefused`, the store's own errors, or `DecodeError` for an event
        of a later release; each says what is wrong, and leaves everything as it was.
        """
        self.config, self.clock = config, clock
        self.transport = SshTransport(config.keychain.transport_key())
        identity = f"{config.network.value}/{self.transport.local_id}"
        settings = Settings(network=config.network, keychain=config.keychain, policy=config.policy)
        with ExitStack() as held:
            held.enter_context(own_folder(config.folder))
            self.store = held.enter_context(closing(SqlStore(sqlite_url(config.folder / "events.sqlite"), identity)))
            (config.folder / IDENTITY_FILE).write_text(identity)
            self.pump = Pump(settings, self.store, clock)
            self._held = held.pop_all()
        self.chain = ElectrumChain(*config.electrum, network=config.network)
        self.wallet = BdkWallet(
            config.keychain.wallet_xprv(), config.network, config.folder / "wallet.sqlite", config.electrum
        )
        self.oracle = OracleClient(config.oracle_url, config.oracle_dialect, config.oracle_keys)
        self._jobs = JobRunner()
        self._sessions = Sessions(self.pump)
        self._offers = OfferStreams(self.pump, clock)
        self._announcements = Announcements(self.pump, self.oracle)
        self._poller = AttestationPoller(self.pump, self.oracle, clock, delay=config.attestation_delay, every=5)
        self._links = {
            peer: ReconnectingLink(self.transport, address, peer, random=random.random, clock=clock.now)
            for address, peer in config.makers
        }
        self._acting = self._make_acting()
        self._connections: dict[PeerId, Connection] = {}
        self.keep_from: Callable[[Effect], bool] = lambda _effect: False
        """For demos and tests: effects that this node is kept from running, as by a fault or by malice."""
        self._sync_wanted = asyncio.Event()
        self._chain_state = ChainState.STOPPED
        self._wallet_problem = ""
        self._listen_problem = ""

    def _make_acting(self) -> Acting:
        return Acting(
            pump=self.pump,
            sessions=self._sessions,
            chain=self.chain,
            wallet=self.wallet,
            store=self.store,
            announcements=self._announcements,
            poller=self._poller,
            jobs=self._jobs,
            open_stream=self._open_stream,
            bump_delay=self.config.bump_delay,
        )

    # --- life ----------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Bring everything up; what cannot start yet says so in `health`."""
        self.chain.on_tip = self._on_tip
        self.chain.on_outpoint = self._on_outpoint
        self.chain.on_health = lambda health: self._on_chain(health.state)
        await self._start_wallet()
        await self.chain.start()
        self.pump.subscribe(self._on_event)
        for protocol in (*PROTOCOLS, RESUME):
            self.transport.on_stream(protocol, self._sessions.accept)
        self.transport.on_stream(OFFERS_PROTOCOL, self._offers.serve)
        self.transport.on_connect(self._on_connect)
        self.transport.on_disconnect(self._on_disconnect)
        self.pump.start(self._run_effect)
        await self._listen()
        for link in self._links.values():
            link.start()

    async def stop(self) -> None:
        """Stop everything, in the order that loses nothing: what is stored is enough to go on. Call it twice."""
        async with AsyncExitStack() as last_first:  # each is stopped, whatever the others say
            last_first.callback(self._held.close)
            last_first.callback(self._jobs.close)
            last_first.push_async_callback(self.oracle.close)
            last_first.push_async_callback(self.wallet.stop)
            last_first.push_async_callback(self.pump.stop)
            last_first.push_async_callback(self.chain.stop)
            last_first.push_async_callback(self.transport.close)
            for link in self._links.values():
                last_first.push_async_callback(link.stop)

    async def __aenter__(self) -> "Node":
        try:
            await self.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _start_wallet(self) -> None:
        try:
            await self.wallet.start()
        except WalletError as error:
            self._wallet_problem = str(error)
            log.error("the wallet cannot start", node=self.config.name, reason=str(error))
        else:
            self.pump.spawn(self._keep_synced(), "wallet sync")
            self.pump.spawn(self._release_forgotten(), "release forgotten coins")

    async def _listen(self) -> None:
        if self.config.listen is None:
            return
        try:
            await self.transport.listen(self.config.listen.host, self.config.listen.port)
        except TransportError as error:
            self._listen_problem = str(error)
            log.error("cannot listen", node=self.config.name, reason=str(error))

    # --- what users do -------------------------------------------------------------------------------------------

    @property
    def engine(self) -> Engine:
        return self.pump.engine

    def command(self, command: Command) -> Step:
        """Give a command; `RuleViolation` when it is refused."""
        return self.pump.give(command)

    async def learn_event(self, event: EventId) -> None:
        """Fetch an event's announcement, before publishing an offer on it. Without success it is not known after."""
        await self._announcements.learn(event)

    @property
    def peer_id(self) -> PeerId:
        return self.transport.local_id

    @property
    def address(self) -> Address | None:
        return self.transport.health.address

    def health(self) -> dict[str, SubsystemHealth]:
        """Every subsystem's state and the reason for it."""
        chain, wallet = self.chain.health, self.wallet.health
        oracle_trouble = self._poller.trouble or self._announcements.trouble
        found = {
            "store": _level(not self.pump.store_problem, self.pump.store_problem),
            "chain": _level(chain.state is ChainState.RUNNING, chain.reason),
            "wallet": _level(wallet.state.value == "running", self._wallet_problem or wallet.reason),
            "oracle": _level(not oracle_trouble, oracle_trouble),
            "network": _level(not self._listen_problem, self._listen_problem),
        }
        for peer, link in self._links.items():
            state = link.health
            found[f"maker {peer}"] = _level(state.state.value == "connected", state.reason or state.state.value)
        return found

    # --- what the shells tell ------------------------------------------------------------------------------------

    def _on_tip(self, height: int, _time: int) -> None:
        self.pump.give(TipChanged(height))
        self._sync_wanted.set()

    def _on_outpoint(self, report: OutpointReport) -> None:
        self.pump.give(report)
        self._sync_wanted.set()

    def _on_chain(self, state: ChainState) -> None:
        came_back = state is ChainState.RUNNING and self._chain_state is not state
        self._chain_state = state
        if came_back:
            self._sync_wanted.set()
            self.pump.resume()

    def _on_event(self, recorded: Recorded) -> None:
        if isinstance(recorded.event, CfdClosed):
            self.pump.spawn(self._acting.release(recorded.stream), "release spent coins")

    def _run_effect(self, effect: Effect) -> None:
        if not self.keep_from(effect):
            self._acting.run(effect)

    def _on_connect(self, connection: Connection) -> None:
        self._connections[connection.peer] = connection
        if connection.peer in self._links:
            self.pump.spawn(self._offers.listen(connection), f"offers of {connection.peer}")
        self.pump.give(PeerConnected(connection.peer, secrets.token_bytes(32)))

    def _on_disconnect(self, connection: Connection, _reason: str) -> None:
        if self._connections.get(connection.peer) is connection:
            del self._connections[connection.peer]

    async def _open_stream(self, peer: PeerId, protocol: str) -> Stream:
        connection = self._connections.get(peer)
        if connection is None:
            raise Disconnected(f"{peer} is not connected")
        return await connection.open_stream(protocol)

    async def _keep_synced(self) -> None:
        while True:
            await self._sync_wanted.wait()
            self._sync_wanted.clear()
            try:
                await self.wallet.sync()
            except WalletError as error:
                log.info("wallet not synced", node=self.config.name, reason=str(error))
                await asyncio.sleep(RETRY_SECONDS)
                self._sync_wanted.set()

    async def _release_forgotten(self) -> None:
        """Give back what a process had no time to give back between storing a CFD's end and releasing its coins."""
        for cfd in tuple(self.engine.cfds.values()):
            if cfd.ended:
                await self._acting.release(cfd.id)


def _level(good: bool, reason: str) -> SubsystemHealth:
    return SubsystemHealth(Level.RUNNING, "") if good else SubsystemHealth(Level.DEGRADED, reason)
