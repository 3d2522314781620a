"""Payments to others: what was wished, what it costs, and the transactions that were signed for it."""

from enum import Enum
from typing import Final

from attrs import field, frozen

from cfd_core.bitcoin.transaction import MAX_MONEY
from cfd_core.values import MAX_FEE_RATE, Sats, Txid
from cfd_wallet.errors import WalletError
from cfd_wallet.values import Coin

EVERYTHING: Final = None
"""In the place of an amount: all confirmed coins that are not set aside, less the fee."""
FINAL_DEPTH: Final = 6
"""Confirmations after which a withdrawal is no longer broadcast again."""


@frozen
class Payment:
    """What is wished: `sats` arrive at `address`, the fee of `rate` sat/vB comes on top; or EVERYTHING less it."""

    address: str
    sats: Sats | None
    rate: int

    def __attrs_post_init__(self) -> None:
        if not 1 <= self.rate <= MAX_FEE_RATE:
            raise WalletError(f"a fee rate is from 1 to {MAX_FEE_RATE:,} sat/vB, not {self.rate:,}")
        if self.sats is not None and not 1 <= self.sats <= MAX_MONEY:
            raise WalletError(f"{self.sats:,} sats cannot be paid")
        if len(self.address) > 100:
            raise WalletError("an address has at most 100 characters")


@frozen
class Preview:
    """What a payment would be if it were made now; nothing is signed or set aside. In sats and virtual bytes."""

    sats: Sats
    """What would arrive."""
    fee: Sats
    vsize: int
    change: Sats
    """What would come back to us."""
    left: Sats
    """Confirmed and not set aside, change included."""


@frozen
class Withdrawal:
    """A payment under its id. `coins` are its own until it is buried in the chain."""

    id: str
    payment: Payment
    coins: tuple[Coin, ...]
    change_script: bytes = field(repr=False)
    unsigned: bytes = field(repr=False)
    """The transaction that is to be signed next, without witnesses."""
    signed: tuple[bytes, ...] = field(default=(), repr=lambda raws: f"<{len(raws)} transactions>")
    """Every version that was ever signed, the last one pays most. Any of them may confirm."""
    final: bool = False
    """One of them is so deep in the chain that nothing is to be done any more."""


class Progress(Enum):
    """Where a withdrawal is, as of the last sync. `SIGNED`: not seen by the network yet."""

    SIGNED = "signed"
    PENDING = "pending"
    CONFIRMED = "confirmed"


@frozen
class WithdrawalStatus:
    """A withdrawal for people. `transaction` is the version that counts: the confirmed, seen or latest one."""

    id: str
    payment: Payment
    progress: Progress
    txid: Txid
    sats: Sats
    """What arrives; when everything was withdrawn, a higher fee lessens it."""
    fee: Sats
    rate: int
    """sat/vB, rounded to the nearest."""
    transaction: bytes = field(repr=False)


@frozen
class HistoryEntry:
    """One transaction of the wallet, as of the last sync. Amounts in sats."""

    txid: Txid
    net: int
    """What it brought, after its fee."""
    fee: Sats | None
    """Of the whole transaction; None: not known, because the wallet has not seen all that it spends."""
    height: int | None
    """None: not in a block."""
    at: int | None
    """Seconds since 1970, of the block or of when it was last seen; None: neither."""
    withdrawal: str | None = None
    """The id of the withdrawal that it is a version of."""


@frozen
class WatchOnly:
    """Output descriptors with checksums and without private keys: they see every payment and can spend none."""

    external: str
    internal: str
