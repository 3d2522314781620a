"""The one door to aiorpcX: a connection to one server that asks, listens, and knows when it has ended.

aiorpcX cancels pending requests when the link breaks, skips oversized messages and answers garbage with an
error of its own. Here each of these ends the connection with a reason instead.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final, Self, TypeVar

from aiorpcx import JSONRPCConnection, JSONRPCv2, NewlineFramer, ProtocolError, RPCError, RPCSession, connect_rs

from cfd_core.errors import DecodeError
from cfd_electrum.address import ServerAddress
from cfd_electrum.errors import Disconnected, ServerMisbehaved, ServerRefused
from cfd_electrum.road import Lane, Road

T = TypeVar("T")
OnNotification = Callable[[str, list[Any]], None]

CLOSE_SECONDS: Final = 1.0
_SHOWN: Final = 300


def shown(text: object) -> str:
    """Foreign text, made fit for a log line: printable and short."""
    return "".join(c if c.isprintable() else " " for c in str(text)[:_SHOWN]).strip()


class _Framer(NewlineFramer):  # type: ignore[misc]  # aiorpcx is untyped
    def __init__(self, max_size: int, fail: Callable[[str], None]) -> None:
        super().__init__(max_size)
        self._fail_link = fail

    async def receive_message(self) -> bytes:
        try:
            message: bytes = await super().receive_message()
        except MemoryError:
            self._fail_link(f"sent a message of more than {self.max_size:,} bytes")
            raise
        return message


class _Messages(JSONRPCConnection):  # type: ignore[misc]  # aiorpcx is untyped
    def __init__(self, fail: Callable[[str], None]) -> None:
        super().__init__(JSONRPCv2)
        self._fail_link = fail

    def receive_message(self, message: bytes) -> list[Any]:
        if message.lstrip().startswith(b"["):
            # we never send batches, and aiorpcX would make an error object of each of a million odd items
            self._fail_link("sent a batch, which nobody asked for")
            return []
        try:
            requests: list[Any] = super().receive_message(message)
        except Exception as error:  # whatever the parser trips over: bad JSON, deep nesting, odd ids
            self._fail_link(f"sent a message that is not JSON-RPC: {shown(error)}")
            return []
        return requests


class _Session(RPCSession):  # type: ignore[misc]  # aiorpcx is untyped
    def __init__(
        self, transport: Any, *, timeout: float, max_size: int, fail: Callable[[str], None], notify: OnNotification
    ) -> None:
        self._fail_link = fail
        self._notify = notify
        self._max_size = max_size
        super().__init__(transport, connection=_Messages(fail))
        self.sent_request_timeout = timeout * 2  # ours comes first

    def default_framer(self) -> _Framer:
        return _Framer(self._max_size, self._fail_link)

    async def process_messages(self, recv_message: Any) -> None:
        try:
            await super().process_messages(recv_message)
        except Exception as error:  # also how aiorpcX says that the link broke
            self._fail_link(f"closed the connection ({type(error).__name__})")
        finally:
            self._fail_link("closed the connection")

    async def handle_request(self, request: Any) -> None:
        if isinstance(request.args, list):
            self._notify(request.method, request.args)


class ServerConnection:
    """One connection. Once ended it stays ended; make a new one."""

    def __init__(self, name: str, timeout: float) -> None:
        self.name = name
        self._timeout = timeout
        self._ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._session: Any = None

    @classmethod
    async def open(
        cls,
        server: ServerAddress,
        road: Road,
        *,
        timeout: float,  # noqa: ASYNC109  # also kept for each request
        max_message: int,
        on_notification: OnNotification,
    ) -> Self:
        """Connect within `timeout` seconds; `Disconnected` with the reason otherwise, or `PinChanged`."""
        connection = cls(server.name, timeout)

        def session(transport: Any) -> _Session:
            return _Session(
                transport, timeout=timeout, max_size=max_message, fail=connection.fail, notify=on_notification
            )

        try:
            async with asyncio.timeout(timeout):
                lane = Lane(road, server)
                client = connect_rs(server.host, server.port, proxy=lane, session_factory=session)
                _, protocol = await client.create_connection()
        except TimeoutError as error:
            raise Disconnected(f"{connection.name}: no connection within {timeout:g} s") from error
        except (OSError, ValueError) as error:  # ValueError: host names that cannot be encoded
            raise Disconnected(f"{connection.name}: {shown(error) or type(error).__name__}") from error
        connection._session = protocol.session
        return connection

    def fail(self, reason: str) -> None:
        """End the connection; the first reason stays."""
        if not self._ended.done():
            self._ended.set_result(f"{self.name} {reason}")

    async def ended(self) -> str:
        """Wait for the end; the reason, naming the server."""
        return await asyncio.shield(self._ended)

    async def close(self) -> None:
        self.fail("was left")
        await self._session.close(force_after=CLOSE_SECONDS)

    async def ask(self, decode: Callable[[Any], T], method: str, *args: Any) -> T:
        """One request. Raises `Disconnected`, `ServerRefused` or `ServerMisbehaved`."""
        answer = await self._request(method, args)
        try:
            return decode(answer)
        except DecodeError as error:
            raise ServerMisbehaved(f"{self.name}, asked for {method}: {shown(error)}") from error

    async def _request(self, method: str, args: tuple[Any, ...]) -> Any:
        if self._ended.done():
            raise Disconnected(self._ended.result())
        # a task of its own: aiorpcX cancels it when the link breaks, and that must not look like our cancellation
        call = asyncio.ensure_future(self._session.send_request(method, args))
        call.add_done_callback(_retrieve)
        try:
            await asyncio.wait((call, self._ended), timeout=self._timeout, return_when=asyncio.FIRST_COMPLETED)
        finally:
            call.cancel()
        return self._outcome(call, method)

    def _outcome(self, call: "asyncio.Future[Any]", method: str) -> Any:
        if not call.done() or call.cancelled():
            self.fail(
                f"did not answer {method} within {self._timeout:g} s" if not call.done() else "closed the connection"
            )
            raise Disconnected(self._ended.result())
        error = call.exception()
        if isinstance(error, RPCError):
            code = error.code if isinstance(error.code, int) else 0
            raise ServerRefused(shown(error.message), code) from error
        if isinstance(error, ProtocolError):
            raise ServerMisbehaved(f"{self.name}, asked for {method}: {shown(error.message)}") from error
        if error is not None:
            self.fail(f"could not be asked: {type(error).__name__}")
            raise Disconnected(self._ended.result()) from error
        return call.result()


def _retrieve(call: "asyncio.Future[Any]") -> None:
    if not call.cancelled():
        call.exception()
