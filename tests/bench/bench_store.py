"""A node with many CFDs: what its start costs until they are listed, and until all of them are taken up (point 7).

One CFD lives through its contract setup and a day of hourly rollovers (`bench_rollover.py` tells what it is made of).
Its events and snapshots are then stored under as many names as asked for, each with coins, and so with a lock, of its
own. Figures are processor time of one call, each size in a process of its own; what grows in proportion has the same
"ms each" in all columns. `--cfds 100 1000 10000` takes about five minutes of processor time and 1.3 GB of disk.
"""

import argparse
import gc
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from time import process_time
from typing import Any, Final

from cfd_node.attestations import PORTION
from cfd_node.desk.resting import read_rows
from cfd_node.loading import STATE, compared, load_engine
from cfd_store import SqlStore, sqlite_url
from cfd_web.models import Cfds

from cfd_core import inputs as i
from cfd_core.engine import NODE_STREAM, Engine
from cfd_core.oracle import Dialect, IssuedEvent, attest
from cfd_core.serial.stored import read_events
from cfd_core.values import CfdId, OutPoint, Timestamp, Txid
from tests.bench.bench_rollover import NOW, ORACLE, hour
from tests.bench.crowd import IDENTITY, SETTINGS, Life, fill, name_of
from tests.bench.report import Figure, Report
from tests.bench.report import show as tell

FOLDED_AT_MOST: Final = 1_000
"""CFDs for which a start without snapshots is measured as well; it takes ten times longer."""
LATER: Final = Timestamp(NOW + 60)


# --- measuring -------------------------------------------------------------------------------------------------------


class Clock:
    """Processor time by name, and the memory that stays."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def timed(self, name: str, call: Callable[[], Any]) -> Any:
        """Call it once."""
        begun = process_time()
        answer = call()
        self.seconds[name] = process_time() - begun
        return answer


def resident() -> int:
    """kB of this process in memory."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024


def listed(path: Path, rounds: int) -> dict[str, Any]:
    """From the closed file to the answer that names all CFDs, at its quickest."""
    return min((_listed(path) for _ in range(rounds)), key=lambda found: sum(found["seconds"].values()))


def _listed(path: Path) -> dict[str, Any]:
    clock = Clock()
    store = clock.timed("file opened", lambda: SqlStore(sqlite_url(path), IDENTITY, thorough=False))
    with closing(store):
        rows = clock.timed("rows read", lambda: read_rows(store, SETTINGS.policy.deadlines))
        answer = clock.timed("rows as JSON", lambda: Cfds(cfds=rows, at=LATER).model_dump_json())
    return {"seconds": clock.seconds, "answer_bytes": len(answer)}


def resumed(path: Path) -> dict[str, Any]:
    """From the closed file to an engine that was asked for all that is owed; then turns of that engine."""
    clock = Clock()
    store = clock.timed("file opened", lambda: SqlStore(sqlite_url(path), IDENTITY, thorough=False))
    with closing(store):
        clock.timed("file checked", store.check)
        before = resident()
        engine = clock.timed("engine loaded", lambda: load_engine(SETTINGS, store).engine)
        engine = clock.timed("node started", lambda: engine.handle(i.NodeStarted(), LATER).engine)
        clock.timed("all that is owed", lambda: engine.resume(LATER))
        engine = clock.timed("first block", lambda: engine.handle(i.TipChanged(120), LATER).engine)
        memory = resident() - before
        life = {"seconds": dict(clock.seconds), "memory_kb": memory, "cfds": len(engine.cfds)}
        turns = Clock()
        nobody = i.OutpointReport(OutPoint(Txid("ab" * 32), 0), 5, None)
        turns.timed("a report about nobody's output", lambda: engine.handle(nobody, LATER))
        turns.timed("a timer with nothing due", lambda: engine.handle(i.TimerFired(), LATER))
        turns.timed("a block", lambda: engine.handle(i.TipChanged(121), LATER))
        turns.timed("the next deadline", lambda: engine.deadline)
        word = attest(ORACLE, IssuedEvent.price(Dialect.OLIVIA_V1, hour(30)), 54_000, LATER)
        step = turns.timed(
            "an hour's price, for all CFDs", lambda: engine.handle(i.AttestationReceived(hour(30), word), LATER)
        )
        if len(step.events) != len(engine.cfds):
            raise SystemExit("the price did not reach every CFD")
        turns.seconds["the longest turn of such a price in portions"] = _in_portions(engine, word)
        opened = Clock()
        opened.timed("one CFD opened", lambda: _open(store, name_of(0), engine))
    return {**life, "turns": turns.seconds, **opened.seconds}


def _in_portions(engine: Engine, word: bytes) -> float:
    """Seconds of the longest turn when the price is given as a node gives it."""
    concerned, longest = engine.concerned_by(hour(30)), 0.0
    for start in range(0, len(concerned), PORTION):
        begun = process_time()
        among = frozenset(concerned[start : start + PORTION])
        engine = engine.handle(i.AttestationReceived(hour(30), word, among), LATER).engine
        longest = max(longest, process_time() - begun)
    return longest


def _open(store: SqlStore, name: CfdId, engine: Engine) -> None:
    """Its history and its signatures."""
    records = [*store.load(NODE_STREAM), *store.load(name)]
    history = [event for stream, event in read_events(records) if stream == name]
    held = engine.cfds[name].held
    if held is None or not history:
        raise SystemExit("the CFD is not open")
    store.revision(name, held.live.number)


