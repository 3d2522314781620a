"""cfd-core adapter for the bitcoin wallet on BDK: balances, coins set aside, signatures on joint transactions."""

from cfd_wallet.errors import InsufficientFunds, SyncFailed, WalletError, WalletStopped
from cfd_wallet.sealing import NotSealed, WrongPassphrase
from cfd_wallet.values import Balance, Coin, Health, Reservation, State
from cfd_wallet.wallet import BdkWallet

__all__ = [
    "Balance",
    "BdkWallet",
    "Coin",
    "Health",
    "InsufficientFunds",
    "NotSealed",
    "Reservation",
    "State",
    "SyncFailed",
    "WalletError",
    "WalletStopped",
    "WrongPassphrase",
]
