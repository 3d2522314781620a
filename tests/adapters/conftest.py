"""What the tests of several adapters need."""

import os
from collections.abc import AsyncIterator, Iterator

import pytest
from cfd_regtest import ChainControl, EmbeddedControl, RealNode
from cfd_regtest import NotAvailable as NoRealNode

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


@pytest.fixture(scope="module")
def real_node() -> Iterator[RealNode]:
    """One bitcoind with e-x for the module; tests that use it leave blocks behind."""
    if os.environ.get("CFD_REALNODE") != "1":
        pytest.skip("CFD_REALNODE=1 is not set (nox -s regtest sets it)")
    try:
        node = RealNode.find()
    except NoRealNode as reason:
        pytest.skip(str(reason))
    with node:
        yield node


@pytest.fixture(params=["embedded", pytest.param("real", marks=pytest.mark.realnode)])
async def control(request: pytest.FixtureRequest) -> AsyncIterator[ChainControl]:
    """Each back end of the regtest seam in turn."""
    if request.param == "embedded":
        async with EmbeddedControl() as embedded:
            yield embedded
    else:
        async with request.getfixturevalue("real_node").control() as real:
            yield real
