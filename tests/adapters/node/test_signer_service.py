"""The signer as a service of a node: met before it is asked, missed when it is gone, and never another one."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from attrs import define, field
from cfd_node.commands.run import signer_of
from cfd_node.config import ConfigError, parse_config
from cfd_node.services import signer as signer_module
from cfd_node.services.signer import SIGNER_FILE, SignerService
from cfd_node.supervision import Level
from cfd_signer import Holder, Watch

from cfd_core.crypto.signer import SignerUnavailable
from cfd_core.values import Network

AWAY = "the signer at s does not answer: Connection refused"


@define(eq=False)
class Keyring:
    """What the service asks a signer."""

    holder: Holder | None = Holder(Network.REGTEST, "ab")
    keys: set[bytes] = field(factory=set)
    network: Network = Network.REGTEST
    road: Any = field(factory=lambda: SimpleNamespace(watch=Watch("not asked yet")))
    met: int = 0

    def meet(self) -> Holder:
        self.met += 1
        if self.holder is None:
            raise SignerUnavailable(AWAY)
        return self.holder

    def has(self, _cfd: Any, identity: bytes) -> bool:
        return identity in self.keys


@define(eq=False)
class Life:
    """A service that runs, and what it told."""

    keyring: Keyring
    folder: Path
    cfds: list[Any] = field(factory=list)
    told: list[tuple[Level, str]] = field(factory=list)

    def __call__(self, level: Level, reason: str = "", /) -> None:
        if not self.told or self.told[-1] != (level, reason):
            self.told.append((level, reason))

    async def until(self, level: Level, reason: str = "") -> None:
        service: Any = SignerService(self.keyring, self.folder, lambda: self.cfds)  # type: ignore[arg-type]
        task = asyncio.create_task(service.run(self))
        try:
            async with asyncio.timeout(60):
                while not self.told or self.told[-1][0] is not level or reason not in self.told[-1][1]:
                    assert not task.done(), task.exception()
                    await asyncio.sleep(0.001)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signer_module, "LOOK_SECONDS", 0.001)


@pytest.fixture
def life(tmp_path: Path) -> Iterator[Life]:
    made = Life(Keyring(), tmp_path)
    yield made
    assert made.keyring.road.watch.trouble, "nobody asks past a service that is stopped"


def open_cfd(identity: bytes) -> Any:
    party = SimpleNamespace(funder=SimpleNamespace(identity=identity))
    draft = SimpleNamespace(party=lambda _role: party)
    return SimpleNamespace(key_id="0f" * 16, role=None, held=SimpleNamespace(live=SimpleNamespace(draft=draft)))


async def test_the_first_signer_is_the_one(life: Life) -> None:
    await life.until(Level.RUNNING)
    assert (life.folder / SIGNER_FILE).read_text() == "ab\n"
    assert (life.folder / SIGNER_FILE).stat().st_mode & 0o077 == 0
    life.keyring.holder = Holder(Network.REGTEST, "cd")
    await life.until(Level.FAILED, "the signer holds other keys")
    life.keyring.holder = Holder(Network.REGTEST, "ab")
    await life.until(Level.RUNNING)


async def test_a_signer_of_another_network_is_not_asked(life: Life) -> None:
    life.keyring.holder = Holder(Network.SIGNET, "ab")
    await life.until(Level.FAILED, "keys are for signet, and this node is on regtest")
    assert not (life.folder / SIGNER_FILE).exists()


async def test_a_signer_that_lacks_the_keys_of_an_open_cfd_is_not_asked(life: Life) -> None:
    life.cfds = [open_cfd(b"theirs"), open_cfd(b"ours"), SimpleNamespace(held=None)]
    life.keyring.keys = {b"theirs"}
    await life.until(Level.FAILED, "does not have the keys of 1 open CFDs")
    life.keyring.keys = {b"theirs", b"ours"}
    await life.until(Level.RUNNING)


async def test_a_signer_that_is_away_is_asked_until_it_is_back(life: Life) -> None:
    life.keyring.holder = None
    await life.until(Level.FAILED, AWAY)
    life.keyring.holder = Holder(Network.REGTEST, "ab")
    await life.until(Level.RUNNING)


async def test_a_signer_that_was_missed_between_two_looks_is_told_away_before_it_is_back(life: Life) -> None:
    """Who waits for it is woken when it comes back, so it must have been away."""
    service: Any = SignerService(life.keyring, life.folder, list)  # type: ignore[arg-type]
    task = asyncio.create_task(service.run(life))
    async with asyncio.timeout(60):
        while not life.told:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        life.keyring.road.watch.trouble = "hung up"
        while len(life.told) < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert life.told[:3] == [(Level.RUNNING, ""), (Level.FAILED, "hung up"), (Level.RUNNING, "")]


def test_the_settings_name_the_signer_or_there_never_was_one(tmp_path: Path) -> None:
    without = parse_config(f'data = "{tmp_path}"', "cfd.toml", {}, {})
    assert signer_of(without) is None
    named = parse_config(f'data = "{tmp_path}"\n[signer]\nsocket = "{tmp_path}/s"', "cfd.toml", {}, {})
    keyring = signer_of(named)
    assert keyring is not None
    assert keyring.network is Network.REGTEST
    with pytest.raises(SignerUnavailable, match="has not been asked yet"):
        keyring.cfd_keys("0f" * 16, 0).public  # type: ignore[arg-type] # noqa: B018
    without.folder.mkdir(parents=True)
    (without.folder / SIGNER_FILE).write_text("ab\n")
    with pytest.raises(ConfigError, match=r"signer\.socket is not set, and the keys of this node's contracts"):
        signer_of(without)
