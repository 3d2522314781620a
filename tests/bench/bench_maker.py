"""A maker with a thousand open CFDs: how many rollovers one core sustains, and the memory of a CFD (target 6).

A maker and a taker of the core's simulator roll one CFD over again and again, while the maker's engine holds as many
others as asked for, copies of it under other names. Counted is the maker's processor time: decoding and encoding its
messages, the engine's turns, its CET signatures and the check of the taker's, the events made bytes and put into an
SQLite store. The same rollovers are timed with no other CFD, in the same run: the difference is what many cost. The
turn in which the hour's timer fires serves all CFDs at once and is told apart. The simulator's own work (wires, chain,
what it checks at each turn) and the taker's are not counted. Memory is what Python allocates while the engine loads the
CFDs from their stored events and then keeps, by the number of them.
"""

import gc
import hashlib
import tempfile
import tracemalloc
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path
from statistics import median
from time import thread_time
from typing import Any, Final, TypeVar
from unittest.mock import patch

from attrs import evolve
from cfd_store import Batch, SqlStore, sqlite_url

from cfd_core import effects as f
from cfd_core.cfd import commands as c
from cfd_core.cfd import events as e
from cfd_core.cfd.events import Recorded
from cfd_core.contract import jobs
from cfd_core.engine import NODE_STREAM, Engine, Settings
from cfd_core.inputs import NodeStarted, TipChanged
from cfd_core.serial import wire
from cfd_core.serial.records import StoredEvent
from cfd_core.serial.stored import read_events, to_revision, to_stored
from cfd_core.testing import Pair, SimNode, hours
from cfd_core.values import HOUR, CfdId, RunId
from tests.bench.report import REFERENCE_US, Figure, Report, calibration, run

OTHERS: Final = 1_000
TARGET_KB: Final = 200.0
Job = TypeVar("Job")
Result = TypeVar("Result")


class Metered(Pair):
    """A pair whose maker's processor time is counted, by part."""

    def __init__(self, liquidations: int, **offer: Any) -> None:
        self.spent: dict[str, float] = defaultdict(float)
        events = hours(1, liquidations) if liquidations else ()
        super().__init__(liquidations=events, **offer)
        self.acting: SimNode = self.taker
        self.timers: list[float] = []
        """Seconds of the hour's turn in which the maker's timer fires: one for all its CFDs."""
        self.sign_cets = partial(self.crypto, "sign CETs", jobs.sign_cets)
        self.verify_cets = partial(self.crypto, "verify CETs", jobs.verify_cets)
        self.opened(leverage=5, quantity=3_500)

    def timed(self, part: str, work: Callable[[], Result]) -> Result:
        begun = thread_time()
        result = work()
        self.spent[part] += thread_time() - begun
        return result

    def crypto(self, part: str, work: Callable[[Job], Result], job: Job) -> Result:
        """Run a job, and count it if it is the maker's."""
        return self.timed(part, lambda: work(job)) if self.acting is self.maker else work(job)

    def act(self, node: SimNode, effect: f.Effect) -> None:
        self.acting = node
        if node is self.maker and isinstance(effect, f.SendMessage):
            self.timed("messages", lambda: wire.encode_message(effect.message))  # once more, to be timed
        super().act(node, effect)

    def deliver(self, to: SimNode, run: RunId, raw: bytes) -> None:
        if to is self.maker:
            self.timed("messages", lambda: wire.decode_message(raw))
        super().deliver(to, run, raw)

    @contextmanager
    def engine_metered(self) -> Iterator[None]:
        handle, settings = Engine.handle, self.maker.settings

        def metered(engine: Engine, *arguments: Any) -> Any:
            if engine.settings is not settings:
                return handle(engine, *arguments)
            return self.timed("engine", lambda: handle(engine, *arguments))

        with patch.object(Engine, "handle", metered):
            yield

    # --- many CFDs -------------------------------------------------------------------------------------------------

    def crowd(self, others: int) -> list[StoredEvent]:
        """The maker's stored events, and the CFD's again under so many other names."""
        own = list(self.maker.log)
        cfd = [recorded.event for recorded in own if recorded.stream != NODE_STREAM]
        placed, rest = cfd[0], [to_stored(Recorded("another", n, event)) for n, event in enumerate(cfd[1:], 2)]
        if not isinstance(placed, e.OrderPlaced):
            raise SystemExit("a CFD does not begin with its order")
        records = list(map(to_stored, own))
        for number in range(others):
            name = CfdId(f"{number:032x}")
            records.append(to_stored(Recorded(name, 1, evolve(placed, cfd_id=name))))
            records += [evolve(record, stream=name) for record in rest]
        return records

    def join(self, others: int) -> float:
        """Restart the maker among so many others; kB of memory that each of them takes."""
        records = self.crowd(others)
        kilobytes, self.maker.engine = loaded(self.maker.settings, records)
        self.maker.give(NodeStarted())
        self.maker.give(TipChanged(self.chain.height))
        self.maker.todo.clear()
        return kilobytes / max(1, others)

    # --- rolling over ----------------------------------------------------------------------------------------------

    def roll(self, store: SqlStore) -> float:
        """Seconds of the maker's processor time for one rollover by the taker, an hour after the last."""
        before, stored = sum(self.spent.values()), len(self.maker.log)
        number = self.taker.held.live.number
        with self.engine_metered():
            self.later(HOUR)
            self.timers.append(sum(self.spent.values()) - before)
            before = sum(self.spent.values())
            self.taker.give(c.RollOver(self.taker.cfd.id, hashlib.sha256(b"%d" % number).digest()))
            self.run()
        if self.maker.engine.cfds[self.taker.cfd.id].held != self.maker_sees(number + 1):
            raise SystemExit("the CFD was not rolled over")
        self.timed("store", lambda: append(store, self.maker.log[stored:]))
        return sum(self.spent.values()) - before

    def maker_sees(self, number: int) -> Any:
        """What the maker holds, if its live revision has this number and nothing is under way."""
        held = self.maker.engine.cfds[self.taker.cfd.id].held
        return held if held is not None and held.live.number == number and not held.rolling else None


