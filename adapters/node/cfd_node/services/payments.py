"""Payments out of the wallet as a service: offered to the network until they are in a block."""

import asyncio
from typing import Final

from cfd_node.payments import Payments
from cfd_node.supervision import Level, Tell

EVERY_SECONDS: Final = 60.0
"""Between two looks where nothing has happened."""


class PaymentsService:
    """Sends again what the network does not have yet: at each block, and when chain or wallet came back."""

    name = "payments"
    needs = ("wallet",)

    def __init__(self, payments: Payments) -> None:
        self._payments = payments
        self._wanted = asyncio.Event()

    def want(self) -> None:
        """Look soon."""
        self._wanted.set()

    async def run(self, tell: Tell) -> None:
        while True:
            self._wanted.clear()
            await self._payments.resend()
            trouble = next(iter(self._payments.troubles.values()), "")
            tell(Level.DEGRADED if trouble else Level.RUNNING, trouble)
            try:
                async with asyncio.timeout(EVERY_SECONDS):
                    await self._wanted.wait()
            except TimeoutError:
                continue
