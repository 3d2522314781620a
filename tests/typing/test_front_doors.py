"""Each package that others import has a list of what it offers, says that it is typed, and offers what it lists."""

import importlib
import pkgutil
from importlib.resources import files
from inspect import isclass, isfunction

import pytest

CORE = ["cfd_core", *(f"cfd_core.{room}" for room in ("payouts", "oracle", "crypto", "engine", "protocols", "testing"))]
ADAPTERS = sorted(found.name for found in pkgutil.iter_modules() if found.name.startswith("cfd_"))


def test_every_distribution_is_looked_at() -> None:
    assert {"cfd_core", "cfd_node", "cfd_store", "cfd_signer", "cfd_conformance"} <= set(ADAPTERS)


@pytest.mark.parametrize("name", ADAPTERS)
def test_it_says_that_it_is_typed(name: str) -> None:
    assert files(name).joinpath("py.typed").is_file()


@pytest.mark.parametrize("name", sorted({*CORE, *ADAPTERS} - {"cfd_node"}))
def test_it_offers_what_it_lists(name: str) -> None:
    """`cfd_node` is a program: what others may rely on of it are its commands, its settings and its API."""
    door = importlib.import_module(name)
    assert len(set(door.__all__)) == len(door.__all__) > 0
    found = {offered: getattr(door, offered) for offered in door.__all__}
    told = {offered for offered, thing in found.items() if isclass(thing) or isfunction(thing)}
    assert not {offered for offered in told if not found[offered].__doc__}
