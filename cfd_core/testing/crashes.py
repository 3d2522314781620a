"""Crash points: a story is lived once to count the moments at which a process may die, then once more for each.

A node dies after a turn is decided, after each event of it is stored, between storing and acting, and after each effect
(`Moment`). It comes back from its stored bytes, at once or when the others have come to rest, alone or with all others.
However it was, the story's end must be one that the contract allows.
"""

from collections.abc import Callable, Iterator
from enum import Enum
from functools import lru_cache
from typing import Final

from attrs import field, frozen

from cfd_core.cfd import commands as c
from cfd_core.cfd import phases as p
from cfd_core.cfd.events import ExitKind
from cfd_core.contract import jobs
from cfd_core.contract.terms import CET_TIMELOCK, REFUND_TIMELOCK
from cfd_core.crypto.signer import CetSigning
from cfd_core.testing.conscience import require
from cfd_core.testing.network import Faults
from cfd_core.testing.node import Moment, SimNode
from cfd_core.testing.pair import Pair
from cfd_core.testing.verdict import check, kinds_of, left_to_peer
from cfd_core.testing.world import World
from cfd_core.values import HOUR, PeerId

Act = Callable[[Pair], None]
OLDEST: Final = 19
"""So many events a backup may lack: a CFD that was rolled over twice has about as many."""


@frozen(kw_only=True)
class Story:
    """What happens to a pair, in acts; a dead node is back at the latest when the act is over."""

    name: str
    begin: Callable[[], Pair]
    acts: tuple[Act, ...]
    ends: frozenset[ExitKind]
    """Ways in which it may end, whoever dies when. A setup that is broken off counts as a cancellation."""
    price: int | None = 60_000
    """What the oracle says in the end; None when it never speaks."""


class Death(Enum):
    """Who dies, and when it is back."""

    SHORT = "one, back at once"
    LONG = "one, back when the act is over"
    BOTH = "everybody, back at once"
    GONE = "one, its machine is gone: a backup is put back on another when the act is over"


@frozen
class CrashPoint:
    """A moment of an act, by its number."""

    act: int
    number: int
    death: Death
    victim: PeerId
    moment: Moment
    again: int = 0
    """So many moments later whoever gets there dies too, in the middle of the recovery; 0 for one death only."""
    older: int = 0
    """How many of the last events of whoever is gone its backup does not hold."""


class _Fate:
    """Counts the moments of all nodes, and kills at one of them."""

    def __init__(self, world: World, point: CrashPoint | None = None) -> None:
        self.world, self.point = world, point
        self.at = () if point is None else (point.number, point.number + point.again)
        self.seen: list[tuple[PeerId, Moment]] = []
        for node in world.nodes:
            node.mortal = self._dies
        world.prompt = point is None or point.death not in (Death.LONG, Death.GONE)

    def _dies(self, node: SimNode, moment: Moment) -> bool:
        self.seen.append((node.peer, moment))
        if len(self.seen) - 1 not in self.at or self.point is None:
            return False
        if self.point.death is Death.BOTH:
            for other in self.world.nodes:
                other.die()
        if self.point.death is Death.GONE and not node.restored:
            node.lose(node.backup(max(0, len(node.log) - self.point.older)))
        return True


