"""What the page for contributors says of a test run is so."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.documents import ROOT

FAILING = "def test_one():\n    assert False\n\n\ndef test_two():\n    pass\n"


@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["alone", "with a worker"])
def test_a_failure_is_named_before_the_run_has_ended(workers: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text())
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_it.py").write_text(FAILING)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *workers]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300)
    assert run.returncode == 1
    told, _, rest = run.stdout.partition("\nFAILED test_it.py::test_one (call)\n")
    assert "F" in told
    assert "= FAILURES =" in rest
