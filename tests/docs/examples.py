"""The programs and notebooks of docs/examples, loaded for the tests that run them."""

import importlib.util
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

FOLDER = Path(__file__).parents[2] / "docs" / "examples"


@cache
def load_example(name: str) -> Any:
    """The module `docs/examples/NAME.py`, imported once; its types are checked on their own."""
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    if spec is None or spec.loader is None:
        raise AssertionError(f"no example {name}")
    module: ModuleType = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
