"""A taker that weighs little: the real engine and a real SSH connection, with all else in memory or shared.

Left out: its own wallet and Electrum connection, checking the maker's inputs on the chain, fee bumps, attestations.
"""

import asyncio
import hashlib
import secrets
from collections.abc import Awaitable, Callable
from typing import Final

from cfd_network import Address, Connection, Disconnected, Limits, SshTransport, Stream, peer_id
from cfd_node.clock import Clock
from cfd_node.jobs import JobRunner
from cfd_node.offers import OfferStreams
from cfd_node.pump import Pump
from cfd_node.sessions import Sessions
from cfd_store import MemoryStore

from cfd_core import effects as f
from cfd_core import inputs as i
from cfd_core.bitcoin.transaction import Transaction
from cfd_core.cfd.aggregate import Cfd
from cfd_core.crypto.keys import Keychain
from cfd_core.engine import Engine, Policy, Settings
from cfd_core.engine.machines import PROTOCOLS, RESUME
from cfd_core.oracle import Announcement
from cfd_core.testing.chain import SimChain
from cfd_core.testing.wallet import SimWallet
from cfd_core.values import EventId, Network, OutPoint, PeerId, Sats, Secret

PATIENT: Final = Limits(dial=600, open=600, login=600)
"""A crowd on one core takes its time; the maker's own limits are the node's."""
Announced = Callable[[EventId], Awaitable[Announcement]]


class Shared:
    """What all takers of a process use together."""

    def __init__(
        self,
        clock: Clock,
        *,
        announcement: Announced,
        broadcast: Callable[[bytes], Awaitable[object]],
        watch: Callable[[OutPoint, bytes, "LightTaker"], None],
        trusting: bool,
    ) -> None:
        self.clock, self.announcement, self.broadcast, self.watch = clock, announcement, broadcast, watch
        self.jobs = JobRunner(workers=1)
        self.trusting = trusting
        """Whether the maker's CET signatures are taken as they come: the maker is what is measured."""


class LightTaker:
    """One taker, with a few coins and at most one CFD at a time."""

    def __init__(self, number: int, shared: Shared) -> None:
        seed = Secret(hashlib.sha256(f"light taker {number}".encode()).digest())
        keychain = Keychain.from_seed(seed, Network.REGTEST)
        self._shared, self._store = shared, MemoryStore()
        self.number, self.peer = number, peer_id(keychain.transport_key())
        self.wallet = SimWallet(f"light taker {number}", SimChain(), coins=0)
        policy = Policy(accept_up_to=Sats(0))
        settings = Settings(network=Network.REGTEST, keychain=keychain, policy=policy)
        self.pump = Pump(settings, self._store, shared.clock)
        self._sessions, self._offers = Sessions(self.pump), OfferStreams(self.pump, shared.clock)
        self._transport = SshTransport(keychain.transport_key(), limits=PATIENT)
        for protocol in (*PROTOCOLS, RESUME):
            self._transport.on_stream(protocol, self._sessions.accept)
        self.connection: Connection | None = None

    # --- life ----------------------------------------------------------------------------------------------------

    async def connect(self, address: Address, maker: PeerId) -> None:
        """Dial the maker, and hear its offers; nothing where that link lives."""
        if self.connection is not None and not self.connection.closed:
            return
        if self.connection is None:
            self.pump.start(self._run)
        self.connection = await self._transport.dial(address, maker)
        self.pump.spawn(self._offers.listen(self.connection), "offers")
        self.pump.give(i.PeerConnected(maker, secrets.token_bytes(32)))

    async def stop(self) -> None:
        await self._transport.close()
        await self.pump.stop()

    def receive(self, raw: bytes) -> None:
        """Its coin: output 0 of a transaction on the chain."""
        self.wallet.coins.append(Transaction.parse(raw))

    @property
    def cfd(self) -> Cfd | None:
        """The newest."""
        return _newest(self.pump.engine)

    async def until(self, condition: Callable[[Cfd | None], bool]) -> None:
        """Until the CFD is so."""
        await self.pump.until(lambda engine: condition(_newest(engine)))

    # --- effects -------------------------------------------------------------------------------------------------

    def _run(self, effect: f.Effect) -> None:
        match effect:
            case f.OpenStream(run, _, protocol):
                self._sessions.open(run, lambda: self._open_stream(protocol))
            case f.SendMessage(run, message):
                self._sessions.send(run, message)
            case f.CloseStream(run):
                self._sessions.send(run, None)
            case f.WatchOutpoint(outpoint, script):
                self._shared.watch(outpoint, script, self)
            case f.DropRevision(key, number):
                self._store.delete_revision(key, number)
            case f.ReleaseCoins(key):
                self.wallet.release(key)
            case f.BumpFee() | f.SignCancel() | f.FetchAttestation():
                pass
            case _:
                self.pump.spawn(self._answer(effect), type(effect).__name__)

    async def _open_stream(self, protocol: str) -> Stream:
        if self.connection is None:
            raise Disconnected("not connected")
        return await self.connection.open_stream(protocol)

    async def _answer(self, effect: f.Effect) -> None:
        give = self.pump.give
        match effect:
            case f.ReserveCoins():
                give(self.wallet.reserve(effect))
            case f.SignLock(key, psbt):
                give(i.LockInputsSigned(key, self.wallet.sign(psbt)))
            case f.CheckInputs(key):
                give(i.InputsChecked(key, ()))
            case f.SignCets(key, run, job):
                give(i.CetsSigned(key, run, await self._shared.jobs.sign(job)))
            case f.VerifyCets(key, run, job):
                bad = None if self._shared.trusting else await self._shared.jobs.verify(job)
                give(i.CetsVerified(key, run, bad))
            case f.LoadRevision(key, number):
                give(i.RevisionLoaded(key, number, self._store.revision(key, number)))
            case f.FetchAnnouncement(event):
                give(i.AnnouncementReceived(await self._shared.announcement(event)))
            case f.BroadcastTx(transaction=raw):
                await self._shared.broadcast(raw)
            case other:
                raise AssertionError(f"no light taker does {type(other).__name__}")


def _newest(engine: Engine) -> Cfd | None:
    return next(reversed(list(engine.cfds.values())), None)


async def gather_limited(work: list[Callable[[], Awaitable[None]]], at_once: int) -> None:
    """All of it, so many at once."""
    gate = asyncio.Semaphore(at_once)

    async def one(do: Callable[[], Awaitable[None]]) -> None:
        async with gate:
            await do()

    await asyncio.gather(*map(one, work))
