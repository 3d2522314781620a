"""The chain's own key: it owns the coinbases and pays whoever a test wants to have money."""

import hashlib
from collections.abc import Sequence
from typing import Final

from attrs import frozen
from coincurve import PrivateKey

from cfd_core.values import OutPoint, Sats
from cfd_regtest.errors import OutOfCoins
from cfd_regtest.transactions import Tx, TxInput, TxOutput, encode_outpoint, encode_output, make_tx, sha256d

INPUT_VSIZE: Final = 69
LEAST_CHANGE: Final = 1_000

_KEY = PrivateKey(hashlib.sha256(b"cfd-regtest: the key of worthless coins").digest())
_PUBLIC = _KEY.public_key.format()


def _key_hash() -> bytes:
    return hashlib.new("ripemd160", hashlib.sha256(_PUBLIC).digest()).digest()


OWN_SCRIPT: Final = b"\x00\x14" + _key_hash()
"""P2WPKH of the one key every embedded chain has: its coins are worth nothing, so it is no secret."""


@frozen
class Purse:
    """Spendable outputs of `OWN_SCRIPT`, best first, and the fee rate in sat/vB to pay."""

    coins: tuple[tuple[OutPoint, Sats], ...]
    fee_rate: int

    def pay(self, script: bytes, sats: int) -> Tx:
        """A signed transaction whose output 0 pays `sats` to `script`; `OutOfCoins` if it cannot."""
        fee = self.fee_rate * (11 + 9 + len(script) + 31)
        chosen: list[tuple[OutPoint, Sats]] = []
        have = 0
        for outpoint, value in self.coins:
            chosen.append((outpoint, value))
            have, fee = have + value, fee + self.fee_rate * INPUT_VSIZE
            if have >= sats + fee:
                return _signed(chosen, _outputs(script, sats, have - sats - fee))
        raise OutOfCoins(f"{sats:,} sat wanted, {have:,} spendable: mine more blocks")


def _outputs(script: bytes, sats: int, change: int) -> list[TxOutput]:
    outputs = [TxOutput(Sats(sats), script)]
    return [*outputs, TxOutput(Sats(change), OWN_SCRIPT)] if change >= LEAST_CHANGE else outputs


def _signed(coins: Sequence[tuple[OutPoint, Sats]], outputs: Sequence[TxOutput]) -> Tx:
    inputs = [TxInput(outpoint) for outpoint, _ in coins]
    unsigned = make_tx(inputs, outputs)
    witnesses = [_witness(unsigned, n, sats) for n, (_, sats) in enumerate(coins)]
    return make_tx([TxInput(i.outpoint, witness=w) for i, w in zip(inputs, witnesses, strict=True)], outputs)


def _witness(tx: Tx, index: int, sats: Sats) -> tuple[bytes, ...]:
    signature = _KEY.sign(_bip143_digest(tx, index, sats), hasher=None)
    return signature + b"\x01", _PUBLIC


def _bip143_digest(tx: Tx, index: int, sats: Sats) -> bytes:
    """SIGHASH_ALL for a P2WPKH input of ours."""
    spending = tx.inputs[index]
    outpoints = sha256d(b"".join(encode_outpoint(item.outpoint) for item in tx.inputs))
    sequences = sha256d(b"".join(item.sequence.to_bytes(4, "little") for item in tx.inputs))
    code = b"\x19\x76\xa9\x14" + OWN_SCRIPT[2:] + b"\x88\xac"
    return sha256d(
        tx.version.to_bytes(4, "little")
        + outpoints
        + sequences
        + encode_outpoint(spending.outpoint)
        + code
        + sats.to_bytes(8, "little")
        + spending.sequence.to_bytes(4, "little")
        + sha256d(b"".join(encode_output(out) for out in tx.outputs))
        + tx.locktime.to_bytes(4, "little")
        + (1).to_bytes(4, "little")
    )
