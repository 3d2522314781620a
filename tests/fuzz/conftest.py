"""What the fuzzers' tests share: every door."""

import pytest
from hypothesis import HealthCheck, settings

from tests.fuzz.doors import doors

if settings.get_current_profile_name() == "default":
    settings.register_profile("steady", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("steady")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that wants a `door` gets each."""
    if "door" in metafunc.fixturenames:
        metafunc.parametrize("door", doors(), ids=lambda door: door.name.replace(" ", "-"))
