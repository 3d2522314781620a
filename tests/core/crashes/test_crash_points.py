"""Nodes die at every kind of moment of every story. These are a fixed share of the points; all are `nox -s crashes`."""

from itertools import islice

import pytest

from cfd_core.cfd.events import ExitKind
from cfd_core.testing import Moment
from cfd_core.testing.crashes import Campaign, Death, failures
from cfd_core.testing.stories import stories

SHARE = 43
"""One point of so many; coprime to the ways of dying, so that all come up."""
STORIES = {story.name: (number, story) for number, story in enumerate(stories())}


@pytest.mark.parametrize("name", STORIES)
def test_whoever_dies_when_the_story_ends_as_it_may(name: str) -> None:
    number, story = STORIES[name]
    campaign = Campaign(story)
    tried = list(failures(campaign, islice(campaign.points(), number % 7, None, SHARE)))
    assert tried
    assert [failure for failure in tried if failure is not None] == []


def test_every_way_of_dying_and_every_way_of_ending_is_in_it() -> None:
    campaign = Campaign(STORIES["open"][1])
    assert {point.moment for point in campaign.points()} == set(Moment)
    assert {point.death for point in campaign.points()} == set(Death) - {Death.GONE}
    assert {point.victim for point in campaign.points()} == {"SHA256:maker", "SHA256:taker"}
    ends = {end for _, story in STORIES.values() for end in story.ends}
    assert ends | {ExitKind.LIQUIDATION} == set(ExitKind) - {ExitKind.UNKNOWN, ExitKind.DOUBLE_SPEND}
