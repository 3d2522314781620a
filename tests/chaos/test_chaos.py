"""The share of the campaign that every run of the tests takes: a few rounds, of a seed in which both die."""

import json
import subprocess
import sys
from pathlib import Path

from tests.chaos.rounds import PRICE, expected

ROOT = Path(__file__).parents[2]


def test_two_processes_are_killed_and_lose_nothing(tmp_path: Path) -> None:
    campaign = [sys.executable, "-m", "tests.chaos.campaign", "--rounds", "2", "--seed", "3", "--keep", str(tmp_path)]
    ended = subprocess.run(campaign, cwd=ROOT, capture_output=True, text=True)

    assert ended.returncode == 0, ended.stderr
    figures = json.loads(ended.stdout)
    assert figures["opened"] == 2
    assert sum(figures["deaths"].values()) >= 1
    assert figures["deposited"] == figures["in wallets"] + figures["in anchors"] + figures["fees"]


def test_the_payout_that_rounds_are_held_to_is_the_inverse_one() -> None:
    assert expected("long", PRICE) == expected("short", PRICE) == 1_000_000
    assert expected("long", 40_000) == 500_000
    assert expected("short", 40_000) == 1_500_000
