"""The chain as a service."""

import asyncio

from cfd_electrum import ElectrumChain, Health, State

from cfd_node.supervision import Level, Tell


class ChainService:
    """The connection to the chain; it finds back by itself, so this only starts, stops and reports."""

    name = "chain"
    needs = ()

    def __init__(self, chain: ElectrumChain) -> None:
        self._chain = chain

    async def run(self, tell: Tell) -> None:
        self._chain.on_health = lambda health: tell(*_level(health))
        try:
            await self._chain.start()
            tell(*_level(self._chain.health))
            await asyncio.Event().wait()
        finally:
            self._chain.on_health = None
            await self._chain.stop()


def _level(health: Health) -> tuple[Level, str]:
    if health.state is State.RUNNING:
        return (Level.DEGRADED, health.reason) if health.reason else (Level.RUNNING, "")
    if health.state is State.STOPPED or not health.reason:
        return Level.LOADING, "connects"
    return Level.FAILED, health.reason
