"""What a snapshot depends on besides the events, as one fingerprint: nobody has to remember to change a number.

It covers the fields of a CFD and all that is in it, and the compiled code of the fold, the upcasts and the coder. What
these call elsewhere (say, a margin's formula) it does not see: `MEANING` is raised by hand where that changes.
"""

import hashlib
from collections.abc import Iterable, Iterator
from enum import Enum
from types import CodeType, FunctionType, ModuleType
from typing import Any, Final, get_args, get_origin

from attrs import fields, has

from cfd_core.cfd import evolve
from cfd_core.serial import upcasts

MEANING: Final = 1
_FOLD: Final = (evolve, upcasts)


def fingerprint(kind: type, coder: Iterable[Any]) -> str:
    """32 hex digits of a snapshot of `kind` made by these functions and classes."""
    digest = hashlib.sha256(f"{MEANING}\n".encode())
    for line in _shape(kind, set()):
        digest.update(line.encode() + b"\n")
    for function in sorted((*_functions(_FOLD), *_members(coder)), key=lambda x: (x.__module__, x.__qualname__)):
        digest.update(f"{function.__module__}.{function.__qualname__}\n".encode())
        for part in _code(function.__code__):
            digest.update(part.encode() + b"\n")
    return digest.hexdigest()[:32]


def _shape(kind: Any, seen: set[Any]) -> Iterator[str]:
    """A line for each class and field that can be reached."""
    if get_origin(kind) is not None or get_args(kind):
        for part in get_args(kind):
            yield from _shape(part, seen)
    elif isinstance(kind, type) and kind not in seen:
        seen.add(kind)
        if issubclass(kind, Enum):
            yield f"{kind.__qualname__} = {[(one.name, one.value) for one in kind]}"
        elif has(kind):
            for part in fields(kind):
                yield f"{kind.__qualname__}.{part.name}: {part.type}"
                yield from _shape(part.type, seen)


def _functions(modules: Iterable[ModuleType]) -> Iterator[FunctionType]:
    for module in modules:
        own = (x for x in vars(module).values() if isinstance(x, FunctionType))
        yield from (function for function in own if function.__module__ == module.__name__)


def _members(coder: Iterable[Any]) -> Iterator[FunctionType]:
    for thing in coder:
        if isinstance(thing, FunctionType):
            yield thing
        else:
            yield from (x for x in vars(thing).values() if isinstance(x, FunctionType))


def _code(code: CodeType) -> Iterator[str]:
    """The instructions and what they name; not the places in the source."""
    yield code.co_code.hex()
    yield repr((code.co_names, code.co_varnames, code.co_freevars))
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _code(constant)
        elif isinstance(constant, frozenset):
            yield repr(sorted(map(repr, constant)))  # its own order differs from process to process
        else:
            yield repr(constant)
