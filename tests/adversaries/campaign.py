"""All lives of all liars: `python -m tests.adversaries.campaign`, or `nox -s adversaries`.

Every strategy meets every story, on both sides, at every moment, with every course of prices; with `--restored` the
stories in which the honest side comes back from a backup, and those who tempt it as well. `--share N` takes every N-th
life, after a shuffle by `--seed`. Exit code 1, and each kind of failure with the life that showed it.
"""

import argparse
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from cfd_core.values import Role
from tests.adversaries import restored, stories
from tests.adversaries.strategies import STRATEGIES
from tests.adversaries.tempters import TEMPTERS

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
    stage = stories.Stage()
    return len(STRATEGIES), lives(stage, stories.STORIES, STRATEGIES, stories.PRICES), stage.play


def _restored() -> tuple[int, list[Life], Callable[..., str]]:
    stage, found = stories.Stage(), (*STRATEGIES, *TEMPTERS)
    return len(found), lives(stage, restored.STORIES, found, stories.PRICES), partial(restored.play, stage)


if __name__ == "__main__":
    sys.exit(main())
