"""Mutation testing of the core's rooms: `python -m tests.mutation.mutate payouts contract protocols`.

Each room's verdicts go to `mutation-results/ROOM.jsonl`, its survivors and score to the screen. `--survivors` tries
again only what survived the last time, and what was not tried yet. Exit code 1 when a room's score is below the goal.
It gives way to everything else that the machine has to do.

Why not a library: mutmut 3 leaves every decorated function and all that is outside functions alone, which here is most
of a `Draft`, the tables of the protocols and the limits; cosmic-ray starts an interpreter for each mutant, which takes
longer than the tests of a room.
"""

import argparse
import importlib
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any, Final

from tests.mutation import campaign
from tests.mutation.campaign import Room, Verdict
from tests.mutation.mutators import MutableModule, Mutant

ROOT: Final = Path(__file__).parents[2]
RESULTS: Final = ROOT / "mutation-results"
GOAL: Final = 85
"""Percent of a room's mutants that its tests must kill."""
THIRD_PARTY: Final = ("coincurve", "embit.descriptor", "embit.psbt", "cattrs", "pbk", "hypothesis.strategies")
PLUGINS: Final = ("pytest_asyncio.plugin", "anyio.pytest_plugin", "xdist.plugin")
FOUNDATIONS: Final = ("cfd_core.oracle", "cfd_core.crypto.keys", "cfd_core.bitcoin.psbt", "cfd_core.bitcoin.midstate")
BELOW: Final = {
    "payouts": (),
    "contract": (*FOUNDATIONS, "cfd_core.payouts"),
    "protocols": (*FOUNDATIONS, "cfd_core.payouts", "cfd_core.contract.close", "cfd_core.contract.punish"),
}
"""What is imported once, for all forks: nothing of the room itself."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rooms", nargs="+", choices=BELOW)
    parser.add_argument("--survivors", action="store_true")
    parser.add_argument("--percent", type=int, default=100, help="of the mutants, drawn the same in every run")
    arguments = parser.parse_args()
    os.nice(max(0, 15 - os.nice(0)))
    scores = [
        _campaign(room, arguments.percent, only_survivors=arguments.survivors)
        for room in BELOW
        if room in arguments.rooms
    ]
    return int(min(scores) < GOAL)


def _campaign(name: str, percent: int, *, only_survivors: bool) -> float:
    room, begun = Room.of(ROOT, name), time.monotonic()
    _close_front_door()
    for module in (*THIRD_PARTY, *PLUGINS, *BELOW[name]):
        importlib.import_module(module)
    if f"cfd_core.{name}" in sys.modules:
        raise SystemExit(f"what lies below {name} must not import it")
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / f"{name}.jsonl"
    drawn = [task for task, ticket in zip(room.mutants(), _tickets(), strict=False) if ticket < percent]
    known = {_id(module, mutant) for module, mutant in drawn}
    before = {_key(line): line for line in _read(file) if only_survivors and line["killed"]}
    kept = {key: line for key, line in before.items() if key in known}
    tasks = [(module, mutant) for module, mutant in drawn if _id(module, mutant) not in kept]
    with file.open("w", buffering=1) as results:
        for line in kept.values():
            results.write(json.dumps(line) + "\n")

        def report(module: MutableModule, verdict: Verdict) -> None:
            line = _line(module, verdict)
            results.write(json.dumps(line) + "\n")
            if not verdict.killed:
                print(_words(line), flush=True)

        campaign.run(room, tasks, report)
    return _summary(name, _read(file), time.monotonic() - begun)


def _tickets() -> Iterator[float]:
    """A number below 100 for each mutant."""
    draw = Random(1)
    while True:
        yield draw.uniform(0, 100)


def _close_front_door() -> None:
    """`import cfd_core` loads every room; a package without contents lets each room bring only what it needs."""
    package = ModuleType("cfd_core")
    package.__path__ = [str(ROOT / "cfd_core")]
    sys.modules.setdefault("cfd_core", package)


def _line(module: MutableModule, verdict: Verdict) -> dict[str, Any]:
    mutant = verdict.mutant
    return {
        "number": mutant.number,
        "file": str(Path(module.file).relative_to(ROOT)),
        "unit": mutant.unit,
        "line": mutant.line,
        "change": mutant.change,
        "killed": verdict.killed,
        "by": verdict.by,
        "seconds": round(verdict.seconds, 2),
    }


def _id(module: MutableModule, mutant: Mutant) -> str:
    return f"{Path(module.file).relative_to(ROOT)} {mutant.number} {mutant.change}"


def _key(line: dict[str, Any]) -> str:
    return f"{line['file']} {line['number']} {line['change']}"


def _read(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def _words(line: dict[str, Any]) -> str:
    return f"survived: {line['file']}:{line['line']} {line['unit'] or '(module)'}: {line['change']:.160}"


def _summary(name: str, lines: list[dict[str, Any]], seconds: float) -> float:
    killed = sum(1 for line in lines if line["killed"])
    late = sum(line["by"] == "time" for line in lines)
    score = 100 * killed / len(lines)
    print(
        f"{name}: {len(lines)} mutants, {killed} killed ({late} by their time limit), {len(lines) - killed} survived, "
        f"score {score:.1f} %, {seconds / 60:.0f} min"
    )
    return score


if __name__ == "__main__":
    sys.exit(main())
