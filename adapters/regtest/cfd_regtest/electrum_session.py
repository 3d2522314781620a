"""One client's conversation with the Electrum server: the protocol's methods, versions 1.4 to 1.6."""

import asyncio
import hashlib
from collections.abc import Callable
from typing import Any, Final

from aiorpcx import (
    JSONRPC,
    JSONRPCAutoDetect,
    JSONRPCConnection,
    NewlineFramer,
    ProtocolError,
    ReplyAndDisconnect,
    RPCError,
    RPCSession,
    TaskTimeout,
    handler_invocation,
)

from cfd_core.values import SATS_PER_BTC, Txid
from cfd_regtest import electrum_parameters as parameters
from cfd_regtest.blocks import GENESIS, header_hash, internal, merkle_branch, merkle_root
from cfd_regtest.chain import EmbeddedChain, HistoryItem
from cfd_regtest.electrum_parameters import BAD_REQUEST, DAEMON_ERROR, PROTOCOL_MAX, PROTOCOL_MIN
from cfd_regtest.errors import Rejected
from cfd_regtest.standard import MIN_RELAY_FEE_RATE

SOFTWARE: Final = "cfd-regtest 0.1"
MAX_HEADERS: Final = 2016
MAX_SUBSCRIPTIONS: Final = 10_000
RELAY_FEE_BTC: Final = MIN_RELAY_FEE_RATE * 1000 / SATS_PER_BTC
"""BTC per 1000 virtual bytes."""


class _Connection(JSONRPCConnection):  # type: ignore[misc]
    def receive_message(self, message: bytes) -> Any:
        try:
            return super().receive_message(message)
        except RecursionError as error:
            raise ProtocolError(JSONRPC.PARSE_ERROR, "nested too deeply") from error


