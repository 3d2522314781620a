"""A node with many CFDs: what its store costs to open, list and read, and its engine to load and resume (point 7).

One CFD lives through its contract setup and a day of hourly rollovers (`bench_rollover.py` tells what it is made of);
its events are then stored under as many names as asked for. Each figure is the processor time of one call and grows
with the CFDs, so `--cfds 10000` takes as many times longer as there are more of them; "at 10,000" is that proportion,
not a measurement. Nothing here but "one CFD opened" touches a packed revision.
"""

import argparse
import json
import os
import platform
import resource
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from time import process_time
from typing import Any, Final

from attrs import evolve, frozen
from cfd_store import Batch, SqlStore, sqlite_url

from cfd_core.cfd import events as e
from cfd_core.cfd.events import Recorded
from cfd_core.crypto.keys import Keychain
from cfd_core.engine import NODE_STREAM, Engine, Settings
from cfd_core.inputs import TimerFired
from cfd_core.serial.records import PackedRevision, StoredEvent
from cfd_core.serial.stored import read_events, to_stored
from cfd_core.values import CfdId, Network, Secret, Timestamp
from tests.bench.bench_rollover import CFD, NOW, Theirs, opening, rolled

IDENTITY: Final = "bench"
FULL: Final = 10_000
ALL_OF_THEM: Final = ("file opened", "streams listed", "events read", "events decoded", "engine loaded", "resumed")
SETTINGS: Final = Settings(network=Network.REGTEST, keychain=Keychain.from_seed(Secret(b"maker" * 8), Network.REGTEST))


@frozen
class Life:
    """One CFD's events, and the node's that they refer to."""

    node: tuple[StoredEvent, ...]
    events: tuple[e.CfdEvent, ...]
    packed: bytes

    @classmethod
    def lived(cls, rollovers: int) -> "Life":
        theirs = [Theirs.make(number) for number in range(rollovers + 1)]
        happened = [*opening(theirs[0])]
        for number in range(1, rollovers + 1):
            happened += rolled(number, theirs[number])
        kept = {a.event_id: a for one in theirs for a in one.draft.announcements}
        node = (Recorded(NODE_STREAM, n, e.AnnouncementKept(a)) for n, a in enumerate(kept.values(), 1))
        return cls(tuple(map(to_stored, node)), tuple(x for one in happened for x in one.events), theirs[-1].cets)

    def of(self, name: CfdId) -> Iterator[StoredEvent]:
        """The events of a CFD of that name, as they are stored."""
        for version, event in enumerate(self.events, 1):
            own = evolve(event, cfd_id=name) if isinstance(event, e.OrderPlaced) else event
            yield to_stored(Recorded(name, version, own))


def fill(path: Path, life: Life, cfds: int, rollovers: int) -> None:
    """A store of that many CFDs, each with its live revision."""
    rest = [record for record in life.of(CFD) if record.version > 1]
    with closing(SqlStore(sqlite_url(path), IDENTITY)) as store:
        store.append(NODE_STREAM, 0, life.node)
        for number in range(cfds):
            name = CfdId(f"{number:032x}")
            events = (next(life.of(name)), *(evolve(record, stream=name) for record in rest))
            store.append_all([Batch(name, 0, events, (PackedRevision(name, rollovers, life.packed),))])


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds of processor time, and the answer."""
    begun = process_time()
    answer = call()
    return process_time() - begun, answer


def opened(store: SqlStore, name: CfdId, revision: int) -> bytes:
    """One CFD, with the announcements it refers to and its signatures."""
    records = [*store.load(NODE_STREAM), *store.load(name)]
    engine = Engine.load(SETTINGS, read_events(records))
    if engine.cfds[name].held is None:
        raise SystemExit("the CFD is not open")
    return store.revision(name, revision)


def measure(cfds: int, rollovers: int) -> dict[str, Any]:
    """All figures, as `--json` writes them."""
    life = Life.lived(rollovers)
    now = Timestamp(NOW + 60)
    with tempfile.TemporaryDirectory(prefix="cfd-bench-") as folder:
        path = Path(folder) / "events.sqlite"
        fill(path, life, cfds, rollovers)
        seconds: dict[str, float] = {}
        seconds["file opened"], store = timed(lambda: SqlStore(sqlite_url(path), IDENTITY))
        with closing(store):
            seconds["streams listed"], listed = timed(store.streams)
            seconds["events read"], records = timed(lambda: list(store.load_all()))
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            seconds["events decoded"], events = timed(lambda: list(read_events(records)))
            seconds["engine loaded"], engine = timed(lambda: Engine.load(SETTINGS, events))
            seconds["resumed"], _ = timed(lambda: engine.resume(now))
            seconds["next deadline"], _ = timed(lambda: engine.deadline)
            seconds["one timer's turn"], _ = timed(lambda: engine.handle(TimerFired(), now))
            seconds["one CFD opened"], _ = timed(lambda: opened(store, CfdId(f"{0:032x}"), rollovers))
        return {
            "cfds": cfds,
            "revisions": rollovers + 1,
            "events": len(records),
            "streams": len(listed),
            "file_bytes": path.stat().st_size,
            "seconds": seconds,
            "memory_kb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before,
            "machine": {"cpu": platform.machine(), "cores": os.cpu_count(), "python": platform.python_version()},
        }


def show(result: dict[str, Any]) -> None:
    cfds = result["cfds"]
    print(f"{cfds:,} CFDs of {result['revisions']} revisions, {result['events']:,} events, ", end="")
    print(f"{result['file_bytes'] / cfds / 1000:.0f} kB each in the file")
    print(f"{'processor time':<20}{'ms':>12}{'ms each':>12}{'s at 10,000':>14}")
    for name, seconds in result["seconds"].items():
        if name == "one CFD opened":
            print(f"{name:<20}{1000 * seconds:>12.1f}{1000 * seconds:>12.1f}{'':>14}")
        else:
            each = seconds / cfds
            print(f"{name:<20}{1000 * seconds:>12.1f}{1000 * each:>12.3f}{each * FULL:>14.2f}")
    start = sum(result["seconds"][name] for name in ALL_OF_THEM) / cfds * FULL
    print(f"Start of a node with 10,000 CFDs, all of them in proportion: {start:.1f} s; target 2 s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--cfds", type=int, default=200, help="so many CFDs (default 200)")
    parser.add_argument("--rollovers", type=int, default=23, help="of each CFD (default 23: 24 revisions)")
    arguments = parser.parse_args()
    result = measure(max(1, arguments.cfds), max(0, arguments.rollovers))
    if arguments.json:
        print(json.dumps(result, indent=2))
    else:
        show(result)


if __name__ == "__main__":
    main()
