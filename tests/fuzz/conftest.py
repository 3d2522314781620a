"""What the fuzzers' tests share: every door."""

import pytest

from tests.fuzz.doors import doors


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that wants a `door` gets each."""
    if "door" in metafunc.fixturenames:
        metafunc.parametrize("door", doors(), ids=lambda door: door.name.replace(" ", "-"))
