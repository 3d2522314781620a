"""A child that pays for its parent (CPFP), and its replacements (BIP 125): what they pay, and how they are made."""

from collections.abc import Sequence
from typing import Final, Self

from attrs import field, frozen

from cfd_core.bitcoin.psbt import final_witnesses, unsigned_psbt
from cfd_core.bitcoin.scripts import P2A_SCRIPT, dust_limit
from cfd_core.bitcoin.transaction import MAX_MONEY, Transaction, TxIn, TxOut
from cfd_core.errors import DecodeError
from cfd_core.values import MAX_FEE_RATE, OutPoint, Sats
from cfd_wallet import signing
from cfd_wallet.bdk import OpenWallet
from cfd_wallet.entries import Bump
from cfd_wallet.errors import WalletError
from cfd_wallet.values import Coin

RELAY_FEE_RATE: Final = 1
"""sat/vB: what a node wants for relaying anything, and again for each replacement."""
_WITNESS: Final = (bytes(72), bytes(33))
"""Stands for a signature and a key. Ours are ground to 71 bytes: a child pays a little more than asked, never less."""
_SCRIPT: Final = b"\x00\x14" + bytes(20)
DUST: Final = dust_limit(_SCRIPT)
"""The least that a child must leave over for its output."""


@frozen
class Parent:
    """A signed transaction, the output of it that the child spends, and the fee it pays itself."""

    raw: bytes = field(repr=False)
    outpoint: OutPoint
    output: TxOut
    vsize: int
    fee: Sats

    @classmethod
    def read(cls, raw: bytes, vout: int, fee: Sats) -> Self:
        """`WalletError` for what is no signed transaction, has no such output, or an impossible fee."""
        try:
            tx = Transaction.parse(raw)
        except DecodeError as error:
            raise WalletError(f"the parent is no transaction: {error}") from error
        if not any(tx_in.witness for tx_in in tx.inputs) and not tx.script_sigs:
            raise WalletError("the parent is not signed, so its size is not known")
        if not 0 <= vout < len(tx.outputs):
            raise WalletError(f"the parent has no output {vout}")
        if not 0 <= fee <= MAX_MONEY:
            raise WalletError(f"a parent's fee of {fee:,} sats")
        return cls(raw, tx.outpoint(vout), tx.outputs[vout], tx.vsize, fee)

    @property
    def is_anchor(self) -> bool:
        return self.output.script == P2A_SCRIPT

    def coin(self) -> Coin:
        """The output as a coin of ours."""
        return Coin(self.outpoint, self.output.sats, self.output.script, self.raw)


@frozen
class Wish:
    """A child of `parent`, such that both pay `rate` sat/vB together, that may replace `last`."""

    parent: Parent
    rate: int
    last: Bump | None

    @classmethod
    def checked(cls, parent: Parent, rate: int, last: Bump | None) -> Self:
        """`WalletError` for an impossible rate, or another output than that of `last`."""
        if not 1 <= rate <= MAX_FEE_RATE:
            raise WalletError(f"{rate:,} sat/vB cannot be paid")
        if last is not None and last.outpoint != parent.outpoint:
            raise WalletError(f"this bump is for {last.outpoint}, not for {parent.outpoint}")
        return cls(parent, rate, last)

    @property
    def coins(self) -> tuple[Coin, ...]:
        """What the last child spends, and the next one spends too."""
        return self.last.coins if self.last is not None else ()

    def met(self) -> bytes | None:
        """The last child, if it was made for this rate or more, or pays enough for it anyway."""
        if self.last is None:
            return None
        enough = self._due(Transaction.parse(self.last.child).vsize)
        return self.last.child if self.rate <= self.last.rate or self.last.fee >= enough else None

    def fee(self, coins: Sequence[Coin]) -> Sats:
        """What a child that spends `coins` too must pay at least."""
        size = self._unsigned(coins, DUST, _SCRIPT, _WITNESS).vsize
        due = self._due(size)
        if self.last is None:
            return due
        # the second rule compares rates, which some nodes round to sats per 1000 vB
        replaced = Transaction.parse(self.last.child).vsize
        outbid = self.last.fee * size // replaced + size // 1_000 + 1
        return Sats(max(due, self.last.fee + size * RELAY_FEE_RATE, outbid))

    def missing(self, coins: Sequence[Coin]) -> int:
        """How many sats `coins` and the parent's output fall short of the fee and the smallest output; <= 0: none."""
        return self.fee(coins) + DUST - self._brought(coins)

    def child(self, coins: Sequence[Coin], script: bytes, wallet: OpenWallet) -> Bump:
        """The signed child: all that is left goes to `script`."""
        fee = self.fee(coins)
        tx = self._unsigned(coins, Sats(self._brought(coins) - fee), script)
        own = {1 + n: coin for n, coin in enumerate(coins)}
        if not self.parent.is_anchor:
            own[0] = self.parent.coin()
        spent = [self.parent.output, *(TxOut(coin.sats, coin.script) for coin in coins)]
        psbt = signing.read(unsigned_psbt(tx, spent, {}))
        witnesses = final_witnesses(signing.sign(wallet, psbt, own))
        for index, coin in own.items():
            tx = tx.with_witness(index, witnesses[coin.outpoint])
        return Bump(self.parent.outpoint, self.rate, tuple(coins), script, fee, tx.serialize())

    def _due(self, size: int) -> Sats:
        package = self.rate * (self.parent.vsize + size) - self.parent.fee
        return Sats(max(package, size * RELAY_FEE_RATE))

    def _brought(self, coins: Sequence[Coin]) -> int:
        return self.parent.output.sats + sum(coin.sats for coin in coins)

    def _unsigned(
        self, coins: Sequence[Coin], sats: Sats, script: bytes, witness: tuple[bytes, ...] = ()
    ) -> Transaction:
        first = TxIn(self.parent.outpoint, witness=() if self.parent.is_anchor else witness)
        others = (TxIn(coin.outpoint, witness=witness) for coin in coins)
        return Transaction((first, *others), (TxOut(sats, script),))
