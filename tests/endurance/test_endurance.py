"""The share of the campaign that every run of the tests takes."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_few_hours_of_five_nodes_balance_to_the_sat() -> None:
    campaign = [sys.executable, "-m", "tests.endurance.campaign", "--hours", "3", "--seed", "1"]
    ended = subprocess.run(campaign, cwd=ROOT, capture_output=True, text=True)

    assert ended.returncode == 0, ended.stderr
    figures = json.loads(ended.stdout)
    assert figures["contracts"] >= 1
    assert figures["deposited"] == figures["in wallets"] + figures["in anchors"] + figures["fees"]