class ElectrumSession(RPCSession):  # type: ignore[misc]
    """Answers requests from the chain and tells the client what changed of what it subscribed to."""

    cost_hard_limit = 0  # one trusted user: no throttling
    processing_timeout = 30.0

    def __init__(self, transport: Any, *, chain: EmbeddedChain, max_request: int, address: tuple[str, int]) -> None:
        self._max_request = max_request
        super().__init__(transport)
        self._chain = chain
        self._address = address
        self._version: tuple[int, ...] = PROTOCOL_MIN
        self._statuses: dict[str, str | None] = {}
        self._tip_sent: str | None = None
        self._changed = asyncio.Event()
        self._methods = _methods(self)
        self._notifier = self.loop.create_task(self._notify())

    def default_connection(self) -> JSONRPCConnection:
        return _Connection(JSONRPCAutoDetect)

    def default_framer(self) -> NewlineFramer:
        return NewlineFramer(max_size=self._max_request)

    async def connection_lost(self) -> None:
        self._notifier.cancel()
        await super().connection_lost()

    async def handle_request(self, request: Any) -> Any:
        answer = handler_invocation(self._methods.get(request.method), request)
        # no handler waits for anything, so the lock is held for the one answer only
        with self._chain.standing_still():
            return await answer()

    def wake(self) -> None:
        """The chain changed."""
        self._changed.set()

    async def _notify(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                await self._send_changes()
            except TaskTimeout:  # a client that does not read; aiorpcX has cut it off
                return

    async def _send_changes(self) -> None:
        if self._tip_sent not in (None, self._chain.tip):
            await self.send_notification("blockchain.headers.subscribe", (self._tip(),))
        for name, known in list(self._statuses.items()):
            status = self._status(name)
            if status != known and name in self._statuses:
                self._statuses[name] = status
                await self.send_notification("blockchain.scripthash.subscribe", (name, status))

    def _tip(self) -> dict[str, Any]:
        height = self._chain.height
        header = self._chain.header(height)
        self._tip_sent = header_hash(header)
        return {"hex": header.hex(), "height": height}

    def _status(self, name: str) -> str | None:
        history = self._chain.history(name)
        if not history:
            return None
        return hashlib.sha256("".join(f"{item.txid}:{item.height}:" for item in history).encode()).hexdigest()

    # --- server ----------------------------------------------------------------------------------------------------

    async def server_version(self, client_name: Any = "", protocol_version: Any = None, *_more: Any) -> list[str]:
        del client_name
        try:
            self._version = parameters.negotiate(protocol_version)
        except RPCError as refusal:
            raise ReplyAndDisconnect(refusal) from refusal
        return [SOFTWARE, parameters.version_text(self._version)]

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

    async def headers_subscribe(self) -> dict[str, Any]:
        return self._tip()

    async def block_header(self, height: Any, cp_height: Any = 0) -> Any:
        at, checkpoint = parameters.whole(height), parameters.whole(cp_height)
        header = self._header(at).hex()
        return {"header": header, **self._header_proof(at, checkpoint)} if checkpoint else header

    async def block_headers(self, start_height: Any, count: Any, cp_height: Any = 0) -> dict[str, Any]:
        start, checkpoint = parameters.whole(start_height), parameters.whole(cp_height)
        headers = self._chain.headers(start, min(parameters.whole(count, "count"), MAX_HEADERS))
        result: dict[str, Any] = {"count": len(headers), "max": MAX_HEADERS}
        as_hex = [header.hex() for header in headers]
        result |= {"headers": as_hex} if self._version >= (1, 6) else {"hex": "".join(as_hex)}
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

    async def subscribe(self, scripthash: Any) -> str | None:
        name = parameters.hash_hex(scripthash, "script hash")
        if len(self._statuses) >= MAX_SUBSCRIPTIONS:
            raise RPCError(BAD_REQUEST, f"more than {MAX_SUBSCRIPTIONS:,} subscriptions")
        self._statuses[name] = status = self._status(name)
        return status

    async def unsubscribe(self, scripthash: Any) -> bool:
        name = parameters.hash_hex(scripthash, "script hash")
        known = name in self._statuses
        self._statuses.pop(name, None)
        return known

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
        if self._version >= (1, 6):
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


def _methods(session: ElectrumSession) -> dict[str, Callable[..., Any]]:
    return {
        "server.version": session.server_version,
        "server.banner": session.banner,
        "server.donation_address": session.donation_address,
        "server.features": session.features,
        "server.peers.subscribe": session.peers,
        "server.ping": session.ping,
        "blockchain.headers.subscribe": session.headers_subscribe,
        "blockchain.block.header": session.block_header,
        "blockchain.block.headers": session.block_headers,
        "blockchain.estimatefee": session.estimate_fee,
        "blockchain.relayfee": session.relay_fee,
        "blockchain.scripthash.subscribe": session.subscribe,
        "blockchain.scripthash.unsubscribe": session.unsubscribe,
        "blockchain.scripthash.get_balance": session.get_balance,
        "blockchain.scripthash.get_history": session.get_history,
        "blockchain.scripthash.get_mempool": session.get_mempool,
        "blockchain.scripthash.listunspent": session.listunspent,
        "blockchain.transaction.broadcast": session.broadcast,
        "blockchain.transaction.get": session.get_transaction,
        "blockchain.transaction.get_merkle": session.get_merkle,
        "blockchain.transaction.id_from_pos": session.id_from_pos,
        "mempool.get_fee_histogram": session.fee_histogram,
        "mempool.get_info": session.mempool_info,
    }


def _item(item: HistoryItem) -> dict[str, Any]:
    entry: dict[str, Any] = {"tx_hash": item.txid, "height": item.height}
    return entry if item.fee is None else {**entry, "fee": item.fee}


def _branch(txids: list[Txid], index: int) -> list[str]:
    return _display(merkle_branch([internal(txid) for txid in txids], index))


def _display(hashes: list[bytes]) -> list[str]:
    return [each[::-1].hex() for each in hashes]
