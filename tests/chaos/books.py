"""Where every coin went, read from the chain alone: no node is asked and no store is believed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Any

import aiorpcx
from attrs import frozen

from cfd_core.bitcoin.scripts import P2A_SCRIPT
from cfd_core.bitcoin.transaction import Transaction, TxOut
from cfd_core.values import OutPoint, Txid


@frozen
class Books:
    """What became of the deposits."""

    deposited: int
    unspent: int
    """Sats in outputs that nobody has spent, anchors left aside."""
    anchors: int
    """Sats left in anchors."""
    fees: int
    transactions: int


async def audit(electrum: tuple[str, int], deposits: list[OutPoint]) -> Books:
    """Follow the deposits through every transaction that spent them, to the outputs that are unspent now."""
    async with _walking(electrum) as walk:
        deposited = sum([(await walk.output(at)).sats for at in deposits])
        for at in deposits:
            await walk.follow(at)
    return Books(deposited, walk.unspent, walk.anchors, deposited - walk.unspent - walk.anchors, len(walk.seen))


async def find_output(electrum: tuple[str, int], txid: Txid, script: bytes) -> OutPoint:
    """The first output of a transaction that pays to `script`."""
    async with _walking(electrum) as walk:
        outputs = (await walk.transaction(txid)).outputs
    return OutPoint(txid, next(vout for vout, out in enumerate(outputs) if out.script == script))


@asynccontextmanager
async def _walking(electrum: tuple[str, int]) -> "AsyncIterator[_Walk]":
    async with aiorpcx.connect_rs(*electrum) as server:
        await server.send_request("server.version", ["cfd-chaos", "1.4"])
        yield _Walk(server)


class _Walk:
    def __init__(self, server: Any) -> None:
        self._server = server
        self._raw: dict[str, Transaction] = {}
        self.seen: set[str] = set()
        self.unspent = self.anchors = 0

    async def output(self, at: OutPoint) -> TxOut:
        return (await self.transaction(at.txid)).outputs[at.vout]

    async def follow(self, start: OutPoint) -> None:
        waiting = [start]
        while waiting:
            at = waiting.pop()
            spender = await self._spender(at)
            if spender is None:
                out = await self.output(at)
                if out.script == P2A_SCRIPT:
                    self.anchors += out.sats
                else:
                    self.unspent += out.sats
            elif spender not in self.seen:  # an input that it has beside this one was counted with its deposit
                self.seen.add(spender)
                outputs = (await self.transaction(spender)).outputs
                waiting.extend(OutPoint(spender, vout) for vout in range(len(outputs)))

    async def _spender(self, at: OutPoint) -> Any:
        script = (await self.output(at)).script
        history = await self._ask("scripthash.get_history", sha256(script).digest()[::-1].hex())
        for entry in history:
            transaction = await self.transaction(entry["tx_hash"])
            if any(tx_in.outpoint == at for tx_in in transaction.inputs):
                return transaction.txid
        return None

    async def transaction(self, txid: Any) -> Transaction:
        if txid not in self._raw:
            self._raw[txid] = Transaction.parse(bytes.fromhex(await self._ask("transaction.get", txid)))
        return self._raw[txid]

    async def _ask(self, method: str, *arguments: Any) -> Any:
        return await self._server.send_request(f"blockchain.{method}", arguments)
