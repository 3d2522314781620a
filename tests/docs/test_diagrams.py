"""The diagrams in the documents are the tables that the code runs on."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_documents_show_the_present_tables() -> None:
    checked = subprocess.run([sys.executable, ROOT / "docs/diagrams.py"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
