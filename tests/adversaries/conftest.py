"""The adversaries' kit as fixtures."""

from collections.abc import Callable, Iterator
from functools import partial

import pytest

from cfd_core.testing import World
from tests.adversaries import restored
from tests.adversaries.stories import STORIES, Stage, Story
from tests.adversaries.strategies import STRATEGIES, Strategy
from tests.adversaries.tempters import TEMPTERS
from tests.core.conftest import engine_accepts


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that wants a `strategy` gets each."""
    if "strategy" in metafunc.fixturenames:
        metafunc.parametrize("strategy", STRATEGIES, ids=[one.name.replace(" ", "-") for one in STRATEGIES])
    if "tempter" in metafunc.fixturenames:
        metafunc.parametrize("tempter", TEMPTERS, ids=[one.name.replace(" ", "-") for one in TEMPTERS])


@pytest.fixture(autouse=True, scope="module")
def core_rules() -> Iterator[None]:
    """Whatever is broadcast is held against Core's script engine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(World, "accepts", staticmethod(engine_accepts))
        yield


@pytest.fixture(scope="session")
def stage() -> Stage:
    """Where stories are played."""
    return Stage()


@pytest.fixture(scope="session")
def stories() -> dict[str, Story]:
    """All stories by name."""
    return {story.name: story for story in STORIES}


@pytest.fixture(scope="session")
def strategies() -> dict[str, Strategy]:
    """All strategies by name."""
    return {strategy.name: strategy for strategy in STRATEGIES}


@pytest.fixture(scope="session")
def lost() -> dict[str, restored.Restored]:
    """All stories of a lost machine by name."""
    return {story.name: story for story in restored.STORIES}


@pytest.fixture(scope="session")
def play_lost(stage: Stage) -> Callable[..., str]:
    """(story, liar, strategy, moment, prices) -> how it ended."""
    return partial(restored.play, stage)


@pytest.fixture(scope="session")
def tempters() -> dict[str, Strategy]:
    """All liars that wait for a restored node, by name."""
    return {strategy.name: strategy for strategy in TEMPTERS}
