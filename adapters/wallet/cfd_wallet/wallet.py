"""The wallet as a service: asyncio outside, BDK on its own thread inside."""

import time
from collections.abc import Callable
from pathlib import Path

from cfd_core.values import Network, Sats, Secret
from cfd_wallet.bdk import ElectrumLink
from cfd_wallet.bumping import Parent
from cfd_wallet.errors import SyncFailed, WalletStopped
from cfd_wallet.payments import HistoryEntry, Payment, Preview, WatchOnly, WithdrawalStatus
from cfd_wallet.running import Running
from cfd_wallet.values import Balance, Health, Reservation, State
from cfd_wallet.worker import Worker


class BdkWallet:
    """A BIP 84 wallet. All methods but `start`, `stop` and `health` raise `WalletStopped` when not running."""

    def __init__(
        self,
        xprv: Secret,
        network: Network,
        path: Path | None,
        electrum: tuple[str, int] | Callable[[], tuple[str, int]],
        *,
        timeout: int = 15,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`xprv`: BIP 32 master key in base58. `path`: SQLite file in an existing folder; None: memory, lost at `stop`.

        `electrum`: host and port of a server that is reached without TLS, or what tells them at each connect.
        `timeout`: seconds for each answer of the server. Reservations lie beside the file, as `<name>.reservations`.
        """
        self._xprv, self._network, self._path = xprv, network, path
        self._electrum = electrum if callable(electrum) else lambda: electrum
        self._timeout, self._clock = timeout, clock
        self._running: Running | None = None
        self._thread: Worker | None = None
        self._network_thread: Worker | None = None
        self._link = ElectrumLink(self._electrum, timeout)
        self._reason = "not started"
        self._synced_at: float | None = None

    async def start(self) -> None:
        """Open or create the wallet, without asking the network; `WalletError` says what is wrong with the file."""
        if self._running is not None:
            return
        thread = Worker("wallet")
        try:
            self._running = await thread.run(self._open)
        except BaseException:
            thread.leave()
            raise
        self._thread, self._network_thread = thread, Worker("wallet-sync")
        self._reason = "not synced yet"

    async def stop(self) -> None:
        """Finish what was begun and close. A sync that hangs is left behind."""
        thread, network_thread = self._thread, self._network_thread
        self._running = self._thread = self._network_thread = None
        self._synced_at, self._reason = None, "stopped"
        self._link = ElectrumLink(self._electrum, self._timeout)
        if network_thread is not None:
            network_thread.leave()
        if thread is not None:
            await thread.stop()

    @property
    def health(self) -> Health:
        if self._running is None:
            return Health(State.STOPPED, self._reason, None)
        age = None if self._synced_at is None else self._clock() - self._synced_at
        return Health(State.DEGRADED if self._reason else State.RUNNING, self._reason, age)

    async def sync(self) -> None:
        """Bring the wallet up to date; `SyncFailed` leaves it as it was. The first sync of a file is a full scan."""
        running, thread = self._ready()
        network_thread, link = self._network_thread, self._link
        assert network_thread is not None  # noqa: S101  # set together with the other
        try:
            request, everything = await thread.run(running.wallet.start_sync)
            update = await network_thread.run(lambda: link.fetch(request, everything=everything))
            await thread.run(running.apply, update)
        except SyncFailed as error:
            if self._running is running:
                self._reason = str(error)
            raise
        if self._running is running:
            self._synced_at, self._reason = self._clock(), ""

    async def address(self) -> str:
        """A fresh address to be paid to."""
        running, thread = self._ready()
        return await thread.run(running.wallet.address)

    async def script(self) -> bytes:
        """A fresh script to be paid to."""
        running, thread = self._ready()
        return await thread.run(running.wallet.script)

    async def balance(self) -> Balance:
        """As of the last good sync."""
        running, thread = self._ready()
        return await thread.run(running.balance)

    async def reserve(self, reservation_id: str, amount: Sats, fee_rate: int) -> Reservation:
        """Set confirmed coins aside: worth `amount` plus, at `fee_rate` sat/vB, their own inputs and a change output.

        The same id with the same wishes gives the same reservation, for ever, across restarts; other wishes are a
        `WalletError`. Raises `InsufficientFunds` when what is not set aside does not suffice.
        """
        running, thread = self._ready()
        return await thread.run(running.reserve, reservation_id, amount, fee_rate)

    async def bump(self, bump_id: str, parent: bytes, vout: int, parent_fee: Sats, rate: int) -> bytes:
        """A signed child (network serialisation) that spends output `vout` of `parent` and pays for both.

        `parent`: signed, `parent_fee`: the sats it pays itself, `vout`: a P2A anchor or an output of ours, confirmed or
        not. Parent and child together pay at least `rate` sat/vB, the child alone the relay minimum; the rest goes to
        a fresh script of ours. Confirmed coins are added where needed, and set aside like those of a reservation.

        The same id again with a higher rate gives a replacement that nodes take (BIP 125); if what was made last pays
        enough, that again, byte for byte, across restarts. `release` the id only once the output is spent for good:
        then its coins are free. Raises `InsufficientFunds`, and `WalletError` for wishes that cannot be met.
        """
        running, thread = self._ready()
        return await thread.run(lambda: running.bump(bump_id, Parent.read(parent, vout, parent_fee), rate))

    async def release(self, any_id: str) -> None:
        """Give the coins of a reservation or a bump back. An unknown id is fine."""
        running, thread = self._ready()
        await thread.run(running.book.remove, any_id)

    async def sign(self, reservation_id: str, psbt: bytes | str) -> bytes:
        """Sign the reserved inputs of a PSBT (bytes or base64): the same with their final witnesses, as bytes.

        `WalletError` if another input of it is ours, or none is reserved. Signing again gives a valid answer again.
        """
        running, thread = self._ready()
        return await thread.run(running.sign, reservation_id, psbt)

    # -- payments to others

    async def history(self) -> tuple[HistoryEntry, ...]:
        """Every transaction of the wallet, newest first."""
        running, thread = self._ready()
        return await thread.run(running.history)

    async def preview(self, payment: Payment) -> Preview:
        """What it would be now; `InsufficientFunds`, or `WalletError` for an address or amount that does not work."""
        running, thread = self._ready()
        return await thread.run(running.preview, payment)

    async def withdraw(self, withdrawal_id: str, payment: Payment) -> WithdrawalStatus:
        """Sign a payment under an id of the caller's choice: broadcast its `transaction` until it is confirmed.

        The id is stored with the chosen coins before anything is signed, and what was signed before this returns. The
        same id again is the same payment, however often and across crashes; with other wishes it is a `WalletError`.
        """
        running, thread = self._ready()
        return await thread.run(running.withdraw, withdrawal_id, payment)

    async def replace(self, withdrawal_id: str, rate: int) -> WithdrawalStatus:
        """Sign a version that pays `rate` sat/vB and takes the place of the last (BIP 125); only one can confirm."""
        running, thread = self._ready()
        return await thread.run(running.replace, withdrawal_id, rate)

    async def withdrawals(self) -> tuple[WithdrawalStatus, ...]:
        """All that are not buried yet, oldest first. What a crash left unsigned is signed."""
        running, thread = self._ready()
        return await thread.run(running.withdrawals)

    async def watch_only(self) -> WatchOnly:
        """Descriptors for a wallet that sees everything and spends nothing."""
        running, thread = self._ready()
        return await thread.run(running.wallet.watch_only)

    def _open(self) -> Running:
        return Running.open(self._xprv, self._network, self._path)

    def _ready(self) -> tuple[Running, Worker]:
        if self._running is None or self._thread is None:
            raise WalletStopped("the wallet is not running")
        return self._running, self._thread
