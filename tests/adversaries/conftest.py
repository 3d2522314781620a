"""The adversaries' kit, loaded by paths (test folders are no packages)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cfd_core.testing import World
from tests.by_path import load

HERE = Path(__file__).parent


ARENA, STORIES, STRATEGIES, VERDICT, RESTORED, TEMPTERS = (
    load(f"adversaries_{name}", HERE / f"{name}.py")
    for name in ("arena", "stories", "strategies", "verdict", "restored", "tempters")
)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that wants a `strategy` gets each."""
    if "strategy" in metafunc.fixturenames:
        found = STRATEGIES.STRATEGIES
        metafunc.parametrize("strategy", found, ids=[strategy.name.replace(" ", "-") for strategy in found])
    if "tempter" in metafunc.fixturenames:
        found = TEMPTERS.strategies_of(STRATEGIES)
        metafunc.parametrize("tempter", found, ids=[strategy.name.replace(" ", "-") for strategy in found])


@pytest.fixture(autouse=True, scope="session")
def core_rules() -> Iterator[None]:
    """Whatever is broadcast is held against Core's script engine."""
    before = World.accepts
    World.accepts = staticmethod(load("adversaries_core", HERE.parent / "core" / "conftest.py").engine_accepts)
    yield
    World.accepts = before


@pytest.fixture(scope="session")
def stage() -> Any:
    """Where stories are played."""
    return STORIES.Stage(ARENA.Arena, VERDICT.judge)


@pytest.fixture(scope="session")
def stories() -> dict[str, Any]:
    """All stories by name."""
    return {story.name: story for story in STORIES.STORIES}


@pytest.fixture(scope="session")
def strategies() -> dict[str, Any]:
    """All strategies by name."""
    return {strategy.name: strategy for strategy in STRATEGIES.STRATEGIES}


@pytest.fixture(scope="session")
def lost() -> dict[str, Any]:
    """All stories of a lost machine by name."""
    return {story.name: story for story in RESTORED.stories_of(STORIES)}


@pytest.fixture(scope="session")
def play_lost(stage: Any) -> Any:
    """(story, liar, strategy, moment, prices) -> how it ended."""
    return lambda *life: RESTORED.play(stage, STORIES, *life)


@pytest.fixture(scope="session")
def tempters() -> dict[str, Any]:
    """All liars that wait for a restored node, by name."""
    return {strategy.name: strategy for strategy in TEMPTERS.strategies_of(STRATEGIES)}
