"""The wallet as a service: opened, and kept up to date with the chain."""

import asyncio
from collections.abc import Callable
from typing import Final

from cfd_wallet import BdkWallet, WalletError

from cfd_node.supervision import Level, ServiceFailed, Tell

RETRY_SECONDS: Final = 5.0
"""Between two tries to sync."""
LOOK_SECONDS: Final = 2.0
"""Between two looks at the chain's health, which the wallet's figures hang on."""


class WalletService:
    """Syncs when wanted. Without the chain it still signs; its figures are those of the last sync."""

    name = "wallet"
    needs = ("folder",)

    def __init__(self, wallet: BdkWallet, chain_trouble: Callable[[], str]) -> None:
        """`chain_trouble` says why the chain cannot be asked; empty: it can."""
        self._wallet, self._chain_trouble = wallet, chain_trouble
        self._wanted = asyncio.Event()

    def want_sync(self) -> None:
        """Sync soon: something has changed on the chain."""
        self._wanted.set()

    async def run(self, tell: Tell) -> None:
        try:
            await self._wallet.start()
        except WalletError as error:
            raise ServiceFailed(str(error)) from error
        try:
            tell(Level.DEGRADED, self._wallet.health.reason)
            self._wanted.set()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._keep_synced(tell))
                tasks.create_task(self._keep_looking(tell))
        finally:
            await self._wallet.stop()

    async def _keep_synced(self, tell: Tell) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            try:
                await self._wallet.sync()
            except WalletError:
                self._report(tell)
                await asyncio.sleep(RETRY_SECONDS)
                self._wanted.set()
            else:
                self._report(tell)

    async def _keep_looking(self, tell: Tell) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self._report(tell)

    def _report(self, tell: Tell) -> None:
        reason = self._wallet.health.reason
        trouble = self._chain_trouble()
        if not reason and trouble:
            reason = f"figures are those of the last sync; the chain: {trouble}"
        tell(Level.DEGRADED if reason else Level.RUNNING, reason)
