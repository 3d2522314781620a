"""The opened wallet with its books: what is decided and signed, on the wallet's thread."""

from pathlib import Path
from typing import Any, Self

from attrs import evolve

from cfd_core.bitcoin.transaction import Transaction
from cfd_core.values import Network, OutPoint, Sats, Secret
from cfd_wallet import paying, signing
from cfd_wallet.bdk import OpenWallet
from cfd_wallet.bumping import Parent, Wish
from cfd_wallet.entries import Entry
from cfd_wallet.errors import InsufficientFunds, WalletError
from cfd_wallet.payments import HistoryEntry, Payment, Preview, Progress, Withdrawal, WithdrawalStatus
from cfd_wallet.reservations import ReservationBook
from cfd_wallet.values import Balance, Coin, Reservation
from cfd_wallet.withdrawals import WithdrawalBook


class Running:
    """What exists between `start` and `stop`; its methods run on the wallet's thread."""

    def __init__(self, wallet: OpenWallet, book: ReservationBook, payments: WithdrawalBook) -> None:
        self.wallet, self.book, self.payments = wallet, book, payments

    @classmethod
    def open(cls, xprv: Secret, network: Network, path: Path | None) -> Self:
        """`WalletError` says which of the files cannot be had; all stay as they are."""
        beside = None if path is None else path.with_name(path.name + ".reservations")
        payments = None if path is None else path.with_name(path.name + ".withdrawals")
        return cls(OpenWallet.open(xprv, network, path), ReservationBook.open(beside), WithdrawalBook.open(payments))

    def _taken(self) -> set[OutPoint]:
        """What contracts, fee bumps and withdrawals have set aside."""
        return self.book.outpoints() | self.payments.outpoints()

    def apply(self, update: Any) -> None:
        self.wallet.apply(update)
        paying.settle(self.wallet, self.payments)

    def balance(self) -> Balance:
        confirmed, pending = self.wallet.balance()
        return Balance(confirmed, pending, self.wallet.worth(self._taken()))

    def reserve(self, reservation_id: str, amount: Sats, fee_rate: int) -> Reservation:
        entry = self.book.get(reservation_id)
        if entry is None:
            entry = Entry(amount, fee_rate, self._choose(amount, fee_rate))
            self.book.put(reservation_id, entry)
        if (entry.amount, entry.fee_rate) != (amount, fee_rate):
            raise WalletError(f"reservation {reservation_id} is for {entry.amount:,} sats at {entry.fee_rate} sat/vB")
        return entry.reservation

    def _choose(self, amount: Sats, fee_rate: int) -> Reservation:
        coins = self.wallet.select(amount, fee_rate, self._taken())
        change, payout = self.book.spare_scripts() or (self.wallet.script(change=True), self.wallet.script())
        return Reservation(coins, change, payout)

    def bump(self, bump_id: str, parent: Parent, rate: int) -> bytes:
        last = self.book.bump(bump_id)
        wish = Wish.checked(parent, rate, last)
        met = wish.met()
        if met is not None:
            return met
        if last is None and parent.outpoint in self._taken():
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
        free = self.wallet.largest_first(self._taken() | {wish.parent.outpoint})
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

    # -- payments to others

    def history(self) -> tuple[HistoryEntry, ...]:
        versions = {Transaction.parse(raw).txid: each.id for each in self.payments.all() for raw in each.signed}
        return tuple(evolve(entry, withdrawal=versions.get(entry.txid)) for entry in self.wallet.history())

    def preview(self, payment: Payment) -> Preview:
        return paying.preview(self.wallet, payment, self._taken())

    def withdraw(self, key: str, payment: Payment) -> WithdrawalStatus:
        known = self.payments.get(key)
        if known is None:
            known = paying.plan(self.wallet, key, payment, self._taken())
            self.payments.put(known)
        if known.payment != payment:
            raise WalletError(f"the withdrawal {key} is another payment: an id is used once")
        return self._signed(known)

    def replace(self, key: str, rate: int) -> WithdrawalStatus:
        known = self.payments.get(key)
        if known is None:
            raise WalletError(f"there is no withdrawal {key}")
        if self._signed(known).progress is Progress.CONFIRMED:
            raise WalletError("it is confirmed already")
        wanted = paying.replace(self.wallet, self.payments.get(key) or known, rate, self._taken())
        self.payments.put(wanted)
        return self._signed(wanted)

    def withdrawals(self) -> tuple[WithdrawalStatus, ...]:
        return tuple(self._signed(each) for each in self.payments.all() if not each.final)

    def _signed(self, known: Withdrawal) -> WithdrawalStatus:
        signed = paying.sign(self.wallet, known)
        if signed != known:
            self.payments.put(signed)
        return paying.status(self.wallet, signed)
