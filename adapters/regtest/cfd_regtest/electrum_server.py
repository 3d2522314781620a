"""An Electrum server on loopback that shows an `EmbeddedChain`, for wallets and clients under test."""

import asyncio
import contextlib
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any, Final, Self

from aiorpcx import serve_rs

from cfd_regtest.chain import Change, EmbeddedChain
from cfd_regtest.electrum_session import ElectrumSession

MAX_REQUEST: Final = 2_000_000
"""Bytes of one request line; a transaction of the largest relayed size fits."""
CLOSING_GRACE: Final = 0.5
"""Seconds a session may take to end before it is cut off."""


class ElectrumServer:
    """Serves `chain` over TCP without TLS. Use it as an async context manager, or `start` and `stop` it.

    After `stop` it may be started again and keeps its port, as a server that comes back does.
    """

    def __init__(
        self, chain: EmbeddedChain, *, host: str = "127.0.0.1", port: int = 0, max_request: int = MAX_REQUEST
    ) -> None:
        self.host = host
        self.port = port
        """0 until the first start, unless it was given."""
        self._chain = chain
        self._max_request = max_request
        self._sessions: weakref.WeakSet[ElectrumSession] = weakref.WeakSet()
        self._listening: asyncio.Server | None = None
        self._unsubscribe: Callable[[], None] | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen; `OSError` when the port is taken. Starting twice is fine."""
        if self._listening is not None:
            return
        listening: asyncio.Server = await serve_rs(self._session, self.host, self.port)
        self._listening = listening
        self.port = listening.sockets[0].getsockname()[1]
        loop = asyncio.get_running_loop()
        # the chain may be used from other threads
        self._unsubscribe = self._chain.subscribe(partial(self._on_change, loop))

    async def stop(self) -> None:
        """Stop listening and end all sessions. Stopping twice is fine."""
        listening, self._listening = self._listening, None
        if listening is None:
            return
        if self._unsubscribe is not None:
            self._unsubscribe()
        listening.close()
        await self.drop_sessions()
        await listening.wait_closed()

    async def drop_sessions(self) -> None:
        """Cut off all clients, and go on listening."""
        await asyncio.gather(*(session.close(force_after=CLOSING_GRACE) for session in list(self._sessions)))

    def _session(self, transport: Any) -> ElectrumSession:
        session = ElectrumSession(
            transport, chain=self._chain, max_request=self._max_request, address=(self.host, self.port)
        )
        self._sessions.add(session)
        return session

    def _on_change(self, loop: asyncio.AbstractEventLoop, _change: Change) -> None:
        with contextlib.suppress(RuntimeError):  # the loop ended before the server was stopped
            loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        for session in list(self._sessions):
            session.wake()
