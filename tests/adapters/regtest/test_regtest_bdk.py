"""BDK's wallet, unchanged, over the embedded server."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from cfd_regtest import ElectrumServer, EmbeddedChain

bdk = pytest.importorskip("bdkpython")

SEED = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about"


class BdkWallet:
    """A wallet in memory with its Electrum client. Blocking, as BDK is."""

    def __init__(self, port: int, template: Callable[..., Any]) -> None:
        key = bdk.DescriptorSecretKey(bdk.NetworkKind.TEST, bdk.Mnemonic.from_string(SEED), None)
        chains = bdk.KeychainKind.EXTERNAL, bdk.KeychainKind.INTERNAL
        outside, inside = (template(key, chain, bdk.NetworkKind.TEST) for chain in chains)
        self.wallet = bdk.Wallet(outside, inside, bdk.Network.REGTEST, bdk.Persister.new_in_memory())
        self.client = bdk.ElectrumClient(f"tcp://127.0.0.1:{port}", timeout=10, retry=1)

    def new_script(self) -> bytes:
        address = self.wallet.reveal_next_address(bdk.KeychainKind.EXTERNAL).address
        return bytes(address.script_pubkey().to_bytes())

    def scan(self) -> None:
        self.wallet.apply_update(self.client.full_scan(self.wallet.start_full_scan().build(), 20, 10, True))

    def sync(self) -> None:
        request = self.wallet.start_sync_with_revealed_spks().build()
        self.wallet.apply_update(self.client.sync(request, 10, True))

    def pay(self, script: bytes, sats: int) -> str:
        rate = bdk.FeeRate.from_sat_per_vb(5)
        builder = bdk.TxBuilder().add_recipient(bdk.Script(script), bdk.Amount.from_sat(sats)).fee_rate(rate)
        psbt = builder.finish(self.wallet)
        assert self.wallet.sign(psbt)
        return str(self.client.transaction_broadcast(psbt.extract_tx()))

    @property
    def balance(self) -> tuple[int, int]:
        """Confirmed and total sats."""
        now = self.wallet.balance()
        return now.confirmed.to_sat(), now.total.to_sat()


@pytest.mark.parametrize("template", ["new_bip84", "new_bip86"])
async def test_receive_send_and_reorg(chain: EmbeddedChain, server: ElectrumServer, anyone: Any, template: str) -> None:
    def story() -> None:
        wallet = BdkWallet(server.port, getattr(bdk.Descriptor, template))
        chain.fund(wallet.new_script(), 150_000)
        chain.mine()
        chain.fund(wallet.new_script(), 50_000)
        wallet.scan()
        assert wallet.balance == (150_000, 200_000)
        chain.mine()
        wallet.sync()
        assert wallet.balance == (200_000, 200_000)
        txid = wallet.pay(anyone.script, 60_000)
        assert [entry.tx.txid for entry in chain.mempool()] == [txid]
        fee = chain.mempool()[0].fee
        chain.mine()
        wallet.sync()
        assert wallet.balance == (140_000 - fee, 140_000 - fee)
        chain.reorg(1)
        wallet.sync()
        assert wallet.balance[0] < 140_000 - fee, "the change is unconfirmed again"
        chain.mine()
        wallet.sync()
        assert wallet.balance == (140_000 - fee, 140_000 - fee)

    await asyncio.to_thread(story)


async def test_a_refused_payment_raises(chain: EmbeddedChain, server: ElectrumServer, anyone: Any) -> None:
    def story() -> None:
        wallet = BdkWallet(server.port, bdk.Descriptor.new_bip84)
        chain.fund(wallet.new_script(), 150_000)
        chain.mine()
        wallet.scan()
        wallet.pay(anyone.script, 60_000)
        chain.mine()
        with pytest.raises(bdk.ElectrumError, match="bad-txns-inputs-missingorspent"):
            wallet.pay(anyone.script, 70_000)  # it does not know yet that its coin is gone

    await asyncio.to_thread(story)