class Campaign:
    """All crash points of one story."""

    def __init__(self, story: Story) -> None:
        self.story = story
        self._before: list[Pair] = []
        """The world before each act."""
        self.moments: list[list[tuple[PeerId, Moment]]] = []
        """Of each act."""
        pair = story.begin()
        pair.sign_cets, pair.verify_cets = sign_once, verify_once
        for act in story.acts:
            self._before.append(pair.copy())
            fate = _Fate(pair)
            act(pair)
            self.moments.append(list(fate.seen))
        self._end(pair)

    def points(self) -> Iterator[CrashPoint]:
        """Every crash point of the story."""
        for act, seen in enumerate(self.moments):
            for number, (victim, moment) in enumerate(seen):
                for death in (Death.SHORT, Death.LONG, Death.BOTH):
                    yield CrashPoint(act, number, death, victim, moment)
                    again = 1 + (7 * number + 3 * act) % 23  # a different distance for each, the same in each run
                    yield CrashPoint(act, number, death, victim, moment, again)

    def losses(self) -> Iterator[CrashPoint]:
        """At every moment of the story the machine may be gone as well, with the newest and with an older backup."""
        for act, seen in enumerate(self.moments):
            for number, (victim, moment) in enumerate(seen):
                for older in (0, 1 + (5 * number + 3 * act) % OLDEST):
                    yield CrashPoint(act, number, Death.GONE, victim, moment, older=older)

    def run(self, point: CrashPoint) -> Pair:
        """The story with this death in it; `InvariantBroken`, or what else went wrong, when its end is not allowed."""
        pair = self._before[point.act].copy()
        fate = _Fate(pair, point)
        for act in self.story.acts[point.act :]:
            act(pair)
            pair.revive()
            pair.run()
        require(fate.seen[point.number] == (point.victim, point.moment), "the story is the same up to the death")
        pair.prompt = True  # the second death may come as late as here
        self._end(pair)
        return pair

    def _end(self, pair: Pair) -> None:
        live_out(pair, self.story.price)
        check(pair)
        for key in {key for node in pair.nodes for key in node.engine.cfds}:
            for kind in kinds_of(pair, key):
                require(kind in self.story.ends, f"{self.story.name} may not end as {kind.value}")


ENOUGH: Final = 8
"""Rounds after which a CFD that still goes on is taken to the chain."""
LONGEST: Final = 40
"""Rounds of six hours and a few blocks."""


def live_out(world: World, price: int | None) -> None:
    """No more mishaps: the oracle says `price` (or nothing), blocks come, and every CFD gets to its end by itself."""
    world.network.faults = Faults()
    world.network.down.clear()
    world.tamper = lambda _to, raw: raw
    world.chain.held_back.clear()
    world.chain.block_rate = world.chain.relay_floor = 0
    world.oracle.down = False
    world.revive()
    world.reconnect()
    for number in range(LONGEST):
        known = [(node, cfd) for node in world.nodes for cfd in node.engine.cfds.values()]
        going = [(node, cfd) for node, cfd in known if not cfd.ended and not left_to_peer(world, node, cfd)]
        if not going:
            return
        for node, cfd in going:
            for dlc in cfd.held.unrevoked if cfd.held else ():
                event = dlc.draft.revision.settlement
                if price is not None and event not in world.oracle.said:
                    world.oracle.speak(event, price)
            for doubt in cfd.equivocations:
                if doubt.chosen is None:  # both sides believe what was said first
                    said = world.oracle.said.get(doubt.first.event_id, (doubt.first.outcome,))
                    node.command(c.ChooseOutcome(cfd.id, said[0]))
            if number >= ENOUGH:  # whoever rolls over by itself would do so for ever
                node.command(c.ForceClose(cfd.id))
        world.later(6 * HOUR)
        committed = any(isinstance(cfd.phase, p.COMMITTED) for _, cfd in going)
        world.mine((CET_TIMELOCK if price is not None else REFUND_TIMELOCK // 4) if committed else 2)
    check(world)  # says who is not at an end


@lru_cache(maxsize=5_000)
def sign_once(job: CetSigning) -> bytes:
    """Packed signatures, for a `World` that is told the same contract again and again."""
    return jobs.sign_cets(job)


@lru_cache(maxsize=5_000)
def verify_once(job: jobs.VerifyCetsJob) -> int | None:
    """Index of the first signature that is not valid, or None; likewise."""
    return jobs.verify_cets(job)


@frozen
class Failure:
    """A death that led where it must not."""

    story: str
    point: CrashPoint
    error: BaseException = field(repr=lambda error: f"{type(error).__name__}: {error!s:.300}")


def failures(campaign: Campaign, points: Iterator[CrashPoint]) -> Iterator[Failure | None]:
    """Run each point; None for each that went well."""
    for point in points:
        try:
            campaign.run(point)
        except Exception as error:
            yield Failure(campaign.story.name, point, error)
        else:
            yield None
