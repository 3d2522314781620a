"""The oracle as a service: asked often whether it answers, and lent to those who want something of it."""

import asyncio
from collections.abc import Callable
from typing import Final

from cfd_oracle import Down, OracleClient

from cfd_core.oracle import Announcement
from cfd_core.values import EventId
from cfd_node.supervision import Level, Tell

PROBE_SECONDS: Final = 3.0
ANSWER_SECONDS: Final = 4.0
LOOK_SECONDS: Final = 1.0
"""Between two looks at what those who asked the oracle met with."""


class OracleService:
    """One oracle. While the service is stopped, nothing is asked of it: `Down`."""

    name = "oracle"
    needs = ()

    def __init__(self, make: Callable[[], OracleClient], trouble: Callable[[], str]) -> None:
        """`trouble` says what was last missed of the oracle; empty: nothing."""
        self._make, self._trouble = make, trouble
        self._client: OracleClient | None = None

    async def announcement(self, event: EventId) -> Announcement:
        """As `OracleClient.announcement`."""
        return await self._ready().announcement(event)

    async def fetch_attestation(self, event: EventId) -> bytes:
        """As `OracleClient.fetch_attestation`."""
        return await self._ready().fetch_attestation(event)

    def _ready(self) -> OracleClient:
        if self._client is None:
            raise Down("the oracle is not asked: its service is stopped")
        return self._client

    async def run(self, tell: Tell) -> None:
        async with self._make() as client:
            self._client = client
            try:
                await self._watch(client, tell)
            finally:
                self._client = None

    async def _watch(self, client: OracleClient, tell: Tell) -> None:
        while True:
            silence = await _silence(client)
            for _ in range(int(PROBE_SECONDS / LOOK_SECONDS)):
                trouble = self._trouble()
                if silence:
                    tell(Level.FAILED, silence)
                else:
                    tell(Level.DEGRADED if trouble else Level.RUNNING, trouble)
                await asyncio.sleep(LOOK_SECONDS)


async def _silence(client: OracleClient) -> str:
    """Why the oracle does not answer; empty: it does."""
    try:
        await client.ping(ANSWER_SECONDS)
    except Down as error:
        return str(error)
    return ""
