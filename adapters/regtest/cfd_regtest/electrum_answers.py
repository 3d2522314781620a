"""What the Electrum protocol's questions are answered, versions 1.4 to 1.6, from an `EmbeddedChain`."""

import hashlib
from collections.abc import Callable
from typing import Any, Final

from aiorpcx import JSONRPC, RPCError

from cfd_core.values import SATS_PER_BTC, Txid
from cfd_regtest import electrum_parameters as parameters
from cfd_regtest.blocks import GENESIS, header_hash, internal, merkle_branch, merkle_root
from cfd_regtest.chain import EmbeddedChain
from cfd_regtest.electrum_parameters import BAD_REQUEST, DAEMON_ERROR, PROTOCOL_MAX, PROTOCOL_MIN
from cfd_regtest.errors import Rejected
from cfd_regtest.standard import MIN_RELAY_FEE_RATE
from cfd_regtest.views import HistoryItem

SOFTWARE: Final = "cfd-regtest 0.1"
MAX_HEADERS: Final = 2016
RELAY_FEE_BTC: Final = MIN_RELAY_FEE_RATE * 1000 / SATS_PER_BTC
"""BTC per 1000 virtual bytes."""


class ElectrumAnswers:
    """The questions that need no memory of the client but its protocol version. Parameter names are the protocol's."""

    def __init__(self, chain: EmbeddedChain, address: tuple[str, int]) -> None:
        self.version: tuple[int, ...] = PROTOCOL_MIN
        self._chain = chain
        self._address = address

    def tip(self) -> dict[str, Any]:
        """Header and height of the best block, as clients are told them."""
        height = self._chain.height
        return {"hex": self._chain.header(height).hex(), "height": height}

    def status(self, name: str) -> str | None:
        """The hash of a scripthash's history; None without one."""
        history = self._chain.history(name)
        if not history:
            return None
        return hashlib.sha256("".join(f"{item.txid}:{item.height}:" for item in history).encode()).hexdigest()

    def methods(self) -> dict[str, Callable[..., Any]]:
        """Every question by its name on the wire."""
        return {
            "server.banner": self.banner,
            "server.donation_address": self.donation_address,
            "server.features": self.features,
            "server.peers.subscribe": self.peers,
            "server.ping": self.ping,
            "blockchain.block.header": self.block_header,
            "blockchain.block.headers": self.block_headers,
            "blockchain.estimatefee": self.estimate_fee,
            "blockchain.relayfee": self.relay_fee,
            "blockchain.scripthash.get_balance": self.get_balance,
            "blockchain.scripthash.get_history": self.get_history,
            "blockchain.scripthash.get_mempool": self.get_mempool,
            "blockchain.scripthash.listunspent": self.listunspent,
            "blockchain.transaction.broadcast": self.broadcast,
            "blockchain.transaction.get": self.get_transaction,
            "blockchain.transaction.get_merkle": self.get_merkle,
            "blockchain.transaction.id_from_pos": self.id_from_pos,
            "mempool.get_fee_histogram": self.fee_histogram,
            "mempool.get_info": self.mempool_info,
        }

    # --- server ----------------------------------------------------------------------------------------------------

    async def banner(self) -> str:
        return "An embedded regtest chain. Nothing here is worth anything."

    async def donation_address(self) -> str:
        return ""

    async def peers(self) -> list[Any]:
        return []

    async def ping(self) -> None:
        return None

    async def features(self) -> dict[str, Any]:
        host, port = self._address
        return {
            "hosts": {host: {"tcp_port": port, "ssl_port": None}},
            "pruning": None,
            "server_version": SOFTWARE,
            "protocol_min": parameters.version_text(PROTOCOL_MIN),
            "protocol_max": parameters.version_text(PROTOCOL_MAX),
            "genesis_hash": header_hash(GENESIS),
            "hash_function": "sha256",
            "services": [],
        }

    # --- headers ---------------------------------------------------------------------------------------------------

    async def block_header(self, height: Any, cp_height: Any = 0) -> Any:
        at, checkpoint = parameters.whole(height), parameters.whole(cp_height)
        header = self._header(at).hex()
        return {"header": header, **self._header_proof(at, checkpoint)} if checkpoint else header

    async def block_headers(self, start_height: Any, count: Any, cp_height: Any = 0) -> dict[str, Any]:
        start, checkpoint = parameters.whole(start_height), parameters.whole(cp_height)
        headers = self._chain.headers(start, min(parameters.whole(count, "count"), MAX_HEADERS))
        result: dict[str, Any] = {"count": len(headers), "max": MAX_HEADERS}
        as_hex = [header.hex() for header in headers]
        result |= {"headers": as_hex} if self.version >= (1, 6) else {"hex": "".join(as_hex)}
        if headers and checkpoint:
            result |= self._header_proof(start + len(headers) - 1, checkpoint)
        return result

    def _header(self, height: int) -> bytes:
        try:
            return self._chain.header(height)
        except IndexError as error:
            raise RPCError(BAD_REQUEST, f"height {height:,} out of range") from error

    def _header_proof(self, height: int, checkpoint: int) -> dict[str, Any]:
        if not height <= checkpoint <= self._chain.height:
            raise RPCError(BAD_REQUEST, f"header height {height:,} or cp_height {checkpoint:,} out of range")
        hashes = [internal(header_hash(header)) for header in self._chain.headers(0, checkpoint + 1)]
        return {"branch": _display(merkle_branch(hashes, height)), "root": merkle_root(hashes)[::-1].hex()}

    # --- scripts ---------------------------------------------------------------------------------------------------

    async def get_balance(self, scripthash: Any) -> dict[str, int]:
        name = parameters.hash_hex(scripthash, "script hash")
        confirmed = self._chain.confirmed_balance(name)
        now = sum(coin.sats for coin in self._chain.unspent(name))
        return {"confirmed": confirmed, "unconfirmed": now - confirmed}

    async def get_history(self, scripthash: Any) -> list[dict[str, Any]]:
        return [_item(item) for item in self._chain.history(parameters.hash_hex(scripthash, "script hash"))]

    async def get_mempool(self, scripthash: Any) -> list[dict[str, Any]]:
        history = self._chain.history(parameters.hash_hex(scripthash, "script hash"))
        return [_item(item) for item in history if item.height <= 0]

    async def listunspent(self, scripthash: Any) -> list[dict[str, Any]]:
        name = parameters.hash_hex(scripthash, "script hash")
        return [
            {"tx_hash": c.outpoint.txid, "tx_pos": c.outpoint.vout, "height": c.height, "value": c.sats}
            for c in self._chain.unspent(name)
        ]

    # --- transactions ----------------------------------------------------------------------------------------------

    async def broadcast(self, raw_tx: Any) -> str:
        try:
            return self._chain.submit_transaction(parameters.raw_bytes(raw_tx))
        except Rejected as refusal:
            message = f"the transaction was rejected by network rules.\n\n{refusal.reason}"
            raise RPCError(BAD_REQUEST, message) from refusal

    async def get_transaction(self, tx_hash: Any, verbose: Any = False) -> Any:
        wanted = parameters.txid(tx_hash)
        tx = self._chain.transaction(wanted)
        if tx is None:
            raise RPCError(DAEMON_ERROR, f"no such mempool or blockchain transaction: {wanted}")
        return self._verbose(wanted, tx.raw.hex()) if parameters.yes_or_no(verbose) else tx.raw.hex()

    def _verbose(self, wanted: Txid, raw_hex: str) -> dict[str, Any]:
        place = self._chain.place(wanted)
        if place is None:
            return {"txid": wanted, "hex": raw_hex}
        confirmations = self._chain.height - place.height + 1
        block = self._chain.hash_at(place.height)
        return {"txid": wanted, "hex": raw_hex, "blockhash": block, "confirmations": confirmations}

    async def get_merkle(self, tx_hash: Any, height: Any) -> dict[str, Any]:
        wanted, at = parameters.txid(tx_hash), parameters.whole(height)
        txids = self._block_txids(at)
        if wanted not in txids:
            raise RPCError(BAD_REQUEST, f"tx {wanted} not in block at height {at:,}")
        index = txids.index(wanted)
        return {"block_height": at, "merkle": _branch(txids, index), "pos": index}

    async def id_from_pos(self, height: Any, tx_pos: Any, merkle: Any = False) -> Any:
        txids = self._block_txids(parameters.whole(height))
        index = parameters.whole(tx_pos, "position")
        if index >= len(txids):
            raise RPCError(BAD_REQUEST, f"no tx at position {index:,} of {len(txids):,}")
        if parameters.yes_or_no(merkle):
            return {"tx_hash": txids[index], "merkle": _branch(txids, index)}
        return txids[index]

    def _block_txids(self, height: int) -> list[Txid]:
        try:
            return self._chain.block_txids(height)
        except IndexError as error:
            raise RPCError(BAD_REQUEST, f"height {height:,} out of range") from error

    # --- fees ------------------------------------------------------------------------------------------------------

    async def estimate_fee(self, number: Any, mode: Any = None) -> int:
        """Always -1, "not known": a regtest node has no history to estimate from."""
        parameters.whole(number, "blocks")
        if mode not in (None, "CONSERVATIVE", "ECONOMICAL"):
            raise RPCError(BAD_REQUEST, f"unknown estimatefee mode: {mode!r:.80}")
        return -1

    async def relay_fee(self) -> float:
        if self.version >= (1, 6):
            raise RPCError(JSONRPC.METHOD_NOT_FOUND, "blockchain.relayfee is gone since protocol 1.6")
        return RELAY_FEE_BTC

    async def fee_histogram(self) -> list[list[int]]:
        sizes: dict[int, int] = {}
        for entry in self._chain.mempool():
            rate = entry.fee // entry.tx.vsize
            sizes[rate] = sizes.get(rate, 0) + entry.tx.vsize
        return [[rate, sizes[rate]] for rate in sorted(sizes, reverse=True)]

    async def mempool_info(self) -> dict[str, float]:
        return dict.fromkeys(("mempoolminfee", "minrelaytxfee", "incrementalrelayfee"), RELAY_FEE_BTC)


def _item(item: HistoryItem) -> dict[str, Any]:
    entry: dict[str, Any] = {"tx_hash": item.txid, "height": item.height}
    return entry if item.fee is None else {**entry, "fee": item.fee}


def _branch(txids: list[Txid], index: int) -> list[str]:
    return _display(merkle_branch([internal(txid) for txid in txids], index))


def _display(hashes: list[bytes]) -> list[str]:
    return [each[::-1].hex() for each in hashes]
