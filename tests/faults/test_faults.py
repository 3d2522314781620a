"""The share of the matrix that every run of the tests takes; `nox -s faults` runs all of it."""

import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from cfd_node.logs import configure_logs

from tests.faults.cells import cell
from tests.faults.faults import FAULTS

SHARE = [
    ("opening", "Electrum frozen"),
    ("settling", "database locked"),
    ("rolling over", "peer killed"),
    ("open", "database corrupt"),
    ("force closing", "disk full"),
    ("idle", "clock an hour behind"),
]


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    configure_logs(logging.CRITICAL, sys.stderr)
    yield
    structlog.reset_defaults()


@pytest.mark.parametrize(("phase", "fault"), SHARE)
async def test_a_fault_is_told_and_healed_and_nothing_is_done_twice(tmp_path: Path, phase: str, fault: str) -> None:
    outcome = await cell(tmp_path, phase, FAULTS[fault])
    assert outcome.reason
