"""One table over what all benchmark programs found: `python -m tests.bench.summary FOLDER`.

Lines in the order of the design's targets; then the notes, and what was missed.
"""

import json
import sys
from pathlib import Path
from typing import Any

from attrs import fields

from tests.bench.report import REFERENCE_US, Figure, heading, number, row

SLOT = tuple(part.name for part in fields(Figure))


def read(folder: Path) -> list[dict[str, Any]]:
    """The programs' files; those of another form (a program with a table of its own) are left out."""
    found = [json.loads(path.read_text()) for path in sorted(folder.glob("bench_*.json"))]
    return [one for one in found if isinstance(one, dict) and "figures" in one]


def figures(results: list[dict[str, Any]]) -> list[Figure]:
    """Those that answer a target, by its number."""
    every = [Figure(**{name: record[name] for name in SLOT}) for one in results for record in one["figures"]]
    return sorted((figure for figure in every if figure.target), key=lambda figure: figure.target)


def machine(results: list[dict[str, Any]]) -> str:
    """Where, when, and how busy it was, in two sentences."""
    one, loads = results[0]["machine"], [found["machine"]["load"] for found in results]
    calibrations = [found["machine"]["ecdsa_verify_us"] for found in results]
    return (
        f"Measured on {min(found['machine']['at'] for found in results)[:10]}: {one['cpu']}, {one['cores']} cores, "
        f"Python {one['python']}, load {min(loads)} to {max(loads)}. ECDSA verification (the calibration) took "
        f"{min(calibrations)} us at best; scaled figures are for {REFERENCE_US:g} us."
    )


def markdown(results: list[dict[str, Any]]) -> str:
    """The same for the documents."""
    lines = ["| # | what | measured | target | | reference | ratio |", "|---|---|---|---|---|---|---|"]
    for one in figures(results):
        measured = f"{number(one.measured)} {one.unit}".strip()
        limit = "" if one.limit is None else f"{one.kind} {number(one.limit)}"
        reference = "" if one.reference is None else f"{number(one.reference)} ({one.source})"
        verdict = f"**{one.verdict.lower()}**" if one.verdict == "MISSED" else one.verdict
        cells = (str(one.target), one.name, measured, limit, verdict, reference, number(one.ratio))
        lines.append(f"| {' | '.join(cells)} |")
    notes = [f"**{note}**" for one in results for note in one["notes"]]
    return "\n\n".join([machine(results), *notes, "\n".join(lines)])


def main() -> None:
    folder = Path(sys.argv[1])
    results = read(folder)
    if not results:
        raise SystemExit(f"no results in {folder}")
    print(f"\nAll targets. {machine(results)}")
    every = figures(results)
    print(heading(), *map(row, every), sep="\n")
    for one in results:
        for note in one["notes"]:
            print(f"!!! {note} !!!")
    missed = [figure.name for figure in every if figure.verdict == "MISSED"]
    print(f"missed: {'; '.join(missed)}" if missed else "no target missed")


if __name__ == "__main__":
    main()
