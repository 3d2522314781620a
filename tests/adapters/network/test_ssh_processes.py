"""Real processes at the far end: the stock OpenSSH client, and peers that are killed or frozen."""

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from cfd_network import Disconnected, Limits
from cfd_network.keys import ssh_key

from cfd_core.values import Secret

SEED = Secret(b"o" * 32)
needs_ssh = pytest.mark.skipif(shutil.which("ssh") is None, reason="no OpenSSH client installed")

FAR_END = """
import asyncio, sys
from cfd_core.values import Secret
from cfd_network import Address, SshTransport

async def main():
    async def silent(stream):
        await stream.wait_closed()
    node = SshTransport(Secret(b"f" * 32))
    node.on_stream("cfd-silent@1", silent)
    link = await node.dial(Address(sys.argv[1], int(sys.argv[2])), sys.argv[3])
    await link.wait_closed()

asyncio.run(main())
"""


@pytest.fixture
async def maker(ssh_net: Any, echo_handler: Any) -> Any:
    node = ssh_net.node("maker", limits=Limits())

    async def offers(stream: Any) -> None:
        for n in range(3):
            await stream.send(b'{"offer": %d, "to": "%s"}' % (n, stream.peer.encode()))

    async def endless(stream: Any) -> None:
        node.endless = stream
        await stream.send(b"started")
        node.ended = await stream.wait_closed()

    async def broken(_stream: Any) -> None:
        raise ValueError("a bug")

    node.on_stream("cfd-echo@1", echo_handler)
    node.on_stream("cfd-offers@1", offers)
    node.on_stream("cfd-endless@1", endless)
    node.on_stream("cfd-broken@1", broken)
    node.ended = None
    node.at = await node.listen("127.0.0.1", 0)
    return node


@pytest.fixture
def ssh(maker: Any, tmp_path: Path) -> Any:
    key = tmp_path / "id_ed25519"
    key.write_bytes(ssh_key(SEED).export_private_key("openssh"))
    key.chmod(0o600)
    known = tmp_path / "known_hosts"
    host_key = ssh_key(Secret(b"maker".ljust(32, b"."))).export_public_key("openssh").decode()
    known.write_text(f"[127.0.0.1]:{maker.at.port} {host_key}")

    def command(*words: str, identity: Path = key) -> list[str]:
        options = ("StrictHostKeyChecking=yes", f"UserKnownHostsFile={known}", "BatchMode=yes", "IdentitiesOnly=yes")
        set_options = [part for option in options for part in ("-o", option)]
        where = ["-F", "none", "-i", str(identity), "-p", str(maker.at.port)]
        return ["ssh", *where, *set_options, *words]

    async def run(*words: str, stdin: bytes = b"", identity: Path = key) -> tuple[int, bytes, str]:
        process = await asyncio.create_subprocess_exec(
            *command(*words, identity=identity),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(30):
            out, err = await process.communicate(stdin)
        assert process.returncode is not None
        return process.returncode, out, err.decode()

    run.command = command  # type: ignore[attr-defined]
    return run


@needs_ssh
async def test_the_stock_client_streams_offers(ssh: Any) -> None:
    from cfd_network import peer_id

    status, out, err = await ssh("-s", "maker@127.0.0.1", "cfd-offers@1")
    me = peer_id(SEED).encode()
    assert out == b"".join(b'{"offer": %d, "to": "%s"}\n' % (n, me) for n in range(3))
    assert (status, err) == (0, "")


@needs_ssh
async def test_the_stock_client_talks_both_ways(ssh: Any) -> None:
    lines = b"".join(b"%d\n" % n * 20 for n in range(200))
    status, out, _ = await ssh("-s", "maker@127.0.0.1", "cfd-echo@1", stdin=lines + b"cut off")
    assert (status, out) == (0, lines)


@needs_ssh
@pytest.mark.parametrize(
    "words",
    [
        ("-s", "maker@127.0.0.1", "cfd-none@1"),
        ("-s", "maker@127.0.0.1", "sftp"),
        ("-s", "maker@127.0.0.1", "cfd-broken@1"),
        ("maker@127.0.0.1",),
        ("-tt", "maker@127.0.0.1"),
        ("maker@127.0.0.1", "id"),
        ("-W", "127.0.0.1:22", "maker@127.0.0.1"),
        ("-N", "-o", "ExitOnForwardFailure=yes", "-R", "0:127.0.0.1:22", "maker@127.0.0.1"),
    ],
    ids=lambda words: " ".join(words[-2:]),
)
async def test_the_stock_client_gets_nothing_else(ssh: Any, words: tuple[str, ...]) -> None:
    status, out, err = await ssh(*words)
    assert status not in (0, None)
    assert out == b""
    assert "Permission denied" not in err


@needs_ssh
async def test_the_stock_client_needs_an_ed25519_key(ssh: Any, tmp_path: Path) -> None:
    import asyncssh

    rsa = tmp_path / "id_rsa"
    rsa.write_bytes(asyncssh.generate_private_key("ssh-rsa", key_size=2048).export_private_key())
    rsa.chmod(0o600)
    for identity in (rsa, tmp_path / "missing"):
        status, out, err = await ssh("-s", "maker@127.0.0.1", "cfd-offers@1", identity=identity)
        assert (status, out) == (255, b"")
        assert "Permission denied (publickey)" in err


@needs_ssh
async def test_a_stock_client_that_is_killed_is_noticed(maker: Any, ssh: Any, eventually: Any) -> None:
    process = await asyncio.create_subprocess_exec(
        *ssh.command("-s", "maker@127.0.0.1", "cfd-endless@1"), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"started\n"
    process.kill()
    await process.wait()
    await eventually(lambda: maker.ended is not None)
    with pytest.raises(Disconnected):
        await maker.endless.send(b"x")


@pytest.fixture
async def far_end(ssh_net: Any, request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    """A node in a process of its own that dialled us; `link` is our end of the connection."""
    maker = ssh_net.node("maker", limits=getattr(request, "param", Limits()))
    at = await maker.listen("127.0.0.1", 0)
    arrived: asyncio.Queue[Any] = asyncio.Queue()
    maker.on_connect(arrived.put_nowait)
    search = os.pathsep.join(path for path in sys.path if path)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        FAR_END,
        at.host,
        str(at.port),
        maker.local_id,
        env=os.environ | {"PYTHONPATH": search},
    )
    async with asyncio.timeout(60):
        process.link = await arrived.get()  # type: ignore[attr-defined]
    yield process
    if process.returncode is None:
        process.kill()
        await process.wait()


async def test_a_killed_peer_is_noticed_at_once(far_end: Any) -> None:
    stream = await far_end.link.open_stream("cfd-silent@1")
    receiving = asyncio.create_task(stream.receive())
    await asyncio.sleep(0)
    far_end.kill()
    async with asyncio.timeout(20):
        with pytest.raises(Disconnected, match="the link broke"):
            await receiving


@pytest.mark.parametrize("far_end", [Limits(silence=2)], indirect=True)
async def test_a_frozen_peer_is_noticed_by_its_silence(far_end: Any) -> None:
    stream = await far_end.link.open_stream("cfd-silent@1")
    far_end.send_signal(signal.SIGSTOP)
    async with asyncio.timeout(30):
        with pytest.raises(Disconnected, match=r"no sign of life for 2 s"):
            await stream.receive()
        assert await far_end.link.wait_closed() == "no sign of life for 2 s"
