"""One client's connection to the Electrum server: version, subscriptions, notifications."""

import asyncio
from typing import Any, Final

from aiorpcx import (
    JSONRPC,
    JSONRPCAutoDetect,
    JSONRPCConnection,
    NewlineFramer,
    ProtocolError,
    ReplyAndDisconnect,
    RPCError,
    RPCSession,
    TaskTimeout,
    handler_invocation,
)

from cfd_regtest import electrum_parameters as parameters
from cfd_regtest.chain import EmbeddedChain
from cfd_regtest.electrum_answers import SOFTWARE, ElectrumAnswers
from cfd_regtest.electrum_parameters import BAD_REQUEST

MAX_SUBSCRIPTIONS: Final = 10_000


class _Connection(JSONRPCConnection):  # type: ignore[misc]
    def receive_message(self, message: bytes) -> Any:
        try:
            return super().receive_message(message)
        except RecursionError as error:
            raise ProtocolError(JSONRPC.PARSE_ERROR, "nested too deeply") from error


class ElectrumSession(RPCSession):  # type: ignore[misc]
    """Answers requests from the chain and tells the client what changed of what it subscribed to."""

    cost_hard_limit = 0  # one trusted user: no throttling

    def __init__(self, transport: Any, *, chain: EmbeddedChain, max_request: int, address: tuple[str, int]) -> None:
        self._max_request = max_request
        super().__init__(transport)
        self._chain = chain
        self._answers = ElectrumAnswers(chain, address)
        self._statuses: dict[str, str | None] = {}
        self._tip_told: dict[str, Any] | None = None
        self._changed = asyncio.Event()
        self._methods = {
            **self._answers.methods(),
            "server.version": self.server_version,
            "blockchain.headers.subscribe": self.headers_subscribe,
            "blockchain.scripthash.subscribe": self.subscribe,
            "blockchain.scripthash.unsubscribe": self.unsubscribe,
        }
        # a task of its own: a client that does not read holds up nobody else
        self._notifier = self.loop.create_task(self._notify())

    def default_connection(self) -> JSONRPCConnection:
        return _Connection(JSONRPCAutoDetect)

    def default_framer(self) -> NewlineFramer:
        return NewlineFramer(max_size=self._max_request)

    async def connection_lost(self) -> None:
        self._notifier.cancel()
        await super().connection_lost()

    async def handle_request(self, request: Any) -> Any:
        answer = handler_invocation(self._methods.get(request.method), request)
        # no handler waits for anything, so the lock is held for the one answer only
        with self._chain.standing_still():
            return await answer()

    def wake(self) -> None:
        """The chain changed."""
        self._changed.set()

    async def server_version(self, client_name: Any = "", protocol_version: Any = None, *_more: Any) -> list[str]:
        del client_name
        try:
            self._answers.version = parameters.negotiate(protocol_version)
        except RPCError as refusal:
            raise ReplyAndDisconnect(refusal) from refusal
        return [SOFTWARE, parameters.version_text(self._answers.version)]

    async def headers_subscribe(self) -> dict[str, Any]:
        self._tip_told = self._answers.tip()
        return self._tip_told

    async def subscribe(self, scripthash: Any) -> str | None:
        name = parameters.hash_hex(scripthash, "script hash")
        if len(self._statuses) >= MAX_SUBSCRIPTIONS:
            raise RPCError(BAD_REQUEST, f"more than {MAX_SUBSCRIPTIONS:,} subscriptions")
        self._statuses[name] = status = self._answers.status(name)
        return status

    async def unsubscribe(self, scripthash: Any) -> bool:
        name = parameters.hash_hex(scripthash, "script hash")
        known = name in self._statuses
        self._statuses.pop(name, None)
        return known

    async def _notify(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                for method, arguments in self._news():
                    await self.send_notification(method, arguments)
            except TaskTimeout:  # aiorpcX has cut the connection
                return

    def _news(self) -> list[tuple[str, tuple[Any, ...]]]:
        """What the client does not know yet; from here on it counts as told."""
        news: list[tuple[str, tuple[Any, ...]]] = []
        with self._chain.standing_still():
            tip = self._answers.tip()
            if self._tip_told not in (None, tip):
                self._tip_told = tip
                news.append(("blockchain.headers.subscribe", (tip,)))
            now = {name: self._answers.status(name) for name in self._statuses}
        changed = [(name, status) for name, status in now.items() if status != self._statuses[name]]
        self._statuses |= now
        return news + [("blockchain.scripthash.subscribe", pair) for pair in changed]
