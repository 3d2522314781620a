"""Two real nodes on the embedded chain, one with its keys in a signer's process that is killed again and again."""

import asyncio
import json
import secrets
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from attrs import define, evolve
from cfd_node import pump as pump_module
from cfd_node.daemon import Quote
from cfd_node.desk.rows import row_of
from cfd_node.node import Node
from cfd_node.services import signer as signer_module
from cfd_node.supervision import Level
from cfd_signer import RemoteKeyring

from cfd_core.cfd import phases as p
from cfd_core.cfd.commands import AcceptSettlement, ForceClose, ProposeSettlement, PublishOffer, RollOver
from cfd_core.cfd.offer import Offer
from cfd_core.crypto.signer import SignerUnavailable
from cfd_core.engine import Policy, Step
from cfd_core.protocols.contract_setup import states as setup
from cfd_core.protocols.rollover import states as rollover
from cfd_core.protocols.settlement import states as settlement
from cfd_core.values import HOUR, CfdId, FeeRate, Network, OfferId, Timestamp

PATIENCE = 120.0
PHRASE = "legal winner thank year wave sausage worth useful legal winner thank yellow"
UNHURRIED = Policy(step_seconds=6 * HOUR)
"""A machine may be busy: no run ends because a signer's process is slow to start."""


@define(eq=False)
class Signer:
    """A signer's folder, and its process."""

    folder: Path
    process: Process | None = None

    @property
    def socket(self) -> Path:
        return self.folder / "s"

    async def start(self) -> None:
        command = [sys.executable, "-m", "cfd_signer", "run", str(self.folder)]
        self.process = await asyncio.create_subprocess_exec(*command, stdout=PIPE)
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            assert (await self.process.stdout.readline()).startswith(b"signs for regtest")

    def kill(self) -> None:
        """From inside a turn: what is asked next is not answered."""
        if self.process is not None and self.process.returncode is None:
            self.process.kill()

    async def gone(self) -> None:
        if self.process is not None:
            await self.process.communicate()
            self.process = None

    def keyring(self) -> RemoteKeyring:
        return RemoteKeyring.watched(self.socket, Network.REGTEST)


@pytest.fixture
async def signer(world: Any, tmp_path: Path) -> AsyncIterator[Signer]:
    folder = tmp_path / "signer"
    folder.mkdir()
    (folder / "seed").write_text(PHRASE)
    (folder / "seed").chmod(0o600)
    keys = world.oracle.keys
    announcement = None if keys.announcement is None else keys.announcement.hex()
    rules = {
        "network": "regtest",
        "seed": "seed",
        "socket": "s",
        "memory": "memory.jsonl",
        "max_loss": 1_000_000,
        "oracles": [{"attestation": keys.attestation.hex(), "announcement": announcement}],
        "payout_scripts": None,
        "group": None,
    }
    (folder / "rules.json").write_text(json.dumps(rules))
    made = Signer(folder)
    yield made
    made.kill()
    await made.gone()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pump_module, "RETRY_SECONDS", 0.05)
    monkeypatch.setattr(signer_module, "LOOK_SECONDS", 0.05)


async def two(world: Any, signer: Signer) -> tuple[Node, Node]:
    """A maker, and a taker whose keys are in the signer."""
    world.clock.turn_to(Timestamp(world.clock.now() + HOUR))  # so that no rollover leads to the other oracle's event
    mine = {"oracle_keys": world.oracle.keys, "policy": UNHURRIED}
    maker = await world.maker(**mine)
    return maker, await world.taker(maker, signer=signer.keyring(), **mine)


