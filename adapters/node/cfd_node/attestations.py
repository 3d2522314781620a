"""Waiting for the oracle: one poller per event, from the event's time on, until it has attested."""

import asyncio
import random
from typing import Final

import structlog
from cfd_oracle import NotYet, OracleError
from cfd_store import StoreError

from cfd_core.errors import DecodeError, PeerViolation
from cfd_core.inputs import AttestationReceived
from cfd_core.values import CfdId, EventId, Timestamp
from cfd_node.clock import Clock
from cfd_node.pump import Pump
from cfd_node.services.oracle import OracleService

log = structlog.get_logger()

PORTION: Final = 50
"""CFDs that hear of a price in one turn: about 20 ms. An hour's price may concern thousands, and others wait too."""


class AttestationPoller:
    """Asks for each event once, however often it is told to."""

    def __init__(
        self, pump: Pump, oracle: OracleService, clock: Clock, *, delay: float = 60, every: float = 30
    ) -> None:
        """Begin `delay` seconds after the event's time, and ask again `every` so many (give or take a fifth)."""
        self._pump, self._oracle, self._clock = pump, oracle, clock
        self._delay, self._every = delay, every
        self._polled: set[EventId] = set()
        self.trouble = ""
        """Why the last answer was none; empty when all is well."""

    def poll(self, event: EventId, not_before: Timestamp) -> None:
        if event not in self._polled:
            self._polled.add(event)
            self._pump.spawn(self._poll(event, not_before), f"attestation of {event}")

    async def _poll(self, event: EventId, not_before: Timestamp) -> None:
        try:
            await self._clock.sleep_until(not_before + self._delay)
            while not await self._attested(event):
                await self._pause()
        finally:
            self._polled.discard(event)

    async def _pause(self) -> None:
        await asyncio.sleep(self._every * random.uniform(0.8, 1.2))  # noqa: S311 - spreads load, hides nothing

    async def _attested(self, event: EventId) -> bool:
        try:
            await self._hear(event, await self._oracle.fetch_attestation(event))
        except NotYet:
            self.trouble = f"{event} is not attested yet"
        except (OracleError, PeerViolation, DecodeError, StoreError) as error:
            self.trouble = str(error)
            log.warning("no attestation", oracle_event=event, reason=str(error))
        else:
            self.trouble = ""
            return True
        return False

    async def _hear(self, event: EventId, raw: bytes) -> None:
        """Give it to all that it concerns, also to those that came between two portions.

        Two oracles may use one name for an event: an error is one only where nobody had a use for it.
        """
        done = set[CfdId]()
        heard = False
        refused: PeerViolation | DecodeError | None = None
        while fresh := [key for key in self._pump.engine.concerned_by(event) if key not in done]:
            for start in range(0, len(fresh), PORTION):
                portion = frozenset(fresh[start : start + PORTION])
                try:
                    heard |= bool(self._pump.give(AttestationReceived(event, raw, portion)).events)
                except (PeerViolation, DecodeError) as error:
                    refused = error
                done |= portion
                await asyncio.sleep(0)
        if refused is not None and not heard:
            raise refused
