"""What every transport promises. Each test runs over memory and over SSH."""

import asyncio
import contextlib
import gc
import logging
from typing import Any

import pytest
from cfd_network import (
    Address,
    DialFailed,
    Disconnected,
    FrameTooLarge,
    Limits,
    ListenFailed,
    StreamRefused,
    WrongPeer,
)
from cfd_network.stream import FrameStream

from cfd_core.errors import RuleViolation
from cfd_core.values import PeerId, Secret

KIB = 1024


async def drained(stream: Any) -> tuple[list[bytes], str]:
    """Everything a stream still has, and why it ended."""
    frames = []
    try:
        while True:
            frames.append(await stream.receive())
    except Disconnected as error:
        return frames, str(error)


async def test_both_sides_know_each_other_and_echo(net: Any) -> None:
    pair = await (await net.pair()).up()
    assert pair.to_maker.peer == pair.maker.local_id
    assert pair.to_taker.peer == pair.taker.local_id
    for link in (pair.to_maker, pair.to_taker):
        stream = await link.open_stream("cfd-echo@1")
        assert (stream.peer, stream.protocol) == (link.peer, "cfd-echo@1")
        for frame in (b"{}", b"", "é".encode(), b"\r", b'{"a":1}'):
            await stream.send(frame)
            assert await stream.receive() == frame
        await stream.close()


async def test_handlers_learn_the_peer(net: Any) -> None:
    pair = await net.pair()

    async def who(stream: Any) -> None:
        await stream.send(f"{stream.protocol} {stream.peer}".encode())

    pair.maker.on_stream("cfd-who@2", who)
    await pair.up()
    stream = await pair.to_maker.open_stream("cfd-who@2")
    assert await stream.receive() == f"cfd-who@2 {pair.taker.local_id}".encode()


async def test_many_streams_at_once_in_both_directions(net: Any) -> None:
    pair = await (await net.pair()).up()

    async def talk(link: Any, number: int) -> None:
        stream = await link.open_stream("cfd-echo@1")
        for turn in range(5):
            frame = b"%d/%d" % (number, turn) * 2000
            await stream.send(frame)
            assert await stream.receive() == frame
        await stream.close()

    async with asyncio.timeout(30):
        await asyncio.gather(*(talk(link, n) for n in range(50) for link in (pair.to_maker, pair.to_taker)))


