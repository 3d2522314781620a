"""The fuzzers' kit for the tests: doors and mutations, loaded by their paths (test folders are no packages)."""

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from cfd_core import testing
from tests.by_path import load

if settings.get_current_profile_name() == "default":
    settings.register_profile("steady", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("steady")


HERE = Path(__file__).parent
DOORS = load("fuzz_doors", HERE / "doors.py")
MUTATION = load("fuzz_mutation", HERE / "mutation.py")
BOUNDS = load("fuzz_bounds", HERE / "bounds.py")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that wants a `door` gets each."""
    if "door" in metafunc.fixturenames:
        metafunc.parametrize("door", DOORS.doors(), ids=lambda door: door.name.replace(" ", "-"))


@pytest.fixture(autouse=True)
def unjudged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shells that say anything make nodes broadcast anything: rules that another room set do not judge here."""
    monkeypatch.setattr(testing.World, "accepts", staticmethod(lambda _tx, _spent: True))


@pytest.fixture(scope="session")
def mutator() -> type:
    """`Mutator(random, others)`."""
    found: type = MUTATION.Mutator
    return found


@pytest.fixture(scope="session")
def bounds() -> ModuleType:
    """Bombs, and what they cost."""
    return BOUNDS


@pytest.fixture(scope="session")
def weather() -> Any:
    """Storms over pairs of nodes."""
    return load("fuzz_weather", HERE / "weather.py").Weather(
        testing, load("fuzz_storm", HERE / "storm.py").Storm, MUTATION.Mutator, DOORS.lines()
    )
