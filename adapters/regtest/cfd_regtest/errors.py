"""What the regtest back ends refuse, and why."""


class RegtestError(Exception):
    """Root of the errors raised on purpose in this distribution."""


class Rejected(RegtestError):
    """A transaction that the mempool does not take; `reason` starts with Bitcoin Core's own reject reason."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class BlockRefused(RegtestError):
    """A block that the kernel called invalid; `reason` is Core's reject reason where its log tells one."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class OutOfCoins(RegtestError):
    """The chain's own key has too few spendable coins; mine some more (a coinbase matures after 100 blocks)."""


class NotAvailable(RegtestError):
    """A real component (bitcoind, the Electrum server) cannot be had on this machine."""


class NodeFailed(RegtestError):
    """A real component was started and did not do what was asked of it."""