async def test_the_largest_frame_passes_and_frames_keep_their_order(net: Any) -> None:
    pair = await (await net.pair()).up()
    stream = await pair.to_maker.open_stream("cfd-echo@1")
    largest = bytes(range(11, 255)) * (1024 * KIB // 244) + b"x" * (1024 * KIB % 244)
    assert len(largest) == Limits().max_frame
    await stream.send(largest)
    assert await stream.receive() == largest
    for n in range(300):
        await stream.send(b"%d" % n)
    assert [await stream.receive() for _ in range(300)] == [b"%d" % n for n in range(300)]


async def test_our_own_bad_frame_is_refused_and_the_stream_lives_on(net: Any) -> None:
    pair = await (await net.pair(max_frame=1000)).up()
    stream = await pair.to_maker.open_stream("cfd-echo@1")
    with pytest.raises(RuleViolation, match="at most 1,000"):
        await stream.send(b"x" * 1001)
    with pytest.raises(RuleViolation, match="newline"):
        await stream.send(b"a\nb")
    await stream.send(b"y" * 1000)
    assert await stream.receive() == b"y" * 1000


async def two_limits(net: Any, **maker_limits: Any) -> tuple[Any, Any, asyncio.Queue[Any]]:
    """A taker with the usual limits, its link to a maker with others, and what the maker's `cfd-sink@1` met."""
    maker, taker = net.node("maker", limits=Limits(**maker_limits)), net.node("taker")
    met: asyncio.Queue[Any] = asyncio.Queue()

    async def sink(stream: Any) -> None:
        met.put_nowait(stream)
        try:
            while True:
                met.put_nowait(await stream.receive())
        except Exception as error:
            met.put_nowait(error)
            raise

    maker.on_stream("cfd-sink@1", sink)
    link = await taker.dial(await maker.listen("127.0.0.1", 0), maker.local_id)
    return await link.open_stream("cfd-sink@1"), link, met


@pytest.mark.parametrize("size", [1001, 200 * KIB, 1024 * KIB])
async def test_an_oversize_frame_ends_the_stream_only(net: Any, size: int) -> None:
    stream, link, met = await two_limits(net, max_frame=1000)
    await met.get()
    await stream.send(b"ok")
    assert await met.get() == b"ok"
    with contextlib.suppress(Disconnected):
        await stream.send(b"x" * size)
    error = await met.get()
    assert isinstance(error, FrameTooLarge)
    assert str(error) == "a frame of more than 1,000 bytes"
    async with asyncio.timeout(10):
        await stream.wait_closed()
    with pytest.raises(Disconnected):
        await stream.send(b"more")
    again = await link.open_stream("cfd-sink@1")
    await met.get()
    await again.send(b"still here")
    assert await met.get() == b"still here"


async def test_an_endless_line_is_not_hoarded(net: Any) -> None:
    stream, _, met = await two_limits(net, max_frame=100 * KIB, window=64 * KIB)
    far = await met.get()
    most = 0
    real_feed = far.feed

    def watching(data: bytes) -> None:
        nonlocal most
        real_feed(data)
        most = max(most, len(far._inbox))

    far.feed = watching
    for _ in range(100):
        try:
            stream._write(b"x" * 32 * KIB)
        except Disconnected:
            break
        await asyncio.sleep(0)
    assert isinstance(await met.get(), FrameTooLarge)
    assert len(far._inbox) == 0
    assert most <= 100 * KIB + 64 * KIB


async def test_unread_frames_are_held_within_the_window(net: Any, eventually: Any) -> None:
    release = asyncio.Event()
    seen: list[Any] = []

    async def lazy(stream: Any) -> None:
        seen.append(stream)
        await release.wait()
        assert await drained(stream) == ([b"z" * 1000] * 1000, "the peer closed the stream")
        seen.append("all read")

    pair = await net.pair(window=64 * KIB, high_water=16 * KIB)
    pair.maker.on_stream("cfd-lazy@1", lazy)
    await pair.up()
    stream = await pair.to_maker.open_stream("cfd-lazy@1")

    async def pour() -> None:
        for _ in range(1000):
            await stream.send(b"z" * 1000)
        await stream.close()

    pouring = asyncio.create_task(pour())
    other = await pair.to_maker.open_stream("cfd-echo@1")
    for _ in range(50):
        await other.send(b"not held up by the lazy one")
        await other.receive()
    assert not pouring.done()
    assert len(seen[0]._inbox) <= 16 * KIB + 64 * KIB
    release.set()
    async with asyncio.timeout(20):
        await pouring
    await eventually(lambda: "all read" in seen)


async def test_a_peer_that_never_reads_does_not_block_for_ever(net: Any) -> None:
    async def deaf(stream: Any) -> None:
        await stream.wait_closed()

    async def pour(stream: Any) -> None:
        while True:
            await stream.send(b"x" * 100_000)

    pair = await net.pair(send=0.2)
    pair.maker.on_stream("cfd-deaf@1", deaf)
    await pair.up()
    stream = await pair.to_maker.open_stream("cfd-deaf@1")
    async with asyncio.timeout(20):
        with pytest.raises(Disconnected, match=r"read nothing for 0\.2 s"):
            await pour(stream)
    assert await stream.wait_closed() == "the peer read nothing for 0.2 s"
    assert not pair.to_maker.closed
    echo = await pair.to_maker.open_stream("cfd-echo@1")
    await echo.send(b"the link is fine")
    assert await echo.receive() == b"the link is fine"


async def test_a_close_does_not_wait_for_ever_either(net: Any) -> None:
    async def deaf(stream: Any) -> None:
        await stream.wait_closed()

    async def pour(stream: Any) -> None:
        while True:
            await stream.send(b"x" * 10_000)

    pair = await net.pair(close=0.2, window=64 * KIB, high_water=16 * KIB)
    pair.maker.on_stream("cfd-deaf@1", deaf)
    await pair.up()
    stream = await pair.to_maker.open_stream("cfd-deaf@1")
    pouring = asyncio.create_task(pour(stream))
    other = await pair.to_maker.open_stream("cfd-echo@1")
    for _ in range(20):
        await other.send(b"x")
        await other.receive()
    async with asyncio.timeout(20):
        await stream.close()
        assert await stream.wait_closed() == "closed by us"
        with pytest.raises(Disconnected, match="closed by us"):
            await pouring
    await other.send(b"the link is fine")
    assert await other.receive() == b"the link is fine"


async def test_frames_before_an_oversize_one_are_delivered(net: Any) -> None:
    release, got = asyncio.Event(), asyncio.Queue[Any]()

    async def late(stream: Any) -> None:
        await release.wait()
        got.put_nowait(await stream.receive())
        for _ in range(2):
            try:
                await stream.receive()
            except FrameTooLarge as error:
                got.put_nowait(str(error))

    maker, taker = net.node("maker", limits=Limits(max_frame=1000)), net.node("taker")
    maker.on_stream("cfd-late@1", late)
    link = await taker.dial(await maker.listen("127.0.0.1", 0), maker.local_id)
    stream = await link.open_stream("cfd-late@1")
    await stream.send(b"good")
    await stream.send(b"x" * 1001)
    release.set()
    assert await got.get() == b"good"
    assert [await got.get(), await got.get()] == ["a frame of more than 1,000 bytes"] * 2


async def test_a_truncated_last_line_is_never_delivered(net: Any) -> None:
    stream, _, met = await two_limits(net)
    await met.get()
    stream._write(b"whole\nhal")
    await stream.close()
    assert await met.get() == b"whole"
    error = await met.get()
    assert isinstance(error, Disconnected)
    assert str(error) == "the peer closed the stream, inside a frame"


async def test_a_peer_that_vanishes_inside_a_frame(net: Any) -> None:
    stream, link, met = await two_limits(net)
    far = await met.get()
    stream._write(b"whole\nhal")
    assert await met.get() == b"whole"
    link.abort()
    error = await met.get()
    assert isinstance(error, Disconnected)
    assert "the link broke" in str(error)
    assert "inside a frame" in str(error)
    with pytest.raises(Disconnected):
        await far.receive()


async def test_a_dead_link_wakes_everybody_once(net: Any, eventually: Any) -> None:
    pair = await (await net.pair()).up()
    waiting, quiet = [await pair.to_maker.open_stream("cfd-echo@1") for _ in range(2)]
    receiving = asyncio.create_task(waiting.receive())
    await quiet.send(b"x")
    assert await quiet.receive() == b"x"
    pair.to_taker.abort("test")
    async with asyncio.timeout(10):
        with pytest.raises(Disconnected, match="the link broke"):
            await receiving
        assert "the link broke" in await pair.to_maker.wait_closed()
        assert "the link broke" in await quiet.wait_closed()
    with pytest.raises(Disconnected):
        await quiet.send(b"x")
    with pytest.raises(Disconnected):
        await pair.to_maker.open_stream("cfd-echo@1")
    await eventually(lambda: len(pair.ends) == 2)
    assert dict(pair.ends)["maker"] == "test"
    assert pair.maker.health.connections == pair.taker.health.connections == 0


async def test_a_polite_goodbye_says_so(net: Any, eventually: Any) -> None:
    pair = await (await net.pair()).up()
    await pair.to_taker.close()
    await pair.to_taker.close()
    async with asyncio.timeout(10):
        assert await pair.to_maker.wait_closed() == "the peer closed the link"
    await eventually(lambda: len(pair.ends) == 2)
    assert sorted(pair.ends) == [("maker", "closed by us"), ("taker", "the peer closed the link")]


async def test_unknown_protocols_are_refused_and_the_link_lives_on(net: Any) -> None:
    pair = await (await net.pair()).up()
    for link in (pair.to_maker, pair.to_taker):
        with pytest.raises(StreamRefused, match="does not speak cfd-nothing@1"):
            await link.open_stream("cfd-nothing@1")
        with pytest.raises(StreamRefused):
            await link.open_stream("cfd-echo@2")
        for bad in ("cfd-echo", "CFD-echo@1", "sftp", "a b@1", "x" * 60 + "@1", "cfd-echo@1\n"):
            with pytest.raises(RuleViolation, match="not a protocol name"):
                await link.open_stream(bad)
        stream = await link.open_stream("cfd-echo@1")
        await stream.send(b"x")
        assert await stream.receive() == b"x"


async def test_a_protocol_has_one_handler(net: Any, echo_handler: Any) -> None:
    node = net.node("maker")
    node.on_stream("cfd-echo@1", echo_handler)
    node.on_stream("cfd-echo@1", echo_handler)
    with pytest.raises(RuleViolation, match="has a handler"):
        node.on_stream("cfd-echo@1", drained)
    with pytest.raises(RuleViolation, match="not a protocol name"):
        node.on_stream("echo", echo_handler)


async def test_somebody_else_at_the_address(net: Any) -> None:
    pair = await net.pair()
    told: list[Any] = []
    pair.maker.on_connect(told.append)
    at = await pair.maker.listen("127.0.0.1", 0)
    stranger = net.node("stranger")
    with pytest.raises(WrongPeer, match="answered") as caught:
        await pair.taker.dial(at, stranger.local_id)
    assert (caught.value.expected, caught.value.found) == (stranger.local_id, pair.maker.local_id)
    assert told == []
    assert pair.taker.health.connections == 0


async def test_a_blocked_peer_does_not_get_in(net: Any) -> None:
    blocked: set[PeerId] = set()
    maker, taker, other = net.node("maker", blocked=blocked), net.node("taker"), net.node("other")
    blocked.add(taker.local_id)
    told: list[Any] = []
    maker.on_connect(told.append)
    at = await maker.listen("127.0.0.1", 0)
    with pytest.raises(DialFailed, match="refused"):
        await taker.dial(at, maker.local_id)
    assert told == []
    await other.dial(at, maker.local_id)
    assert [link.peer for link in told] == [other.local_id]


async def test_a_peer_blocked_later_opens_nothing_more(net: Any, echo_handler: Any) -> None:
    blocked: set[PeerId] = set()
    maker, taker = net.node("maker", blocked=blocked), net.node("taker")
    maker.on_stream("cfd-echo@1", echo_handler)
    link = await taker.dial(await maker.listen("127.0.0.1", 0), maker.local_id)
    await link.open_stream("cfd-echo@1")
    blocked.add(taker.local_id)
    with pytest.raises(StreamRefused):
        await link.open_stream("cfd-echo@1")


async def test_a_handlers_failure_ends_its_own_stream_only(net: Any, caplog: pytest.LogCaptureFixture) -> None:
    key = Secret(b"never shown")

    async def broken(stream: Any) -> None:
        await stream.receive()
        raise ValueError(f"a bug near {key}")

    pair = await net.pair()
    pair.maker.on_stream("cfd-broken@1", broken)
    await pair.up()
    good, bad = await pair.to_maker.open_stream("cfd-echo@1"), await pair.to_maker.open_stream("cfd-broken@1")
    with caplog.at_level(logging.INFO, logger="cfd_network"):
        await bad.send(b"go")
        async with asyncio.timeout(10):
            assert await drained(bad) == ([], "the peer closed the stream")
    assert "the handler of cfd-broken@1" in caplog.text
    assert "never shown" not in caplog.text
    await good.send(b"fine")
    assert await good.receive() == b"fine"


async def test_a_peer_that_leaves_is_no_failure_of_the_handler(
    net: Any, caplog: pytest.LogCaptureFixture, eventually: Any
) -> None:
    pair = await (await net.pair()).up()
    with caplog.at_level(logging.INFO, logger="cfd_network"):
        stream = await pair.to_maker.open_stream("cfd-echo@1")
        await stream.send(b"x")
        await stream.receive()
        await stream.close()
        await eventually(lambda: not pair.maker._tasks)
    assert caplog.text == ""


async def test_what_was_sent_before_a_close_arrives(net: Any) -> None:
    async def tell(stream: Any) -> None:
        for n in range(500):
            await stream.send(b"%d" % n * 50)

    pair = await net.pair()
    pair.maker.on_stream("cfd-tell@1", tell)
    await pair.up()
    stream = await pair.to_maker.open_stream("cfd-tell@1")
    frames, why = await drained(stream)
    assert frames == [b"%d" % n * 50 for n in range(500)]
    assert why == "the peer closed the stream"


async def test_closing_twice_is_closing_once(net: Any) -> None:
    pair = await (await net.pair()).up()
    stream = await pair.to_maker.open_stream("cfd-echo@1")
    receiving = asyncio.create_task(stream.receive())
    await asyncio.sleep(0)
    await asyncio.gather(stream.close(), stream.close())
    await stream.close()
    stream.abort()
    assert await stream.wait_closed() == "closed by us"
    with pytest.raises(Disconnected, match="closed by us"):
        await receiving
    with pytest.raises(Disconnected, match="closed by us"):
        await stream.receive()
    with pytest.raises(Disconnected, match="closed by us"):
        await stream.send(b"x")
    await asyncio.gather(pair.taker.close(), pair.taker.close(), pair.to_maker.close())
    await pair.taker.close()
    assert pair.taker.health.closed
    with pytest.raises(DialFailed, match="closed"):
        await pair.taker.dial(pair.at, pair.maker.local_id)
    with pytest.raises(ListenFailed, match="closed"):
        await pair.taker.listen("127.0.0.1", 0)


async def test_closing_the_transport_ends_stuck_handlers(net: Any) -> None:
    ended = asyncio.Event()

    async def stuck(_stream: Any) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    pair = await net.pair()
    pair.maker.on_stream("cfd-stuck@1", stuck)
    await pair.up()
    stream = await pair.to_maker.open_stream("cfd-stuck@1")
    async with asyncio.timeout(10):
        await pair.maker.close()
    assert ended.is_set()
    with pytest.raises(Disconnected):
        await stream.receive()


async def test_one_receiver_at_a_time_and_a_cancelled_one_loses_nothing(net: Any) -> None:
    pair = await (await net.pair()).up()
    stream = await pair.to_maker.open_stream("cfd-echo@1")
    first = asyncio.create_task(stream.receive())
    await asyncio.sleep(0)
    with pytest.raises(RuleViolation, match="two receives"):
        await stream.receive()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    await stream.send(b"kept")
    assert await stream.receive() == b"kept"


async def test_a_cancelled_opening_leaves_no_stream(net: Any, eventually: Any) -> None:
    pair = await (await net.pair()).up()
    for link, other in ((pair.to_maker, pair.to_taker), (pair.to_taker, pair.to_maker)):
        opening = asyncio.create_task(link.open_stream("cfd-echo@1"))
        await asyncio.sleep(0)
        opening.cancel()
        await asyncio.gather(opening, return_exceptions=True)
        stream = await link.open_stream("cfd-echo@1")
        await stream.send(b"x")
        await stream.receive()
        await stream.close()
        await eventually(lambda link=link, other=other: link.outbound == other.inbound == 0)
        assert not link.streams


async def test_a_peer_has_so_many_streams_and_no_more(net: Any, eventually: Any) -> None:
    maker, taker = net.node("maker", limits=Limits(streams=3)), net.node("taker")
    waiting = asyncio.Event()

    async def wait(_stream: Any) -> None:
        await waiting.wait()

    maker.on_stream("cfd-wait@1", wait)
    at = await maker.listen("127.0.0.1", 0)
    first, second = await taker.dial(at, maker.local_id), await taker.dial(at, maker.local_id)
    for link in (first, second, first):
        await link.open_stream("cfd-wait@1")
    for link in (first, second):
        with pytest.raises(StreamRefused, match="too many"):
            await link.open_stream("cfd-wait@1")
    waiting.set()
    await eventually(lambda: maker.may_open(taker.local_id))
    await first.open_stream("cfd-wait@1")


async def test_our_own_streams_towards_a_peer_are_bounded_too(net: Any, echo_handler: Any) -> None:
    maker, taker = net.node("maker"), net.node("taker", limits=Limits(streams=2))
    maker.on_stream("cfd-echo@1", echo_handler)
    link = await taker.dial(await maker.listen("127.0.0.1", 0), maker.local_id)
    for _ in range(2):
        await link.open_stream("cfd-echo@1")
    with pytest.raises(StreamRefused, match="2 streams are open"):
        await link.open_stream("cfd-echo@1")


async def test_the_newest_links_of_a_peer_replace_the_oldest(net: Any) -> None:
    maker, taker = net.node("maker", limits=Limits(connections_per_peer=2)), net.node("taker")
    at = await maker.listen("127.0.0.1", 0)
    links = [await taker.dial(at, maker.local_id) for _ in range(3)]
    async with asyncio.timeout(10):
        await links[0].wait_closed()
    assert [link.closed for link in links] == [True, False, False]
    assert maker.health.connections == 2


async def test_links_in_all_are_bounded(net: Any) -> None:
    maker = net.node("maker", limits=Limits(connections=2))
    at = await maker.listen("127.0.0.1", 0)
    for name in ("a", "b"):
        await net.node(name).dial(at, maker.local_id)
    with pytest.raises(DialFailed):
        await net.node("c").dial(at, maker.local_id)


async def test_addresses_that_do_not_work(net: Any) -> None:
    maker, taker = net.node("maker"), net.node("taker")
    at = await maker.listen("127.0.0.1", 0)
    with pytest.raises(ListenFailed, match="already"):
        await maker.listen("127.0.0.1", 0)
    with pytest.raises(ListenFailed):
        await taker.listen(at.host, at.port)
    await maker.close()
    with pytest.raises(DialFailed):
        await taker.dial(at, maker.local_id)
    assert await taker.listen(at.host, at.port) == at


async def test_log_in_then_idle_is_fine_and_health_tells(net: Any) -> None:
    pair = await net.pair()
    assert (pair.maker.health.address, pair.maker.health.connections) == (None, 0)
    await pair.up()
    assert (pair.maker.health.address, pair.maker.health.connections) == (pair.at, 1)
    assert (pair.taker.health.address, pair.taker.health.connections) == (None, 1)


async def test_a_failing_callback_harms_nobody(net: Any, caplog: pytest.LogCaptureFixture) -> None:
    pair = await net.pair()

    def broken(*_args: Any) -> None:
        raise ValueError("a bug")

    pair.maker.on_connect(broken)
    pair.maker.on_disconnect(broken)
    await pair.up()
    stream = await pair.to_maker.open_stream("cfd-echo@1")
    await stream.send(b"x")
    assert await stream.receive() == b"x"
    assert "a connection callback failed" in caplog.text


async def test_five_hundred_streams_leave_nothing_behind(net: Any, eventually: Any) -> None:
    pair = await (await net.pair()).up()

    async def one(link: Any) -> None:
        stream = await link.open_stream("cfd-echo@1")
        await stream.send(b"x" * 1000)
        await stream.receive()
        await stream.close()

    for _ in range(25):
        await asyncio.gather(*(one(link) for link in (pair.to_maker, pair.to_taker) for _ in range(10)))
    links = (pair.to_maker, pair.to_taker)
    await eventually(lambda: all(link.inbound == link.outbound == 0 for link in links))
    await eventually(lambda: not pair.maker._tasks and not pair.taker._tasks)
    assert not any(link.streams for link in links)
    gc.collect()
    assert sum(isinstance(thing, FrameStream) for thing in gc.get_objects()) <= 20
    if net.kind == "ssh":
        assert all(not link._wire._channels for link in links)


async def test_an_address_reads_as_it_is_written() -> None:
    from cfd_core.errors import DecodeError

    for text in ("127.0.0.1:1", "maker.example:65535", "[::1]:22"):
        assert str(Address.parse(text)) == text
    for bad in ("", "host", "host:", ":1", "host:0", "host:65536", "host:x", "::1:22", "[]:1", "host:-1", "host:１"):
        with pytest.raises(DecodeError):
            Address.parse(bad)
