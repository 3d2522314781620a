"""One link kept up, over both wires, with time and chance in the test's hands."""

import asyncio
import itertools
from typing import Any

import pytest
from cfd_network import Address, Backoff, Disconnected, LinkState, ReconnectingLink

from cfd_core.values import PeerId, Timestamp


class Hand:
    """The sleep, the clock and the dice of a link. A pause lasts until `wake`."""

    def __init__(self) -> None:
        self.pauses: asyncio.Queue[float] = asyncio.Queue()
        self.waker = asyncio.Event()
        self.now = 1_000
        self.chance = 0.0
        self.seen: list[tuple[LinkState, str]] = []

    async def sleep(self, seconds: float) -> None:
        self.pauses.put_nowait(seconds)
        await self.waker.wait()
        self.waker.clear()

    async def next_pause(self) -> float:
        async with asyncio.timeout(20):
            return await self.pauses.get()

    def link(self, transport: Any, address: Address, peer: PeerId, **options: Any) -> ReconnectingLink:
        return ReconnectingLink(
            transport,
            address,
            peer,
            random=lambda: self.chance,
            clock=lambda: Timestamp(self.now),
            sleep=self.sleep,
            on_change=lambda health: self.seen.append((health.state, health.reason)),
            **options,
        )


async def connected(link: ReconnectingLink) -> Any:
    async with asyncio.timeout(20):
        return await link.wait_connected()


async def test_it_comes_back_after_the_listener_restarts(net: Any, echo_handler: Any) -> None:
    maker, taker, hand = net.node("maker"), net.node("taker"), Hand()
    at = await maker.listen("127.0.0.1", 0)
    link = hand.link(taker, at, maker.local_id)
    link.start()
    first = await connected(link)
    assert link.health.state is LinkState.CONNECTED
    await maker.close()
    assert await hand.next_pause() == 0.5
    assert (link.health.state, link.health.reason) == (LinkState.BACKOFF, "the peer closed the link")
    assert link.connection is None
    with pytest.raises(Disconnected, match="backoff: the peer closed the link"):
        await link.open_stream("cfd-echo@1")
    again = net.node("maker")
    again.on_stream("cfd-echo@1", echo_handler)
    assert await again.listen(at.host, at.port) == at
    hand.waker.set()
    assert await connected(link) is not first
    stream = await link.open_stream("cfd-echo@1")
    await stream.send(b"back")
    assert await stream.receive() == b"back"
    await link.stop()
    assert [state for state, _ in hand.seen] == [
        LinkState.CONNECTING,
        LinkState.CONNECTED,
        LinkState.BACKOFF,
        LinkState.CONNECTING,
        LinkState.CONNECTED,
        LinkState.STOPPED,
    ]


async def test_starting_never_fails_and_pauses_grow_to_a_limit(net: Any) -> None:
    taker, hand = net.node("taker"), Hand()
    backoff = Backoff(first=1, factor=3, longest=20)
    link = hand.link(taker, Address("127.0.0.1", 1), net.node("maker").local_id, backoff=backoff)
    link.start()
    link.start()
    pauses = []
    for _ in range(5):
        pauses.append(await hand.next_pause())
        assert link.health.state is LinkState.BACKOFF
        assert "127.0.0.1:1" in link.health.reason
        hand.waker.set()
    assert pauses == [1, 3, 9, 20, 20]
    await link.stop()
    await link.stop()
    assert link.health.state is LinkState.STOPPED


async def test_pauses_are_shortened_by_chance() -> None:
    backoff = Backoff(first=1, factor=2, longest=60)
    assert backoff.pause(3, 0.0) == 4
    assert backoff.pause(3, 0.5) == 3
    assert 2 < backoff.pause(3, 0.999) < 2.01
    assert backoff.pause(10_000, 0.0) == 60


@pytest.mark.parametrize(("held", "second_pause"), [(29, 2.0), (30, 1.0)])
async def test_a_link_that_held_starts_over_with_short_pauses(net: Any, held: int, second_pause: float) -> None:
    maker, taker, hand = net.node("maker"), net.node("taker"), Hand()
    accepted: asyncio.Queue[Any] = asyncio.Queue()
    maker.on_connect(accepted.put_nowait)
    at = await maker.listen("127.0.0.1", 0)
    link = hand.link(taker, at, maker.local_id, backoff=Backoff(first=1, factor=2, healthy=30))
    link.start()
    for seconds, pause in ((0, 1.0), (held, second_pause)):
        await connected(link)
        hand.now += seconds
        (await accepted.get()).abort()
        assert await hand.next_pause() == pause
        hand.waker.set()
    await link.stop()


async def test_a_wrong_peer_is_told_and_tried_again(net: Any) -> None:
    maker, taker, hand = net.node("maker"), net.node("taker"), Hand()
    at = await maker.listen("127.0.0.1", 0)
    link = hand.link(taker, at, net.node("stranger").local_id)
    link.start()
    await hand.next_pause()
    assert maker.local_id in link.health.reason
    hand.waker.set()
    await hand.next_pause()
    await link.stop()


async def test_stop_closes_and_restart_dials_at_once(net: Any) -> None:
    maker, taker, hand = net.node("maker"), net.node("taker"), Hand()
    link = hand.link(taker, Address("127.0.0.1", 1), maker.local_id)
    link.start()
    await hand.next_pause()
    link._address = await maker.listen("127.0.0.1", 0)
    await link.restart()
    first = await connected(link)
    hand.now += 5
    await link.stop()
    assert first.closed
    assert (link.health.state, link.health.since) == (LinkState.STOPPED, 1_005)
    link.start()
    assert await connected(link) is not first
    await link.stop()


async def test_stopping_while_it_dials(net: Any) -> None:
    maker, taker, hand = net.node("maker"), net.node("taker"), Hand()
    at = await maker.listen("127.0.0.1", 0)
    for turns in range(8):
        link = hand.link(taker, at, maker.local_id)
        link.start()
        for _ in range(turns):
            await asyncio.sleep(0)
        async with asyncio.timeout(10):
            await link.stop()
        assert link.connection is None


async def test_the_name_is_resolved_for_each_attempt(ssh_net: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    maker, taker, hand = ssh_net.node("maker"), ssh_net.node("taker"), Hand()
    at = await maker.listen("127.0.0.1", 0)
    loop = asyncio.get_running_loop()
    real, asked, answers = loop.getaddrinfo, [], itertools.chain(["127.0.0.2"], itertools.repeat("127.0.0.1"))

    async def resolve(host: Any, *args: Any, **kwargs: Any) -> Any:
        asked.append(host)
        return await real(next(answers), *args, **kwargs)

    monkeypatch.setattr(loop, "getaddrinfo", resolve)
    link = hand.link(taker, Address("maker.example", at.port), maker.local_id)
    link.start()
    await hand.next_pause()
    hand.waker.set()
    await connected(link)
    await link.stop()
    assert asked == ["maker.example", "maker.example"]


async def test_a_failing_callback_or_dial_does_not_end_it(
    net: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    maker, taker, hand = net.node("maker"), net.node("taker"), Hand()
    at = await maker.listen("127.0.0.1", 0)
    hand.seen = None  # type: ignore[assignment]
    with monkeypatch.context() as patch:
        patch.setattr(taker, "dial", None)
        link = hand.link(taker, at, maker.local_id)
        link.start()
        await hand.next_pause()
        assert link.health.reason == "our own fault (TypeError)"
    hand.waker.set()
    await connected(link)
    await link.stop()
    assert "a callback for link changes failed" in caplog.text
