"""Harder histories, for the long profile only (`nox -s properties`): a side cheats, what protocols turn on is lost, or
said again. They find bugs of the kind that they hunt: each is planted here, and must be found.

The planted ones are derandomized, so it is always the same histories that find them: it takes 19, 81 and 136.
"""

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule, run_state_machine_as_test

from cfd_core import effects as f
from cfd_core import inputs as i
from cfd_core.cfd import commands as c
from cfd_core.cfd import phases as p
from cfd_core.cfd.events import ExitKind
from cfd_core.protocols.contract_setup import messages as m
from cfd_core.protocols.rollover import messages as r
from cfd_core.protocols.settlement import messages as t
from cfd_core.serial import wire
from cfd_core.testing import SimNode
from cfd_core.testing.stories import KEY, entropy, node_of, revoked_commit
from cfd_core.values import HOUR, Role, RunId
from tests.core.crashes import test_planted_bugs as plants
from tests.core.histories.test_histories import ALLOWED, Histories

pytestmark = pytest.mark.skipif(os.environ.get("CFD_PROPERTIES") != "long", reason="nox -s properties")
TURNING = (m.LockSignatures, r.CommitSignature, r.Revocation, t.CloseSignature)
"""The messages after which a side is committed to something."""


class Harder(Histories):
    """The model with more rules."""

    lossy: type | None = None
    cheated = False

    def _remember(self, to: SimNode, raw: bytes) -> bytes | None:
        self.said.append((to, raw))
        if self.lossy is not None and isinstance(wire.decode_message(raw), self.lossy):
            self.lossy = None
            return None
        return raw

    @rule(kind=st.sampled_from([None, *TURNING]))
    def swallow(self, kind: type | None) -> None:
        """The next message of this kind never arrives."""
        self.lossy = kind

    @rule(role=st.sampled_from(list(Role)), kind=st.sampled_from([r.CommitSignature, r.CommitSignature, r.Revocation]))
    def roll_in_vain(self, role: Role, kind: type) -> None:
        """A rollover of which the next message of a kind is lost, and then the link."""
        self.lossy = kind
        self.pair.later(HOUR)
        node_of(self.pair, role).command(c.RollOver(KEY, entropy(self.pair, role)))
        self.pair.run()
        self.pair.cut()

    @rule()
    def say_all_again(self) -> None:
        """Each side opens a resume stream, and says once more whatever it ever said in a rollover."""
        for node in self.pair.nodes:
            self._say_all_again(node, self.pair.other(node))

    def _say_all_again(self, node: SimNode, other: SimNode) -> None:
        said = [x.message for x in node.done if isinstance(x, f.SendMessage)]
        theirs = None if node.dead or other.dead else self.pair.network.open(node.peer, RunId("again"), other.peer)
        if theirs is not None:
            other.give(i.StreamOpened(theirs, node.peer, r.RESUME_PROTOCOL, bytes(32)))
            for message in said:
                if isinstance(message, r.CommitSignature | r.Revocation):
                    other.give(i.MessageReceived(theirs, message))

    @precondition(lambda self: not self.cheated)
    @rule(role=st.sampled_from(list(Role)))
    def cheat(self, role: Role) -> None:
        """One side publishes a commit that both have revoked, if there is one: the other takes everything."""
        node = node_of(self.pair, role)
        sides = (node, self.pair.other(node))
        # by both: else its engine may lawfully settle by it, and win where the other is off for too long
        first, second = (
            {x.number for y in side.engine.cfds.values() if y.held for x in y.held.revoked} for side in sides
        )
        commit = revoked_commit(node, max(first & second)) if first & second else None
        if commit is not None and all(isinstance(cfd.phase, p.Open) for cfd in node.engine.cfds.values()):
            self.pair.cheats(node)
            self.cheated = self.pair.chain.submit(commit)
            self.allowed = ALLOWED | {ExitKind.PUNISH, ExitKind.UNKNOWN}


TestHarder = Harder.TestCase
TestHarder.settings = settings(
    max_examples=500, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)


@pytest.mark.parametrize(
    "plant",
    [plants.act_before_store, plants.forget_a_revoked_outpoint, plants.accept_a_stale_resume],
    ids=lambda plant: plant.__name__,
)
def test_a_planted_bug_is_found(monkeypatch: pytest.MonkeyPatch, plant: Any) -> None:
    plant(monkeypatch)
    bounded = settings(
        max_examples=200,
        stateful_step_count=30,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
    with pytest.raises(AssertionError):
        run_state_machine_as_test(Harder, settings=bounded)
