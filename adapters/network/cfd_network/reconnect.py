"""Keep one dialled connection up."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from enum import Enum

from attrs import field, frozen
from attrs.validators import ge, gt

from cfd_core.values import PeerId, Timestamp
from cfd_network.errors import Disconnected, TransportError
from cfd_network.transport import Address, Connection, Stream, Transport

log = logging.getLogger("cfd_network")


class LinkState(Enum):
    """What a dialled link is doing; in `BACKOFF` it waits before it tries again."""

    STOPPED = "stopped"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    BACKOFF = "backoff"


@frozen
class LinkHealth:
    """How the link is, why (empty while all is well), and since when."""

    state: LinkState
    reason: str
    since: Timestamp


@frozen
class Backoff:
    """Pauses between attempts, in seconds: `first`, then `factor` times as long each, at most `longest`.

    Each is shortened by up to half at random, so that many takers do not come back to a maker at the same moment.
    A link that held for `healthy` seconds starts again with `first`.
    """

    first: float = field(default=0.5, validator=gt(0))
    factor: float = field(default=2.0, validator=ge(1))
    longest: float = field(default=60.0, validator=gt(0))
    healthy: float = field(default=30.0, validator=ge(0))

    def pause(self, failures: int, chance: float) -> float:
        """Before attempt `failures` + 1 (`failures` >= 1); `chance` is in [0, 1)."""
        whole = min(self.longest, self.first * self.factor ** min(failures - 1, 64))
        return whole * (1 - chance / 2)


class ReconnectingLink:
    """A connection to `peer` at `address`, dialled again whenever it ends; the name is resolved anew each time.

    `random` returns numbers in [0, 1), `clock` seconds since 1970. `on_change` hears of every new health.
    `start` never fails: what goes wrong is in `health`.
    """

    def __init__(
        self,
        transport: Transport,
        address: Address,
        peer: PeerId,
        *,
        random: Callable[[], float],
        clock: Callable[[], Timestamp],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        backoff: Backoff | None = None,
        on_change: Callable[[LinkHealth], None] = lambda _health: None,
    ) -> None:
        self._transport = transport
        self._address = address
        self._peer = peer
        self._random = random
        self._clock = clock
        self._sleep = sleep
        self._backoff = backoff or Backoff()
        self._on_change = on_change
        self._task: asyncio.Task[None] | None = None
        self._connection: Connection | None = None
        self._up = asyncio.Event()
        self._health = LinkHealth(LinkState.STOPPED, "", clock())

    @property
    def health(self) -> LinkHealth:
        return self._health

    @property
    def connection(self) -> Connection | None:
        """The connection while there is one."""
        return self._connection

    def start(self) -> None:
        """Begin to dial; nothing happens if it runs already."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run(), name=f"link to {self._peer}")

    async def stop(self) -> None:
        """Close the connection and dial no more. Never fails; call it twice."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        if self._health.state is not LinkState.STOPPED:
            self._tell(LinkState.STOPPED, "")

    async def restart(self) -> None:
        """Stop and start: dial at once, without waiting for a pause to end."""
        await self.stop()
        self.start()

    async def wait_connected(self) -> Connection:
        """Return the connection once there is one."""
        while self._connection is None:
            await self._up.wait()
        return self._connection

    async def open_stream(self, protocol: str) -> Stream:
        """As `Connection.open_stream`; `Disconnected` with the reason while there is no connection."""
        if self._connection is None:
            raise Disconnected(f"{self._health.state.value}: {self._health.reason or 'not connected'}")
        return await self._connection.open_stream(protocol)

    async def _run(self) -> None:
        failures, reason = 0, ""
        while True:
            self._tell(LinkState.CONNECTING, reason)
            reason, held = await self._attempt()
            failures = 1 if held >= self._backoff.healthy else failures + 1
            self._tell(LinkState.BACKOFF, reason)
            await self._sleep(self._backoff.pause(failures, self._random()))

    async def _attempt(self) -> tuple[str, float]:
        """Dial once and stay while it holds: the reason for its end, and how many seconds it held (-1: never up)."""
        try:
            connection = await self._transport.dial(self._address, self._peer)
        except TransportError as error:
            return str(error), -1
        except Exception as error:
            log.exception("dialling %s failed in a way it must not", self._peer)
            return f"our own fault ({type(error).__name__})", -1
        begun = self._clock()
        self._connection = connection
        self._up.set()
        try:
            self._tell(LinkState.CONNECTED, "")
            return await connection.wait_closed(), self._clock() - begun
        finally:
            self._connection = None
            self._up.clear()
            await connection.close()

    def _tell(self, state: LinkState, reason: str) -> None:
        self._health = LinkHealth(state, reason, self._clock())
        try:
            self._on_change(self._health)
        except Exception:
            log.exception("a callback for link changes failed")
