"""The API as a service: it needs nothing, so that people can see how the rest is."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import structlog
from cfd_web.access import AccessRefused, publish_address, withdraw_address
from cfd_web.answers import SqlAnswers
from cfd_web.server import ApiServer, NotListening

from cfd_node.supervision import Level, ServiceFailed, Tell

log = structlog.get_logger()


class ApiService:
    """Serves, and tells the owner's other programs where, once the data folder is ours."""

    name = "api"
    needs = ()

    def __init__(
        self,
        server: ApiServer,
        answers: SqlAnswers,
        folder: Path,
        network: str,
        ours: Callable[[], Awaitable[None]],
    ) -> None:
        """`ours` returns once the folder's lock is held."""
        self._server, self._answers, self._folder, self._network = server, answers, folder, network
        self._ours = ours
        self.url = ""
        """Where it answers now; empty: nowhere."""

    async def run(self, tell: Tell) -> None:
        try:
            state = await self._server.start()
            if isinstance(state, NotListening):
                raise ServiceFailed(state.reason)
            self.url = state.url
            tell(Level.DEGRADED if state.note else Level.RUNNING, state.note)
            await self._publish(state.url, tell)
        finally:
            self.url = ""
            await self._server.stop()
            self._answers.close()

    async def _publish(self, url: str, tell: Tell) -> None:
        await self._ours()
        try:
            publish_address(self._folder, url, self._network)
        except AccessRefused as error:
            tell(Level.DEGRADED, f"programs on this machine do not find it: {error}")
        try:
            await asyncio.Event().wait()
        finally:
            withdraw_address(self._folder)
