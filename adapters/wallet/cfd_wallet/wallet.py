"""The wallet as a service: asyncio outside, BDK on its own thread inside."""

import time
from collections.abc import Callable
from pathlib import Path

from cfd_core.values import Network, Sats, Secret
from cfd_wallet import signing
from cfd_wallet.bdk import ElectrumLink, OpenWallet
from cfd_wallet.bumping import Parent, Wish
from cfd_wallet.entries import Entry
from cfd_wallet.errors import InsufficientFunds, SyncFailed, WalletError, WalletStopped
from cfd_wallet.reservations import ReservationBook
from cfd_wallet.values import Balance, Coin, Health, Reservation, State
from cfd_wallet.worker import Worker


class _Running:
    """What exists between `start` and `stop`; its methods run on the wallet's thread."""

    def __init__(self, wallet: OpenWallet, book: ReservationBook) -> None:
        self.wallet, self.book = wallet, book

    def balance(self) -> Balance:
        confirmed, pending = self.wallet.balance()
        return Balance(confirmed, pending, self.wallet.worth(self.book.outpoints()))

    def reserve(self, reservation_id: str, amount: Sats, fee_rate: int) -> Reservation:
        entry = self.book.get(reservation_id)
        if entry is None:
            entry = Entry(amount, fee_rate, self._choose(amount, fee_rate))
            self.book.put(reservation_id, entry)
        if (entry.amount, entry.fee_rate) != (amount, fee_rate):
            raise WalletError(f"reservation {reservation_id} is for {entry.amount:,} sats at {entry.fee_rate} sat/vB")
        return entry.reservation

    def _choose(self, amount: Sats, fee_rate: int) -> Reservation:
        coins = self.wallet.select(amount, fee_rate, self.book.outpoints())
        change, payout = self.book.spare_scripts() or (self.wallet.script(change=True), self.wallet.script())
        return Reservation(coins, change, payout)

    def bump(self, bump_id: str, parent: Parent, rate: int) -> bytes:
        last = self.book.bump(bump_id)
        wish = Wish.checked(parent, rate, last)
        met = wish.met()
        if met is not None:
            return met
        if last is None and parent.outpoint in self.book.outpoints():
            raise WalletError(f"{parent.outpoint} is set aside for something else")
        if not parent.is_anchor and not self.wallet.owns_script(parent.output.script):
            raise WalletError(f"{parent.outpoint} is neither an anchor nor ours")
        coins = self._fund(wish)
        made = wish.child(coins, last.script if last else self.wallet.script(), self.wallet)
        self.book.put_bump(bump_id, made)
        return made.child

    def _fund(self, wish: Wish) -> tuple[Coin, ...]:
        """The last child's coins, and as many more as it takes.

        Not `select`: it prices a payment that the child has not, and would refuse bumps that can just be paid.
        """
        coins, missing, added = wish.coins, wish.missing(wish.coins), 0
        free = self.wallet.largest_first(self.book.outpoints() | {wish.parent.outpoint})
        while missing > 0:
            more = next(free, None)
            if more is None or wish.missing((*coins, more)) >= missing:  # the rest costs more than it brings
                raise InsufficientFunds(added + missing, added)
            coins, added = (*coins, more), added + more.sats
            missing = wish.missing(coins)
        return coins

    def sign(self, reservation_id: str, psbt: bytes | str) -> bytes:
        entry = self.book.get(reservation_id)
        if entry is None:
            raise WalletError(f"there is no reservation {reservation_id}")
        parsed = signing.read(psbt)
        own = signing.own_inputs(self.wallet, parsed, entry.reservation)
        signed = signing.sign(self.wallet, parsed, own)
        self.book.mark_signed(reservation_id)
        return signed


class BdkWallet:
    """A BIP 84 wallet. All methods but `start`, `stop` and `health` raise `WalletStopped` when not running."""

    def __init__(
        self,
        xprv: Secret,
        network: Network,
        path: Path | None,
        electrum: tuple[str, int],
        *,
        tls: bool = False,
        timeout: int = 15,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`xprv`: BIP 32 master key in base58. `path`: SQLite file in an existing folder; None: memory, lost at `stop`.

        `timeout`: seconds for each answer of the server. Reservations lie beside the file, as `<name>.reservations`.
        """
        self._xprv, self._network, self._path = xprv, network, path
        self._url = f"{'ssl' if tls else 'tcp'}://{electrum[0]}:{electrum[1]}"
        self._timeout, self._clock = timeout, clock
        self._running: _Running | None = None
        self._thread: Worker | None = None
        self._network_thread: Worker | None = None
        self._link = ElectrumLink(self._url, timeout)
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
        self._link = ElectrumLink(self._url, self._timeout)
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
            await thread.run(running.wallet.apply, update)
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

    def _open(self) -> _Running:
        path = self._path
        beside = None if path is None else path.with_name(path.name + ".reservations")
        return _Running(OpenWallet.open(self._xprv, self._network, path), ReservationBook.open(beside))

    def _ready(self) -> tuple[_Running, Worker]:
        if self._running is None or self._thread is None:
            raise WalletStopped("the wallet is not running")
        return self._running, self._thread
