"""One table over what all benchmark programs found: `python -m tests.bench.summary FOLDER`.

Lines in the order of the design's targets; then the notes, and what was missed.
"""

import json
import sys
from pathlib import Path
from typing import Any

from attrs import fields

from tests.bench.report import Figure, heading, row

SLOT = tuple(part.name for part in fields(Figure))


def read(folder: Path) -> list[dict[str, Any]]:
    """The programs' files; those of another form (a program with a table of its own) are left out."""
    found = [json.loads(path.read_text()) for path in sorted(folder.glob("bench_*.json"))]
    return [one for one in found if isinstance(one, dict) and "figures" in one]


def figures(results: list[dict[str, Any]]) -> list[Figure]:
    """Those that answer a target, by its number."""
    every = [Figure(**{name: record[name] for name in SLOT}) for one in results for record in one["figures"]]
    return sorted((figure for figure in every if figure.target), key=lambda figure: figure.target)


def main() -> None:
    folder = Path(sys.argv[1])
    results = read(folder)
    if not results:
        raise SystemExit(f"no results in {folder}")
    machine, loads = results[0]["machine"], [one["machine"]["load"] for one in results]
    print(f"\nAll targets, measured from {machine['at']} on: {machine['cpu']}, {machine['cores']} cores, ", end="")
    print(f"Python {machine['python']}, load {min(loads)} to {max(loads)}")
    calibrations = [one["machine"]["ecdsa_verify_us"] for one in results]
    print(f"ECDSA verification (the calibration) {min(calibrations)} us at best; scaled figures are for 37 us")
    every = figures(results)
    print(heading(), *map(row, every), sep="\n")
    for one in results:
        for note in one["notes"]:
            print(f"!!! {note} !!!")
    missed = [figure.name for figure in every if figure.verdict == "MISSED"]
    print(f"missed: {'; '.join(missed)}" if missed else "no target missed")


if __name__ == "__main__":
    main()
