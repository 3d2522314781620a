"""Opening, syncing and reading a wallet."""

from pathlib import Path
from typing import Any

import pytest
from cfd_wallet import Balance, BdkWallet, State, SyncFailed, WalletError, WalletStopped
from embit.bip32 import HDKey
from embit.script import address_to_scriptpubkey

from cfd_core.values import Network, Sats, Secret

NOWHERE = ("127.0.0.1", 1)


async def test_money_comes_in(chain: Any, open_wallet: Any) -> None:
    wallet = await open_wallet()
    await wallet.sync()
    assert await wallet.balance() == Balance(Sats(0), Sats(0), Sats(0))
    chain.fund(await wallet.script(), 70_000)
    await wallet.sync()
    assert await wallet.balance() == Balance(Sats(0), Sats(70_000), Sats(0))
    chain.mine()
    await wallet.sync()
    assert await wallet.balance() == Balance(Sats(70_000), Sats(0), Sats(0))
    chain.reorg(1)
    await wallet.sync()
    assert await wallet.balance() == Balance(Sats(0), Sats(70_000), Sats(0))


async def test_an_evicted_payment_is_forgotten(chain: Any, open_wallet: Any) -> None:
    wallet = await open_wallet()
    txid = chain.fund(await wallet.script(), 70_000)
    await wallet.sync()
    chain.evict(txid)
    await wallet.sync()
    assert (await wallet.balance()).pending == 0


async def test_a_new_coinbase_is_pending(chain: Any, open_wallet: Any) -> None:
    wallet = await open_wallet()
    chain.mine(1, await wallet.script())
    await wallet.sync()
    balance = await wallet.balance()
    assert balance.confirmed == 0
    assert balance.pending > 0


async def test_addresses_are_fresh_and_of_this_network(open_wallet: Any) -> None:
    wallet = await open_wallet()
    address = await wallet.address()
    assert address.startswith("bcrt1q")
    scripts = [address_to_scriptpubkey(address).data, await wallet.script(), await wallet.script()]
    assert len(set(scripts)) == 3
    assert all(len(script) == 22 and script[:2] == b"\x00\x14" for script in scripts)


async def test_a_file_remembers(tmp_path: Path, open_wallet: Any, fund: Any) -> None:
    path = tmp_path / "wallet.sqlite"
    wallet = await open_wallet(path=path)
    await fund(wallet, 70_000, 30_000)
    last = await wallet.script()
    await wallet.stop()
    again = await open_wallet(path=path)
    assert (await again.balance()).confirmed == 100_000
    assert await again.script() != last
    await again.sync()
    assert (await again.balance()).confirmed == 100_000


async def test_a_seed_alone_brings_the_money_back(open_wallet: Any, fund: Any) -> None:
    await fund(await open_wallet("carol"), 70_000, 30_000)
    restored = await open_wallet("carol")
    await restored.sync()
    assert (await restored.balance()).confirmed == 100_000


async def test_start_and_stop_are_idempotent(open_wallet: Any, tmp_path: Path) -> None:
    wallet = await open_wallet(path=tmp_path / "wallet.sqlite")
    await wallet.start()
    await wallet.stop()
    await wallet.stop()
    assert wallet.health.state is State.STOPPED
    for call in (wallet.address, wallet.script, wallet.balance, wallet.sync):
        with pytest.raises(WalletStopped):
            await call()
    await wallet.start()
    assert (await wallet.balance()).confirmed == 0


async def test_a_failed_sync_keeps_the_last_good_one(server: Any, open_wallet: Any, fund: Any) -> None:
    now = [100.0]
    wallet = await open_wallet(clock=lambda: now[0])
    assert (wallet.health.state, wallet.health.age) == (State.DEGRADED, None)
    await fund(wallet, 70_000)
    now[0] = 107.0
    assert (wallet.health.state, wallet.health.reason, wallet.health.age) == (State.RUNNING, "", 7.0)
    await server.stop()
    with pytest.raises(SyncFailed, match=str(server.port)):
        await wallet.sync()
    now[0] = 110.0
    health = wallet.health
    assert (health.state, health.age) == (State.DEGRADED, 10.0)
    assert str(server.port) in health.reason
    assert (await wallet.balance()).confirmed == 70_000
    await server.start()
    await wallet.sync()
    assert (wallet.health.state, wallet.health.age) == (State.RUNNING, 0.0)


