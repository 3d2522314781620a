"""One turn: the copies it works on, and the one way it records an event."""

from collections.abc import Mapping
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
from cfd_core.cfd.owed import owed
from cfd_core.crypto.keys import CfdKeys
from cfd_core.engine.settings import Settings
from cfd_core.errors import RuleViolation
from cfd_core.oracle import Announcement
from cfd_core.protocols.contract_setup import machine as setup_machine
from cfd_core.protocols.contract_setup import states as s
from cfd_core.values import CfdId, EventId, OfferId, PeerId, RunId, Timestamp

OFFERS_STREAM: Final = "offers"
FIRST_REVISION: Final = setup_machine.FIRST_REVISION


@frozen(kw_only=True)
class Run:
    """One live protocol run."""

    id: RunId
    peer: PeerId
    state: s.State | None
    """None until the order has come in."""
    deadline: Timestamp
    entropy: bytes = field(repr=False)
    queue: tuple[i.Message, ...] = ()
    """Messages that came while the run waited for our own side."""


@frozen(kw_only=True)
class State:
    """All CFDs and live runs of one node."""

    settings: Settings
    cfds: Mapping[CfdId, Cfd] = field(factory=dict)
    offers: Mapping[OfferId, Offer] = field(factory=dict)
    """Our own, as a maker."""
    offers_version: int = 0
    market: Mapping[PeerId, tuple[Offer, ...]] = field(factory=dict)
    """Other makers' offers."""
    announcements: Mapping[EventId, Announcement] = field(factory=dict)
    runs: Mapping[RunId, Run] = field(factory=dict)
    tip: int = 0


def fold_offer(offers: dict[OfferId, Offer], event: e.OfferEvent) -> None:
    if isinstance(event, e.OfferPublished):
        offers[event.offer.id] = event.offer
    else:
        offers.pop(event.offer, None)


class Turn:
    """One call of `handle`: works on copies, so a refusal leaves nothing behind."""

    def __init__(self, state: State, now: Timestamp) -> None:
        self.settings, self.now = state.settings, now
        self.policy = state.settings.policy
        self.cfds = dict(state.cfds)
        self.offers = dict(state.offers)
        self.offers_version = state.offers_version
        self.market = dict(state.market)
        self.announcements = dict(state.announcements)
        self.runs = dict(state.runs)
        self.tip = state.tip
        self.events: list[Recorded] = []
        self.effects: list[f.Effect] = []

    def changes(self) -> dict[str, Any]:
        """The fields of `State` as this turn leaves them."""
        names = ("cfds", "offers", "offers_version", "market", "announcements", "runs", "tip")
        return {name: getattr(self, name) for name in names}

    def record(self, key: CfdId, *events: e.CfdEvent, packed: bytes | None = None) -> None:
        """Fold the events in, and do what is newly owed."""
        before = self.cfds[key]
        owed_before = set(owed(before, self.tip))
        for event in events:
            cfd = self.cfds[key]
            if not legal(cfd.phase, event):
                raise AssertionError(f"{type(event).__name__} is not legal in {type(cfd.phase).__name__}")
            self.cfds[key] = fold(cfd, event)
            self.events.append(Recorded(key, cfd.version + 1, event, packed))
            packed = None
        if events:
            self.effects.extend(x for x in owed(self.cfds[key], self.tip) if x not in owed_before)

    def cfd(self, key: CfdId) -> Cfd:
        if key not in self.cfds:
            raise RuleViolation(f"no CFD {key}")
        return self.cfds[key]

    def keys(self, key: CfdId) -> CfdKeys:
        return self.settings.keychain.cfd_keys(key, FIRST_REVISION)
