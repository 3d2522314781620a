"""The same control over a real bitcoind and the Electrum server that follows it."""

import asyncio
import itertools
from typing import Any, Final, Self

import httpx
from aiorpcx import RPCError, RPCSession, connect_rs

from cfd_core.errors import DecodeError
from cfd_core.values import SATS_PER_BTC, Sats, Timestamp, Txid
from cfd_regtest.blocks import header_hash
from cfd_regtest.control import FIRST_BLOCKS, as_script, checked_rate
from cfd_regtest.errors import NodeFailed, Rejected
from cfd_regtest.ledger import scripthash
from cfd_regtest.packages import Waiting, reaching
from cfd_regtest.transactions import parse_tx

WALLET: Final = "cfd-miner"
POLL_SECONDS: Final = 0.02
SYNC_SECONDS: Final = 30.0
RPC_SECONDS: Final = 60.0

_NO_SUCH_WALLET = -18
_NO_SUCH_TRANSACTION = -5
_REFUSALS = (-22, -25, -26, -27)
"""What sendrawtransaction answers for a transaction that is no good: undecodable, missing inputs, rules, confirmed."""
_ANY_FEE = 0


class RpcRefused(NodeFailed):
    """bitcoind answered with an error; `code` is its JSON-RPC error code."""

    def __init__(self, method: str, code: int, message: str) -> None:
        super().__init__(f"{method}: {code} {message}")
        self.code, self.message = code, message


class Rpc:
    """bitcoind's JSON-RPC. `url` holds user and password: http://user:password@127.0.0.1:port"""

    def __init__(self, url: str) -> None:
        whole = httpx.URL(url)
        # httpx logs URLs, so the password leaves this one; and proxies are no business of a loopback connection
        self._client = httpx.AsyncClient(
            base_url=whole.copy_with(userinfo=b""),
            auth=(whole.username, whole.password),
            timeout=RPC_SECONDS,
            trust_env=False,
        )
        self._ids = itertools.count()

    async def close(self) -> None:
        await self._client.aclose()

    async def call(self, method: str, *params: Any, wallet: str | None = None) -> Any:
        """The result; `RpcRefused` for an error answer, `NodeFailed` for none."""
        if self._client.is_closed:
            raise NodeFailed("the control is closed")
        path = "/" if wallet is None else f"/wallet/{wallet}"
        body = {"jsonrpc": "1.0", "id": next(self._ids), "method": method, "params": params}
        try:
            answer = (await self._client.post(path, json=body)).json()
        except (httpx.HTTPError, ValueError) as error:
            raise NodeFailed(f"bitcoind does not answer {method}: {error!r}") from error
        if answer["error"] is not None:
            raise RpcRefused(method, answer["error"]["code"], answer["error"]["message"])
        return answer["result"]


