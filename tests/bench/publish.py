"""Enters the last run of all benchmark programs into the documents: `python -m tests.bench.publish`.

Replaces the table between the two marks in `docs/performance.md` and draws its pictures anew.
"""

from pathlib import Path
from typing import Final

from tests.bench.plots import draw_all
from tests.bench.summary import markdown, read

ROOT: Final = Path(__file__).parents[2]
RESULTS: Final = ROOT / "bench-results"
PAGE: Final = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"


def main() -> None:
    before, begin, rest = PAGE.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{PAGE.name} has no place for the table")
    PAGE.write_text(f"{before}{BEGIN}\n{markdown(read(RESULTS))}\n{END}{after}")
    draw_all(RESULTS, PAGE.parent / "pictures")


if __name__ == "__main__":
    main()
