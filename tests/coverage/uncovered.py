"""What of the core no test ran, by function, from `coverage json`; exit code 1 below what must be held.

python -m tests.coverage.uncovered REPORT.json LIST.txt

The list is written to LIST.txt: a function a line, with its lines and branches. Those that `docs/coverage.md` does
not name with a reason are printed too. Which ones they are may differ a little from run to run: histories are random.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from attrs import frozen

LINES, BRANCHES = 97.0, 95.0
"""Per cent that must be held."""
PAGE = Path(__file__).parents[2] / "docs" / "coverage.md"


@frozen
class Gap:
    """A function, or what stands outside of all, with lines or branches that were not run."""

    place: str
    """`cfd/decide.py: choose`"""
    lines: tuple[int, ...]
    branches: tuple[tuple[int, int], ...]

    def __str__(self) -> str:
        told = [f"lines {', '.join(map(str, self.lines))}"] if self.lines else []
        leaps = (f"{a} to {'the end' if b < 0 else b}" for a, b in self.branches)
        told += [f"branches {', '.join(leaps)}"] if self.branches else []
        return f"{self.place}: {'; '.join(told)}"


def gaps(report: dict[str, Any]) -> Iterator[Gap]:
    """All of them, by file and function. A branch from or to a line that was not run is told by that line."""
    for path, file in sorted(report["files"].items()):
        for name, found in file["functions"].items():
            missing = set(found["missing_lines"])
            leaps = [(a, b) for a, b in found["missing_branches"] if a not in missing and b not in missing]
            if missing or leaps:
                place = f"{path.removeprefix('cfd_core/')}: {name or 'the module'}"
                yield Gap(place, tuple(sorted(missing)), tuple(leaps))


def share(covered: int, of: int) -> float:
    return 100 * covered / of if of else 100.0


def main(report: Path, told: Path) -> int:
    found = json.loads(report.read_text())
    totals = found["totals"]
    every = list(gaps(found))
    told.write_text("".join(f"{gap}\n" for gap in every))
    page = PAGE.read_text("utf-8")
    for gap in every:
        if f"`{gap.place}`" not in page:
            print(f"not in {PAGE.name}: {gap}")
    lines = share(totals["covered_lines"], totals["num_statements"])
    branches = share(totals["covered_branches"], totals["num_branches"])
    print(
        f"cfd_core: {lines:.2f} % of {totals['num_statements']:,} lines, {branches:.2f} % of"
        f" {totals['num_branches']:,} branches; {len(every)} places in {told}"
    )
    return 0 if lines >= LINES and branches >= BRANCHES else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