class BitcoindControl:
    """`ChainControl` over bitcoind (-regtest, with wallet) and an Electrum server, as an async context manager.

    It uses a wallet of its own, `cfd-miner`, and mines until that has money. `rpc_url` holds user and password.
    """

    def __init__(self, rpc_url: str, electrum_host: str, electrum_port: int) -> None:
        self.rpc = Rpc(rpc_url)
        self._electrum = (electrum_host, electrum_port)
        self._session: RPCSession | None = None
        self._address = ""
        self._floor = 0

    async def __aenter__(self) -> Self:
        try:
            await self._open_wallet()
            self._address = await self._new_address()
            self._session = (await connect_rs(*self._electrum).create_connection())[1].session
            await self._session.send_request("server.version", ["cfd-regtest", ["1.4", "1.6"]])
            while await self._matured() < FIRST_BLOCKS - 100:
                await self.rpc.call("generatetoaddress", 20, self._address)
            await self.wait_synced()
        except OSError as error:
            await self.close()
            raise NodeFailed(f"no Electrum server at {self._electrum}: {error}") from error
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End the connections; node and server run on."""
        session, self._session = self._session, None
        if session is not None:
            await session.close(force_after=1)
        await self.rpc.close()

    @property
    def electrum(self) -> tuple[str, int]:
        return self._electrum

    async def height(self) -> int:
        return int(await self.rpc.call("getblockcount"))

    async def mine(self, count: int = 1) -> None:
        if self._floor:
            for _ in range(count):
                await self.rpc.call("generateblock", self._address, await self._paying())
        else:
            await self.rpc.call("generatetoaddress", count, self._address)
        await self.wait_synced()

    async def time(self) -> Timestamp:
        return Timestamp((await self.rpc.call("getblockheader", await self.rpc.call("getbestblockhash")))["time"])

    async def turn_to(self, at: Timestamp) -> None:
        await self.rpc.call("setmocktime", at)

    async def spike(self, rate: int) -> None:
        self._floor = checked_rate(rate)

    async def broadcast(self, raw: bytes) -> Txid:
        try:
            txid = Txid(await self.rpc.call("sendrawtransaction", raw.hex(), _ANY_FEE))
        except RpcRefused as refusal:
            raise (Rejected(refusal.message) if refusal.code in _REFUSALS else refusal) from refusal
        script = next((out.script for out in parse_tx(raw).outputs if not out.script.startswith(b"\x6a")), None)
        if script is not None:
            name = scripthash(script)
            await self._wait(lambda: self._shows(name, txid), f"the Electrum server to show {txid}")
        return txid

    async def refusal(self, raw: bytes) -> str | None:
        try:
            parse_tx(raw)
        except DecodeError as error:
            return f"TX decode failed, {error}"
        (verdict,) = await self.rpc.call("testmempoolaccept", [raw.hex()], _ANY_FEE)
        reason = None if verdict["allowed"] else str(verdict["reject-reason"])
        return None if reason == "txn-already-in-mempool" else reason

    async def confirmed(self, txid: Txid) -> int | None:
        try:
            known = await self.rpc.call("getrawtransaction", txid, 1)
        except RpcRefused as refusal:
            if refusal.code != _NO_SUCH_TRANSACTION:
                raise
            return None
        if not known.get("confirmations"):  # it waits, or its block was replaced
            return None
        return int((await self.rpc.call("getblockheader", known["blockhash"]))["height"])

    async def fund(self, to: str | bytes, sats: int) -> Txid:
        script = as_script(to)
        address = (await self.rpc.call("decodescript", script.hex())).get("address")
        if address is None:
            raise NodeFailed(f"no address pays to the script {script.hex()}")
        amount = f"{sats // SATS_PER_BTC}.{sats % SATS_PER_BTC:08}"
        txid = Txid(await self.rpc.call("sendtoaddress", address, amount, wallet=WALLET))
        await self._wait(lambda: self._shows(scripthash(script), txid), f"the Electrum server to show {txid}")
        return txid

    async def reorg(self, depth: int) -> None:
        height = await self.height()
        if not 1 <= depth <= height:
            raise ValueError(f"no {depth} blocks to replace at height {height}")
        await self.rpc.call("invalidateblock", await self.rpc.call("getblockhash", height - depth + 1))
        # another address, or the first block may be the very one that was just called invalid
        address = await self._new_address()
        for _ in range(depth + 1):
            await self.rpc.call("generateblock", address, [])
        await self.wait_synced()

    async def wait_synced(self) -> None:
        """Return when the Electrum server's tip is the node's; `NodeFailed` if that takes too long."""
        tip = await self.rpc.call("getbestblockhash")
        await self._wait(lambda: self._has_tip(tip), f"the Electrum server to reach block {tip}")

    async def _paying(self) -> list[Txid]:
        """What of the node's mempool reaches the floor. The node's own miner takes no floor while it runs."""
        mempool = await self.rpc.call("getrawmempool", True)
        waiting = [
            Waiting(
                Txid(txid),
                Sats(round(entry["fees"]["base"] * SATS_PER_BTC)),
                entry["vsize"],
                frozenset(Txid(each) for each in entry["depends"]),
            )
            for txid, entry in mempool.items()
        ]
        return reaching(waiting, self._floor)

    async def _open_wallet(self) -> None:
        if WALLET in await self.rpc.call("listwallets"):
            return
        try:
            await self.rpc.call("loadwallet", WALLET)
        except RpcRefused as refusal:
            if refusal.code != _NO_SUCH_WALLET:
                raise
            await self.rpc.call("createwallet", WALLET)

    async def _new_address(self) -> str:
        return str(await self.rpc.call("getnewaddress", "", "bech32", wallet=WALLET))

    async def _matured(self) -> int:
        return len(await self.rpc.call("listunspent", wallet=WALLET))

    async def _has_tip(self, tip: str) -> bool:
        answer = await self._ask("blockchain.headers.subscribe")
        return header_hash(bytes.fromhex(answer["hex"])) == tip

    async def _shows(self, name: str, txid: str) -> bool:
        history = await self._ask("blockchain.scripthash.get_history", name)
        return any(item["tx_hash"] == txid for item in history)

    async def _ask(self, method: str, *arguments: Any) -> Any:
        if self._session is None:
            raise NodeFailed("the control is closed")
        try:
            return await self._session.send_request(method, arguments)
        except RPCError as error:
            raise NodeFailed(f"the Electrum server does not answer {method}: {error!r}") from error
        except asyncio.CancelledError as error:
            if not self._session.is_closing():  # then it is us who are cancelled
                raise
            raise NodeFailed("the Electrum server hung up") from error

    async def _wait(self, condition: Any, what: str) -> None:
        try:
            async with asyncio.timeout(SYNC_SECONDS):
                while not await condition():  # noqa: ASYNC110 - the server has no event for "you have all of it"
                    await asyncio.sleep(POLL_SECONDS)
        except TimeoutError as error:
            raise NodeFailed(f"waited {SYNC_SECONDS:g} s in vain for {what}") from error
