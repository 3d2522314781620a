"""Prints the state diagrams of the documents from the tables that the code runs on.

`python docs/diagrams.py` checks that the documents show the present tables, `--write` brings them up to date.
"""

import sys
from collections.abc import Mapping
from pathlib import Path

from cfd_core.cfd.lifecycle import LIFECYCLE
from cfd_core.protocols.contract_setup.states import TRANSITIONS as SETUP
from cfd_core.protocols.rollover.states import TRANSITIONS as ROLLOVER
from cfd_core.protocols.settlement.states import TRANSITIONS as SETTLEMENT

HERE = Path(__file__).parent
Table = Mapping[tuple[type, type], tuple[type, ...]]
TABLES: dict[str, tuple[str, Table]] = {
    "lifecycle": ("lifecycle.md", LIFECYCLE),
    "contract setup": ("protocols.md", SETUP),
    "rollover": ("protocols.md", ROLLOVER),
    "settlement": ("protocols.md", SETTLEMENT),
}


def diagram(table: Table) -> str:
    """A Mermaid state diagram: one arrow per phase and successor, labelled with what leads there."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for (phase, arrived), successors in table.items():
        for successor in successors:
            arrows.setdefault((phase.__name__, successor.__name__), []).append(arrived.__name__)
    lines = [f"    {start} --> {end}: {', '.join(labels)}" for (start, end), labels in arrows.items()]
    return "\n".join(["```mermaid", "stateDiagram-v2", *lines, "```"])


def rendered(text: str, name: str, table: Table) -> str:
    """The document with the block of this name replaced."""
    begin, end = f"<!-- diagram: {name} -->", f"<!-- end: {name} -->"
    before, _, rest = text.partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise SystemExit(f"no place for the diagram {name!r}")
    return f"{before}{begin}\n\n{diagram(table)}\n\n{end}{after}"


def main() -> int:
    stale = 0
    for name, (file, table) in TABLES.items():
        path = HERE / file
        text = path.read_text()
        fresh = rendered(text, name, table)
        if fresh != text and "--write" in sys.argv:
            path.write_text(fresh)
        elif fresh != text:
            print(f"{file}: the diagram {name!r} is not the present table")
            stale = 1
    return stale


if __name__ == "__main__":
    raise SystemExit(main())
