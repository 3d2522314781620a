"""What a turn would else ask every CFD for: when something follows by itself, and which outputs it looks at."""

from collections.abc import Iterable, Mapping

from attrs import field, frozen

from cfd_core.values import CfdId, OutPoint, PeerId, Timestamp


@frozen
class Index:
    """Of one node's CFDs. CFDs that are not waiting for a time, or ended, are not in it."""

    wakes: Mapping[CfdId, Timestamp] = field(factory=dict)
    """The next time at which something may follow by itself."""
    rollovers: Mapping[CfdId, Timestamp] = field(factory=dict)
    """When we propose a rollover by ourselves, unless a run is live by then."""
    watching: Mapping[OutPoint, frozenset[CfdId]] = field(factory=dict)
    """At least the CFDs that a report about this outpoint may concern; it keeps those that ended meanwhile."""

    stirring: frozenset[CfdId] = frozenset()
    """What may follow from a block alone: every living CFD but those that are open with no close agreed."""
    peers: Mapping[PeerId, frozenset[CfdId]] = field(factory=dict)
    """All CFDs with a peer, ended ones too."""
    overdue: frozenset[CfdId] = frozenset()
    """Whose time came in turns since the last timer's: it is for that turn to ask them."""
    unasked: frozenset[CfdId] = frozenset()
    """Loaded, and not asked what follows by itself before the height is known: a process may have died amid that."""

    def due(self, now: Timestamp) -> set[CfdId]:
        """Whose time has come."""
        return {key for times in (self.wakes, self.rollovers) for key, at in times.items() if at <= now}

    def first(self, busy: Iterable[CfdId]) -> list[Timestamp]:
        """The next time of each kind, without rollovers of the CFDs that are busy."""
        rollovers = self.rollovers
        if not rollovers.keys().isdisjoint(waiting := set(busy)):
            rollovers = {key: at for key, at in rollovers.items() if key not in waiting}
        return [min(times.values()) for times in (self.wakes, rollovers) if times]
