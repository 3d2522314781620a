"""A wallet of P2WPKH coins that signs for real. What it has set aside outlives the node's process."""

import hashlib
from typing import Final

from cfd_core import effects as f
from cfd_core import inputs as i
from cfd_core.bitcoin import scripts
from cfd_core.bitcoin.psbt import with_final_witnesses
from cfd_core.bitcoin.transaction import Transaction, TxIn, TxOut
from cfd_core.crypto import secp
from cfd_core.crypto.secp import public_key
from cfd_core.testing.chain import SimChain
from cfd_core.values import OutPoint, Sats, Secret, Txid

SPARE_SATS: Final = 200_000
"""In each of the coins that children of commits are paid with."""
DUST: Final = 330
CHILD_VSIZE: Final = 210
"""At most: two P2WPKH inputs and one output, or an anchor and one of each."""


class SimWallet:
    """Keys for coins, change and payouts, all from one label; the coins are on the chain from the beginning."""

    def __init__(self, label: str, chain: SimChain, coins: int = 2, sats: int = 5_000_000) -> None:
        self.label, self.chain = label, chain
        self._keys: dict[bytes, tuple[Secret, bytes]] = {}
        self.script, self.payout_script, self.change_script = map(self._own, ("", "payout", "change"))
        self.coins: list[Transaction] = []
        """Free and set-aside ones; each is the whole transaction whose output 0 is the coin."""
        for _ in range(coins):
            self.receive(sats)
        self.spares = [self._fund(f"spare{index}", SPARE_SATS) for index in range(4)]
        self._set_aside: dict[str, tuple[i.Coin, ...]] = {}
        self._children: dict[str, int] = {}

    def copy(self, chain: SimChain) -> "SimWallet":
        """The same wallet on another chain."""
        twin = SimWallet(self.label, SimChain(), coins=0)
        twin.chain, twin.coins, twin._keys = chain, list(self.coins), self._keys
        twin._set_aside, twin._children = dict(self._set_aside), dict(self._children)
        return twin

    def _own(self, purpose: str) -> bytes:
        key = Secret(hashlib.sha256(f"{self.label}{purpose}".encode()).digest())
        pubkey = public_key(key).encode()
        script = b"\x00\x14" + scripts.hash160(pubkey)
        self._keys[script] = key, pubkey
        return script

    def receive(self, sats: int) -> Transaction:
        """Another coin, confirmed long ago."""
        self.coins.append(self._fund(str(len(self.coins)), sats))
        return self.coins[-1]

    def _fund(self, name: str, sats: int) -> Transaction:
        source = OutPoint(Txid(hashlib.sha256(f"{self.label}{name}".encode()).hexdigest()), 0)
        tx = Transaction((TxIn(source),), (TxOut(Sats(sats), self.script),))
        self.chain.fund(tx)
        return tx

    @property
    def reserved(self) -> set[str]:
        """The CFDs that coins are set aside for."""
        return set(self._set_aside)

    @property
    def scripts(self) -> set[bytes]:
        """Output scripts that are ours."""
        return set(self._keys)

    @property
    def worth(self) -> int:
        """Sats that are ours on the chain, waiting transactions included."""
        txs = self.chain.transactions.values()
        mine = [(tx.outpoint(n), o.sats) for tx in txs for n, o in enumerate(tx.outputs) if o.script in self._keys]
        return sum(sats for outpoint, sats in mine if self.chain.spender(outpoint) is None)

    # --- what a node asks for --------------------------------------------------------------------------------------

    def reserve(self, effect: f.ReserveCoins) -> i.CoinsReserved | i.CoinsRefused:
        """Coins for a lock. Asked again for the same CFD: the same coins."""
        if effect.cfd_id not in self._set_aside:
            found = self._select(effect)
            if found is None:
                return i.CoinsRefused(effect.cfd_id, "not enough coins")
            self._set_aside[effect.cfd_id] = found
        coins = self._set_aside[effect.cfd_id]
        return i.CoinsReserved(effect.cfd_id, coins, self.change_script, self.payout_script)

    def _select(self, effect: f.ReserveCoins) -> tuple[i.Coin, ...] | None:
        taken = {coin.outpoint for coins in self._set_aside.values() for coin in coins}
        chosen: list[i.Coin] = []
        total = 0
        for tx in self.coins:
            outpoint = tx.outpoint(0)
            if outpoint in taken or self.chain.spender(outpoint) is not None:
                continue
            chosen.append(i.Coin(outpoint, tx.serialize()))
            total += tx.outputs[0].sats
            if total >= effect.amount + 1000 * effect.fee_rate * len(chosen):
                return tuple(chosen)
        return None

    def release(self, cfd_id: str) -> None:
        """The coins are free again."""
        self._set_aside.pop(cfd_id, None)

    def sign(self, raw: bytes) -> bytes:
        """Final witnesses for the inputs of a PSBT that are ours."""
        return with_final_witnesses(raw, self._witness)

    def bump(self, effect: f.BumpFee) -> Transaction | None:
        """A child that pays for itself and its parent; None where the output is worth too little."""
        parent = Transaction.parse(effect.parent)
        spent = [(parent.outpoint(effect.vout), parent.outputs[effect.vout])]
        if spent[0][1].script not in self._keys:  # an anchor, which anyone may spend: a coin of ours pays
            index = self._children.setdefault(parent.txid, len(self._children) % len(self.spares))
            spent.append((self.spares[index].outpoint(0), self.spares[index].outputs[0]))
        fee = effect.rate * (parent.vsize + CHILD_VSIZE) - effect.parent_fee
        left = sum(out.sats for _, out in spent) - max(fee, CHILD_VSIZE)
        if left < DUST:
            return None
        child = Transaction(tuple(TxIn(outpoint) for outpoint, _ in spent), (TxOut(Sats(left), self.script),))
        for index, (_, out) in enumerate(spent):
            child = child.with_witness(index, self._witness(child, index, out))
        return child

    def _witness(self, tx: Transaction, index: int, spent: TxOut) -> tuple[bytes, ...]:
        if spent.script not in self._keys:
            return ()
        key, pubkey = self._keys[spent.script]
        code = b"\x76\xa9" + spent.script[1:] + b"\x88\xac"
        return secp.ecdsa_sign(key, tx.sighash_v0(index, code, spent.sats)) + b"\x01", pubkey
