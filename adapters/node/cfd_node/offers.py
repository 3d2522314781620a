"""Offers on the wire: a maker streams its present ones, a taker keeps listening to each maker."""

import asyncio

import structlog
from cfd_network import Connection, Stream, TransportError

from cfd_core.cfd.commands import LearnOffers
from cfd_core.cfd.events import OfferPublished, OfferWithdrawn, Recorded
from cfd_core.cfd.offer import Offer
from cfd_core.errors import DecodeError
from cfd_core.serial.wire import OFFERS_PROTOCOL, decode_offers, encode_offers
from cfd_core.values import PeerId
from cfd_node.clock import Clock
from cfd_node.pump import Pump

log = structlog.get_logger()


class OfferStreams:
    """Both directions of `cfd-offers@1`."""

    def __init__(self, pump: Pump, clock: Clock) -> None:
        self._pump, self._clock = pump, clock
        self._news = asyncio.Event()
        pump.subscribe(self._on_event)

    async def serve(self, stream: Stream) -> None:
        """One line with all present offers now, and a new one whenever they change; ends with the stream."""
        gone = asyncio.create_task(stream.wait_closed())
        try:
            while not gone.done():
                news = asyncio.create_task(self._news.wait())
                await stream.send(encode_offers(self._present()))
                await asyncio.wait({gone, news}, return_when=asyncio.FIRST_COMPLETED)
                news.cancel()
        except TransportError:
            return
        finally:
            gone.cancel()

    async def listen(self, connection: Connection) -> None:
        """Feed a maker's offers to the engine until the stream ends; then the maker has none."""
        maker = connection.peer
        try:
            stream = await connection.open_stream(OFFERS_PROTOCOL)
            await self._learn_all(maker, stream)
        except TransportError as error:
            log.info("no more offers", maker=maker, reason=str(error))
        self._forget(maker)

    async def _learn_all(self, maker: PeerId, stream: Stream) -> None:
        try:
            while True:
                self._pump.give(LearnOffers(maker, decode_offers(await stream.receive())))
        except DecodeError as error:
            log.warning("offers that do not decode", maker=maker, reason=str(error))
        finally:
            await stream.close()

    def _forget(self, maker: PeerId) -> None:
        self._pump.give(LearnOffers(maker, ()))

    def _present(self) -> tuple[Offer, ...]:
        now = self._clock.now()
        return tuple(offer for offer in self._pump.engine.offers.values() if not offer.stale(now))

    def _on_event(self, recorded: Recorded) -> None:
        if isinstance(recorded.event, OfferPublished | OfferWithdrawn):
            self._news.set()
            self._news = asyncio.Event()
