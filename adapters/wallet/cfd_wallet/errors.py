"""What can go wrong with the wallet."""


class WalletError(Exception):
    """Root of this adapter's errors; the text is fit for the user and holds no secret."""


class WalletStopped(WalletError):
    """The wallet is not running: `start` it first."""


class SyncFailed(WalletError):
    """The server could not be asked; the wallet goes on with what it knew before."""


class InsufficientFunds(WalletError):
    """Confirmed coins that are not set aside already do not suffice. Amounts in sats, fees included in `needed`."""

    def __init__(self, needed: int, available: int) -> None:
        super().__init__(f"{needed:,} sats are needed, {available:,} are available")
        self.needed = needed
        self.available = available
