"""The long fuzzing profile: `python -m tests.fuzz.campaign --seconds 600`, or `nox -s fuzz`.

Each door in turn gets arbitrary bytes and mutations of its samples, and of what such mutations made before; then come
storms over whole conversations. Everything follows from `--seed`. With `--guided`, atheris mutates instead, guided by
the coverage of the core, if it is installed. Exit code 1 and the input in hex for each failure.
"""

import argparse
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from tests.fuzz import weather
from tests.fuzz.doors import Door, doors
from tests.fuzz.mutation import Mutator

BATCH = 200
"""Inputs between two looks at the clock."""
KEEP = 40
"""Mutated inputs of a door that are mutated further."""


class Campaign:
    """Counts what was tried and keeps what failed."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.tried: Counter[str] = Counter()
        self.taken: Counter[str] = Counter()
        self.failures: dict[str, str] = {}

    def knock_on_all(self, seconds: float) -> None:
        """An equal share of the time for each door."""
        found = doors()
        for door in found:
            self._until(seconds / len(found), self._knocks(door))

    def _knocks(self, door: Door) -> Callable[[], None]:
        pool = list(door.samples)

        def knock() -> None:
            changing = Mutator(self.random, pool)
            sample = self.random.choice(pool)
            if self.random.random() < 0.02:
                raw = self.random.randbytes(self.random.randrange(300))
            else:
                raw = changing.line(sample) if door.json and self.random.random() < 0.9 else changing.blob(sample)
            self._try(door.name, raw.hex(), lambda: door.open(raw), door.refusals)
            if len(raw) < 50_000 and self.random.random() < 0.05:
                pool.append(raw)
                del pool[len(door.samples) : len(pool) - KEEP]

        return knock

    def storms(self, seconds: float) -> None:
        """Half of the time for changed messages, half for anything from any shell."""

        def changed() -> None:
            seed = self.random.randrange(2**32)
            self._try("storm of changed messages", str(seed), lambda: weather.changed_messages(seed), ())

        def anything() -> None:
            seed = self.random.randrange(2**32)
            self._try("storm from all shells", str(seed), lambda: weather.anything(seed, 60), ())

        self._until(seconds / 2, changed, 1)
        self._until(seconds / 2, anything, 1)

    def _until(self, seconds: float, work: Callable[[], None], batch: int = BATCH) -> None:
        end = time.process_time() + seconds
        while time.process_time() < end:
            for _ in range(batch):
                work()

    def _try(self, name: str, told: str, work: Callable[[], Any], refusals: tuple[type[Exception], ...]) -> None:
        self.tried[name] += 1
        try:
            work()
        except refusals:
            return
        except Exception as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{name}: {type(error).__name__} at {Path(last.filename).name}:{last.lineno}"
            if place not in self.failures:
                self.failures[place] = f"{error!s:.300}\n  input: {told[:4000]}"
                print(f"FAILED {place}: {self.failures[place]}", flush=True)
            return
        self.taken[name] += 1

    def report(self) -> int:
        """Print the counts; the exit code."""
        for name, count in self.tried.items():
            print(f"{name:45} {count:9,} tried {self.taken[name]:9,} taken")
        print(f"{sum(self.tried.values()):,} inputs, {len(self.failures)} different failures")
        return 1 if self.failures else 0


def guided(seconds: float, seed: int) -> int:
    """One atheris process over all doors, begun with their samples; the first byte names the door."""
    with tempfile.TemporaryDirectory() as corpus:
        for number, door in enumerate(doors()):
            for index, sample in enumerate(door.samples):
                (Path(corpus) / f"{number}-{index}").write_bytes(bytes([number]) + sample)
        command = [sys.executable, "-m", "tests.fuzz.guided", corpus, f"-artifact_prefix={corpus}/"]
        limits = ["-max_len=20000", "-rss_limit_mb=1024", "-timeout=60", f"-max_total_time={int(seconds)}"]
        run = [*command, *limits, f"-seed={seed}", "-verbosity=1", "-print_final_stats=1"]
        done = subprocess.run(run, check=False, capture_output=True, text=True)
    print(done.stderr[-4000:] if done.returncode else "\n".join(done.stderr.splitlines()[-8:]))
    return 1 if done.returncode else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--seconds", type=float, default=600, help="of processor time, in all; two thirds for the doors"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--guided", action="store_true", help="atheris on the doors, all of the time")
    chosen = parser.parse_args()
    if chosen.guided:
        return guided(chosen.seconds, chosen.seed)
    campaign = Campaign(chosen.seed)
    campaign.knock_on_all(chosen.seconds * 2 / 3)
    campaign.storms(chosen.seconds / 3)
    return campaign.report()


if __name__ == "__main__":
    sys.exit(main())
