"""The random histories find bugs of the kind that they hunt: each is planted here, and must be found.

Derandomized, so always the same histories: each number is what it took, with some to spare.
"""

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

HERE = Path(__file__).parent
LONG = os.environ.get("CFD_PROPERTIES") == "long"


def load(name: str, path: Path) -> ModuleType:
    """A module of the tests by its path, once."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[name]


MODEL: Any = load("planted_model", HERE / "test_histories.py")
PLANTS: Any = load("planted_bugs", HERE.parent / "crashes" / "test_planted_bugs.py")


class Planted(MODEL.Histories):  # type: ignore[misc]
    """The model itself; a name of its own gives it histories of its own, whatever else runs."""


@pytest.mark.parametrize(
    ("plant", "histories", "short"),
    [
        (PLANTS.act_before_store, 20, True),
        (PLANTS.forget_a_revoked_outpoint, 300, False),
        (PLANTS.accept_a_stale_resume, 300, False),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_a_planted_bug_is_found(monkeypatch: pytest.MonkeyPatch, plant: Any, histories: int, short: bool) -> None:
    """`short`: cheap enough for every run; the others are in the long profile, `nox -s properties`."""
    if not (short or LONG):
        pytest.skip("nox -s properties")
    plant(monkeypatch)
    bounded = settings(
        max_examples=histories,
        stateful_step_count=30,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
    with pytest.raises(Exception):  # noqa: B017, PT011 - whatever of the model's many checks sees it first
        run_state_machine_as_test(Planted, settings=bounded)