def append(store: SqlStore, fresh: Iterable[Recorded]) -> None:
    """Each event in a transaction of its own: a few more than the maker's turns have."""
    for recorded in fresh:
        revision = to_revision(recorded)
        batch = Batch(recorded.stream, recorded.version - 1, (to_stored(recorded),), (revision,) if revision else ())
        store.append_all([batch])


def loaded(settings: Settings, records: list[StoredEvent]) -> tuple[float, Engine]:
    """kB that the engine of these stored events takes, and the engine."""
    gc.collect()
    tracemalloc.start()
    engine = Engine.load(settings, read_events(records))
    gc.collect()
    kilobytes = tracemalloc.get_traced_memory()[0] / 1000
    tracemalloc.stop()
    return kilobytes, engine


class Rolls:
    """Rollovers of one pair, each with the calibration beside it."""

    def __init__(self, pair: Metered, path: Path) -> None:
        self.pair, self.store = pair, SqlStore(sqlite_url(path), "bench")
        self.seconds: list[float] = []
        self.scaled: list[float] = []
        append(self.store, pair.maker.log)
        pair.roll(self.store)  # the first pays for what is made once
        pair.spent.clear()
        pair.timers.clear()

    def one(self) -> None:
        unit = min(calibration() for _ in range(5))
        self.seconds.append(self.pair.roll(self.store))
        self.scaled.append(self.seconds[-1] / unit * REFERENCE_US)

    def found(self) -> dict[str, Any]:
        """The medians of all, and the mean seconds by part."""
        count, timers = len(self.seconds), self.pair.timers
        parts = {part: seconds / count for part, seconds in self.pair.spent.items()}
        parts["engine"] -= sum(timers) / count
        cets = len(self.pair.taker.held.live.draft.entries)
        scaled = median(self.scaled)
        return {"cets": cets, "scaled": scaled, "parts": parts, "timer": median(timers), "seconds": self.seconds}


def measure(rounds: int) -> Report:
    short = {"tolerance": Decimal("0.0035"), "bid": Decimal(54_000), "ask": Decimal(54_000)}
    crowded = Metered(0, **short)
    kilobytes = crowded.join(OTHERS)
    pairs = {"alone": Metered(0, **short), "beside others": crowded, "with liquidations": Metered(23)}
    with tempfile.TemporaryDirectory(prefix="cfd-bench-") as folder, ExitStack() as stack:
        rolls = {name: Rolls(pair, Path(folder) / f"{name}.sqlite") for name, pair in pairs.items()}
        for one in rolls.values():
            stack.callback(one.store.close)
        for _ in range(rounds):
            for one in rolls.values():
                one.one()
    found: dict[str, Any] = {name: one.found() for name, one in rolls.items()}
    found["kb_per_cfd"] = kilobytes
    beside, hourly = found["beside others"], found["with liquidations"]
    more = median(a / b for a, b in zip(rolls["beside others"].scaled, rolls["alone"].scaled, strict=True))
    what = f"rollovers per core-second, {OTHERS:,} CFDs open, scaled"
    parts = sorted(beside["parts"].items(), key=lambda part: -part[1])
    return Report(
        "bench_maker",
        (
            Figure(6, f"{what}, {beside['cets']} CETs", 1 / beside["scaled"], "/s"),
            Figure(6, f"the same with 23 hourly liquidations, {hourly['cets']:,} CETs", 1 / hourly["scaled"], "/s"),
            Figure(6, "memory per open CFD", found["kb_per_cfd"], "kB", TARGET_KB, "at most"),
            Figure(0, f"a rollover beside {OTHERS:,} CFDs, times one alone", more, "x"),
            Figure(0, "the hour's timer, for all CFDs together, not scaled", 1e3 * beside["timer"], "ms"),
            *(Figure(0, f"of a rollover: {part}, not scaled", 1e3 * took, "ms") for part, took in parts),
        ),
        {"others": OTHERS, **found},
    )


if __name__ == "__main__":
    run(__doc__, 8, measure)
