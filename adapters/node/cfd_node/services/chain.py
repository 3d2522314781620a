"""The chain as a service."""

import asyncio

from cfd_electrum import ElectrumChain, Health, Relay, State, Witnesses

from cfd_node.supervision import Level, Tell

CLOSED = ("127.0.0.1", 1)
"""Where nobody listens: for the wallet, while there is no way to the chain."""


class ChainService:
    """The connection to the chain, which finds back by itself; the wallet's door to the same server; and others, asked
    whether they see the same chain.
    """

    name = "chain"
    needs = ()

    def __init__(self, chain: ElectrumChain, relay: Relay | None, witnesses: Witnesses | None) -> None:
        self._chain, self._relay, self._witnesses = chain, relay, witnesses
        self._door = CLOSED

    def door(self) -> tuple[str, int]:
        """Where a program that knows no pins and proxies reaches the present server."""
        return self._door

    async def run(self, tell: Tell) -> None:
        self._chain.on_health = lambda health: tell(*_level(health))
        try:
            if self._relay is not None:
                self._door = await self._relay.start()
            await self._chain.start()
            tell(*_level(self._chain.health))
            if self._witnesses is not None:
                await self._witnesses.run()
            await asyncio.Event().wait()
        finally:
            self._chain.on_health = None
            self._door = CLOSED
            await self._chain.stop()
            if self._relay is not None:
                await self._relay.stop()


def _level(health: Health) -> tuple[Level, str]:
    if health.state is State.RUNNING:
        return (Level.DEGRADED, health.reason) if health.reason else (Level.RUNNING, "")
    if health.state is State.STOPPED or not health.reason:
        return Level.LOADING, "connects"
    return Level.FAILED, health.reason