def folded(path: Path) -> dict[str, Any]:
    """The same without snapshots, as a first start or another release does it; and what it says of the snapshots."""
    clock = Clock()
    with closing(SqlStore(sqlite_url(path), IDENTITY, thorough=False)) as store:
        found = clock.timed("full check of the snapshots", lambda: list(compared(store)))
        if not all(right for _, right in found):
            raise SystemExit("a snapshot says something else than its events")
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("UPDATE snapshots_1 SET form = 'another' WHERE kind = ?", (STATE,))
        clock.timed("engine loaded without snapshots", lambda: load_engine(SETTINGS, store))
    return {"seconds": clock.seconds}


def measure(sizes: Sequence[int], rollovers: int, rounds: int) -> dict[str, Any]:
    """All figures of all sizes."""
    life = Life.lived(rollovers)
    return {
        "revisions": rollovers + 1,
        "events": len(life.events),
        "snapshot_bytes": {one.kind: len(one.data) for one in life.snapshots},
        "runs": [_run(life, cfds, rollovers, rounds) for cfds in sizes],
    }


def _run(life: Life, cfds: int, rollovers: int, rounds: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="cfd-bench-") as folder:
        path = Path(folder) / "events.sqlite"
        fill(path, life, cfds, rollovers)
        found: dict[str, Any] = {"cfds": cfds, "file_bytes": path.stat().st_size}
        found |= {"listed": _apart(partial(listed, rounds=rounds), path), "resumed": _apart(resumed, path)}
        return found | ({"folded": _apart(folded, path)} if cfds <= FOLDED_AT_MOST else {})


def _apart(part: Callable[[Path], dict[str, Any]], path: Path) -> dict[str, Any]:
    """In a process of its own, which nothing else has filled."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(part, path).result()


# --- showing ---------------------------------------------------------------------------------------------------------


def lines(run: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """Name and seconds of each figure."""
    yield from ((f"list: {name}", value) for name, value in run["listed"]["seconds"].items())
    yield "start to listing", sum(run["listed"]["seconds"].values())
    yield from ((f"start: {name}", value) for name, value in run["resumed"]["seconds"].items())
    yield "start to everything resumed", sum(run["resumed"]["seconds"].values())
    yield from ((f"turn: {name}", value) for name, value in run["resumed"]["turns"].items())
    yield "one CFD opened", run["resumed"]["one CFD opened"]
    yield from run.get("folded", {"seconds": {}})["seconds"].items()


def show(result: dict[str, Any]) -> None:
    runs = result["runs"]
    print(f"CFDs of {result['revisions']} revisions and {result['events']} events each")
    print(_row("processor time: ms, and ms for each CFD", [f"{run['cfds']:,} CFDs" for run in runs]))
    columns = [dict(lines(run)) for run in runs]
    for name in columns[0]:
        times = [(column.get(name), run["cfds"]) for column, run in zip(columns, runs, strict=True)]
        print(_row(name, ["" if x is None else f"{1000 * x:,.1f} {1000 * x / cfds:7.3f}" for x, cfds in times]))
    memory = [(run["resumed"]["memory_kb"], run["cfds"]) for run in runs]
    print(_row("memory, kB, and for each CFD", [f"{kb:,} {kb / cfds:7.1f}" for kb, cfds in memory]))
    print(_row("file, kB for each CFD", [f"{run['file_bytes'] / run['cfds'] / 1000:.0f}" for run in runs]))


def reported(result: dict[str, Any]) -> Report:
    """What answers a target, by the largest store."""
    run = result["runs"][-1]
    cfds, found = run["cfds"], dict(lines(run))
    more = [(f"{cfds:,} CFDs, {name}", 1000 * found[name], "ms") for name in found if name.startswith("turn: ")]
    figures = (
        Figure(7, "10,000 CFDs, start to listing (in proportion)", _in_proportion(run, "start to listing"), "s", 2),
        Figure(7, "10,000 CFDs, start to everything resumed", _in_proportion(run, "start to everything resumed"), "s"),
        Figure(6, "memory per open CFD of 24 revisions", run["resumed"]["memory_kb"] / cfds, "kB", 200),
        *(Figure(0, *one) for one in more),
    )
    return Report("bench_store", figures, result)


def _in_proportion(run: dict[str, Any], name: str) -> float:
    return dict(lines(run))[name] / int(run["cfds"]) * 10_000


def _row(name: str, cells: Sequence[str]) -> str:
    return f"{name:<44}" + "".join(f"{cell:>22}" for cell in cells)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--json", metavar="FILE", type=Path, help="write every figure to FILE")
    parser.add_argument("--rounds", type=int, default=3, help="the best of so many listings counts (default 3)")
    parser.add_argument("--cfds", type=int, nargs="+", default=[50, 200], help="so many each (default 50 200)")
    parser.add_argument("--rollovers", type=int, default=23, help="of each CFD (default 23: 24 revisions)")
    arguments = parser.parse_args()
    sizes, rollovers = [max(1, cfds) for cfds in arguments.cfds], max(1, arguments.rollovers)
    result = measure(sizes, rollovers, max(1, arguments.rounds))
    show(result)
    report = reported(result)
    tell(report)
    if arguments.json is not None:
        report.write(arguments.json)


if __name__ == "__main__":
    main()
