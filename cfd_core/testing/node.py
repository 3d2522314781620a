"""One node: an engine, a store that keeps bytes, a list of what is to be done, and moments at which it may die."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any

from attrs import evolve as replace
from attrs import frozen

from cfd_core import effects as f
from cfd_core import inputs as i
from cfd_core.cfd import commands as c
from cfd_core.cfd import events as e
from cfd_core.cfd.aggregate import Cfd
from cfd_core.cfd.events import Event, Recorded
from cfd_core.engine import NODE_STREAM, Engine, Run, Settings
from cfd_core.engine.machines import RESUME
from cfd_core.errors import RuleViolation
from cfd_core.serial import stored
from cfd_core.serial.records import StoredEvent
from cfd_core.serial.snapshots import SnapshotCoder, announced_in
from cfd_core.testing.conscience import Conscience, InvariantBroken, require
from cfd_core.testing.oracle import START
from cfd_core.testing.wallet import SimWallet
from cfd_core.values import CfdId, EventId, OutPoint, PeerId, Role, Timestamp


class Moment(Enum):
    """When a process may die."""

    DECIDED = "decided, nothing stored"
    TORN = "some events of a turn stored, not all"
    STORED = "stored, nothing done"
    ACTED = "one effect done, the next not"


_CODER = SnapshotCoder()
Mortal = Callable[["SimNode", Moment], bool]


@frozen
class Backup:
    """What a store held at one moment."""

    log: tuple[Recorded, ...]
    records: tuple[StoredEvent, ...]
    revisions: Mapping[tuple[str, int], bytes]


class SimNode:
    """A node's process. What is in `records`, `revisions` and the wallet outlives it; nothing else does."""

    def __init__(self, peer: PeerId, role: Role, settings: Settings, wallet: SimWallet) -> None:
        self.peer, self.role, self.settings, self.wallet = peer, role, settings, wallet
        self.engine = Engine(settings=settings)
        self.conscience = Conscience()
        self.log: list[Recorded] = []
        self.records: list[StoredEvent] = []
        """The store: what `log` is as bytes."""
        self.revisions: dict[tuple[str, int], bytes] = {}
        """The store of packed CET signatures."""
        self.todo: deque[f.Effect] = deque()
        self.done: list[f.Effect] = []
        """Every effect that was run, of all lives of the process."""
        self.watched: dict[OutPoint, bytes] = {}
        self.reported: dict[OutPoint, i.OutpointReport] = {}
        self.asked: dict[EventId, Timestamp] = {}
        """Attestations that the process waits for, and from when on."""
        self.told: set[tuple[EventId, int]] = set()
        self.input_problems: tuple[str, ...] = ()
        """What `CheckInputs` finds."""
        self.now = START
        self.dead = False
        self.lost: Backup | None = None
        """What is to be put back: the machine is gone. None: it is there."""
        self.restored = False
        """Its books were put back from a backup: they may lack what came after it."""
        self.mortal: Mortal = lambda _node, _moment: False
        """Asked at each moment whether the process dies there."""

    def copy(self, wallet: SimWallet) -> "SimNode":
        """The same node with another wallet; what happens to one does not happen to the other."""
        twin = SimNode(self.peer, self.role, self.settings, wallet)
        for name, value in vars(self).items():
            if isinstance(value, list | dict | set | deque):
                setattr(twin, name, type(value)(value))
            elif name not in ("wallet", "conscience", "mortal"):
                setattr(twin, name, value)
        twin.conscience = self.conscience.copy()
        return twin

    # --- one turn --------------------------------------------------------------------------------------------------

    def give(self, happened: i.Input | c.Command, now: Timestamp | None = None) -> None:
        """One turn: decide, store, queue what is to be done. What no turn may do is checked at each.

        What the engine refuses is raised. A dead process hears nothing.
        """
        if self.dead:
            return
        before = contents(self.engine)
        step = self.engine.handle(happened, self.now if now is None else now)
        require(contents(self.engine) == before, "the engine itself never changes")
        if step.events and (self.dies(Moment.DECIDED) or not self._store(in_order(step.events))):
            return
        if step.events and self.dies(Moment.STORED):
            return
        self.engine = step.engine
        for effect in step.effects:
            if isinstance(effect, f.SendMessage):
                self.conscience.leaving(effect.message)
        self.todo.extend(step.effects)

    def command(self, command: c.Command) -> str:
        """Give a command, and return why it was refused; empty when it was not."""
        try:
            self.give(command)
        except RuleViolation as refusal:
            return str(refusal)
        return ""

    def _store(self, events: Sequence[Recorded]) -> bool:
        for number, recorded in enumerate(events):
            if number and self.dies(Moment.TORN):
                return False
            self.log.append(recorded)
            self.records.append(stored.to_stored(recorded))
            self.conscience.stored(recorded)
            revision = stored.to_revision(recorded)
            if revision is not None:
                self.revisions[revision.cfd_id, revision.revision] = revision.data
        return True

    # --- death and life --------------------------------------------------------------------------------------------

    def dies(self, moment: Moment) -> bool:
        """Whether the process dies here."""
        if not self.dead and self.mortal(self, moment):
            self.die()
        return self.dead

    def die(self) -> None:
        """Forget everything but what is stored; nothing happens until `restart`."""
        self.dead = True
        for memory in (self.todo, self.watched, self.reported, self.asked, self.told):
            memory.clear()

    def restart(self) -> None:
        """A new process, from the stored bytes alone."""
        tip, market = self.engine.tip, self.engine.market
        self.die()
        self.dead = False
        self.engine = Engine.load(self.settings, stored.read_events(self.records))
        self.give(i.NodeStarted())
        self.give(i.TipChanged(tip))
        self.todo.extend(() if self.dead else self.engine.resume(self.now))
        for maker, offers in market.items():  # they come anew with the link
            self.give(c.LearnOffers(maker, offers))

    def backup(self, events: int | None = None) -> "Backup":
        """The store as it is now, or as it was when it held only so many events."""
        log = self.log[:events]
        revisions: dict[tuple[str, int], bytes] = {}
        for recorded in log:
            revision = stored.to_revision(recorded)
            if revision is not None:
                revisions[revision.cfd_id, revision.revision] = revision.data
            elif isinstance(recorded.event, e.RevisionRevoked):
                revisions.pop((recorded.stream, recorded.event.number), None)
        return Backup(tuple(log), tuple(self.records[:events]), dict(self.revisions) if events is None else revisions)

    def backup_after(self, event: str) -> "Backup":
        """The store as it was right after its last event of this name; as it is now, where there is none."""
        names = self.event_names()
        return self.backup(len(names) - names[::-1].index(event) if event in names else None)

    def lose(self, backup: "Backup") -> None:
        """The machine is gone, and this backup is all that is left of it."""
        self.die()
        self.lost = backup

    def restore(self, backup: "Backup") -> None:
        """The process dies with its machine; on another one the backup is put back, and marked as one, then started.

        Marked or not put back at all: no death comes between. The conscience remembers what the backup does not: what
        was revoked stays revoked.
        """
        tip, market, mortal = self.engine.tip, self.engine.market, self.mortal
        self.die()
        self.log, self.records, self.revisions = list(backup.log), list(backup.records), dict(backup.revisions)
        self.conscience.put_back(self.log)
        self.dead, self.lost, self.restored = False, None, True
        self.engine = Engine.load(self.settings, stored.read_events(self.records))
        self.mortal = lambda _node, _moment: False
        self.give(i.StoreRestored())
        self.mortal = mortal
        self.engine = replace(self.engine, tip=tip, market=market)
        self.restart()

    # --- looking ---------------------------------------------------------------------------------------------------

    @property
    def cfd(self) -> Cfd:
        """The only CFD."""
        (cfd,) = self.engine.cfds.values()
        return cfd

    @property
    def phase(self) -> Any:
        """Of the only CFD."""
        return self.cfd.phase

    @property
    def held(self) -> Any:
        """Of the only CFD."""
        return self.cfd.held

    @property
    def conversations(self) -> list[Run]:
        """Live runs about one CFD; a resume stream may stay open for a minute more."""
        return [run for run in self.engine.runs.values() if run.protocol != RESUME]

    def sent(self, kind: type) -> bool:
        """Whether a message of this kind has left."""
        return any(isinstance(x, f.SendMessage) and isinstance(x.message, kind) for x in self.done)

    def events(self, key: CfdId) -> list[Event]:
        """A CFD's events so far."""
        return [recorded.event for recorded in self.log if recorded.stream == key]

    def event_names(self) -> list[str]:
        """Of everything stored, in order."""
        return [type(recorded.event).__name__ for recorded in self.log]

    def check_replay(self) -> None:
        """`InvariantBroken` unless the stored bytes say what the engine says."""
        loaded = Engine.load(self.settings, stored.read_events(self.records))
        for key, cfd in self.engine.cfds.items():
            if loaded.cfds.get(key) != cfd:
                raise InvariantBroken(f"the log of CFD {key} says something else than the engine")
            if _CODER.decode(_CODER.encode(cfd), announced_in(cfd)) != cfd:
                raise InvariantBroken(f"a snapshot of CFD {key} says something else than the engine")


def in_order(events: Sequence[Recorded]) -> list[Recorded]:
    """As they are stored: the node's own stream first, the others refer to the announcements it keeps."""
    return sorted(events, key=lambda recorded: recorded.stream != NODE_STREAM)


def contents(engine: Engine) -> list[Any]:
    """Everything an engine holds, in containers of its own."""
    maps = (
        engine.cfds,
        engine.offers,
        engine.market,
        engine.announcements,
        engine.voices,
        engine.runs,
        engine.rollover_tries,
        engine.resume_tries,
        engine.unsigned,
    )
    return [*(tuple(x.items()) for x in maps), engine.node_version, engine.kept, engine.tip, engine.clock]


def same_world(engine: Engine) -> Engine:
    """The engine without its live runs, as a restart leaves it."""
    return replace(engine, runs={})
