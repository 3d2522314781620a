"""The share of the load test that every run of the tests takes: what must be so, not how fast."""

import json
import subprocess
import sys
from pathlib import Path

from tests.load.figures import percentile, spread, table

ROOT = Path(__file__).parents[2]


def test_a_few_takers_roll_over_while_one_is_force_closed_and_the_user_is_answered() -> None:
    campaign = [sys.executable, "-m", "tests.load.campaign", "--takers", "5", "--window", "2", "--tolerance", "0.1"]
    ended = subprocess.run(campaign, cwd=ROOT, capture_output=True, text=True)

    assert ended.returncode == 0, ended.stderr
    figures = json.loads(ended.stdout)
    assert figures["ends"] == {"rolled over": 4, "force closed": 1}
    assert figures["rolling over"]["health answered"]["count"] > 0
    assert figures["rolling over"]["force closes"]["count"] == 1


def test_percentiles_are_values_that_were_measured() -> None:
    times = [n / 1000 for n in range(100, 0, -1)]

    assert percentile([], 0.5) == 0
    assert percentile([3.0], 0.99) == 3.0
    assert spread(times) == {"count": 100, "p50": 51.0, "p90": 91.0, "p99": 100.0, "max": 100.0}


def test_a_table_has_a_line_for_each_figure() -> None:
    lines = table("rolling over", {"seconds": 2.5, "latency": {"p50": 1.0}, "maker": {"lag": {"p50": 3.0}}})

    assert [" ".join(line.split()) for line in lines] == [
        "rolling over", "seconds 2.5", "latency p50 1.0", "maker", "lag p50 3.0",
    ]  # fmt: skip
