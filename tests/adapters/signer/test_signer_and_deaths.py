"""Nodes that die at any moment of a rollover beside signers that remember: the signer may know more than the books."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, cast

import pytest
from attrs import evolve
from cfd_signer import Memory, Oracle, RemoteKeyring, Rules
from cfd_signer import requests as r
from cfd_signer.desk import Desk
from cfd_signer.remote import Road

from cfd_core.cfd import phases as p
from cfd_core.cfd.commands import ForceClose
from cfd_core.crypto.keys import Keychain
from cfd_core.crypto.signer import Keyring, SignerRefused
from cfd_core.testing import SECRETS, Pair, SimNode
from cfd_core.testing.crashes import live_out
from cfd_core.testing.node import Moment
from cfd_core.testing.stories import KEY, close, mine, opened, roll, settle
from cfd_core.testing.verdict import check
from cfd_core.values import Network, Role, Sats

RULES = Rules(
    network=Network.REGTEST,
    max_loss=Sats(10_000_000),
    oracles=(Oracle(SECRETS.public.attestation, SECRETS.public.announcement),),
)
EVERY = 4
"""Of the moments; all of them were tried by hand."""


class NearRoad:
    """To a signer in this process."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def ask(self, request: r.Request, kind: type[Any], _patience: float = 0) -> Any:
        answer = self._desk.answer(request)
        if isinstance(answer, r.Refused):
            raise SignerRefused(answer.reason)
        assert isinstance(answer, kind)
        return answer


def with_signer(node: SimNode, keychain: Keyring, memory: Memory) -> None:
    """From here on the node's keys are in a signer."""
    desk = Desk(cast(Keychain, keychain), RULES, memory)
    keyring = RemoteKeyring(Network.REGTEST, cast(Road, NearRoad(desk)))
    node.settings = evolve(node.settings, keychain=keyring)
    node.engine = evolve(node.engine, settings=node.settings)


def told(folder: Path, dies_at: int) -> tuple[Pair, int]:
    """A rollover, a settlement, and a force close all the same; one node dies at a moment, and is back at once."""
    seen = 0

    def mortal(_node: SimNode, _moment: Moment) -> bool:
        nonlocal seen
        seen += 1
        return seen - 1 == dies_at

    folder.mkdir()
    with ExitStack() as held:
        pair = opened()
        for node in pair.nodes:
            memory = held.enter_context(closing(Memory(folder / node.role.value)))
            with_signer(node, node.settings.keychain, memory)
            node.mortal = mortal
        pair.prompt = True
        for act in (roll(Role.TAKER), settle((Role.TAKER, 50_000)), close(Role.TAKER)):
            act(pair)
            pair.revive()
            pair.run()
        live_out(pair, 60_000)
        check(pair)
    return pair, seen


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[Path]:
    return (tmp_path / str(number) for number in range(10**6))


@pytest.mark.slow
def test_a_death_at_any_moment_ends_as_without_a_signer(folders: Iterator[Path]) -> None:
    _, moments = told(next(folders), -1)
    for number in range(0, moments, EVERY):
        pair, _ = told(next(folders), number)
        for node in pair.nodes:
            assert KEY not in node.engine.unsigned, f"death {number}"


def test_a_revocation_that_only_the_signer_knows_of(tmp_path: Path) -> None:
    """The one death that a maker which never comes back makes matter: its owner helps, as the documentation says."""
    pair, path = opened(), tmp_path / "memory"
    taker, keychain = pair.taker, pair.taker.settings.keychain
    with closing(Memory(path)) as memory:
        with_signer(taker, keychain, memory)
        taker.mortal = lambda _node, moment: moment is Moment.DECIDED and b"revoke" in path.read_bytes()
        roll(Role.TAKER)(pair)
        assert taker.dead
        pair.maker.die()
        taker.mortal = lambda _node, _moment: False
        pair.restart(taker)
        pair.run()
        assert taker.held.live.number == 0
        assert "is revoked" in taker.command(ForceClose(KEY))
    path.write_bytes(b"".join(line for line in path.read_bytes().splitlines(keepends=True) if b"revoke" not in line))
    with closing(Memory(path)) as memory:
        with_signer(taker, keychain, memory)
        assert not taker.command(ForceClose(KEY))
        pair.run()
        mine(1)(pair)
    assert isinstance(taker.phase, p.CommitConfirmed)
