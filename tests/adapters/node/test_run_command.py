"""`cfd maker` and `cfd taker` as processes: they start whatever is down, say so, and end when told to."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from attrs import define
from cfd_web import models as m
from cfd_web.access import find_access
from cfd_web.client import AsyncClient, calls

PATIENCE = 120.0
CFD = Path(sys.executable).with_name("cfd")
PEER = "SHA256:pU2bLyqPdAE1pHfvzU1kVuk1DDpGyHxnWHAgJYyqH1g"
NOTHING_THERE = """
[electrum]
servers = ["tcp://127.0.0.1:1", "ssl://127.0.0.1:1"]
timeout = 2
[oracle]
url = "http://127.0.0.1:1"
[wallet]
passphrase_file = "{folder}/passphrase"
"""


@define
class Home:
    """A user's files."""

    folder: Path
    started: list[Process]

    async def cfd(self, *arguments: str) -> Process:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "XDG_CONFIG_HOME": str(self.folder),
            "XDG_DATA_HOME": str(self.folder),
        }
        process = await asyncio.create_subprocess_exec(CFD, *arguments, stdout=PIPE, stderr=PIPE, env=environment)
        self.started.append(process)
        return process

    async def done(self, *arguments: str) -> tuple[int, str]:
        process = await self.cfd(*arguments)
        async with asyncio.timeout(PATIENCE):
            out, err = await process.communicate()
        return process.returncode or 0, (out + err).decode()


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Home]:
    (tmp_path / "cfd").mkdir()
    (tmp_path / "cfd" / "cfd.toml").write_text(NOTHING_THERE.format(folder=tmp_path))
    secret = tmp_path / "passphrase"
    secret.write_text("correct horse battery\n")
    secret.chmod(0o600)
    made = Home(tmp_path, [])
    yield made
    for process in made.started:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def until(ask: Callable[[], Any], wanted: Callable[[Any], bool]) -> Any:
    async with asyncio.timeout(PATIENCE):
        while not wanted(found := await ask()):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    return found


@pytest.mark.parametrize(
    ("command", "more"), [("maker", "peers.listen=127.0.0.1:9735"), ("taker", f"peers.makers={PEER}@127.0.0.1:1")]
)
async def test_a_node_starts_with_everything_down_and_ends_when_told_to(home: Home, command: str, more: str) -> None:
    code, said = await home.done("init", "--unconfirmed")
    assert code == 0, said
    node = await home.cfd(command, "--set", more, "--json")
    assert node.stdout is not None
    folder = home.folder / "cfd" / "regtest"
    async with asyncio.timeout(PATIENCE):
        told = json.loads(await node.stdout.readline())
    assert told["url"].startswith("http://127.0.0.1:")
    assert (told["not_served"], told["folder"]) == ("", str(folder))
    async with AsyncClient(find_access(folder)) as client:
        health = await until(
            lambda: client.ask(calls.health()),
            lambda h: {s.name for s in h.services if s.state is m.ServiceState.BACKOFF} >= {"chain", "oracle"},
        )
        assert health.level is m.HealthLevel.DOWN
        assert {s.name for s in health.services if s.state is m.ServiceState.RUNNING} >= {
            "database",
            "protocols",
            "api",
        }
        question = await client.ask(calls.backup_question())
        assert (question.confirmed_at, len(question.ask)) == (None, 3)
    second, said = await home.done(command, "--set", more)
    assert (second, "another node uses the folder" in said) == (1, True), said
    node.send_signal(signal.SIGTERM)
    async with asyncio.timeout(PATIENCE):
        _, err = await node.communicate()
    assert node.returncode == 0, err.decode()[-2000:]
    assert not (folder / "api.json").exists()


async def test_a_node_starts_without_its_signer_and_says_so(home: Home) -> None:
    code, said = await home.done("init", "--unconfirmed")
    assert code == 0, said
    socket = home.folder / "signer" / "s"
    peer = f"peers.makers={PEER}@127.0.0.1:1"
    node = await home.cfd("taker", "--set", peer, "--set", f"signer.socket={socket}", "--json")
    assert node.stdout is not None
    async with asyncio.timeout(PATIENCE):
        json.loads(await node.stdout.readline())
    folder = home.folder / "cfd" / "regtest"
    async with AsyncClient(find_access(folder)) as client:
        health = await until(
            lambda: client.ask(calls.health()),
            lambda h: any(s.name == "signer" and s.state is m.ServiceState.BACKOFF for s in h.services),
        )
        (signer,) = [service for service in health.services if service.name == "signer"]
        assert signer.title == "Signer"
        assert signer.reason == f"the signer at {socket} does not answer: No such file or directory"
        assert signer.actions == (m.ServiceAction.STOP, m.ServiceAction.RESTART)
        assert health.needs_person == (f"Signer: {signer.reason}",)
        assert (await client.ask(calls.cfds())).cfds == ()
    code, said = await home.done("health", "--folder", str(folder))
    assert "Signer" in said
    node.send_signal(signal.SIGTERM)
    async with asyncio.timeout(PATIENCE):
        _, err = await node.communicate()
    assert node.returncode == 0, err.decode()[-2000:]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("maker",), "peers.listen"),
        (("taker",), "peers.makers"),
        (("maker", "--set", "peers.listen=127.0.0.1:9735"), "cfd init"),
        (("maker", "--set", "peers.listen=127.0.0.1:9735", "--network", "mainnet"), "mainnet.acknowledge"),
        (("maker", "--set", "peers.listen=127.0.0.1:9735", "--mainnet"), "the network is regtest"),
        (("maker", "--set", "peers.listen=127.0.0.1:9735", "--set", "api.listen="), "cfd init"),
    ],
)
async def test_what_keeps_a_node_from_being_started(home: Home, arguments: tuple[str, ...], complaint: str) -> None:
    code, said = await home.done(*arguments)
    assert code == 1
    assert said.startswith("Error: ")
    assert "Traceback" not in said
    assert complaint in said
