"""The effect table: which shell runs which effect, and what it tells the engine afterwards."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import assert_never

import structlog
from cfd_electrum import BroadcastRejected, Disconnected, ElectrumChain, ElectrumError
from cfd_network import Stream
from cfd_store import EventStore, StoreError
from cfd_wallet import BdkWallet, WalletError

from cfd_core import effects as f
from cfd_core import inputs as i
from cfd_core.bitcoin.transaction import Transaction
from cfd_core.crypto.signer import SignerRefused, SignerUnavailable
from cfd_core.errors import DecodeError, PeerViolation
from cfd_core.values import CfdId, PeerId
from cfd_node.announcements import Announcements
from cfd_node.attestations import AttestationPoller
from cfd_node.counts import Counts
from cfd_node.jobs import JobRunner
from cfd_node.pump import Pump
from cfd_node.sessions import Sessions

log = structlog.get_logger()
CHECK_ATTEMPTS = 5
"""Tries to look a counterparty's inputs up while the chain is not connected."""
CHECK_PAUSE = 1.0
"""Seconds between two of them."""


class Acting:
    """Runs effects in the background; a failed one is owed again and comes back with `Engine.resume`."""

    def __init__(
        self,
        *,
        pump: Pump,
        sessions: Sessions,
        chain: ElectrumChain,
        wallet: BdkWallet,
        store: EventStore,
        announcements: Announcements,
        poller: AttestationPoller,
        jobs: JobRunner,
        counts: Counts,
        open_stream: Callable[[PeerId, str], Awaitable[Stream]],
        bump_delay: float,
    ) -> None:
        self._pump, self._sessions, self._chain, self._wallet = pump, sessions, chain, wallet
        self._store, self._announcements, self._poller, self._jobs = store, announcements, poller, jobs
        self._open_stream = open_stream
        self._bump_delay = bump_delay
        self._counts = counts
        self._order: dict[CfdId, asyncio.Lock] = {}

    def run(self, effect: f.Effect) -> None:
        """Begin to run one effect; never raises and never waits."""
        key = getattr(effect, "cfd_id", None)
        # the tasks that begin here inherit it: every line they log names the CFD
        with structlog.contextvars.bound_contextvars(**({} if key is None else {"cfd": key})):
            self._begin(effect)

    def _begin(self, effect: f.Effect) -> None:
        match effect:
            case f.OpenStream(run, peer, protocol):
                self._sessions.open(run, lambda: self._open_stream(peer, protocol))
            case f.SendMessage(run, message):
                self._sessions.send(run, message)
            case f.CloseStream(run):
                self._sessions.send(run, None)
            case f.WatchOutpoint(outpoint, script):
                self._chain.watch(outpoint, script)
            case f.FetchAttestation(event, not_before):
                self._poller.poll(event, not_before)
            case f.LoadRevision():
                self._pump.spawn(self._load(effect), "load revision")
            case f.ReserveCoins():
                self._pump.spawn(self._reserve(effect), "reserve coins")
            case f.ReleaseCoins(key):
                self._pump.spawn(self.release(key), "release coins")
            case f.DropRevision():
                self._pump.spawn(self._drop(effect), "drop revision")
            case f.SignCancel():
                self._pump.spawn(self._sign_cancel(effect), "sign cancellation")
            case f.BumpFee():
                self._pump.spawn(self._bump(effect), "bump fee")
            case f.SignLock():
                self._pump.spawn(self._sign_lock(effect), "sign lock")
            case f.CheckInputs():
                self._pump.spawn(self._check_inputs(effect), "check inputs")
            case f.SignCets():
                self._pump.spawn(self._sign_cets(effect), "sign CETs")
            case f.VerifyCets():
                self._pump.spawn(self._verify_cets(effect), "verify CETs")
            case f.BroadcastTx():
                self._pump.spawn(self._broadcast(effect), "broadcast")
            case f.FetchAnnouncement(event):
                self._announcements.fetch(event)
            case _:
                assert_never(effect)

    async def _load(self, effect: f.LoadRevision) -> None:
        try:
            packed = self._store.revision(effect.cfd_id, effect.revision)
        except StoreError as error:
            log.error("cannot load CET signatures", cfd=effect.cfd_id, reason=str(error))
        else:
            self._pump.give(i.RevisionLoaded(effect.cfd_id, effect.revision, packed))

    async def _drop(self, effect: f.DropRevision) -> None:
        self._store.delete_revision(effect.cfd_id, effect.revision)

    async def _sign_cancel(self, effect: f.SignCancel) -> None:
        try:
            signed = await self._wallet.sign(effect.cfd_id, effect.psbt)
        except WalletError as error:
            log.error("cannot sign the cancellation", cfd=effect.cfd_id, reason=str(error))
        else:
            self._pump.give(i.CancelInputSigned(effect.cfd_id, signed))

    async def _bump(self, effect: f.BumpFee) -> None:
        # blocks are heard of before what is in them: let the news of the parent's confirmation overtake us
        await asyncio.sleep(self._bump_delay)
        if effect not in self._pump.owed():
            return
        parent = Transaction.parse(effect.parent).txid
        try:
            child = await self._wallet.bump(
                _bump_id(effect.cfd_id, parent), effect.parent, effect.vout, effect.parent_fee, effect.rate
            )
        except WalletError as error:
            log.error("cannot bump the fee", cfd=effect.cfd_id, reason=str(error))
        else:
            self._pump.give(i.FeeBumpSigned(effect.cfd_id, parent, child, effect.rate))

    async def _reserve(self, effect: f.ReserveCoins) -> None:
        try:
            reserved = await self._wallet.reserve(effect.cfd_id, effect.amount, effect.fee_rate)
        except WalletError as error:
            await self._pump.deliver(i.CoinsRefused(effect.cfd_id, str(error)))
            return
        coins = tuple(i.Coin(coin.outpoint, coin.previous_tx) for coin in reserved.coins)
        told = i.CoinsReserved(effect.cfd_id, coins, reserved.change_script, reserved.payout_script)
        await self._pump.deliver(told)

    async def release(self, cfd: str) -> None:
        """Give a CFD's coins back, those of its fee bumps too; if that fails, the next start of the node does it."""
        known = self._pump.engine.cfds.get(CfdId(cfd))
        bumps = [_bump_id(known.id, parent) for parent in known.bumped] if known is not None else []
        try:
            for name in (cfd, *bumps):
                await self._wallet.release(name)
        except WalletError as error:
            log.warning("coins not released yet", cfd=cfd, reason=str(error))

    async def _sign_lock(self, effect: f.SignLock) -> None:
        try:
            signed = await self._wallet.sign(effect.cfd_id, effect.psbt)
        except WalletError as error:
            await self._pump.deliver(i.LockSigningFailed(effect.cfd_id, str(error)))
        else:
            await self._pump.deliver(i.LockInputsSigned(effect.cfd_id, signed))

    async def _check_inputs(self, effect: f.CheckInputs) -> None:
        problems = ["the chain cannot be asked"]
        for _ in range(CHECK_ATTEMPTS):
            try:
                problems = await self._chain.check_outputs(effect.outputs)
                break
            except ElectrumError as error:
                problems = [f"the chain cannot be asked: {error}"]
                await asyncio.sleep(CHECK_PAUSE)
        await self._pump.deliver(i.InputsChecked(effect.cfd_id, tuple(problems)))

    async def _sign_cets(self, effect: f.SignCets) -> None:
        """A signer elsewhere is asked again until it is back, or the run has ended without it."""
        while True:
            try:
                with self._counts.job(effect.cfd_id, len(effect.job)) as done:
                    signed = await self._jobs.sign(effect.job, done)
            except SignerUnavailable as error:
                log.info("CETs wait for the signer", reason=str(error))
                await self._pump.pause()
                if effect.run not in self._pump.engine.runs:
                    return
            except SignerRefused as refusal:
                self._pump.give(i.StreamClosed(effect.run, str(refusal)))
                return
            else:
                await self._pump.deliver(i.CetsSigned(effect.cfd_id, effect.run, signed))
                return

    async def _verify_cets(self, effect: f.VerifyCets) -> None:
        with self._counts.job(effect.cfd_id, len(effect.job)) as done:
            bad = await self._jobs.verify(effect.job, done)
        await self._pump.deliver(i.CetsVerified(effect.cfd_id, effect.run, bad))

    async def _broadcast(self, effect: f.BroadcastTx) -> None:
        # one after the other, in the order they were asked for: a child must not arrive before its parent
        async with self._order.setdefault(effect.cfd_id, asyncio.Lock()):
            await self._broadcast_one(effect)

    async def _broadcast_one(self, effect: f.BroadcastTx) -> None:
        try:
            await self._chain.broadcast(effect.transaction)
        except BroadcastRejected as error:
            log.warning("broadcast refused", cfd=effect.cfd_id, kind=effect.kind, txid=effect.txid, reason=str(error))
        except (Disconnected, ElectrumError, DecodeError, PeerViolation) as error:
            log.info("broadcast postponed", cfd=effect.cfd_id, kind=effect.kind, reason=str(error))


def _bump_id(cfd_id: CfdId, parent: str) -> str:
    return f"bump:{cfd_id}:{parent}"
