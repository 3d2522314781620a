"""The pytest plugin, with which `python -m cfd_conformance PACKAGE.MODULE:CLASS` asks an implementation all vectors."""

import importlib
from typing import Any

import pytest

from cfd_conformance.implementation import Implementation
from cfd_conformance.vectors import load

_OPTION = "--implementation"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(_OPTION, metavar="MODULE:CLASS", help="The implementation that the conformance kit asks.")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test marked with the name of a file runs once for each of its cases."""
    mark = metafunc.definition.get_closest_marker("vectors")
    if mark is not None:
        cases = [case for name in mark.args for case in load(name)]
        metafunc.parametrize("case", cases, ids=[case["name"] for case in cases])


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "vectors(file): cases of the conformance kit")


@pytest.fixture(scope="session")
def implementation(request: pytest.FixtureRequest) -> Implementation:
    """The one under test."""
    named = request.config.getoption(_OPTION)
    if not named:
        raise pytest.UsageError(f"{_OPTION} MODULE:CLASS names the implementation to ask")
    module, _, name = named.partition(":")
    made: Implementation = getattr(importlib.import_module(module), name)()
    return made


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Any:
    """What an implementation does not offer is skipped."""
    del item
    try:
        return (yield)
    except NotImplementedError as error:
        pytest.skip(f"not offered: {error}")
