"""The crash campaign finds bugs of the kind that it hunts: each is planted here, and must be found."""

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

import pytest
from attrs import evolve

from cfd_core.cfd import decide
from cfd_core.cfd import events as e
from cfd_core.cfd.aggregate import Cfd
from cfd_core.cfd.events import Recorded
from cfd_core.engine import Engine
from cfd_core.testing import Conscience, Moment, SimNode
from cfd_core.testing.crashes import Campaign, failures
from cfd_core.testing.stories import stories

Plant = Callable[[pytest.MonkeyPatch], None]
SHARE = 11
"""One crash point of so many; coprime to the ways of dying."""


def act_before_store(patch: pytest.MonkeyPatch) -> None:
    """The shell writes what it decided only after it has done what follows from it."""
    store, dies, hear, replay = SimNode._store, SimNode.dies, Conscience.stored, SimNode.check_replay
    waiting: dict[int, list[Recorded]] = {}

    def write(self: SimNode) -> bool:
        return store(self, waiting.pop(id(self), []))

    def late(self: SimNode, events: Sequence[Recorded]) -> bool:
        write(self)
        waiting[id(self)] = list(events)
        for recorded in events:
            hear(self.conscience, recorded)  # what leaves looks as if all were well
        return not self.dead

    def flush(self: SimNode, moment: Moment) -> bool:
        if dies(self, moment):
            waiting.pop(id(self), None)
        elif moment is Moment.ACTED and not self.todo:
            write(self)
        return self.dead

    def settled(self: SimNode) -> None:
        write(self)
        replay(self)

    patch.setattr(Conscience, "stored", lambda _self, _recorded: None)
    patch.setattr(SimNode, "_store", late)
    patch.setattr(SimNode, "dies", flush)
    patch.setattr(SimNode, "check_replay", settled)


def forget_a_revoked_outpoint(patch: pytest.MonkeyPatch) -> None:
    """A restarted node does not know its revoked revisions any more."""
    load = Engine.load.__func__  # type: ignore[attr-defined]

    def forgetful(cls: type[Engine], *arguments: Any) -> Engine:
        engine: Engine = load(cls, *arguments)
        return evolve(engine, cfds={key: _without_revoked(cfd) for key, cfd in engine.cfds.items()})

    patch.setattr(Engine, "load", classmethod(forgetful))
    patch.setattr(SimNode, "check_replay", lambda _self: None)  # it must be found by what it does to the money


def _without_revoked(cfd: Cfd) -> Cfd:
    return evolve(cfd, held=evolve(cfd.held, revoked=())) if cfd.held is not None else cfd


def accept_a_stale_resume(patch: pytest.MonkeyPatch) -> None:
    """Any commit signature that is sent again completes the rollover that waits, whichever revision it is of."""

    def gullible(cfd: Cfd, _number: int, signature: bytes) -> tuple[e.CfdEvent, ...]:
        waits = cfd.held is not None and cfd.held.next is not None
        return (e.RolloverSigned(signature),) if waits else ()

    patch.setattr(decide, "take_commit_signature", gullible)


@pytest.mark.parametrize(
    ("plant", "name", "crash"),
    [
        (act_before_store, "open", True),
        (act_before_store, "rollover by the taker", True),
        (forget_a_revoked_outpoint, "punish the taker", True),
        (accept_a_stale_resume, "a stale resume", False),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_planted_bug_is_found(monkeypatch: pytest.MonkeyPatch, plant: Plant, name: str, crash: bool) -> None:
    """`crash`: whether only a crash brings it to light; else the story itself does."""
    (story,) = [story for story in stories() if story.name == name]
    healthy = Campaign(story)
    assert not any(failures(healthy, islice(healthy.points(), 0, None, SHARE))), "without the bug all is well"
    plant(monkeypatch)
    if not crash:
        with pytest.raises(Exception, match=r"Core's rules|not valid|may not|never"):
            Campaign(story)
        return
    campaign = Campaign(story)
    assert any(failures(campaign, islice(campaign.points(), 0, None, SHARE))), "the campaign is blind to this bug"
