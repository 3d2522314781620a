"""One session per protocol run: the stream it owns, what goes out in order, what comes in decoded."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from itertools import count

from cfd_network import Stream, TransportError

from cfd_core.errors import DecodeError, RuleViolation
from cfd_core.inputs import Message, MessageReceived, MessageUndecodable, StreamClosed, StreamOpened
from cfd_core.serial.wire import decode_message, encode_message
from cfd_core.values import RunId
from cfd_node.pump import Pump


class Session:
    """A stream and the queue of what is to be sent on it; None in the queue closes it."""

    def __init__(self, run: RunId, pump: Pump) -> None:
        self._run, self._pump = run, pump
        self._outbox: asyncio.Queue[Message | None] = asyncio.Queue()

    def send(self, message: Message | None) -> None:
        self._outbox.put_nowait(message)

    async def live(self, open_stream: Callable[[], Awaitable[Stream]]) -> None:
        """Open the stream and carry the run to its end, whatever that is."""
        try:
            stream = await open_stream()
        except (TransportError, RuleViolation) as error:
            self._pump.give(StreamClosed(self._run, str(error)))
            return
        sender = asyncio.create_task(self._send_all(stream))
        try:
            await self._receive_all(stream)
        finally:
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)
            await stream.close()

    async def _receive_all(self, stream: Stream) -> None:
        while True:
            try:
                frame = await stream.receive()
            except TransportError as error:
                self._pump.give(StreamClosed(self._run, str(error)))
                return
            try:
                message = decode_message(frame)
            except DecodeError as error:
                self._pump.give(MessageUndecodable(self._run, str(error)))
            else:
                await self._pump.deliver(MessageReceived(self._run, message))

    async def _send_all(self, stream: Stream) -> None:
        while (message := await self._outbox.get()) is not None:
            try:
                await stream.send(encode_message(message))
            except TransportError:
                return  # the receiving side tells the engine
            except RuleViolation as error:
                stream.abort(f"our own message cannot be sent: {error}")  # and here too
                return
        await stream.close()


class Sessions:
    """All live sessions of a node."""

    def __init__(self, pump: Pump) -> None:
        self._pump = pump
        self._live: dict[RunId, Session] = {}
        self._numbers = count(1)

    def open(self, run: RunId, open_stream: Callable[[], Awaitable[Stream]]) -> None:
        """A run of ours: open its stream and keep it going in the background."""
        if run not in self._live:
            session = self._live[run] = Session(run, self._pump)
            self._pump.spawn(self._keep(run, session, open_stream), f"session {run}")

    async def accept(self, stream: Stream) -> None:
        """A run of a peer: a transport handler."""
        run = RunId(f"in:{next(self._numbers)}:{stream.protocol}")
        session = self._live[run] = Session(run, self._pump)

        async def opened() -> Stream:
            self._pump.give(StreamOpened(run, stream.peer, stream.protocol, secrets.token_bytes(32)))
            return stream

        await self._keep(run, session, opened)

    def send(self, run: RunId, message: Message | None) -> None:
        """Queue a message, or the end; a run that is gone has nobody to tell."""
        session = self._live.get(run)
        if session is not None:
            session.send(message)

    async def _keep(self, run: RunId, session: Session, open_stream: Callable[[], Awaitable[Stream]]) -> None:
        try:
            await session.live(open_stream)
        finally:
            self._live.pop(run, None)
