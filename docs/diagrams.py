"""Makes every picture of the documents that code can make, and the listings of the tables that the code runs on.

`python -m docs.diagrams` checks that the documents show the present tables, `--write` brings them up to date.
"""

import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from cfd_core.cfd import phases as p
from cfd_core.cfd.lifecycle import LIFECYCLE
from cfd_core.protocols.contract_setup import states as setup
from cfd_core.protocols.rollover import states as rollover
from cfd_core.protocols.settlement import states as settlement
from docs.drawing import charts, graphs, machines, talks

HERE = Path(__file__).parent
PICTURES = HERE / "pictures"
PHASES = (
    *(p.SettingUp, p.LockSignedUnseen, p.LockPending, p.Open, p.ClosePending, p.CloseConfirmed),
    *(p.CommitPending, p.CommitConfirmed, p.ExitPending, p.ExitConfirmed, p.LockConflict, p.LockDoubleSpent),
    *(p.Closed, p.SetupFailed, p.Rejected),
)

LISTINGS: Mapping[str, tuple[str, machines.Table]] = {
    "lifecycle": ("lifecycle.md", LIFECYCLE),
    "contract setup": ("protocols.md", setup.TRANSITIONS),
    "rollover": ("protocols.md", rollover.TRANSITIONS),
    "settlement": ("protocols.md", settlement.TRANSITIONS),
}

DRAWINGS: Mapping[str, Callable[[], str]] = {
    "lifecycle": lambda: machines.draw("The phases of a CFD", LIFECYCLE, order=PHASES),
    "contract-setup": lambda: machines.draw("Contract setup", setup.TRANSITIONS, busy=setup.BUSY),
    "rollover": lambda: machines.draw("Rollover", rollover.TRANSITIONS, busy=rollover.BUSY),
    "settlement": lambda: machines.draw("Settlement", settlement.TRANSITIONS, busy=settlement.BUSY),
    "contract-setup-talk": lambda: talks.draw("A contract setup", talks.setup()),
    "rollover-talk": lambda: talks.draw("A rollover", talks.rollover()),
    "settlement-talk": lambda: talks.draw("A settlement", talks.settlement()),
    "transactions": graphs.transactions,
    "life": graphs.life,
    "oracle": graphs.oracle,
}

CHARTS: Mapping[str, Callable[[], charts.Chart]] = {
    "payoffs": charts.payoffs,
    "steps": charts.steps,
    "tolerances": charts.tolerances,
}


def rendered(text: str, name: str, table: machines.Table) -> str:
    """The document with the listing of this name replaced."""
    begin, end = f"<!-- diagram: {name} -->", f"<!-- end: {name} -->"
    before, _, rest = text.partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise SystemExit(f"no place for the listing {name!r}")
    picture = f"![{name}: the table below, drawn](pictures/{name.replace(' ', '-')}.svg)"
    return f"{before}{begin}\n\n{picture}\n\n{machines.listing(table)}\n\n{end}{after}"


def same_numbers(chart: charts.Chart, drawn: str) -> bool:
    """Whether a chart's file shows these numbers, whatever drew it."""
    return re.findall(r"<!-- numbers: (\w+) -->", drawn) == [chart.fingerprint]


class Check:
    """Compares files with what they should be, and writes them if that is wanted."""

    def __init__(self, *, write: bool) -> None:
        self.write = write
        self.stale: list[str] = []

    def settle(self, path: Path, fresh: Callable[[], str], *, current: bool) -> None:
        """Write what is not current, or note it."""
        if current:
            return
        if self.write:
            path.write_text(fresh())
        else:
            self.stale.append(f"{path.name} is not what the code says: python -m docs.diagrams --write")

    def run(self) -> list[str]:
        """What is stale."""
        for name, (file, table) in LISTINGS.items():
            text = (HERE / file).read_text()
            self._compare(HERE / file, rendered(text, name, table))
        for name, draw in DRAWINGS.items():
            self._compare(PICTURES / f"{name}.svg", draw())
        for name, make in CHARTS.items():
            path, chart = PICTURES / f"{name}.svg", make()
            self.settle(path, chart.svg, current=path.exists() and same_numbers(chart, path.read_text()))
        return self.stale

    def _compare(self, path: Path, fresh: str) -> None:
        self.settle(path, lambda: fresh, current=path.exists() and path.read_text() == fresh)


if __name__ == "__main__":
    stale = Check(write="--write" in sys.argv).run()
    print("\n".join(stale), end="\n" if stale else "")
    raise SystemExit(bool(stale))
