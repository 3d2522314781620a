"""BitMEX's public websocket: the best bid and ask of XBTUSD."""

import asyncio
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from cfd_core.errors import DecodeError, RuleViolation
from cfd_core.values import Timestamp
from cfd_pricefeed.feed import FeedFailed, Quote

URL: Final = "wss://ws.bitmex.com/realtime?subscribe=quote:XBTUSD"
SILENCE: Final = 8.0
"""Seconds without a word (we ask for one when it is quiet) after which the connection is given up."""
MAX_MESSAGE: Final = 64 * 1024
_CONNECT_SECONDS: Final = 10.0


class BitmexFeed:
    """A `Feed`. The server is not trusted with more than being wrong about the price."""

    name = "BitMEX"

    def __init__(self, now: Callable[[], Timestamp], url: str = URL, *, silence: float = SILENCE) -> None:
        """`now` stamps what is heard. `silence`: seconds."""
        self._now, self._url, self._silence = now, url, silence

    async def run(self, heard: Callable[[Quote], None]) -> None:
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                wire = await connect(self._url, max_size=MAX_MESSAGE, ping_interval=None, compression=None, proxy=None)
        except TimeoutError:
            raise FeedFailed(f"{self.name} did not answer within {_CONNECT_SECONDS:g} s") from None
        except (OSError, WebSocketException) as error:
            raise FeedFailed(f"{self.name} cannot be reached: {error}") from error
        try:
            await self._listen(wire, heard)
        except (OSError, WebSocketException) as error:
            raise FeedFailed(f"{self.name} ended the connection: {error}") from error
        finally:
            await wire.close()

    async def _listen(self, wire: ClientConnection, heard: Callable[[Quote], None]) -> None:
        while True:
            for quote in self._quotes(await self._next(wire)):
                heard(quote)

    async def _next(self, wire: ClientConnection) -> str | bytes:
        """The next message. A market may be quiet; a server that does not even answer `ping` is gone."""
        for asked in (False, True):
            try:
                async with asyncio.timeout(self._silence / 2):
                    return await wire.recv()
            except TimeoutError:
                if not asked:
                    await wire.send("ping")
        raise FeedFailed(f"{self.name} has been silent for {self._silence:g} s")

    def _quotes(self, message: str | bytes) -> list[Quote]:
        if message == "pong":
            return []
        try:
            return [self._quote(row) for row in _rows(message)]
        except (DecodeError, RuleViolation) as error:
            raise FeedFailed(f"{self.name} said what is no quote: {error}") from error

    def _quote(self, row: Any) -> Quote:
        if not isinstance(row, dict):
            raise DecodeError("a row that is none")
        return Quote(_price(row.get("bidPrice")), _price(row.get("askPrice")), self._now())


def _rows(message: str | bytes) -> list[Any]:
    try:
        told = json.loads(message, parse_float=Decimal, parse_int=Decimal)
    except (ValueError, RecursionError) as error:
        raise DecodeError("not JSON") from error
    if not isinstance(told, dict):
        raise DecodeError("not a table")
    if told.get("table") != "quote":
        return []  # a greeting, or the answer to our subscription
    rows = told.get("data")
    if not isinstance(rows, list):
        raise DecodeError("a table without rows")
    return rows


def _price(value: Any) -> Decimal:
    if not isinstance(value, Decimal):
        raise DecodeError(f"not a price: {value!r:.40}")
    return value
