"""Modules that are loaded when they are needed."""

import gc
from importlib import import_module
from types import ModuleType


def load(name: str) -> ModuleType:
    """Without the collector, which finds nothing in what modules make, and takes a fifth of the time to see that."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        return import_module(name)
    finally:
        if collecting:
            gc.enable()
