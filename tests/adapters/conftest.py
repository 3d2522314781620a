"""What the tests of several adapters need."""

from collections.abc import Iterator

import pytest

from tests.postgres.server import NotAvailable, Server, find_programs


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """One PostgreSQL server for the session."""
    try:
        programs = find_programs()
    except NotAvailable as reason:
        pytest.skip(str(reason))
    with Server(programs) as running:
        yield running
