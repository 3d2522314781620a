"""cfd-core adapter for the bitcoin wallet on BDK: balances, coins set aside, signatures, payments, the sealed seed."""

from cfd_wallet.errors import InsufficientFunds, SyncFailed, WalletError, WalletStopped
from cfd_wallet.payments import (
    EVERYTHING,
    HistoryEntry,
    Payment,
    Preview,
    Progress,
    WatchOnly,
    WithdrawalStatus,
)
from cfd_wallet.qr import payment_uri, qr_svg, qr_text
from cfd_wallet.sealing import NotSealed, WrongPassphrase
from cfd_wallet.values import Balance, Coin, Health, Reservation, State
from cfd_wallet.wallet import BdkWallet

__all__ = [
    "EVERYTHING",
    "Balance",
    "BdkWallet",
    "Coin",
    "Health",
    "HistoryEntry",
    "InsufficientFunds",
    "NotSealed",
    "Payment",
    "Preview",
    "Progress",
    "Reservation",
    "State",
    "SyncFailed",
    "WalletError",
    "WalletStopped",
    "WatchOnly",
    "WithdrawalStatus",
    "WrongPassphrase",
    "payment_uri",
    "qr_svg",
    "qr_text",
]
