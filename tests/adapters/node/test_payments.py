"""Money leaves once: with the chain there, with the chain away, and across crashes at any point."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from cfd_electrum import Backoff, ElectrumChain
from cfd_node.payments import FALLBACK, FeeLevel, Payments
from cfd_regtest import EmbeddedControl
from cfd_wallet import BdkWallet, Payment, Progress, WalletError

from cfd_core.bitcoin.scripts import address
from cfd_core.crypto.keys import Keychain
from cfd_core.values import FeeRate, Network, Sats, Secret

OUTSIDE = b"\x00\x14" + b"\x09" * 20
WISH = Payment(address(OUTSIDE, Network.REGTEST), Sats(30_000), 5)
CAP = FeeRate(100)
SEED = Secret(b"payments" * 4)


class World:
    """A funded wallet and a chain, that can be stopped and come back on the same files."""

    def __init__(self, control: EmbeddedControl, folder: Path) -> None:
        self.control, self.folder = control, folder
        self.stack = AsyncExitStack()

    async def start(self) -> Payments:
        key = Keychain.from_seed(SEED, Network.REGTEST).wallet_xprv()
        self.wallet = BdkWallet(key, Network.REGTEST, self.folder / "wallet.sqlite", self.control.electrum, timeout=20)
        await self.wallet.start()
        self.stack.push_async_callback(self.wallet.stop)
        self.chain = ElectrumChain(*self.control.electrum, network=Network.REGTEST, backoff=Backoff(first=0.05))
        self.stack.push_async_callback(self.chain.stop)
        return Payments(self.wallet, self.chain, CAP)

    async def connect(self) -> None:
        heard = asyncio.Event()
        self.chain.on_tip = lambda _height, _time: heard.set()
        await self.chain.start()
        await asyncio.wait_for(heard.wait(), 60)

    async def stop(self) -> None:
        await self.stack.aclose()

    async def mine(self, count: int = 1) -> None:
        await self.control.mine(count)
        await self.wallet.sync()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with EmbeddedControl() as control:
        world = World(control, tmp_path)
        try:
            yield world
        finally:
            await world.stop()


async def _funded(world: World) -> Payments:
    payments = await world.start()
    await world.control.fund(await world.wallet.script(), 100_000)
    await world.mine()
    return payments


async def test_a_payment_is_sent_and_confirmed(world: World) -> None:
    payments = await _funded(world)
    await world.connect()
    made = await payments.withdraw("w", WISH)
    assert payments.troubles == {}
    await world.mine()
    assert await world.control.confirmed(made.txid) is not None
    await payments.resend()
    assert [each.progress for each in await world.wallet.withdrawals()] == [Progress.CONFIRMED]


async def test_without_a_chain_it_waits_and_goes_out_once_when_the_chain_is_back(world: World) -> None:
    payments = await _funded(world)
    made = await payments.withdraw("w", WISH)
    assert "w" in payments.troubles
    assert await payments.withdraw("w", WISH) == made
    await world.stop()  # as a crash would, and nobody remembers the order but the file
    again = await world.start()
    await world.connect()
    await again.resend()
    await again.resend()
    assert again.troubles == {}
    await world.mine()
    assert await world.control.confirmed(made.txid) is not None
    balance = await world.wallet.balance()
    assert balance.confirmed == 100_000 - 30_000 - made.fee


async def test_a_replacement_goes_out_instead(world: World) -> None:
    payments = await _funded(world)
    await world.connect()
    first = await payments.withdraw("w", WISH)
    second = await payments.replace("w", 50)
    await payments.resend()
    assert payments.troubles == {}
    await world.mine()
    assert await world.control.confirmed(second.txid) is not None
    assert await world.control.confirmed(first.txid) is None


async def test_what_the_network_refuses_is_told(world: World) -> None:
    payments = await _funded(world)
    await payments.withdraw("w", WISH)  # signed, but nobody to give it to
    key = Keychain.from_seed(SEED, Network.REGTEST).wallet_xprv()
    elsewhere = BdkWallet(key, Network.REGTEST, None, world.control.electrum, timeout=20)
    await elsewhere.start()
    try:
        await elsewhere.sync()
        spent = await elsewhere.withdraw("x", Payment(WISH.address, None, 3))
    finally:
        await elsewhere.stop()
    await world.connect()
    await world.chain.broadcast(spent.transaction)
    await world.mine()
    await payments.resend()
    assert payments.troubles["w"].startswith("the network refuses it: ")


async def test_rates_above_the_cap_are_refused(world: World) -> None:
    payments = await _funded(world)
    for call in (
        payments.preview(Payment(WISH.address, Sats(1_000), 101)),
        payments.withdraw("w", Payment(WISH.address, Sats(1_000), 101)),
        payments.replace("w", 101),
    ):
        with pytest.raises(WalletError, match=r"limits\.max_fee_rate"):
            await call
    assert (await payments.preview(WISH)).sats == 30_000


async def test_fees_fall_back_where_nothing_is_known_and_never_pass_the_cap(world: World) -> None:
    payments = await _funded(world)
    choices = await payments.fees()  # not connected
    assert (choices.rates, choices.estimated) == (FALLBACK, False)
    await world.connect()
    assert not (await payments.fees()).estimated, "regtest has no estimates"
    tight = await Payments(world.wallet, world.chain, FeeRate(3)).fees()
    assert [tight.rates[level] for level in FeeLevel] == [2, 3, 3]
