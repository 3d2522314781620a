"""The service: one supervised connection to one Electrum server, and what it can be asked."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from cfd_core.bitcoin.transaction import Transaction, TxOut
from cfd_core.errors import DecodeError
from cfd_core.values import Network, OutPoint, Txid
from cfd_electrum import answers
from cfd_electrum.address import ServerAddress
from cfd_electrum.answers import Tip
from cfd_electrum.errors import BroadcastRejected, Disconnected, ElectrumError, ServerMisbehaved, ServerRefused
from cfd_electrum.funding import output_problems
from cfd_electrum.greeting import greet
from cfd_electrum.health import Backoff, Health, State
from cfd_electrum.road import Road
from cfd_electrum.server import ServerConnection
from cfd_electrum.transactions import Transactions
from cfd_electrum.watcher import OnOutpoint, Watcher

OnTip = Callable[[int, int], Awaitable[None] | None]

WORKERS: Final = 8
_OWN_TROUBLE: Final = (-102, -101)
"""Codes for a busy server and one that has had enough of us; like JSON-RPC's own, no verdict on a transaction."""
_log = logging.getLogger(__name__)


class ElectrumChain:
    """A chain seen through one Electrum server at a time. Nothing here raises because a server is down, except
    `Disconnected`.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        tls: bool = False,
        others: Sequence[ServerAddress] = (),
        road: Road | None = None,
        network: Network | None = None,
        timeout: float = 30.0,
        ping_seconds: float = 4.0,
        pong_seconds: float | None = None,
        retry_seconds: float = 5.0,
        max_message: int = 20_000_000,
        cache_bytes: int = 32_000_000,
        backoff: Backoff | None = None,
        clock: Callable[[], float] = time.monotonic,
        on_tip: OnTip | None = None,
        on_outpoint: OnOutpoint | None = None,
        on_health: Callable[[Health], None] | None = None,
    ) -> None:
        """`timeout`: seconds for connecting and for each answer. `network`: refuse servers of another one.

        A server that does not answer a ping for `pong_seconds` is given up. The default is 5, so that a frozen one
        shows within ten seconds, and 25 through a proxy, where honest answers may take long.

        `others` take over in turn when a server fails; it stays with the one that works. `road` leads to all of them.

        `on_tip(height, time)` and `on_outpoint(report)` may be plain or async; a slow one slows the reports, no more.
        """
        self._servers = (ServerAddress(host, port, tls), *others)
        self._turn = 0
        self._road, self._network = road or Road(), network
        self._timeout, self._max_message = timeout, max_message
        self._ping_seconds, self._pong_seconds = ping_seconds, pong_seconds or (5.0 if self._road.straight else 25.0)
        self._backoff = backoff or Backoff()
        self._clock = clock
        self._transactions = Transactions(cache_bytes)
        self._watcher = Watcher(self._transactions, retry_seconds)
        self._watcher.on_outpoint = on_outpoint
        self._watcher.on_trouble = self._tell_health
        self._on_tip, self.on_health = on_tip, on_health
        self._tip: Tip | None = None
        self._tip_heard = False
        self._tip_moved = asyncio.Event()
        self._connection: ServerConnection | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._state, self._reason, self._since = State.STOPPED, "not started", clock()
        self._doubt = ""

    # -- life

    async def start(self) -> None:
        """Begin connecting in the background; never fails, and does nothing when started already."""
        if self._supervisor is None:
            self._supervisor = asyncio.create_task(self._supervise(), name="electrum")

    async def stop(self) -> None:
        """End the connection; watches are kept for the next `start`."""
        supervisor, self._supervisor = self._supervisor, None
        if supervisor is not None:
            supervisor.cancel()
            await asyncio.gather(supervisor, return_exceptions=True)
            self._become(State.STOPPED, "stopped")

    @property
    def server(self) -> ServerAddress:
        """The one that is used now, or tried next."""
        return self._servers[self._turn % len(self._servers)]

    @property
    def servers(self) -> tuple[ServerAddress, ...]:
        """All that there are."""
        return self._servers

    def next_server(self) -> None:
        """Leave the present server for the one after it, at the next connection: `stop` and `start` for that."""
        self._turn += 1

    @property
    def doubt(self) -> str:
        """Why this chain may be a false one, for example because other servers see another; set it from outside."""
        return self._doubt

    @doubt.setter
    def doubt(self, reason: str) -> None:
        self._doubt = reason
        self._tell_health()

    @property
    def health(self) -> Health:
        reason = self._reason or self._doubt or next(iter(self._watcher.troubles.values()), "")
        return Health(self._state, reason, self._since, self._tip.height if self._tip else None)

    @property
    def on_outpoint(self) -> OnOutpoint | None:
        """Who is told about watched outputs; a new listener is told everything once."""
        return self._watcher.on_outpoint

    @on_outpoint.setter
    def on_outpoint(self, listener: OnOutpoint | None) -> None:
        self._watcher.on_outpoint = listener
        self._watcher.tell_again()

    @property
    def on_tip(self) -> OnTip | None:
        """Who is told height and time (seconds since 1970) of the best block; a new listener is told it once."""
        return self._on_tip

    @on_tip.setter
    def on_tip(self, listener: OnTip | None) -> None:
        self._on_tip = listener
        if self._tip is not None:
            self._tip_moved.set()

    # -- watching

    def watch(self, outpoint: OutPoint, script_pubkey: bytes) -> None:
        """Report on this output once, and at each change, across reconnects. Again: it is reported once more."""
        self._watcher.watch(outpoint, script_pubkey)

    def unwatch(self, outpoint: OutPoint) -> None:
        """No more reports about it. Unknown outpoints are fine."""
        self._watcher.unwatch(outpoint)

    # -- asking

    async def broadcast(self, raw: bytes) -> Txid:
        """Hand a transaction to the network; one that it has already is a success.

        Raises `BroadcastRejected`, `Disconnected`, `ServerRefused` (busy), `ServerMisbehaved`, `DecodeError` (not one).
        """
        connection = self._connected()
        txid = Transaction.parse(raw).txid
        try:
            said = await connection.ask(answers.txid, "blockchain.transaction.broadcast", raw.hex())
        except ServerRefused as refusal:
            if refusal.code in _OWN_TROUBLE or -32768 <= refusal.code <= -32000:
                raise
            if not await self._has(connection, txid):
                raise BroadcastRejected(str(refusal)) from refusal
            return txid
        if said != txid:
            raise ServerMisbehaved(f"{connection.name} was given transaction {txid} and says it took {said}")
        return txid

    async def transaction(self, txid: Txid) -> bytes:
        """Network serialisation. `ServerRefused` if the server does not know it."""
        connection = self._connected()
        known = await self._transactions.get(connection, txid)
        if known.parsed is None:
            raise ServerMisbehaved(f"{connection.name} sent as transaction {txid} more bytes than nodes relay")
        return known.raw

    async def check_outputs(self, claims: Sequence[tuple[OutPoint, TxOut]]) -> list[str]:
        """What is wrong with these outputs (empty: nothing): each must exist, be confirmed, unspent and worth that."""
        connection = self._connected()
        height = (await self._latest_tip()).height
        found = await asyncio.gather(
            *(output_problems(connection, self._transactions, outpoint, out, height) for outpoint, out in claims)
        )
        return [problem for problems in found for problem in problems]

    async def fee_rate(self, target_blocks: int) -> int | None:
        """sat/vB to confirm within that many blocks, or None where the server cannot tell."""
        return await self._connected().ask(answers.fee_rate, "blockchain.estimatefee", target_blocks)

    async def tip(self) -> tuple[int, bytes]:
        """Height and 80-byte header of the best block."""
        tip = await self._latest_tip()
        return tip.height, tip.header

    async def header(self, height: int) -> bytes:
        """The 80-byte header at a height, as the server shows it."""
        return await self._connected().ask(answers.header, "blockchain.block.header", height)

    async def _latest_tip(self) -> Tip:
        self._connected()
        if self._tip is None:
            raise Disconnected("no block header yet")
        return self._tip

    async def _has(self, connection: ServerConnection, txid: Txid) -> bool:
        try:
            await connection.ask(answers.raw_bytes, "blockchain.transaction.get", txid)
        except ServerRefused:
            return False
        return True

    def _connected(self) -> ServerConnection:
        if self._connection is None:
            raise Disconnected(f"{self.server.name} is {self._state.value}: {self._reason}")
        return self._connection

    # -- supervision

    async def _supervise(self) -> None:
        failures = 0
        while True:
            self._become(State.CONNECTING, self._reason if failures else "")
            begun = self._clock()
            reason = await self._one_connection()
            if self._supervisor is not asyncio.current_task():
                return  # stopped: a task group before 3.13 swallows our cancellation if a child fails just then
            lasted = self._clock() - begun
            failures = 1 if lasted >= self._backoff.healthy_after else failures + 1
            self._turn += 1
            self._become(State.DISCONNECTED, reason)
            # waits grow with each round, not with each server of a round
            await asyncio.sleep(self._backoff.delay(1 + (failures - 1) // len(self._servers)))

    async def _one_connection(self) -> str:
        """Connect, serve, and say why it ended."""
        try:
            connection = await ServerConnection.open(
                self.server,
                self._road,
                timeout=self._timeout,
                max_message=self._max_message,
                on_notification=self._heard,
            )
        except ElectrumError as error:
            return str(error)
        try:
            await self._greet(connection)
            return await self._serve(connection)
        except ServerRefused as error:
            return f"{connection.name} does not serve us: {error}"
        except ElectrumError as error:
            return str(error)
        except Exception as error:
            _log.exception("the Electrum adapter failed")
            return f"internal error: {type(error).__name__}"
        finally:
            self._connection = None
            await connection.close()

    async def _greet(self, connection: ServerConnection) -> None:
        await greet(connection, self._network)
        self._tip_heard = False
        tip = await connection.ask(answers.tip, "blockchain.headers.subscribe")
        if not self._tip_heard:  # else a notification, which is newer, overtook this answer
            self._move_tip(tip)

    async def _serve(self, connection: ServerConnection) -> str:
        self._connection = connection
        self._transactions.forget()
        self._watcher.connected()
        self._become(State.RUNNING, "")
        jobs = [self._watcher.work(connection) for _ in range(WORKERS)]
        try:
            async with asyncio.TaskGroup() as tasks:
                for job in (*jobs, self._tell_tips(), self._ping(connection), _until_ended(connection)):
                    tasks.create_task(job)
        except* Disconnected:
            pass
        return await connection.ended()

    def _heard(self, method: str, args: list[Any]) -> None:
        connection = self._connection
        try:
            if method == "blockchain.headers.subscribe" and len(args) == 1:
                self._move_tip(answers.tip(args[0]))
                self._tip_heard = True
            elif method == "blockchain.scripthash.subscribe" and len(args) == 2:
                self._watcher.heard(answers.hash_text(args[0]), answers.status(args[1]))
        except DecodeError as error:
            if connection is not None:
                connection.fail(f"sent a malformed notification: {error}")

    def _move_tip(self, tip: Tip) -> None:
        if tip != self._tip:
            self._tip = tip
            self._tip_moved.set()

    async def _tell_tips(self) -> None:
        while True:
            await self._tip_moved.wait()
            self._tip_moved.clear()
            if self._on_tip is None or self._tip is None:
                continue
            try:
                answer = self._on_tip(self._tip.height, self._tip.time)
                if answer is not None:
                    await answer
            except Exception:
                _log.exception("the listener failed on block %s", self._tip.height)

    async def _ping(self, connection: ServerConnection) -> None:
        while True:
            await asyncio.sleep(self._ping_seconds)
            try:
                async with asyncio.timeout(self._pong_seconds):
                    await connection.ask(answers.anything, "server.ping")
            except ServerRefused:
                continue  # it answers: that is enough
            except TimeoutError:
                connection.fail(f"has not answered for {self._pong_seconds:g} s")

    def _become(self, state: State, reason: str) -> None:
        away = {State.CONNECTING, State.DISCONNECTED}
        if not away >= {state, self._state}:  # tries in between do not shorten an outage
            self._since = self._clock()
        self._state, self._reason = state, reason
        self._tell_health()

    def _tell_health(self) -> None:
        if self.on_health is not None:
            try:
                self.on_health(self.health)
            except Exception:
                _log.exception("the listener failed on a change of health")


async def _until_ended(connection: ServerConnection) -> None:
    raise Disconnected(await connection.ended())
