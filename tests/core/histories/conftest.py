"""Whatever the histories broadcast is held against Core's script engine."""

from collections.abc import Callable

import pytest

from cfd_core.testing import World


@pytest.fixture(autouse=True, scope="session")
def core_rules(accepts: Callable[..., bool]) -> None:
    World.accepts = staticmethod(accepts)
