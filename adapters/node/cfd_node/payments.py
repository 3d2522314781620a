"""Payments out of the wallet: signed once, then broadcast until they are in the chain; and what they should pay."""

from enum import Enum
from typing import Final, Protocol

import structlog
from attrs import frozen
from cfd_electrum import BroadcastRejected, ElectrumError
from cfd_wallet import Payment, Preview, Progress, WalletError, WithdrawalStatus

from cfd_core.values import FeeRate, Txid

log = structlog.get_logger()
FLOOR: Final = FeeRate(1)
"""sat/vB; nodes relay nothing below."""


class FeeLevel(Enum):
    """How soon a payment should be in a block; the value is in blocks."""

    SLOW = 144
    NORMAL = 6
    FAST = 2


FALLBACK: Final = {FeeLevel.SLOW: FeeRate(2), FeeLevel.NORMAL: FeeRate(5), FeeLevel.FAST: FeeRate(10)}
"""Where the network gives no estimate, as on regtest and after a start."""


@frozen
class FeeChoices:
    """sat/vB for each level, never less for a faster one."""

    rates: dict[FeeLevel, FeeRate]
    estimated: bool
    """False: at least one of them is a fallback."""


class Paying(Protocol):
    """What is needed of the wallet; `BdkWallet` is one."""

    async def preview(self, payment: Payment) -> Preview: ...
    async def withdraw(self, withdrawal_id: str, payment: Payment) -> WithdrawalStatus: ...
    async def replace(self, withdrawal_id: str, rate: int) -> WithdrawalStatus: ...
    async def withdrawals(self) -> tuple[WithdrawalStatus, ...]: ...


class Network(Protocol):
    """What is needed of the chain; `ElectrumChain` is one."""

    async def broadcast(self, raw: bytes) -> Txid: ...
    async def fee_rate(self, target_blocks: int) -> int | None: ...


class Payments:
    """The one way for money to leave the wallet but contracts. Call `resend` at each block and whenever the chain or
    the wallet came back; all else a crash may interrupt anywhere.
    """

    def __init__(self, wallet: Paying, chain: Network, max_fee_rate: FeeRate) -> None:
        self._wallet, self._chain, self._cap = wallet, chain, max_fee_rate
        self.troubles: dict[str, str] = {}
        """Withdrawal id -> why the network has not taken it; it is offered again."""

    async def preview(self, payment: Payment) -> Preview:
        """See `BdkWallet.preview`."""
        self._check(payment.rate)
        return await self._wallet.preview(payment)

    async def withdraw(self, withdrawal_id: str, payment: Payment) -> WithdrawalStatus:
        """Sign it under its id, then hand it to the network. When this returns it counts as sent: a network that is
        not there now gets it later. The same id again is the same payment. `WalletError` for what cannot be.
        """
        self._check(payment.rate)
        made = await self._wallet.withdraw(withdrawal_id, payment)
        await self._offer(made)
        return made

    async def replace(self, withdrawal_id: str, rate: int) -> WithdrawalStatus:
        """Pay more for one that waits."""
        self._check(rate)
        made = await self._wallet.replace(withdrawal_id, rate)
        await self._offer(made)
        return made

    async def resend(self) -> None:
        """Offer the network all that it has not confirmed yet; never raises."""
        try:
            waiting = [each for each in await self._wallet.withdrawals() if each.progress is not Progress.CONFIRMED]
        except WalletError as error:
            log.warning("payments not looked at", reason=str(error))
            return
        self.troubles = {key: told for key, told in self.troubles.items() if key in {each.id for each in waiting}}
        for each in waiting:
            await self._offer(each)

    async def fees(self) -> FeeChoices:
        """What the network asks for now, between the floor and the configured cap; never raises."""
        rates, estimated, least = dict[FeeLevel, FeeRate](), True, FLOOR
        for level in FeeLevel:
            try:
                told = await self._chain.fee_rate(level.value)
            except ElectrumError:
                told = None
            estimated = estimated and told is not None
            least = FeeRate(min(max(told or FALLBACK[level], least), self._cap))
            rates[level] = least
        return FeeChoices(rates, estimated)

    def _check(self, rate: int) -> None:
        if rate > self._cap:
            raise WalletError(f"{rate:,} sat/vB is more than limits.max_fee_rate allows ({self._cap:,})")

    async def _offer(self, made: WithdrawalStatus) -> None:
        try:
            await self._chain.broadcast(made.transaction)
        except BroadcastRejected as error:
            self.troubles[made.id] = f"the network refuses it: {error.reason}"
            log.error("withdrawal refused", withdrawal=made.id, txid=made.txid, reason=error.reason)
        except ElectrumError as error:
            self.troubles[made.id] = str(error)
            log.warning("withdrawal not sent yet", withdrawal=made.id, txid=made.txid, reason=str(error))
        else:
            self.troubles.pop(made.id, None)
