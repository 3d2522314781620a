"""All lives of all liars: `python tests/adversaries/campaign.py`, or `nox -s adversaries`.

Every strategy meets every story, on both sides, at every moment, with every course of prices. `--share N` takes every
N-th life, after a shuffle by `--seed`. Exit code 1, and each kind of failure with the life that showed it.
"""

import argparse
import importlib
import sys
import time
import traceback
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

from cfd_core.values import Role


def lives(stage: Any, stories: Any, strategies: Any) -> list[tuple[Any, Role, Any, int, str]]:
    """Every combination, in an order that never changes."""
    return [
        (story, liar, strategy, moment, prices)
        for story in stories.STORIES
        for liar in Role
        for strategy in strategies.STRATEGIES
        for moment in stage.moments(story, liar)
        for prices in stories.PRICES
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--share", type=int, default=1, help="every so manieth life")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).parent))
    stories, strategies = importlib.import_module("stories"), importlib.import_module("strategies")
    stage = stories.Stage(importlib.import_module("arena").Arena, importlib.import_module("verdict").judge)
    todo = lives(stage, stories, strategies)
    Random(chosen.seed).shuffle(todo)
    ends: Counter[str] = Counter()
    failures: Counter[str] = Counter()
    begun = time.process_time()
    for story, liar, strategy, moment, prices in todo[:: chosen.share]:
        try:
            ends[stage.play(story, liar, strategy, moment, prices)] += 1
        except Exception as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            kind = f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno}"
            failures[kind] += 1
            if failures[kind] <= 3:
                life = f"{strategy.name} as {liar.value} in '{story.name}', moment {moment}, price {prices}"
                print(f"FAILED {life}: {kind}: {error!s:.300}", flush=True)
    spent = time.process_time() - begun
    liars = len(strategies.STRATEGIES)
    print(f"{sum(ends.values()):,} lives of {liars} liars ended well, in {spent:.0f} s of processor time")
    print(f"ends: {dict(ends.most_common())}; failures: {dict(failures)}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
