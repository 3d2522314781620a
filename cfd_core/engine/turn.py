"""One turn: the copies it works on, and the one way it records an event."""

from collections.abc import Collection, Mapping
from typing import Any, Final

from attrs import field, frozen

from cfd_core import effects as f
from cfd_core import inputs as i
from cfd_core.cfd import events as e
from cfd_core.cfd.aggregate import Cfd
from cfd_core.cfd.events import Recorded
from cfd_core.cfd.evolve import evolve as fold
from cfd_core.cfd.lifecycle import legal
from cfd_core.cfd.offer import Offer
from cfd_core.cfd.owed import Now, owed
from cfd_core.cfd.react import Circumstances, react
from cfd_core.crypto.signer import NOT_SIGNED, Signer, SignerRefused
from cfd_core.engine.index import Index
from cfd_core.engine.settings import Settings
from cfd_core.engine.tries import Tries
from cfd_core.errors import RuleViolation
from cfd_core.oracle import Announcement
from cfd_core.values import CfdId, EventId, OfferId, PeerId, RunId, Timestamp

NODE_STREAM: Final = "node"
MAX_REACTIONS: Final = 20
"""Reactions end by themselves after a few; more is a bug of ours, not a reason to run for ever."""


OracleEvent = tuple[bytes, EventId]
"""The oracle's key and the event: two oracles may use one name for an event."""


@frozen(kw_only=True)
class Run:
    """One live protocol run."""

    id: RunId
    peer: PeerId
    protocol: str
    state: Any = None
    """The machine's phase; None until the first message has come in."""
    cfd_id: CfdId | None = None
    ours: bool = False
    """We opened its stream."""
    deadline: Timestamp
    entropy: bytes = field(repr=False)
    queue: tuple[i.Message, ...] = ()
    """Messages that came while the run waited for our own side."""
    answered: frozenset[CfdId] = frozenset()
    """CFDs that a resume of the peer was answered about: once is enough."""


@frozen
class Unsigned:
    """What our signer did not sign for a CFD that needs it."""

    reason: str
    refused: bool
    """By its rules; else it could not be asked."""


@frozen(kw_only=True)
class State:
    """All CFDs and live runs of one node."""

    settings: Settings
    cfds: Mapping[CfdId, Cfd] = field(factory=dict)
    offers: Mapping[OfferId, Offer] = field(factory=dict)
    """Our own, as a maker."""
    node_version: int = 0
    """Events of the node's own stream so far: offers and announcements."""
    kept: frozenset[OracleEvent] = frozenset()
    """Announcements that are stored."""
    market: Mapping[PeerId, tuple[Offer, ...]] = field(factory=dict)
    """Other makers' offers."""
    announcements: Mapping[OracleEvent, Announcement] = field(factory=dict)
    voices: Mapping[EventId, bytes] = field(factory=dict)
    """The key of the oracle that announced an event last: new contracts are made with that one."""
    runs: Mapping[RunId, Run] = field(factory=dict)
    rollover_tries: Mapping[CfdId, Tries] = field(factory=dict)
    """Rollovers that we proposed."""
    resume_tries: Mapping[PeerId, Tries] = field(factory=dict)
    """Peers that may owe us a message of a rollover."""
    unsigned: Mapping[CfdId, Unsigned] = field(factory=dict)
    """Until the CFD's next event. What was to follow by itself is tried again with each block, and by the timer."""
    index: Index = field(factory=Index, eq=False, repr=False)
    """Follows from the CFDs, the tries and the clock."""
    runs_begun: int = 0
    """In this process, by us."""
    tip: int = 0
    clock: Timestamp = Timestamp(0)
    """The time of the last turn."""


def fold_node(offers: dict[OfferId, Offer], announcements: dict[OracleEvent, Announcement], event: e.NodeEvent) -> None:
    """Take one event of the node's own stream in."""
    match event:
        case e.OfferPublished(offer):
            offers[offer.id] = offer
        case e.OfferWithdrawn(key):
            offers.pop(key, None)
        case e.AnnouncementKept(announcement):
            announcements[named(announcement)] = announcement


def named(announcement: Announcement) -> OracleEvent:
    return announcement.oracle_key, announcement.event_id


