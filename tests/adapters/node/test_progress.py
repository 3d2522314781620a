"""What a person who waits is told: which step, and how many signatures of how many."""

from itertools import pairwise
from typing import Any

import pytest
from cfd_node.counts import Counts
from cfd_node.desk.progress import ALIKE, STEPS, place_of
from cfd_node.jobs import JobRunner

from cfd_core.engine.machines import PROTOCOLS
from cfd_core.testing import Pair
from cfd_core.values import CfdId
from tests.adapters.node.test_jobs import COUNT, SIGN, SIGNED, VERIFY, spoilt

ONE, OTHER = CfdId("1" * 32), CfdId("2" * 32)


async def test_signatures_are_counted_as_they_are_made_and_verified() -> None:
    runner = JobRunner(workers=2)
    heard: list[int] = []
    assert await runner.sign(SIGN, heard.append) == SIGNED
    assert len(heard) > 2
    assert sum(heard) == COUNT
    heard.clear()
    assert await runner.verify(VERIFY, heard.append) is None
    assert sum(heard) == COUNT
    heard.clear()
    assert await runner.verify(spoilt(4), heard.append) == 4
    assert sum(heard) < COUNT
    runner.close()


def test_the_newest_job_of_a_cfd_counts() -> None:
    counts = Counts()
    heard: list[Any] = []
    counts.on_change.append(lambda key: heard.append((key, counts.of(ONE))))
    with counts.job(ONE, 5) as old:
        with counts.job(ONE, 7) as new, counts.job(OTHER, 3):
            new(2)
            old(5)
            count = counts.of(ONE)
            assert count is not None
            assert (count.done, count.total) == (2, 7)
        count = counts.of(ONE)
        assert count is not None
        assert (count.done, count.total) == (5, 5)
    assert counts.of(ONE) is counts.of(OTHER) is None
    assert len(heard) == 5


def test_who_looks_on_stops_nothing() -> None:
    counts = Counts()

    def broken(_key: CfdId) -> None:
        raise ValueError("broken")

    counts.on_change.append(broken)
    with counts.job(ONE, 5) as done:
        done(5)
        count = counts.of(ONE)
        assert count is not None
        assert count.done == 5


@pytest.mark.parametrize("which", STEPS)
def test_the_steps_are_the_protocols_own(which: tuple[str, bool]) -> None:
    states = PROTOCOLS[which[0]].states
    follow = {(before, after) for (before, _), those in states.TRANSITIONS.items() for after in those}
    for before, after in pairwise(STEPS[which]):
        assert (before, after) in follow
    assert (STEPS[which][-1], states.Finished) in follow
    named = {*states.ENDED, *ALIKE, *(phase for side in (True, False) for phase in STEPS[which[0], side])}
    assert named >= {state for pair in follow for state in pair}


def test_a_run_goes_through_its_steps_in_order() -> None:
    pair = Pair(liquidations=())
    seen: dict[str, list[tuple[int, int]]] = {node.peer: [] for node in pair.nodes}

    def look() -> None:
        for node in pair.nodes:
            for run in node.engine.runs.values():
                if run.state is not None and (place := place_of(run)) not in seen[node.peer]:
                    seen[node.peer].append(place)

    pair.take()
    look()
    while pair.step():
        look()
    for places in seen.values():
        assert places == sorted(places)
        assert {steps for _, steps in places} == {10}
        assert len(places) >= 8
