"""Counterparties that are poor, silent or hostile: both sides learn why, nothing stays reserved, the node lives on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import asyncssh
import pytest
from cfd_network import Disconnected, SshTransport, StreamRefused, TransportError
from cfd_node.node import Node
from cfd_node.supervision import Level

from cfd_core.cfd import phases as p
from cfd_core.errors import RuleViolation
from cfd_core.inputs import Message
from cfd_core.protocols.contract_setup.messages import Accept, Agreement, Order, Reject
from cfd_core.serial.wire import decode_message, decode_offers, encode_message
from cfd_core.values import CfdId, OfferId, Position, Secret, Timestamp

SETUP, OFFERS = "cfd-setup@1", "cfd-offers@1"
FOREIGN = CfdId("ee" * 16)


# --- honest ones with bad luck ---------------------------------------------------------------------------------------


async def test_a_taker_without_money(world: Any) -> None:
    maker = await world.maker()
    taker = await world.taker(maker, sats=500_000)
    key = await world.take(taker, maker.peer_id, await world.publish(maker))
    own = await world.phase(taker, key, p.SetupFailed)
    assert "500,000" in own.reason
    told = await world.phase(maker, key, p.SetupFailed)
    assert told.reason
    assert "500,000" not in told.reason, "what is in our wallet is not the counterparty's business"
    await world.coins_released(maker, taker)


async def test_a_maker_without_money(world: Any) -> None:
    maker = await world.maker(sats=0)
    taker = await world.taker(maker)
    key = await world.take(taker, maker.peer_id, await world.publish(maker))
    for node in (maker, taker):
        assert (await world.phase(node, key, p.SetupFailed)).reason
    await world.coins_released(maker, taker)


async def test_after_a_failure_the_same_two_trade(world: Any) -> None:
    maker = await world.maker()
    taker = await world.taker(maker, sats=500_000)
    key = await world.take(taker, maker.peer_id, offer := await world.publish(maker))
    await world.phase(taker, key, p.SetupFailed)
    await world.control.fund(await taker.wallet.script(), 2_000_000)
    await world.control.mine()
    await taker.wallet.sync()
    again = await world.take(taker, maker.peer_id, offer)
    for node in (maker, taker):
        await world.phase(node, again, p.LockPending)


async def test_a_maker_that_never_answers(world: Any, silent_maker: Any, eventually: Any) -> None:
    taker, key = await silent_maker.wait_for_params(world)
    assert (await taker.wallet.balance()).reserved > 0
    world.clock.turn_to(Timestamp(world.clock.now() + 61))
    assert "timed out" in (await world.phase(taker, key, p.SetupFailed)).reason
    await world.coins_released(taker)
    await eventually(lambda: any(isinstance(message, Reject) for message in silent_maker.heard))


async def test_a_taker_that_never_goes_on(world: Any, stranger: "Stranger") -> None:
    maker = await world.maker()
    offer = await world.publish(maker)
    stream = await stream_to(stranger, maker, SETUP)
    await stream.send(encode_message(Order(FOREIGN, offer.id, Position.LONG, 1_000, 2)))
    assert isinstance(decode_message(await stream.receive()), Accept)
    assert decode_message(await stream.receive()).cfd_id == FOREIGN  # its keys and coins
    assert (await maker.wallet.balance()).reserved > 0
    world.clock.turn_to(Timestamp(world.clock.now() + 61))
    assert "timed out" in (await world.phase(maker, FOREIGN, p.SetupFailed)).reason
    await world.coins_released(maker)
    assert isinstance(decode_message(await stream.receive()), Reject)


async def test_an_order_to_a_maker_that_is_not_there(world: Any) -> None:
    maker = await world.maker(sats=0)
    taker = await world.taker(maker)
    offer = await world.publish(maker)
    await world.until(taker, lambda: offer in taker.engine.market.get(maker.peer_id, ()))
    await world.stop(maker)
    await world.until(taker, lambda: not taker.engine.market.get(maker.peer_id, ()))
    with pytest.raises(RuleViolation, match="has no offer"):
        world.take_now(taker, maker.peer_id, offer)
    health = taker.health()[f"maker {maker.peer_id}"]
    assert health.level is Level.FAILED
    assert health.reason


# --- strangers -------------------------------------------------------------------------------------------------------


class Stranger(SshTransport):
    """A peer with a key of its own and no manners."""


@pytest.fixture
async def stranger() -> AsyncIterator[Stranger]:
    transport = Stranger(Secret(b"h" * 32))
    yield transport
    await transport.close()


async def stream_to(stranger: Stranger, maker: Node, protocol: str) -> Any:
    assert maker.address is not None
    link = await stranger.dial(maker.address, maker.peer_id)
    return await link.open_stream(protocol)


async def last_words(stream: Any) -> list[Message]:
    """What the node said before it closed the stream."""
    said: list[Message] = []
    try:
        while True:
            said.append(decode_message(await asyncio.wait_for(stream.receive(), 20)))
    except Disconnected:
        return said


async def test_unknown_subsystems(world: Any, stranger: Stranger) -> None:
    maker = await world.maker(sats=0)
    link = await stranger.dial(maker.address, maker.peer_id)
    for name in ("cfd-setup@2", "cfd-offers@9", "sftp@1"):
        with pytest.raises(StreamRefused):
            await link.open_stream(name)
    assert decode_offers(await (await link.open_stream(OFFERS)).receive()) == ()


GARBAGE = {
    "no JSON": b"hello",
    "nothing": b"",
    "binary": bytes(range(11, 200)),
    "nested too deep": b"[" * 10_000,
    "no message": b'{"type": "order", "v": 1}',
    "another version": b'{"type": "order", "v": 2}',
    "an unknown type": b'{"type": "gift", "v": 1}',
    "the longest line": b"a" * 1024 * 1024,
}


@pytest.mark.parametrize("name", GARBAGE)
async def test_garbage_for_a_first_message(world: Any, stranger: Stranger, name: str) -> None:
    maker = await world.maker(sats=0)
    stream = await stream_to(stranger, maker, SETUP)
    await stream.send(GARBAGE[name])
    assert await last_words(stream) == []
    await world.until(maker, lambda: not maker.engine.runs)


async def test_the_wrong_first_message(world: Any, stranger: Stranger) -> None:
    maker = await world.maker(sats=0)
    stream = await stream_to(stranger, maker, SETUP)
    await stream.send(encode_message(Agreement(FOREIGN, b"\x00" * 32)))
    (said,) = await last_words(stream)
    assert said == Reject(FOREIGN, "that is not how this protocol begins")


async def test_an_order_for_an_offer_that_does_not_exist(world: Any, stranger: Stranger) -> None:
    maker = await world.maker(sats=0)
    stream = await stream_to(stranger, maker, SETUP)
    await stream.send(encode_message(Order(FOREIGN, OfferId("ab" * 16), Position.LONG, 1_000, 2)))
    (said,) = await last_words(stream)
    assert isinstance(said, Reject)
    assert "no such offer" in said.reason
    assert FOREIGN not in maker.engine.cfds


async def flood_garbage(stranger: Stranger, maker: Node) -> None:
    stream = await stream_to(stranger, maker, SETUP)
    for _ in range(2_000):
        await stream.send(b'{"type": "order"')


async def flood_orders(stranger: Stranger, maker: Node) -> None:
    stream = await stream_to(stranger, maker, SETUP)
    order = encode_message(Order(FOREIGN, next(iter(maker.engine.offers)), Position.LONG, 1_000, 2))
    for _ in range(2_000):
        await stream.send(order)


async def oversize(stranger: Stranger, maker: Node) -> None:
    stream = await stream_to(stranger, maker, SETUP)
    for _ in range(8):
        stream._write(b"a" * 512 * 1024)
        await stream._drain()


async def many_streams(stranger: Stranger, maker: Node) -> None:
    link = await stranger.dial(maker.address, maker.peer_id)  # type: ignore[arg-type]
    for _ in range(200):
        stream = await link.open_stream(SETUP)
        await stream.send(b"x")


async def idle_streams(stranger: Stranger, maker: Node) -> None:
    link = await stranger.dial(maker.address, maker.peer_id)  # type: ignore[arg-type]
    for _ in range(200):
        await link.open_stream(SETUP)


async def forgotten_offers(stranger: Stranger, maker: Node) -> None:
    """Streams of offers that nobody reads."""
    link = await stranger.dial(maker.address, maker.peer_id)  # type: ignore[arg-type]
    for _ in range(60):
        await link.open_stream(OFFERS)


@pytest.mark.parametrize(
    "attack", [flood_garbage, flood_orders, oversize, many_streams, idle_streams, forgotten_offers]
)
async def test_a_flood_from_one_peer_does_not_keep_another_from_trading(
    world: Any, stranger: Stranger, attack: Any, eventually: Any
) -> None:
    maker, taker = (maker := await world.maker(sats=0)), await world.taker(maker)
    for _ in range(2):  # a coin for the stranger's order too
        await world.control.fund(await maker.wallet.script(), 2_100_000)
    await world.control.mine()
    await maker.wallet.sync()
    offer = await world.publish(maker)
    for _ in range(2):
        with suppress(TransportError):  # it may be cut off, run into a limit, or get through for nothing
            await attack(stranger, maker)
    key = await world.take(taker, maker.peer_id, offer)
    for node in (maker, taker):
        await world.phase(node, key, p.LockPending)
    await eventually(lambda: {health.level for health in maker.health().values()} == {Level.RUNNING})


async def test_a_client_that_speaks_ssh_but_not_our_protocol(world: Any, eventually: Any) -> None:
    maker = await world.maker(sats=0)
    key = asyncssh.generate_private_key("ssh-ed25519")
    options: dict[str, Any] = {"known_hosts": None, "config": None, "username": "x", "client_keys": [key]}
    async with asyncssh.connect(maker.address.host, maker.address.port, **options) as wire:
        for ask in (wire.run("id"), wire.create_process(term_type="xterm"), wire.create_process(subsystem="sftp")):
            with pytest.raises((asyncssh.ChannelOpenError, asyncssh.ProcessError, asyncssh.Error)):
                await ask
    await eventually(lambda: {health.level for health in maker.health().values()} == {Level.RUNNING})
