"""A node that stops at any moment takes up where it was; one that must not start says why and touches nothing."""

import asyncio
import hashlib
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from cfd_network import Address, peer_id
from cfd_node.supervision import Level, ServiceFailed
from cfd_store import SqlStore, sqlite_url

from cfd_core.cfd import phases as p
from cfd_core.cfd.commands import ForceClose
from cfd_core.crypto.keys import Keychain
from cfd_core.engine import NODE_STREAM
from cfd_core.serial.records import StoredEvent
from cfd_core.values import CfdId, Network

CFD = CfdId("ab" * 16)


async def test_both_restart_and_the_cfd_closes(world: Any) -> None:
    maker, taker = (maker := await world.maker()), await world.taker(maker)
    key = await world.set_up(maker, taker)
    maker = await world.restart(maker)  # between lock and confirmation
    assert isinstance(maker.engine.cfds[key].phase, p.LockPending)
    await world.control.mine()
    for node in (maker, taker):
        await world.phase(node, key, p.Open)
    world.mature()
    await world.until(taker, lambda: bool(taker.engine.cfds[key].attestations))
    taker = await world.restart(taker)  # between attestation and CET
    taker.command(ForceClose(key))
    taker = await world.restart(taker)  # between commit and CET
    await world.close_on_chain(maker, taker, key)
    for node in (maker, taker):
        await world.coins_released(node)


async def test_the_chain_moves_on_while_nobody_is_there(world: Any) -> None:
    maker, taker = (maker := await world.maker()), await world.taker(maker)
    key = await world.set_up(maker, taker)
    for node in (taker, maker):
        await world.stop(node)
    await world.control.mine(3)
    world.mature()
    maker, taker = await world.start(maker.config), await world.start(taker.config)
    await world.close(maker, taker, key)


async def test_a_setup_that_a_restart_interrupts_gives_the_coins_back(world: Any, silent_maker: Any) -> None:
    taker, key = await silent_maker.wait_for_params(world)
    assert (await taker.wallet.balance()).reserved > 0
    taker = await world.restart(taker)
    assert "closed by us" in (await world.phase(taker, key, p.SetupFailed)).reason
    await world.coins_released(taker)


async def test_coins_of_an_ended_setup_are_released_by_the_next_start(world: Any) -> None:
    """As after a crash between storing the end and running `ReleaseCoins`."""
    maker, taker = (maker := await world.maker(sats=0)), await world.taker(maker)
    key = await world.take(taker, maker.peer_id, await world.publish(maker))
    await world.phase(taker, key, p.SetupFailed)
    await world.coins_released(taker)
    await taker.wallet.reserve(key, 1_000_000, 2)
    assert (await taker.wallet.balance()).reserved == 2_100_000
    taker = await world.restart(taker)
    await world.coins_released(taker)


# --- nodes that must not start ---------------------------------------------------------------------------------------


async def used_folder(world: Any) -> Any:
    """The config of a node that has lived."""
    maker = await world.maker(sats=0)
    await world.publish(maker)
    await world.stop(maker)
    return maker.config


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: hashlib.sha256(file.read_bytes()).digest() for file in folder.iterdir() if file.name != "lock"}


def change(folder: Path, statement: str) -> None:
    with closing(sqlite3.connect(folder / "events.sqlite")) as connection, connection:
        connection.execute(statement)


async def refused(world: Any, config: Any, service: str, text: str) -> None:
    """The service does not come up, says why, leaves all files but the wallet's as they were, and the node lives."""
    before = contents(config.folder)
    node = await world.start(config)
    assert node.health()[service].level is Level.FAILED
    assert re.search(text, node.health()[service].reason)
    async with asyncio.timeout(30):
        for waiting in {"protocols", "network"} - {service}:
            await node.supervisor.until(lambda name=waiting: re.search(text, node.health()[name].reason))
            assert node.health()[waiting].level is Level.LOADING
    with pytest.raises(ServiceFailed):
        node.command(ForceClose(CFD))
    await world.stop(node)
    after = contents(config.folder)
    # SQLite leaves an empty log beside what it has read; the wallet is another service and goes on with its work
    kept = {name: content for name, content in before.items() if not name.startswith("wallet")}
    assert {name: after.get(name) for name in kept} == kept