class Turn:
    """One call of `handle`: works on copies, so a refusal leaves nothing behind."""

    def __init__(self, state: State, now: Timestamp) -> None:
        self.settings, self.now = state.settings, now
        self.policy = state.settings.policy
        self.cfds = dict(state.cfds)
        self.offers = dict(state.offers)
        self.node_version = state.node_version
        self.kept = state.kept
        self.market = dict(state.market)
        self.announcements = dict(state.announcements)
        self.voices = dict(state.voices)
        self.runs = dict(state.runs)
        self.rollover_tries = dict(state.rollover_tries)
        self.resume_tries = dict(state.resume_tries)
        self.unsigned = dict(state.unsigned)
        self.index, self._tries_before = state.index, state.rollover_tries
        self.runs_begun = state.runs_begun
        self.tip = state.tip
        self.clock = now
        self.events: list[Recorded] = []
        self.effects: list[f.Effect] = []

    def changes(self) -> dict[str, Any]:
        """The fields of `State` as this turn leaves them."""
        names = ("cfds", "offers", "node_version", "kept", "market", "announcements", "voices", "runs")
        rest = ("rollover_tries", "resume_tries", "unsigned", "runs_begun", "tip", "clock")
        return {name: getattr(self, name) for name in (*names, *rest)}

    @property
    def changed(self) -> set[CfdId]:
        """The CFDs that are not as before this turn, or were tried in vain in it."""
        tried = {key for key, tries in self.rollover_tries.items() if self._tries_before.get(key) is not tries}
        return tried | {CfdId(recorded.stream) for recorded in self.events if recorded.stream in self.cfds}

    @property
    def timely(self) -> frozenset[CfdId]:
        """The CFDs whose time has come since the last timer's turn, and those that wait for a signature."""
        return self.index.overdue.union(self.index.due(self.now), self.unsigned)

    def with_peer(self, peer: PeerId) -> frozenset[CfdId]:
        """The CFDs that there were with this peer when the turn began."""
        return self.index.peers.get(peer, frozenset())

    def in_order(self, keys: Collection[CfdId]) -> list[CfdId]:
        """These CFDs, always in the same order: a turn with the same input does the same."""
        return sorted(key for key in keys if key in self.cfds)

    # --- recording -----------------------------------------------------------------------------------------------

    def record_node(self, event: e.NodeEvent) -> None:
        """One event of the node's own stream."""
        self.node_version += 1
        fold_node(self.offers, self.announcements, event)
        self.events.append(Recorded(NODE_STREAM, self.node_version, event))

    def learn(self, announcement: Announcement) -> None:
        """Know an announcement; another one of the same event by the same oracle never replaces one that is stored."""
        self.voices[announcement.event_id] = announcement.oracle_key
        if named(announcement) not in self.kept:
            self.announcements[named(announcement)] = announcement

    def announcement(self, event: EventId, oracle: bytes | None = None) -> Announcement | None:
        """What this oracle announced, or the one that new contracts are made with."""
        key = self.voices.get(event) if oracle is None else oracle
        return None if key is None else self.announcements.get((key, event))

    def keep(self, announcements: tuple[Announcement, ...]) -> None:
        """Store the announcements that a contract relies on, each once."""
        for announcement in announcements:
            if named(announcement) not in self.kept:
                self.kept |= {named(announcement)}
                self.record_node(e.AnnouncementKept(announcement))

    def begin(self, placed: e.OrderPlaced) -> Cfd:
        """The first event of a CFD."""
        self.keep(placed.announcements)
        self.cfds[placed.cfd_id] = fold(None, placed)
        self.events.append(Recorded(placed.cfd_id, 1, placed))
        return self.cfds[placed.cfd_id]

    def record(self, key: CfdId, *events: e.CfdEvent, packed: bytes | None = None) -> None:
        """Fold the events in, let what follows by itself follow, and do what is newly owed."""
        before = self.owed(self.cfds[key])
        for event in events:
            self._fold(key, event, packed)
            packed = None
        self.react(key)
        self.effects.extend(effect for effect in self.owed(self.cfds[key]) if effect not in before)

    def react(self, key: CfdId) -> None:
        """Record what follows by itself, until nothing more does, or our signer does not sign it."""
        for _ in range(MAX_REACTIONS):
            try:
                following = react(self.cfds[key], self._circumstances())
            except NOT_SIGNED as error:
                self.put_off(key, error)
                return
            if not following:
                self._signer_is_back(key)
                return
            for event in following:
                self._fold(key, event, None)
        raise AssertionError(f"CFD {key} does not come to rest")

    def put_off(self, key: CfdId, error: Exception) -> None:
        """Our signer did not sign what this CFD needs: that does not happen now, and everything else does."""
        self.unsigned[key] = Unsigned(str(error), isinstance(error, SignerRefused))

    def _signer_is_back(self, key: CfdId) -> None:
        if key in self.unsigned and not self.unsigned[key].refused:
            del self.unsigned[key]

    def _fold(self, key: CfdId, event: e.CfdEvent, packed: bytes | None) -> None:
        cfd = self.cfds[key]
        self.unsigned.pop(key, None)
        if not legal(cfd.phase, event):
            raise AssertionError(f"{type(event).__name__} is not legal in {type(cfd.phase).__name__}")
        if isinstance(event, e.RolloverPrepared):
            self.keep(event.announcements)
        self.cfds[key] = fold(cfd, event)
        self.events.append(Recorded(key, cfd.version + 1, event, packed))
        if isinstance(event, e.RevisionRevoked):
            self.effects.append(f.DropRevision(key, event.number))

    def owed(self, cfd: Cfd) -> tuple[f.Effect, ...]:
        """What this CFD owes the world now."""
        return owed(cfd, self.at())

    def at(self) -> Now:
        return Now(tip=self.tip, now=self.now, deadlines=self.policy.deadlines, max_fee_rate=self.policy.max_fee_rate)

    def _circumstances(self) -> Circumstances:
        return Circumstances(
            tip=self.tip,
            now=self.now,
            deadlines=self.policy.deadlines,
            max_fee_rate=self.policy.max_fee_rate,
            keychain=self.settings.keychain,
        )

    # --- looking up ----------------------------------------------------------------------------------------------

    def cfd(self, key: CfdId) -> Cfd:
        if key not in self.cfds:
            raise RuleViolation(f"no CFD {key}")
        return self.cfds[key]

    def keys(self, key: CfdId, number: int) -> Signer:
        return self.settings.keychain.cfd_keys(self.cfds[key].key_id, number)
