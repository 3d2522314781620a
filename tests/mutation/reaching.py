"""Which tests call which functions, so that the quickest that can notice a change run first."""

import os
import resource
import sys
import time
from collections.abc import Iterator
from math import ceil
from typing import Any

import pytest
from _pytest.runner import runtestprotocol
from attrs import field, frozen

from tests.mutation.forks import fork


def failures(items: list[pytest.Item]) -> Iterator[bool]:
    """Run the tests, one each time the next is asked for: whether it failed."""
    for item, following in zip(items, [*items, None][1:], strict=True):
        yield any(report.failed for report in runtestprotocol(item, nextitem=following, log=False))


@frozen
class Reach:
    """Of each test: how long it took, and what it called as `file:qualified name`."""

    _by_test: dict[str, tuple[float, set[str]]] = field(repr=False)
    seconds: int
    """Processor time that all tests took, watched."""

    @classmethod
    def of(cls, items: list[pytest.Item], files: set[str]) -> "Reach":
        """Run the tests, which must pass, and note what they call in these files."""
        before = _children_seconds()
        code, told = fork(lambda tell: _trace(items, files, tell), None, os.devnull)
        if code:
            raise SystemExit(f"without any mutant this fails: {told}")
        lines = (line.split("\t") for line in told.splitlines())
        by_test = {test: (float(seconds), set(names)) for test, seconds, *names in lines}
        return cls(by_test, ceil(_children_seconds() - before))

    def calls(self, file: str, unit: str) -> bool:
        """Whether any test calls the function. One that only imports call is not heard of here."""
        return any(f"{file}:{unit}" in names for _, names in self._by_test.values())

    def order(self, items: list[pytest.Item], file: str, unit: str) -> list[pytest.Item]:
        """The tests that call the function, the quickest first; then those that may see what it made for others.

        What is made once for many tests (by a fixture, or in an object that it hands out) is called in one of them.
        """
        calls = {item for item in items if f"{file}:{unit}" in self._by_test[_id(item)][1]}
        kept = (item for item in items if item in calls or _shares(item))
        return sorted(kept, key=lambda item: (item not in calls, self._by_test[_id(item)][0]))


def _children_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _shares(item: pytest.Item) -> bool:
    """Whether a test uses something of our own that outlives it."""
    fixtures = [one for found in item._fixtureinfo.name2fixturedefs.values() for one in found]  # type: ignore[attr-defined]
    return any(
        one.scope != "function" and f"{os.sep}tests{os.sep}" in one.func.__code__.co_filename for one in fixtures
    )


def _id(item: pytest.Item) -> str:
    return item.nodeid.encode("unicode_escape").decode()


def _trace(items: list[pytest.Item], files: set[str], tell: int) -> int:
    seen: set[str] = set()

    def note(frame: Any, event: str, _argument: object) -> None:
        if event == "call" and frame.f_code.co_filename in files:
            seen.add(f"{frame.f_code.co_filename}:{frame.f_code.co_qualname}")

    outcomes = failures(items)
    for item in items:
        seen.clear()
        begun = time.monotonic()
        sys.setprofile(note)
        failed = next(outcomes)
        sys.setprofile(None)
        if failed:
            os.write(tell, _id(item).encode())
            return 1
        os.write(tell, ("\t".join([_id(item), str(time.monotonic() - begun), *seen]) + "\n").encode())
    return 0
