"""What a stranger with an SSH library of his own can and cannot do."""

import asyncio
from typing import Any

import asyncssh
import pytest
from cfd_network import Address, DialFailed, Disconnected, Limits, StreamRefused, WrongPeer, peer_id
from cfd_network.keys import fingerprint, ssh_key
from cfd_network.ssh_options import key_exchanges

from cfd_core.errors import RuleViolation
from cfd_core.values import Secret

STRANGER = Secret(b"s" * 32)


async def knock(at: Any, key: Any = None, **options: Any) -> asyncssh.SSHClientConnection:
    keys = [key or ssh_key(STRANGER)]
    return await asyncssh.connect(
        at.host, at.port, **({"known_hosts": None, "config": None, "username": "x", "client_keys": keys} | options)
    )


@pytest.fixture
async def maker(ssh_net: Any, echo_handler: Any) -> Any:
    node = ssh_net.node("maker", limits=Limits(send=0.3))
    node.on_stream("cfd-echo@1", echo_handler)
    node.at = await node.listen("127.0.0.1", 0)
    return node


def test_a_key_comes_from_32_bytes_and_does_not_show() -> None:
    # RFC 8032, section 7.1, test 1: seed and public key.
    seed = Secret(bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"))
    public = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    assert ssh_key(seed).public_data.endswith(public)
    assert peer_id(seed) == fingerprint(ssh_key(seed))
    assert peer_id(seed).startswith("SHA256:")
    assert len(peer_id(seed)) == 50
    for bad in (b"", b"x" * 31, b"x" * 33):
        with pytest.raises(RuleViolation, match="32 bytes"):
            ssh_key(Secret(bad))


async def test_our_own_links_use_the_post_quantum_hybrid_where_installed(
    maker: Any, ssh_net: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen: list[bytes] = []
    module: Any = asyncssh.connection
    real = module.get_kex

    def watching(conn: Any, algorithm: bytes) -> Any:
        chosen.append(algorithm)
        return real(conn, algorithm)

    monkeypatch.setattr(module, "get_kex", watching)
    await ssh_net.node("taker").dial(maker.at, maker.local_id)
    assert chosen == [key_exchanges()[0].encode()] * 2
    assert key_exchanges()[-1].startswith("curve25519")


async def test_no_way_in_but_an_ed25519_key(maker: Any) -> None:
    for options in (
        {"client_keys": None, "password": "x"},
        {"client_keys": None},
        {"client_keys": [asyncssh.generate_private_key("ecdsa-sha2-nistp256")]},
    ):
        with pytest.raises(asyncssh.PermissionDenied):
            await knock(maker.at, **options)
    assert maker.health.connections == 0


async def test_nothing_but_protocols(maker: Any, tmp_path: Any) -> None:
    async with await knock(maker.at) as wire:
        for ask in (
            lambda: wire.run("id"),
            lambda: wire.create_process(),
            lambda: wire.create_process(term_type="xterm"),
            lambda: wire.create_process(subsystem="sftp"),
            lambda: wire.start_sftp_client(),
            lambda: wire.open_connection("127.0.0.1", maker.at.port),
            lambda: wire.open_unix_connection("/tmp/x"),  # noqa: S108
            lambda: wire.create_process(subsystem="cfd-echo@1", x11_forwarding=True, x11_display=":0"),
            lambda: wire.open_tun(),
        ):
            with pytest.raises((asyncssh.Error, OSError)):
                await ask()
        for host, port in (("", 0), ("127.0.0.1", 0), ("cfd-echo@1", 0), ("cfd-echo@1", 22), ("x", 1), ("", 1)):
            with pytest.raises(asyncssh.ChannelListenError):
                await wire.start_server(lambda *_: None, host, port)
        with pytest.raises(asyncssh.ChannelListenError):
            await wire.start_unix_server(lambda *_: None, str(tmp_path / "s"))
        writer, reader, _ = await wire.open_session(subsystem="cfd-echo@1", encoding=None)
        writer.write(b"still served\n")
        assert await reader.readline() == b"still served\n"


async def test_a_refused_session_does_not_stay_open(maker: Any, eventually: Any) -> None:
    async with await knock(maker.at) as wire:
        for _ in range(100):
            with pytest.raises(asyncssh.ChannelOpenError):
                await wire.create_session(asyncssh.SSHClientSession, subsystem="cfd-none@1")
        await eventually(lambda: all(link.inbound == 0 for link in maker._links))


async def test_a_protocol_name_granted_once_is_only_a_name(maker: Any) -> None:
    sockets = len(maker._acceptor.sockets)
    async with await knock(maker.at) as wire:
        listener = await wire.start_server(lambda *_: None, "cfd-anything@1", 1)
        assert listener.get_port() == 1
        assert len(maker._acceptor.sockets) == sockets
        for n in range(63):
            await wire.start_server(lambda *_: None, f"cfd-n{n}@1", 1)
        with pytest.raises(asyncssh.ChannelListenError):
            await wire.start_server(lambda *_: None, "cfd-one-more@1", 1)


async def test_another_ones_key_without_its_proof_is_not_an_identity(maker: Any) -> None:
    """Offer a victim's public key first (the server says it would do), then log in with one's own."""
    victim, own = ssh_key(Secret(b"v" * 32)), ssh_key(STRANGER)

    unproven = asyncssh.load_keypairs([victim])[0]
    unproven.sign = lambda data: own.sign(data, b"ssh-ed25519")  # type: ignore[method-assign]
    seen: list[Any] = []
    real = asyncssh.SSHServerConnection.validate_public_key

    async def watching(self: Any, username: str, key_data: bytes, msg: bytes, signature: bytes) -> bool:
        answer = await real(self, username, key_data, msg, signature)
        seen.append((key_data == victim.public_data, bool(msg), answer))
        return answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncssh.SSHServerConnection, "validate_public_key", watching)
        async with await knock(maker.at, client_keys=[unproven, own]):
            (link,) = maker._links
            assert link.peer == fingerprint(own)
    assert (True, True, False) in seen
    assert seen[-1] == (False, True, True)


async def test_only_the_pinned_host_key_gets_a_login(ssh_net: Any) -> None:
    logins: list[str] = []

    class Impostor(asyncssh.SSHServer):
        def begin_auth(self, username: str) -> bool:
            logins.append(username)
            return False

    host = ssh_key(STRANGER)
    acceptor = await asyncssh.create_server(Impostor, "127.0.0.1", 0, server_host_keys=[host], gss_host=None)
    taker = ssh_net.node("taker")
    at = Address("127.0.0.1", acceptor.get_port())
    with pytest.raises(WrongPeer):
        await taker.dial(at, ssh_net.node("maker").local_id)
    assert logins == []
    with pytest.raises(DialFailed):  # the right key, but it lets us in without asking for ours
        await taker.dial(at, fingerprint(host))
    acceptor.close()


async def test_a_listener_that_is_not_one_of_ours(ssh_net: Any, echo_handler: Any) -> None:
    class Plain(asyncssh.SSHServer):
        def public_key_auth_supported(self) -> bool:
            return True

        def validate_public_key(self, username: str, key: Any) -> bool:  # noqa: ARG002
            return True

    host = ssh_key(STRANGER)
    acceptor = await asyncssh.create_server(Plain, "127.0.0.1", 0, server_host_keys=[host], gss_host=None)
    taker = ssh_net.node("taker")
    taker.on_stream("cfd-echo@1", echo_handler)
    with pytest.raises(DialFailed, match="does not take our protocols"):
        await taker.dial(Address("127.0.0.1", acceptor.get_port()), fingerprint(host))
    acceptor.close()


@pytest.mark.parametrize(
    "answer",
    [b"HTTP/1.1 400 Bad Request\r\n" * 2000, b"SSH-2.0-\xff\r\n", b"SSH-1.0-x\r\n", b"SSH-2.0-x\r\n" + bytes(100), b""],
    ids=["http", "not ascii", "old", "garbage", "nothing"],
)
async def test_something_that_does_not_speak_ssh(ssh_net: Any, answer: bytes) -> None:
    async def chatter(_reader: Any, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(chatter, "127.0.0.1", 0)
    with pytest.raises(DialFailed):
        await ssh_net.node("taker").dial(
            Address("127.0.0.1", server.sockets[0].getsockname()[1]), ssh_net.node("m").local_id
        )
    server.close()
    await server.wait_closed()


async def test_a_host_that_never_answers(ssh_net: Any) -> None:
    closing = asyncio.Event()

    async def silent(_reader: Any, writer: asyncio.StreamWriter) -> None:
        await closing.wait()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    at = Address("127.0.0.1", server.sockets[0].getsockname()[1])
    with pytest.raises(DialFailed, match=r"no answer within 0\.2 s"):
        await ssh_net.node("taker", limits=Limits(dial=0.2)).dial(at, ssh_net.node("m").local_id)
    closing.set()
    server.close()
    await server.wait_closed()


async def test_strangers_that_do_not_log_in_run_out_of_time(ssh_net: Any) -> None:
    node = ssh_net.node("maker", limits=Limits(login=0.2))
    at = await node.listen("127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(at.host, at.port)
    async with asyncio.timeout(10):
        await reader.read()
    writer.close()
    assert not node._logins


async def test_strangers_that_do_not_log_in_push_each_other_out(ssh_net: Any, eventually: Any) -> None:
    node = ssh_net.node("maker", limits=Limits(logins=3))
    at = await node.listen("127.0.0.1", 0)
    strangers = []
    for n in range(6):
        strangers.append(await asyncio.open_connection(at.host, at.port))
        await eventually(lambda n=n: len(node._logins) == min(n + 1, 3))
    async with asyncio.timeout(10):
        for reader, _ in strangers[:3]:
            await reader.read()
    assert len(node._logins) == 3
    await ssh_net.node("taker").dial(at, node.local_id)
    for _, writer in strangers:
        writer.close()


async def test_a_plain_client_is_served_but_not_announced(maker: Any, eventually: Any) -> None:
    told: list[Any] = []
    maker.on_connect(told.append)
    maker.on_disconnect(lambda *args: told.append(args))
    maker.limits = Limits(open=0.1)
    async with await knock(maker.at) as wire:
        writer, reader, _ = await wire.open_session(subsystem="cfd-echo@1", encoding=None)
        writer.write(b"half a li")
        writer.write(b"ne\nrest")
        assert await reader.readline() == b"half a line\n"
        (link,) = maker._links
        with pytest.raises(StreamRefused, match="plain ssh client"):
            await link.open_stream("cfd-echo@1")
    await eventually(lambda: not maker._links)
    assert told == []


async def test_a_peer_may_stop_talking_and_still_listen(maker: Any) -> None:
    async def slow_answer(stream: Any) -> None:
        question = await stream.receive()
        with pytest.raises(Disconnected, match="sends no more, inside a frame"):
            await stream.receive()
        await stream.send(question.upper())

    maker.on_stream("cfd-ask@1", slow_answer)
    async with await knock(maker.at) as wire, wire.create_process(subsystem="cfd-ask@1", encoding=None) as process:
        process.stdin.write(b"question\ncut")
        process.stdin.write_eof()
        assert await process.stdout.read() == b"QUESTION\n"
        await process.wait_closed()
        assert process.exit_status == 0


async def test_environment_variables_are_not_kept(maker: Any) -> None:
    async with await knock(maker.at) as wire:
        env = {f"V{n}": "x" * 1000 for n in range(50)}
        writer, reader, _ = await wire.open_session(subsystem="cfd-echo@1", encoding=None, env=env)
        writer.write(b"x\n")
        await reader.readline()
        (link,) = maker._links
        assert all(not channel._env for channel in link._wire._channels.values())


async def test_absurdly_small_packets_are_refused(maker: Any, eventually: Any) -> None:
    async with await knock(maker.at) as wire:
        with pytest.raises(asyncssh.ChannelOpenError):
            await wire.create_session(asyncssh.SSHClientSession, subsystem="cfd-echo@1", encoding=None, max_pktsize=1)
        await eventually(lambda: all(link.inbound == 0 for link in maker._links))


async def test_a_huge_window_and_a_full_socket_cost_us_little(maker: Any) -> None:
    """The peer allows gigabytes on its channel but stops reading from the network."""
    sent = 0

    async def pour(stream: Any) -> None:
        nonlocal sent
        while True:
            await stream.send(b"x" * 500_000)
            sent += 1

    maker.on_stream("cfd-pour@1", pour)
    wire = await knock(maker.at)
    (link,) = maker._links
    await wire.open_session(subsystem="cfd-pour@1", encoding=None, window=2**31)
    wire._transport.pause_reading()  # type: ignore[union-attr]
    async with asyncio.timeout(20):
        assert await link.wait_closed() == "the peer read nothing for 0.3 s"
    assert sent < 40
    wire.abort()
    await wire.wait_closed()


async def test_a_peer_that_does_not_answer_an_opening_is_cut_off(ssh_net: Any, echo_handler: Any) -> None:
    maker, taker = ssh_net.node("maker"), ssh_net.node("taker", limits=Limits(open=0.2))
    maker.on_stream("cfd-echo@1", echo_handler)
    links: list[Any] = []
    maker.on_connect(links.append)
    link = await taker.dial(await maker.listen("127.0.0.1", 0), maker.local_id)
    links[0]._wire._transport.pause_reading()
    with pytest.raises(Disconnected, match=r"no answer to a new stream for 0\.2 s"):
        await link.open_stream("cfd-echo@1")
    assert link.closed


async def test_the_dialler_grants_the_listener_nothing_else(ssh_net: Any, echo_handler: Any) -> None:
    maker, taker = ssh_net.node("maker"), ssh_net.node("taker")
    taker.on_stream("cfd-echo@1", echo_handler)
    links: list[Any] = []
    maker.on_connect(links.append)
    await taker.dial(await maker.listen("127.0.0.1", 0), maker.local_id)
    wire = links[0]._wire
    for host, port in (("cfd-none@1", 1), ("127.0.0.1", 1), ("cfd-echo@1", 22), ("cfd-ready", 1)):
        with pytest.raises(asyncssh.ChannelOpenError):
            await wire.open_connection(host, port)
    with pytest.raises(asyncssh.ChannelOpenError):
        await wire.open_unix_connection("/tmp/x")  # noqa: S108
    stream = await links[0].open_stream("cfd-echo@1")
    await stream.send(b"x")
    assert await stream.receive() == b"x"
