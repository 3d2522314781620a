"""What every transport does alike: know who serves what, who is connected, and which handlers run."""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Container
from functools import partial

from cfd_core.errors import RuleViolation
from cfd_core.values import PeerId
from cfd_network.errors import Disconnected, TransportError
from cfd_network.limits import Limits
from cfd_network.link import Link
from cfd_network.stream import FrameStream
from cfd_network.transport import Address, Handler, OnConnect, OnDisconnect, TransportHealth, check_protocol

log = logging.getLogger("cfd_network")


class Switchboard(ABC):
    """The part of a `Transport` that does not depend on the wire. `blocked` may change while it runs."""

    def __init__(self, local_id: PeerId, limits: Limits, blocked: Container[PeerId]) -> None:
        self.limits = limits
        self.blocked = blocked
        self._local_id = local_id
        self._handlers: dict[str, Handler] = {}
        self._on_connect: list[OnConnect] = []
        self._on_disconnect: list[OnDisconnect] = []
        self._links: dict[Link, bool] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._address: Address | None = None
        self._closed = False

    @property
    def local_id(self) -> PeerId:
        return self._local_id

    @property
    def health(self) -> TransportHealth:
        return TransportHealth(self._address, len(self._links), self._closed)

    def on_stream(self, protocol: str, handler: Handler) -> None:
        if self._handlers.setdefault(check_protocol(protocol), handler) is not handler:
            raise RuleViolation(f"{protocol} has a handler already")

    def on_connect(self, callback: OnConnect) -> None:
        self._on_connect.append(callback)

    def on_disconnect(self, callback: OnDisconnect) -> None:
        self._on_disconnect.append(callback)

    async def close(self) -> None:
        self._closed = True
        self._address = None
        await self._stop_listening()
        await asyncio.gather(*(link.close() for link in tuple(self._links)))
        tasks = self._tasks - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # For links and wires.

    @property
    def protocols(self) -> tuple[str, ...]:
        return tuple(self._handlers)

    def handler(self, protocol: str) -> Handler | None:
        return self._handlers.get(protocol)

    @property
    def accepted(self) -> int:
        return sum(self._links.values())

    def may_open(self, peer: PeerId) -> bool:
        """Whether `peer` may open one more stream towards us."""
        held = sum(link.inbound for link in self._links if link.peer == peer)
        return held < self.limits.streams and peer not in self.blocked

    def admit(self, link: Link, *, accepted: bool) -> None:
        """Take a new link in. Too many of one peer: the oldest goes, for it is most likely a dead one."""
        rivals = [other for other, theirs in self._links.items() if theirs and other.peer == link.peer]
        self._links[link] = accepted
        if accepted and len(rivals) >= self.limits.connections_per_peer:
            rivals[0].abort("replaced by a newer connection of the same peer")

    def announce(self, link: Link) -> None:
        """Both sides may open streams on `link` from now on."""
        if not link.announced and not link.closed:
            link.announced = True
            for callback in tuple(self._on_connect):
                _guarded(partial(callback, link))

    def dismiss(self, link: Link, reason: str) -> None:
        """`link` is gone."""
        self._links.pop(link, None)
        if link.announced:
            for callback in tuple(self._on_disconnect):
                _guarded(partial(callback, link, reason))

    def serve(self, stream: FrameStream, handler: Handler) -> None:
        """Run `handler` on `stream` in a task of its own."""
        task = asyncio.get_running_loop().create_task(_serve(stream, handler), name=f"{stream.protocol} {stream.peer}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @abstractmethod
    async def _stop_listening(self) -> None:
        """Accept nobody any more. May be called again."""


async def _serve(stream: FrameStream, handler: Handler) -> None:
    failed = True
    try:
        await handler(stream)
        failed = False
    except Disconnected as error:
        failed = False
        log.debug("%s with %s ended: %s", stream.protocol, stream.peer, error)
    except TransportError as error:
        log.warning("%s with %s: %s", stream.protocol, stream.peer, error)
    except asyncio.CancelledError:
        stream.abort()
        raise
    except Exception:
        log.exception("the handler of %s with %s failed", stream.protocol, stream.peer)
    await stream.close(failed=failed)


def _guarded(callback: Callable[[], None]) -> None:
    try:
        callback()
    except Exception:
        log.exception("a connection callback failed")
