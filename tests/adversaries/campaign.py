"""All lives of all liars: `python tests/adversaries/campaign.py`, or `nox -s adversaries`.

Every strategy meets every story, on both sides, at every moment, with every course of prices; with `--restored` the
stories in which the honest side comes back from a backup, and those who tempt it as well. `--share N` takes every N-th
life, after a shuffle by `--seed`. Exit code 1, and each kind of failure with the life that showed it.
"""

import argparse
import importlib
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random
from typing import Any

from cfd_core.values import Role

Life = tuple[Any, Role, Any, int, str]


def lives(stage: Any, stories: Iterable[Any], strategies: Iterable[Any], prices: Iterable[str]) -> list[Life]:
    """Every combination, in an order that never changes."""
    return [
        (story, liar, strategy, moment, course)
        for story in stories
        for liar in Role
        for strategy in strategies
        for moment in stage.moments(story, liar)
        for course in prices
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--share", type=int, default=1, help="every so manieth life")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--restored", action="store_true", help="against a node that comes back from a backup")
    chosen = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).parent))
    liars, todo, play = _restored() if chosen.restored else _usual()
    Random(chosen.seed).shuffle(todo)
    ends: Counter[str] = Counter()
    failures: Counter[str] = Counter()
    begun = time.process_time()
    for life in todo[:: chosen.share]:
        try:
            ends[play(*life)] += 1
        except Exception as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            kind = f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno}"
            failures[kind] += 1
            if failures[kind] <= 3:
                story, liar, strategy, moment, prices = life
                told = f"{strategy.name} as {liar.value} in '{story.name}', moment {moment}, price {prices}"
                print(f"FAILED {told}: {kind}: {error!s:.300}", flush=True)
    spent = time.process_time() - begun
    print(f"{sum(ends.values()):,} lives of {liars} liars ended well, in {spent:.0f} s of processor time")
    print(f"ends: {dict(ends.most_common())}; failures: {dict(failures)}")
    return 1 if failures else 0


def _usual() -> tuple[int, list[Life], Callable[..., str]]:
    stories, strategies = importlib.import_module("stories"), importlib.import_module("strategies")
    stage = stories.Stage(importlib.import_module("arena").Arena, importlib.import_module("verdict").judge)
    found = strategies.STRATEGIES
    return len(found), lives(stage, stories.STORIES, found, stories.PRICES), stage.play


def _restored() -> tuple[int, list[Life], Callable[..., str]]:
    stories, strategies = importlib.import_module("stories"), importlib.import_module("strategies")
    restored, tempters = importlib.import_module("restored"), importlib.import_module("tempters")
    stage = stories.Stage(importlib.import_module("arena").Arena, importlib.import_module("verdict").judge)
    found = (*strategies.STRATEGIES, *tempters.strategies_of(strategies))
    todo = lives(stage, restored.stories_of(stories), found, stories.PRICES)
    return len(found), todo, lambda *life: restored.play(stage, stories, *life)


if __name__ == "__main__":
    sys.exit(main())
