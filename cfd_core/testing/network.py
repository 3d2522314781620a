"""The wires between nodes: streams that carry encoded messages, and what may happen to those on their way."""

from collections import deque

from attrs import frozen

from cfd_core.testing.draws import Draws
from cfd_core.values import PeerId, RunId, Timestamp


@frozen
class Parcel:
    """Something on its way to a run of a peer; `raw` None is the end of the stream."""

    to: PeerId
    run: RunId
    raw: bytes | None


@frozen(kw_only=True)
class Faults:
    """How often, in a thousand messages, something happens to one, and how long it may take."""

    loss: int = 0
    duplication: int = 0
    reordering: int = 0
    """It overtakes what was sent before."""
    delay: int = 0
    max_delay: int = 30
    """Seconds."""


End = tuple[PeerId, RunId]


class Network:
    """Streams between peers. A stream's two ends have run ids of their own."""

    def __init__(self, draws: Draws, faults: Faults | None = None) -> None:
        self.draws, self.faults = draws, faults or Faults()
        self.streams: dict[End, End] = {}
        """Each end of a stream, to the other end."""
        self.wire: deque[Parcel] = deque()
        self.late: list[tuple[Timestamp, Parcel]] = []
        self.down: set[frozenset[PeerId]] = set()
        """Pairs of peers that have no link."""
        self.opened = 0

    def copy(self) -> "Network":
        """The same wires; what happens to one does not happen to the other."""
        twin = Network(self.draws.copy(), self.faults)
        twin.streams, twin.wire = dict(self.streams), deque(self.wire)
        twin.late, twin.down, twin.opened = list(self.late), set(self.down), self.opened
        return twin

    def open(self, opener: PeerId, run: RunId, peer: PeerId) -> RunId | None:
        """The run id at the other end; None when there is no link."""
        if frozenset((opener, peer)) in self.down:
            return None
        self.opened += 1
        theirs = RunId(f"in:{self.opened}:{run}")
        self.streams[opener, run] = peer, theirs
        self.streams[peer, theirs] = opener, run
        return theirs

    def send(self, sender: PeerId, run: RunId, raw: bytes, now: Timestamp) -> None:
        """Put a message on the wire, if its stream is still there, and let happen to it what happens."""
        end = self.streams.get((sender, run))
        if end is None:
            return
        faults, draws = self.faults, self.draws
        for _ in range(2 if draws.chance(faults.duplication) else 1):
            if draws.chance(faults.loss):
                continue
            parcel = Parcel(*end, raw)
            if draws.chance(faults.delay):
                self.late.append((Timestamp(now + 1 + draws.below(faults.max_delay)), parcel))
            elif draws.chance(faults.reordering):
                self.wire.insert(draws.below(len(self.wire) + 1), parcel)
            else:
                self.wire.append(parcel)

    def arrive(self, now: Timestamp) -> None:
        """Put what was delayed until now on the wire."""
        due = sorted((item for item in self.late if item[0] <= now), key=lambda item: item[0])
        self.late = [item for item in self.late if item[0] > now]
        self.wire.extend(parcel for _, parcel in due)

    def close(self, peer: PeerId, run: RunId) -> None:
        """End a stream from this side; the other end hears of it after what was sent before."""
        far = self.streams.pop((peer, run), None)
        if far is not None:
            self.wire.append(Parcel(*far, None))

    def forget(self, peer: PeerId) -> None:
        """The peer's process died: what was on its way to it is lost, its streams end at the others."""
        self.wire = deque(parcel for parcel in self.wire if parcel.to != peer)
        self.late = [item for item in self.late if item[1].to != peer]
        for end in [end for end in self.streams if end[0] == peer]:
            self.close(*end)

    def cut(self) -> None:
        """Every link breaks: what is on the wires is lost, and so are the streams."""
        self.wire.clear()
        self.late.clear()
        self.streams.clear()