async def publish(world: Any, maker: Node, hours: int = 2) -> Offer:
    now = world.clock.now()
    quote = Quote(
        bid=Decimal(50_000),
        ask=Decimal(50_000),
        min_quantity=100,
        max_quantity=1_000,
        lot=100,
        leverages=(2,),
        funding_rate=Decimal(0),
        fee_rate=FeeRate(2),
        tolerance=Decimal("0.1"),
        expiry=Timestamp(now // HOUR * HOUR + hours * HOUR),
    )
    offer = evolve(quote.offer(OfferId(secrets.token_hex(16)), Network.REGTEST, now), liquidations=())
    await maker.learn_event(offer.event)
    maker.command(PublishOffer(offer))
    return offer


async def away(node: Node, signer: Signer) -> None:
    """The signer was killed, and the node says so."""
    await signer.gone()
    await level(node, Level.FAILED)
    assert "does not answer" in node.health()["signer"].reason


async def level(node: Node, wanted: Level) -> None:
    async with asyncio.timeout(PATIENCE):
        await node.supervisor.until(lambda: node.health()["signer"].level is wanted)


def kill_at(node: Node, signer: Signer, state: type) -> Callable[[Step], None]:
    """The signer dies in the turn in which a run of the node comes to this state."""

    def watcher(step: Step) -> None:
        if any(isinstance(run.state, state) for run in step.engine.runs.values()):
            signer.kill()
            node._watchers.remove(watcher)

    node.watch(watcher)
    return watcher


async def killed(signer: Signer) -> None:
    async with asyncio.timeout(PATIENCE):
        while signer.process is not None and signer.process.returncode is None:  # noqa: ASYNC110
            await asyncio.sleep(0.005)


@pytest.mark.slow
async def test_a_cfd_is_opened_rolled_over_and_settled_while_the_signer_is_killed_in_each(
    world: Any, signer: Signer
) -> None:
    await signer.start()
    maker, taker = await two(world, signer)
    await level(taker, Level.RUNNING)
    offer = await publish(world, maker)

    kill_at(taker, signer, setup.CheckingInputs)
    key = await world.take(taker, maker.peer_id, offer)
    await killed(signer)
    await away(taker, signer)
    assert isinstance(taker.engine.cfds[key].phase, p.SettingUp)
    await signer.start()
    for node in (taker, maker):
        await world.phase(node, key, p.LockPending)
    await world.mine_until(taker, key, p.Open)
    await world.phase(maker, key, p.Open)

    for state, number in ((rollover.AwaitingAgreement, 1), (rollover.AwaitingCommitSignature, 2)):
        kill_at(taker, signer, state)
        taker.command(RollOver(key, secrets.token_bytes(32)))
        await killed(signer)
        await away(taker, signer)
        assert live(taker, key) == number - 1
        await signer.start()
        for node in (taker, maker):
            await world.until(node, lambda node=node, number=number: live(node, key) == number)
            await world.until(node, lambda node=node: not node.engine.cfds[key].held.rolling)
            await world.until(node, lambda node=node: not any(run.state for run in runs(node)))
        world.clock.turn_to(Timestamp(world.clock.now() + 2 * HOUR))

    kill_at(taker, signer, settlement.AwaitingAnswer)
    taker.command(ProposeSettlement(key, Decimal(51_000)))
    await killed(signer)
    await away(taker, signer)
    await world.until(maker, lambda: bool(maker.engine.runs))
    maker.command(AcceptSettlement(key))
    await world.until(maker, lambda: any(isinstance(r.state, settlement.AwaitingFirstSignature) for r in runs(maker)))
    assert isinstance(taker.engine.cfds[key].phase, p.Open)
    await signer.start()
    for node in (taker, maker):
        await world.phase(node, key, p.ClosePending)
    await world.mine_until(taker, key, p.Closed)
    assert signer_memory(signer) >= {"commit", "revoke", "close"}


def live(node: Node, key: CfdId) -> int:
    held = node.engine.cfds[key].held
    assert held is not None
    return held.live.number


def runs(node: Node) -> list[Any]:
    return list(node.engine.runs.values())


def signer_memory(signer: Signer) -> set[str]:
    return {json.loads(line)["did"] for line in (signer.folder / "memory.jsonl").read_text().splitlines()}


@pytest.mark.slow
async def test_a_node_that_starts_without_its_signer_shows_all_and_closes_when_it_is_back(
    world: Any, signer: Signer
) -> None:
    maker, taker = await two(world, signer)
    await level(taker, Level.FAILED)
    assert {taker.health()[name].level for name in ("protocols", "network", "wallet")} == {Level.RUNNING}
    await signer.start()
    await level(taker, Level.RUNNING)
    offer = await publish(world, maker)
    key = await world.take(taker, maker.peer_id, offer)
    for node in (taker, maker):
        await world.phase(node, key, p.LockPending)
    await world.mine_until(taker, key, p.Open)
    await world.phase(maker, key, p.Open)

    signer.kill()
    taker = await world.restart(taker)
    await away(taker, signer)
    await world.stop(maker)
    with pytest.raises(SignerUnavailable, match="does not answer"):
        taker.command(ForceClose(key))
    await world.until(taker, lambda: taker.engine.tip > 0)
    world.clock.turn_to(Timestamp(offer.expiry + 13 * HOUR))  # the oracle was silent for too long
    await world.until(taker, lambda: key in taker.engine.unsigned)
    assert isinstance(taker.engine.cfds[key].phase, p.Open)
    assert row_of(taker, taker.engine.cfds[key], None).warning.startswith("Not signed: the signer at ")
    await signer.start()
    await world.phase(taker, key, p.CommitPending, p.CommitConfirmed)
    assert not taker.engine.unsigned