async def test_a_damaged_store(world: Any) -> None:
    config = await used_folder(world)
    file = config.folder / "events.sqlite"
    file.write_bytes(b"garbage" + file.read_bytes()[7:])
    await refused(world, config, "database", "events.sqlite")
    file.write_bytes(b"")
    await refused(world, config, "database", "is empty")


async def test_somebody_elses_database(world: Any) -> None:
    config = world.config("maker")
    config.folder.mkdir(mode=0o700)
    change(config.folder, "CREATE TABLE accounts (name TEXT)")
    await refused(world, config, "database", "not an event store")


async def test_a_store_of_a_newer_version(world: Any) -> None:
    config = await used_folder(world)
    change(config.folder, "UPDATE cfd_store SET format = format + 1")
    await refused(world, config, "database", "format")


async def test_an_event_of_a_newer_version(world: Any) -> None:
    config = await used_folder(world)
    store = SqlStore(sqlite_url(config.folder / "events.sqlite"), f"regtest/{peer_id(config.keychain.transport_key())}")
    store.append(NODE_STREAM, 1, [StoredEvent(NODE_STREAM, 2, "offer-dreamt", 1, b"{}")])
    store.close()
    await refused(world, config, "protocols", "offer-dreamt")


async def test_a_store_of_another_seed_or_network(world: Any) -> None:
    config = await used_folder(world)
    other = Keychain.from_seed(world.seed("other"), Network.REGTEST)
    await refused(world, evolve(config, keychain=other), "database", "belongs to")
    signet = Keychain.from_seed(world.seed("maker"), Network.SIGNET)
    await refused(world, evolve(config, keychain=signet, network=Network.SIGNET), "database", "belongs to")


async def test_after_a_refusal_the_right_node_starts(world: Any) -> None:
    config = await used_folder(world)
    other = Keychain.from_seed(world.seed("other"), Network.REGTEST)
    await refused(world, evolve(config, keychain=other), "database", "belongs to")
    maker = await world.start(config)
    assert len(maker.engine.offers) == 1


async def test_a_second_node_on_the_same_folder(world: Any) -> None:
    maker = await world.maker(sats=0)
    second = await world.start(world.config("maker"))
    assert second.health()["folder"].level is Level.FAILED
    async with asyncio.timeout(30):
        await second.supervisor.until(lambda: "another node uses the folder" in second.health()["database"].reason)
    await world.stop(second)
    await world.publish(maker)  # the first one is none the worse for it
    await world.stop(maker)
    assert len((await world.start(maker.config)).engine.offers) == 1


async def test_a_folder_that_cannot_be(world: Any) -> None:
    (world.folder / "file").write_text("")
    node = await world.start(world.config("maker", folder=world.folder / "file" / "node"))
    assert node.health()["folder"].level is Level.FAILED
    assert "cannot use the folder" in node.health()["folder"].reason


async def test_a_taken_port_shows_and_stops_nothing_else(world: Any) -> None:
    maker = await world.maker(sats=0)
    second = await world.start(world.config("second", listen=Address("127.0.0.1", maker.address.port)))
    health = second.health()
    assert "in use" in health["network"].reason
    assert second.address is None
    assert health["database"].reason == ""


async def test_stopping_twice(world: Any) -> None:
    maker = await world.maker(sats=0)
    await world.stop(maker)
    await maker.stop()
    with pytest.raises(Exception, match="not open"):
        maker.store.streams()
    assert not [task for task in asyncio.all_tasks() if "maker" in task.get_name()]
