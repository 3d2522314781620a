"""What the fuzzers' tests share: every door, and worlds without a judge."""

import pytest
from hypothesis import HealthCheck, settings

from cfd_core.testing import World
from tests.fuzz.doors import doors

if settings.get_current_profile_name() == "default":
    settings.register_profile("steady", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("steady")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that wants a `door` gets each."""
    if "door" in metafunc.fixturenames:
        metafunc.parametrize("door", doors(), ids=lambda door: door.name.replace(" ", "-"))


@pytest.fixture(autouse=True)
def unjudged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shells that say anything make nodes broadcast anything: rules that another room set do not judge here."""
    monkeypatch.setattr(World, "accepts", staticmethod(lambda _tx, _spent: True))