async def test_a_wallet_opens_without_a_server(tmp_path: Path, master_key: Any) -> None:
    wallet = BdkWallet(master_key("alice"), Network.REGTEST, tmp_path / "wallet.sqlite", NOWHERE, timeout=1)
    await wallet.start()
    assert await wallet.address()
    with pytest.raises(SyncFailed):
        await wallet.sync()
    assert wallet.health.state is State.DEGRADED
    await wallet.stop()


async def refused(xprv: Secret, path: Path, network: Network = Network.REGTEST) -> str:
    wallet = BdkWallet(xprv, network, path, NOWHERE)
    with pytest.raises(WalletError) as caught:
        await wallet.start()
    with pytest.raises(WalletStopped):
        await wallet.balance()
    return str(caught.value)


async def test_the_wrong_seed_is_refused_and_the_file_untouched(
    tmp_path: Path, open_wallet: Any, master_key: Any
) -> None:
    path = tmp_path / "wallet.sqlite"
    await (await open_wallet("alice", path)).stop()
    before = path.read_bytes()
    reason = await refused(master_key("mallory"), path)
    assert "another seed" in reason
    assert "pub" not in reason
    assert path.read_bytes() == before
    assert await (await open_wallet("alice", path)).address()


async def test_another_network_is_refused(tmp_path: Path, open_wallet: Any, master_key: Any) -> None:
    path = tmp_path / "wallet.sqlite"
    await (await open_wallet("alice", path)).stop()
    assert "another" in await refused(master_key("alice"), path, Network.SIGNET)
    assert await refused(master_key("alice"), path, Network.MAINNET) == "not a master private key for mainnet"


async def test_a_derived_key_is_refused(tmp_path: Path, master_key: Any) -> None:
    child = HDKey.from_string(master_key("alice").reveal().decode()).derive("m/84h")
    reason = await refused(Secret(child.to_base58().encode()), tmp_path / "wallet.sqlite")
    assert reason == "not a master private key for regtest"


@pytest.mark.parametrize("damage", ["garbage", "middle", "cut"])
async def test_a_broken_file_is_refused_and_untouched(
    tmp_path: Path, open_wallet: Any, master_key: Any, damage: str
) -> None:
    path = tmp_path / "wallet.sqlite"
    await (await open_wallet("alice", path)).stop()
    whole = path.read_bytes()
    broken = {"garbage": b"garbage" * 1000, "middle": whole[:100] + b"\xa5" * (len(whole) - 100), "cut": whole[:5000]}
    path.write_bytes(broken[damage])
    assert str(path) in await refused(master_key("alice"), path)
    assert path.read_bytes() == broken[damage]


async def test_a_broken_reservation_file_is_refused_and_untouched(
    tmp_path: Path, open_wallet: Any, master_key: Any
) -> None:
    path = tmp_path / "wallet.sqlite"
    await (await open_wallet("alice", path)).stop()
    beside = tmp_path / "wallet.sqlite.reservations"
    for broken in (
        b"",
        b"{",
        b"[]",
        b'{"version": 2}',
        b'{"version": 3, "reservations": {}, "bumps": {}, "spare": []}',
        b'{"version": 2, "reservations": {}, "spare": []}',
        b'{"version": 2, "reservations": {}, "bumps": {"a": {}}, "spare": []}',
        b'{"version": 1, "reservations": {"a": {}}, "spare": []}',
    ):
        beside.write_bytes(broken)
        assert "reservations" in await refused(master_key("alice"), path)
        assert beside.read_bytes() == broken


@pytest.mark.parametrize("key", [b"", b"tprvnonsense", b"\xff", b"abandon abandon about"])
async def test_a_bad_key_is_refused_without_being_shown(tmp_path: Path, key: bytes) -> None:
    reason = await refused(Secret(key), tmp_path / "wallet.sqlite")
    assert reason == "not a master private key for regtest"
    assert not (tmp_path / "wallet.sqlite").exists()


async def test_a_folder_that_is_not_there(tmp_path: Path, master_key: Any) -> None:
    assert "cannot be opened" in await refused(master_key("alice"), tmp_path / "nowhere" / "wallet.sqlite")
