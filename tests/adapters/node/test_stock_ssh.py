"""The stock OpenSSH client lists a maker's offers: one line of JSON now, and another whenever they change."""

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from cfd_node.node import Node

from cfd_core.cfd.commands import WithdrawOffer
from cfd_core.serial.wire import decode_offers

SSH = shutil.which("ssh")
pytestmark = pytest.mark.skipif(SSH is None, reason="no ssh on the PATH: install the OpenSSH client")
PATIENCE = 20


@pytest.fixture
async def key_file(tmp_path: Path) -> Path:
    """A key of the client's own."""
    path = tmp_path / "id_ed25519"
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)]
    process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.DEVNULL)
    assert await process.wait() == 0
    return path


async def ssh(maker: Node, key_file: Path, subsystem: str) -> asyncio.subprocess.Process:
    assert maker.address is not None
    options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "BatchMode=yes", "LogLevel=ERROR"]
    return await asyncio.create_subprocess_exec(
        str(SSH),
        *("-F", "none", "-i", str(key_file), "-p", str(maker.address.port)),
        *(word for option in options for word in ("-o", option)),
        *("-s", f"anyone@{maker.address.host}", subsystem),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def line(process: asyncio.subprocess.Process) -> dict[str, Any]:
    assert process.stdout is not None
    raw = await asyncio.wait_for(process.stdout.readline(), PATIENCE)
    assert raw.endswith(b"\n")
    found: dict[str, Any] = json.loads(raw)
    return found


async def ended(process: asyncio.subprocess.Process) -> tuple[int, bytes, bytes]:
    out, errors = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert process.returncode is not None
    return process.returncode, out, errors


async def test_it_lists_the_offers_and_their_changes(world: Any, key_file: Path) -> None:
    maker = await world.maker(sats=0)
    offer = await world.publish(maker)
    process = await ssh(maker, key_file, "cfd-offers@1")
    shown = await line(process)
    assert shown["type"] == "offers"
    assert [entry["id"] for entry in shown["offers"]] == [offer.id]
    assert decode_offers(json.dumps(shown).encode()) == (offer,)
    second = await world.publish(maker)
    assert {entry["id"] for entry in (await line(process))["offers"]} == {offer.id, second.id}
    for gone in (offer, second):
        maker.command(WithdrawOffer(gone.id))
    assert [entry["id"] for entry in (await line(process))["offers"]] in ([second.id], [])
    process.terminate()
    await ended(process)


async def test_a_maker_without_offers_says_so(world: Any, key_file: Path) -> None:
    process = await ssh(await world.maker(sats=0), key_file, "cfd-offers@1")
    assert (await line(process))["offers"] == []
    process.terminate()
    await ended(process)


async def test_the_client_sees_the_node_go(world: Any, key_file: Path) -> None:
    maker = await world.maker(sats=0)
    process = await ssh(maker, key_file, "cfd-offers@1")
    await line(process)
    await world.stop(maker)
    code, out, _ = await ended(process)
    assert code != 0
    assert out == b""


async def test_there_is_no_other_subsystem_and_no_shell(world: Any, key_file: Path) -> None:
    maker = await world.maker(sats=0)
    for subsystem in ("sftp", "cfd-offers@2"):
        code, out, errors = await ended(await ssh(maker, key_file, subsystem))
        assert code != 0
        assert out == b""
        assert b"subsystem request failed" in errors
