"""Runs the tests of a room against each mutant of it, in forked processes.

Mutants of functions' bodies: one process imports and collects the tests once, then a fork of it for each mutant
exchanges the code of the functions in place and runs the tests, those that reach the mutated function first. Mutants
of what runs at import (limits, tables, defaults): a fork of a process that has not imported the room yet imports it
mutated.
A mutant is killed when a test fails, or when it uses up its processor time or memory; Hypothesis draws the same
examples in every run.
"""

import gc
import importlib.machinery
import importlib.util
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any, Final

import pytest
from attrs import field, frozen, mutable
from hypothesis import HealthCheck, Phase, settings

from tests.mutation.forks import fork
from tests.mutation.mutators import MutableModule, Mutant
from tests.mutation.reaching import Reach, failures

PYTEST: Final = ("-q", "-m", "not slow", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning")
SPARE_SECONDS: Final = 3
"""Processor time that a mutant's run may take beyond what the tests take without it."""
IMPORT_SECONDS: Final = 20
"""Processor time for a run that imports everything again."""
SURVIVED: Final = 0
KILLED: Final = 1
NOT_EXCHANGED: Final = 4

# reading a failing example to its smallest form would only cost time; a busy machine is no failure
settings.register_profile(
    "mutation",
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=25,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)


@frozen
class Verdict:
    """What became of one mutant. `by` is the test that failed first, or what else ended the run.

    Only tests and limits kill: an error of the campaign itself is none of the tests' merit.
    """

    mutant: Mutant
    killed: bool
    by: str
    seconds: float


@frozen
class Room:
    """A folder of the core, and the tests that must notice a change in it."""

    name: str
    modules: tuple[MutableModule, ...] = field(repr=False)
    tests: tuple[str, ...]

    @classmethod
    def of(cls, root: Path, name: str) -> "Room":
        files = sorted((root / "cfd_core" / name).rglob("*.py"))
        modules = tuple(MutableModule.parse(file.read_text(), str(file)) for file in files)
        return cls(name, modules, (str(root / "tests" / "core" / name),))

    def mutants(self) -> Iterator[tuple[MutableModule, Mutant]]:
        return ((module, mutant) for module in self.modules for mutant in module.mutants)


Task = tuple[MutableModule, Mutant]
Report = Callable[[MutableModule, Verdict], None]


def run(room: Room, tasks: Sequence[Task], report: Report) -> None:
    """Try the tasks. `report` may be called in a process of its own."""
    settings.load_profile("mutation")
    inside = [task for task in tasks if not task[1].at_import]
    left = [task for task in tasks if task[1].at_import]
    if inside:
        code, told = fork(lambda tell: _collect(room, _Loop(inside, report, tell)), None, None)
        if code:
            raise SystemExit(f"the campaign stopped: exit code {code} {told}")
        left += [inside[int(index)] for index in told.split()]
    for module, mutant in left:
        verdict = _judge(mutant, partial(_import_mutated, room, module, mutant), IMPORT_SECONDS)
        assert verdict is not None
        report(module, verdict)


def _judge(mutant: Mutant, child: Callable[[int], int], seconds: int) -> Verdict | None:
    """None if the mutant must be imported."""
    begun = time.monotonic()  # what the campaign cost, nothing that a test depends on
    code, told = fork(child, seconds, os.devnull)
    if code == NOT_EXCHANGED:
        return None
    if code < 0:
        told = "time" if -code in (signal.SIGXCPU, signal.SIGKILL) else signal.Signals(-code).name
    return Verdict(mutant, code == KILLED or code < 0, told, time.monotonic() - begun)


# --- functions' bodies ---------------------------------------------------------------------------------------------


def _collect(room: Room, loop: "_Loop") -> int:
    return int(pytest.main([*PYTEST, *room.tests], plugins=[loop]))


@mutable
class _Loop:
    """A pytest plugin whose test loop is the campaign."""

    tasks: list[Task]
    report: Report
    tell: int
    """Where to write which tasks must be imported instead."""

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        functions = _functions_of({module.file for module, _ in self.tasks})
        reach = Reach.of(session.items, set(functions))
        for index, (module, mutant) in enumerate(self.tasks):
            verdict = None
            if reach.calls(module.file, mutant.unit):
                order = reach.order(session.items, module.file, mutant.unit)
                child = partial(_exchange_and_run, functions[module.file], module, mutant, order)
                verdict = _judge(mutant, child, reach.seconds + SPARE_SECONDS)
            if verdict is None:
                os.write(self.tell, f"{index} ".encode())
            else:
                self.report(module, verdict)
        return True


def _functions_of(files: set[str]) -> dict[str, list[FunctionType]]:
    found: dict[str, list[FunctionType]] = {file: [] for file in files}
    for thing in gc.get_objects():
        if isinstance(thing, FunctionType) and thing.__code__.co_filename in found:
            found[thing.__code__.co_filename].append(thing)
    return found


def _exchange_and_run(
    functions: list[FunctionType], module: MutableModule, mutant: Mutant, order: list[pytest.Item], tell: int
) -> int:
    codes = {(code.co_qualname, code.co_firstlineno): code for code in _all_codes(module.mutate(mutant.number))}
    for function in functions:
        old = function.__code__
        code = codes.get((old.co_qualname, old.co_firstlineno))
        if code is None or code.co_freevars != old.co_freevars:
            return NOT_EXCHANGED  # a closure that exists already and uses something else now
        function.__code__ = code
    return _run_until_failure(order, tell)


def _all_codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _all_codes(constant)


def _run_until_failure(items: list[pytest.Item], tell: int) -> int:
    for item, failed in zip(items, failures(items), strict=True):
        if failed:
            os.write(tell, item.nodeid.encode())
            return KILLED
    return SURVIVED


# --- at import -----------------------------------------------------------------------------------------------------


class _MutatedLoader(importlib.machinery.SourceFileLoader):
    code: CodeType

    def get_code(self, _fullname: str) -> CodeType:
        return self.code


@frozen
class _Finder:
    """Hands out one module mutated."""

    file: str
    code: CodeType

    def find_spec(self, name: str, _path: Any = None, _target: ModuleType | None = None) -> Any:
        if not name.startswith("cfd_core."):
            return None
        parts = Path(self.file).with_suffix("").parts
        dotted = ".".join(parts[parts.index("cfd_core") :]).removesuffix(".__init__")
        if name != dotted:
            return None
        loader = _MutatedLoader(name, self.file)
        loader.code = self.code
        return importlib.util.spec_from_file_location(name, self.file, loader=loader)


@mutable
class _FirstFailure:
    tell: int

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            os.write(self.tell, report.nodeid.encode())


def _import_mutated(room: Room, module: MutableModule, mutant: Mutant, tell: int) -> int:
    sys.meta_path.insert(0, _Finder(module.file, module.mutate(mutant.number)))
    code = pytest.main([*PYTEST, "-x", *room.tests], plugins=[_FirstFailure(tell)])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        os.write(tell, b"the import")
    return SURVIVED if code is pytest.ExitCode.OK else KILLED
