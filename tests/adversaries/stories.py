"""The stories in which liars strike: what happened before, and which moments there are."""

import hashlib
from collections.abc import Callable, Iterator
from typing import Any, Final

from attrs import frozen

from cfd_core.cfd import commands as c
from cfd_core.cfd import phases as p
from cfd_core.values import HOUR, Role
from tests.adversaries.arena import Arena
from tests.adversaries.verdict import judge

PRICES: Final = {"falls": (40_000, 41_000), "rises": (62_000, 61_000), "falls and rises": (38_000, 70_000)}
"""What the oracle says at the first and at the later events."""
MOST_TICKS: Final = 700


def _setup(arena: Any) -> None:
    arena.take()
    arena.run()


def roll(arena: Any) -> None:
    arena.later(2 * HOUR)
    entropy = hashlib.sha256(f"roll {arena.now}".encode()).digest()
    arena.taker.command(c.RollOver(arena.taker.cfd.id, entropy))
    arena.run()


def _settle(proposer: Callable[[Any], Any]) -> Callable[[Any], None]:
    def settle(arena: Any) -> None:
        node = proposer(arena)
        node.command(c.ProposeSettlement(node.cfd.id, arena.offer.bid))
        arena.run()
        for other in (arena.honest, arena.liar):
            other.command(c.AcceptSettlement(other.cfd.id))
            arena.run()

    return settle


def _force(arena: Any) -> None:
    arena.honest.command(c.ForceClose(arena.honest.cfd.id))
    arena.run()


def _nothing(_arena: Any) -> None:
    pass


def opened(arena: Any) -> None:
    _setup(arena)
    arena.confirm_lock()


def rolled(arena: Any) -> None:
    opened(arena)
    roll(arena)


def _rolled_twice(arena: Any) -> None:
    rolled(arena)
    roll(arena)


@frozen
class Story:
    """`before` is lived honestly; while `during` runs, the liar strikes before one of its messages, or at its end."""

    name: str
    before: Callable[[Any], None]
    during: Callable[[Any], None]
    liquidations: int = 0


STORIES: Final = (
    Story("setup", _nothing, _setup),
    Story("open", opened, _nothing),
    Story("rollover", opened, roll),
    Story("rolled", rolled, _nothing),
    Story("second rollover", rolled, roll),
    Story("rolled twice", _rolled_twice, _nothing),
    Story("honest settles", rolled, _settle(lambda arena: arena.honest)),
    Story("liar settles", rolled, _settle(lambda arena: arena.liar)),
    Story("honest forces", rolled, _force),
    Story("liquidation", opened, _nothing, liquidations=5),
)


class Stage:
    """Makes arenas at the beginning of `during`, each once, and copies of them."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, Role], tuple[Any, int]] = {}
        self._moments: dict[tuple[str, Role], int] = {}

    def begin(self, story: Story, liar: Role) -> tuple[Any, int]:
        """An arena, and what the honest side was worth before anything."""
        key = (story.name, liar)
        if key not in self._made:
            arena = Arena(liar, liquidations=story.liquidations)
            worth = arena.honest.wallet.worth
            story.before(arena)
            self._made[key] = arena, worth
        arena, worth = self._made[key]
        return arena.copy(), worth

    def moments(self, story: Story, liar: Role) -> range:
        """Before each of the liar's messages while `during` runs honestly, and after the last."""
        key = (story.name, liar)
        if key not in self._moments:
            arena, _ = self.begin(story, liar)
            before = len(arena.said)
            story.during(arena)
            self._moments[key] = len(arena.said) - before
        return range(self._moments[key] + 1)

    def play(self, story: Story, liar: Role, strategy: Any, moment: int, prices: str) -> str:
        """One life to its end; how it ended."""
        arena, worth = self.begin(story, liar)
        arena.strategy, arena.countdown, arena.path = strategy, moment, PRICES[prices]
        arena.honest.conscience.may_punish = True
        story.during(arena)
        arena.countdown = None
        arena.strike()
        for _ in range(MOST_TICKS):
            if all(cfd.ended for cfd in arena.honest.engine.cfds.values()) and _quiet(arena):
                break
            tick(arena)
        else:
            raise AssertionError(f"no end: {arena.honest.phase}")
        return judge(arena, worth)


def _quiet(arena: Any) -> bool:
    return not arena.chain.waiting


def tick(arena: Any) -> None:
    """A block: ten minutes while something is on its way, an hour while nothing is."""
    idle = all(isinstance(cfd.phase, p.Open) for cfd in arena.honest.engine.cfds.values())
    arena.run()
    arena.advance(HOUR if idle else 600)
    for event, due in _events(arena):
        if due <= arena.now:
            arena.oracle.speak(event, arena.path[0] if due <= arena.offer.expiry else arena.path[1])
    arena.chain.mine()
    arena.strategy.ticks(arena)
    arena.told()


def _events(arena: Any) -> Iterator[tuple[Any, int]]:
    for dlc in arena.hand_of_all.values():
        for announcement in dlc.draft.announcements:
            yield announcement.event_id, announcement.maturity
