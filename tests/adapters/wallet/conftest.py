"""An embedded chain with its Electrum server, and wallets that use it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from cfd_regtest import ChainControl, ElectrumServer, EmbeddedChain
from cfd_wallet import BdkWallet
from embit.bip32 import HDKey
from embit.networks import NETWORKS

from cfd_core.values import Network, Secret

Open = Callable[..., Awaitable[BdkWallet]]


def _master_key(name: str) -> Secret:
    return Secret(
        HDKey.from_seed(name.encode().ljust(32, b"."), version=NETWORKS["regtest"]["xprv"]).to_base58().encode()
    )


@pytest.fixture
def master_key() -> Callable[[str], Secret]:
    """A BIP 32 master key from a name."""
    return _master_key


@pytest.fixture
def chain() -> Iterator[EmbeddedChain]:
    with EmbeddedChain() as chain:
        chain.mine(110)
        yield chain


@pytest.fixture
async def server(chain: EmbeddedChain) -> AsyncIterator[ElectrumServer]:
    async with ElectrumServer(chain) as server:
        yield server


@pytest.fixture
async def open_wallet(server: ElectrumServer) -> AsyncIterator[Open]:
    """`await open_wallet(name, path)` gives a started wallet; all are stopped in the end."""
    wallets: list[BdkWallet] = []

    async def open_one(name: str = "alice", path: Path | None = None, **options: Any) -> BdkWallet:
        wallet = BdkWallet(_master_key(name), Network.REGTEST, path, (server.host, server.port), timeout=5, **options)
        wallets.append(wallet)
        await wallet.start()
        return wallet

    yield open_one
    await asyncio.gather(*(wallet.stop() for wallet in wallets))


@pytest.fixture
def fund(chain: EmbeddedChain) -> Callable[..., Awaitable[None]]:
    """`await fund(wallet, sats, sats, ...)`: that many confirmed coins, and a synced wallet."""

    async def fund(wallet: BdkWallet, *amounts: int) -> None:
        for sats in amounts:
            chain.fund(await wallet.script(), sats)
            chain.mine()
        await wallet.sync()

    return fund


_SEEDS = count()


@pytest.fixture
async def rich(control: ChainControl) -> AsyncIterator[Callable[..., Awaitable[BdkWallet]]]:
    """`await rich(sats, sats, ...)`: a started wallet of a new seed with that many confirmed coins."""
    wallets: list[BdkWallet] = []

    async def rich(*amounts: int, path: Path | None = None, name: str = "") -> BdkWallet:
        key = _master_key(name or f"rich {next(_SEEDS)}")
        wallet = BdkWallet(key, Network.REGTEST, path, control.electrum, timeout=10)
        wallets.append(wallet)
        await wallet.start()
        for sats in amounts:
            await control.fund(await wallet.script(), sats)
        if amounts:
            await control.mine()
        await wallet.sync()
        return wallet

    yield rich
    await asyncio.gather(*(wallet.stop() for wallet in wallets))
