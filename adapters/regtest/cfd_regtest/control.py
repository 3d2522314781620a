"""One seam for tests and demos: make blocks and give money, whatever the regtest network is made of."""

from typing import Protocol, Self

from cfd_core.bitcoin.scripts import script_of_address
from cfd_core.values import Network, Timestamp, Txid
from cfd_regtest.chain import BLOCK_INTERVAL, EmbeddedChain
from cfd_regtest.electrum_server import ElectrumServer

FIRST_BLOCKS = 120
"""Enough for twenty matured coinbases, so that a test may fund twenty wallets in one block."""


class ChainControl(Protocol):
    """The hand of God on a regtest network with an Electrum server.

    When a method returns, the Electrum server shows its effect, so that a client that asks next sees it.
    """

    @property
    def electrum(self) -> tuple[str, int]:
        """Host and port of the Electrum server (TCP without TLS)."""
        ...

    async def height(self) -> int:
        """Height of the best block."""
        ...

    async def mine(self, count: int = 1) -> None:
        """Add blocks; the first confirms what waits in the mempool and pays what `spike` asks for."""
        ...

    async def time(self) -> Timestamp:
        """The time that the best block bears."""
        ...

    async def turn_to(self, at: Timestamp) -> None:
        """From now on blocks bear this time, or as little more as keeps them in order."""
        ...

    async def spike(self, rate: int) -> None:
        """From now on blocks take only transactions that pay `rate` sat/vB, alone or as a package; 0 takes all.

        The mempool still keeps the others. `ValueError` for a negative rate.
        """
        ...

    async def broadcast(self, raw: bytes) -> Txid:
        """Put a transaction into the mempool; the same one again is fine. `Rejected` says why not."""
        ...

    async def refusal(self, raw: bytes) -> str | None:
        """Why `broadcast` would be refused now (Bitcoin Core's reject reason first), or None; changes nothing."""
        ...

    async def confirmed(self, txid: Txid) -> int | None:
        """The height at which a transaction is confirmed; None while it waits or is unknown."""
        ...

    async def fund(self, to: str | bytes, sats: int) -> Txid:
        """Pay to a segwit address or an output script; the payment waits for a block."""
        ...

    async def reorg(self, depth: int) -> None:
        """Replace the last `depth` blocks by `depth + 1` empty ones; their transactions wait for a block again."""
        ...


def as_script(to: str | bytes) -> bytes:
    """The output script of an address, or the script itself; `DecodeError` for an address of another network."""
    return script_of_address(to, Network.REGTEST) if isinstance(to, str) else to


def checked_rate(rate: int) -> int:
    """`rate` if blocks can ask for it, else `ValueError`."""
    if rate < 0:
        raise ValueError(f"a fee rate of {rate} sat/vB")
    return rate


class EmbeddedControl:
    """An `EmbeddedChain` behind an `ElectrumServer`, as an async context manager; both end with it.

    Entering mines the first blocks, so that `fund` has money to give.
    """

    def __init__(self, *, start_time: int | None = None, interval: int = BLOCK_INTERVAL) -> None:
        """As `EmbeddedChain`."""
        self.chain = EmbeddedChain(start_time=start_time, interval=interval)
        self.server = ElectrumServer(self.chain)

    async def __aenter__(self) -> Self:
        try:
            self.chain.mine(FIRST_BLOCKS)
            await self.server.start()
        except BaseException:
            self.chain.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.server.stop()
        self.chain.close()

    @property
    def electrum(self) -> tuple[str, int]:
        return self.server.host, self.server.port

    async def height(self) -> int:
        return self.chain.height

    async def mine(self, count: int = 1) -> None:
        self.chain.mine(count)

    async def time(self) -> Timestamp:
        return self.chain.tip_time

    async def turn_to(self, at: Timestamp) -> None:
        self.chain.not_before = at

    async def spike(self, rate: int) -> None:
        self.chain.min_block_fee_rate = checked_rate(rate)

    async def broadcast(self, raw: bytes) -> Txid:
        return self.chain.submit_transaction(raw)

    async def refusal(self, raw: bytes) -> str | None:
        return self.chain.refusal(raw)

    async def confirmed(self, txid: Txid) -> int | None:
        return self.chain.height_of(txid)

    async def fund(self, to: str | bytes, sats: int) -> Txid:
        return self.chain.fund(as_script(to), sats)

    async def reorg(self, depth: int) -> None:
        self.chain.reorg(depth)
