"""Peers as services: our own end of the network, and the link to each maker."""

import asyncio
from collections.abc import Callable
from typing import Final

from cfd_network import Address, Backoff, LinkHealth, LinkState, ReconnectingLink, Transport, TransportError

from cfd_core.values import PeerId, Timestamp
from cfd_node.supervision import Level, ServiceFailed, Tell

RETRY_SECONDS: Final = 3.0
"""Between two tries to listen."""
PATIENT: Final = Backoff(longest=15.0)


class NetworkService:
    """Our end: whom we serve, and where we listen. Each life has a transport of its own."""

    name = "network"
    needs = ("protocols",)

    def __init__(self, make: Callable[[], Transport], listen: Address | None) -> None:
        """`make` gives a transport that has its handlers; `listen` may name port 0, which stays what it becomes."""
        self._make, self._listen = make, listen
        self._transport: Transport | None = None

    @property
    def transport(self) -> Transport:
        """`ServiceFailed` while there is none."""
        if self._transport is None:
            raise ServiceFailed("the network is not up")
        return self._transport

    @property
    def address(self) -> Address | None:
        """Where others reach us now."""
        return self._transport.health.address if self._transport is not None else None

    async def run(self, tell: Tell) -> None:
        self._transport = transport = self._make()
        try:
            if self._listen is not None:
                await self._keep_trying(transport, self._listen, tell)
            tell(Level.RUNNING)
            await asyncio.Event().wait()
        finally:
            self._transport = None
            await transport.close()

    async def _keep_trying(self, transport: Transport, wanted: Address, tell: Tell) -> None:
        """A port that is taken keeps nobody from dialling; it is tried until it is free."""
        while True:
            try:
                self._listen = await transport.listen(wanted.host, wanted.port)
            except TransportError as error:
                tell(Level.DEGRADED, f"nobody can reach us: {error}")
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return


class MakerService:
    """The link to one maker."""

    needs = ("network",)

    def __init__(
        self,
        network: NetworkService,
        address: Address,
        peer: PeerId,
        *,
        jitter: Callable[[], float],
        now: Callable[[], Timestamp],
    ) -> None:
        self.name = f"maker {peer}"
        self.address, self.peer = address, peer
        self.backoff = PATIENT
        self._network, self._jitter, self._now = network, jitter, now

    async def run(self, tell: Tell) -> None:
        link = ReconnectingLink(
            self._network.transport,
            self.address,
            self.peer,
            random=self._jitter,
            clock=self._now,
            backoff=self.backoff,
            on_change=lambda health: tell(*_level(health)),
        )
        try:
            link.start()
            await asyncio.Event().wait()
        finally:
            await link.stop()


def _level(health: LinkHealth) -> tuple[Level, str]:
    match health.state:
        case LinkState.CONNECTED:
            return Level.RUNNING, ""
        case LinkState.CONNECTING if not health.reason:
            return Level.LOADING, "connects"
        case _:
            return Level.FAILED, health.reason or "not connected"
