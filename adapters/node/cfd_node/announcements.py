"""Getting announcements from the oracle: asked for once, and again only while the oracle cannot be reached."""

import asyncio
import random

import structlog
from cfd_oracle import OracleError
from cfd_oracle.errors import Down

from cfd_core.inputs import AnnouncementReceived
from cfd_core.values import EventId
from cfd_node.pump import Pump
from cfd_node.services.oracle import OracleService

log = structlog.get_logger()


class Announcements:
    """Feeds announcements to the engine. What an oracle refuses is not asked for again: a maker may name any event."""

    def __init__(self, pump: Pump, oracle: OracleService, *, every: float = 5) -> None:
        """Asks a silent oracle again `every` so many seconds (give or take a fifth)."""
        self._pump, self._oracle, self._every = pump, oracle, every
        self._wanted: set[EventId] = set()
        self.trouble = ""
        """Why the oracle could not be reached; empty when all is well."""

    def fetch(self, event: EventId) -> None:
        """In the background, for as long as an offer names the event or a rollover waits for it."""
        if event not in self._wanted:
            self._wanted.add(event)
            self._pump.spawn(self._fetch(event), f"announcement of {event}")

    async def learn(self, event: EventId) -> None:
        """One try, for our own user."""
        await self._settled(event)

    async def _fetch(self, event: EventId) -> None:
        try:
            while not await self._settled(event) and self._wanted_still(event):
                await self._pause()
        finally:
            self._wanted.discard(event)

    async def _pause(self) -> None:
        await asyncio.sleep(self._every * random.uniform(0.8, 1.2))  # noqa: S311 - spreads load, hides nothing

    def _wanted_still(self, event: EventId) -> bool:
        engine = self._pump.engine
        offered = (offer for offers in engine.market.values() for offer in offers)
        if any(event == offer.event or event in offer.liquidations for offer in offered):
            return True
        return any(event in getattr(run.state, "wanted", ()) for run in engine.runs.values())

    async def _settled(self, event: EventId) -> bool:
        """Whether there is nothing more to ask."""
        try:
            announcement = await self._oracle.announcement(event)
        except Down as error:
            self.trouble = str(error)
            log.info("no announcement yet", oracle_event=event, reason=str(error))
            return False
        except OracleError as error:
            log.warning("no announcement", oracle_event=event, reason=str(error))
            return True
        self.trouble = ""
        await self._pump.deliver(AnnouncementReceived(announcement))
        return True
