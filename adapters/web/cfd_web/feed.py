"""What changes, as server-sent events that a reader can take up again where it lost them."""

import asyncio
import secrets
from collections import deque
from collections.abc import AsyncGenerator, Collection
from typing import Final

from attrs import field, frozen

from cfd_web import models as m

KEPT: Final = 2_000
"""Changes that a reader may be behind before it must read everything anew."""
HEARTBEAT_SECONDS: Final = 15.0
RETRY_MILLISECONDS: Final = 2_000
READY: Final = "ready"
"""Name of the first event of a new reader: everything after its id will be told."""
RESET: Final = "reset"
"""Name of the event that says: too much was missed, read everything anew; what follows is complete again."""


@frozen
class _Entry:
    number: int
    kind: str
    data: str = field(repr=False)


class Feed:
    """A bounded ring of changes. A slow reader costs no memory: it reads from the ring, or is told that it missed."""

    def __init__(self, *, kept: int = KEPT, heartbeat: float = HEARTBEAT_SECONDS) -> None:
        self._ring: deque[_Entry] = deque(maxlen=kept)
        self._heartbeat = heartbeat
        self._epoch = secrets.token_hex(4)
        self._last = 0
        self._last_of: dict[str, int] = {}
        self._news = asyncio.Event()
        self._generation = 0
        self.readers = 0
        """Streams that are open now."""

    def position_of(self, kinds: Collection[str]) -> tuple[str, int]:
        """Another one after each change of these kinds, and after a time in which changes may have been missed."""
        return (self._epoch, max((self._last_of.get(kind, 0) for kind in kinds), default=0))

    def tell(self, change: m.Change) -> None:
        """Keep a change, and wake the readers."""
        self._last += 1
        self._last_of[change.kind] = self._last
        self._ring.append(_Entry(self._last, change.kind, change.model_dump_json()))
        self._wake()

    def close(self) -> None:
        """End the streams that are open; new ones may come. What changes until then is not heard of, so whoever read
        before is told to begin anew.
        """
        self._generation += 1
        self._epoch = secrets.token_hex(4)
        self._wake()

    async def read(self, last_event_id: str, kinds: Collection[str]) -> AsyncGenerator[bytes, None]:
        """The stream's bytes, from after `last_event_id` (empty: from now) on; `kinds`: empty for all."""
        self.readers += 1
        try:
            async for piece in self._pieces(last_event_id, kinds):
                yield piece
        finally:
            self.readers -= 1

    async def _pieces(self, last_event_id: str, kinds: Collection[str]) -> AsyncGenerator[bytes, None]:
        at, generation = self._number(last_event_id), self._generation
        yield f"retry: {RETRY_MILLISECONDS}\n\n".encode()
        if at is None or not self._has_after(at):
            at = self._last
            yield self._event(RESET if last_event_id else READY, at, "{}")
        while generation == self._generation:
            news = self._news
            if not self._has_after(at):
                at = self._last
                yield self._event(RESET, at, "{}")
            for entry in self._after(at):
                at = entry.number
                if not kinds or entry.kind in kinds:
                    yield self._event(entry.kind, at, entry.data)
            if not news.is_set() and not await _set_within(news, self._heartbeat):
                yield b": still here\n\n"

    def _after(self, number: int) -> list[_Entry]:
        missed = self._last - number
        return list(self._ring)[len(self._ring) - missed :] if missed else []

    def _has_after(self, number: int) -> bool:
        return 0 <= self._last - number <= len(self._ring)

    def _number(self, event_id: str) -> int | None:
        epoch, _, number = event_id.partition("-")
        known = epoch == self._epoch and number.isascii() and number.isdigit() and len(number) <= 15
        return int(number) if known else None

    def _event(self, name: str, number: int, data: str) -> bytes:
        return f"id: {self._epoch}-{number}\nevent: {name}\ndata: {data}\n\n".encode()

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


async def _set_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
