"""Machines are gone and backups put back, in stories of their own and at every kind of moment of all others.

These are a fixed share of the points; all are `nox -s crashes`, and `nox -s crashes -- --losses`.
"""

from itertools import islice

import pytest

from cfd_core.cfd.events import ExitKind
from cfd_core.cfd.standing import Standing
from cfd_core.testing.crashes import Campaign, Death, failures
from cfd_core.testing.losses import restores
from cfd_core.testing.stories import stories

SHARE = 211
"""One point of so many; coprime to the ways of dying."""
RESTORES = {story.name: (number, story) for number, story in enumerate(restores())}
STORIES = {story.name: (number, story) for number, story in enumerate(stories())}


@pytest.mark.parametrize("name", list(RESTORES)[::2])
def test_whoever_dies_around_a_restore_the_story_ends_as_it_may(name: str) -> None:
    number, story = RESTORES[name]
    campaign = Campaign(story)
    tried = list(failures(campaign, islice(campaign.points(), 31 * number % SHARE, None, SHARE)))
    assert [failure for failure in tried if failure is not None] == []


@pytest.mark.parametrize("name", list(STORIES)[1::2])
def test_whoever_loses_its_machine_the_story_ends_as_it_may(name: str) -> None:
    number, story = STORIES[name]
    campaign = Campaign(story)
    tried = list(failures(campaign, islice(campaign.losses(), 7 * number % 29, None, SHARE)))
    assert [failure for failure in tried if failure is not None] == []


def test_every_age_of_a_backup_is_in_it() -> None:
    points = list(Campaign(STORIES["two rollovers"][1]).losses())
    assert {point.older for point in points} == set(range(20))
    assert {point.death for point in points} == {Death.GONE}
    assert len(RESTORES) == len(restores()), "each name is one story"


def test_every_standing_comes_up_and_nobody_restored_is_punished() -> None:
    found: set[Standing | None] = set()
    for _, story in RESTORES.values():
        pair = story.begin()
        for act in story.acts:
            act(pair)
        found |= {cfd.standing for node in pair.nodes if node.restored for cfd in node.engine.cfds.values()}
        assert not any(node.conscience.cheated and node.restored for node in pair.nodes)
        assert ExitKind.PUNISH not in story.ends or "cheats" in story.name
    assert found >= set(Standing)
