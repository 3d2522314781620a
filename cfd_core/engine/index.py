"""What a turn would else ask every CFD for: when something follows by itself, and which outputs it looks at."""

from collections.abc import Iterable, Mapping

from attrs import field, frozen

from cfd_core.values import CfdId, OutPoint, Timestamp


@frozen
class Index:
    """Of one node's CFDs. CFDs that are not waiting for a time, or ended, are not in it."""

    wakes: Mapping[CfdId, Timestamp] = field(factory=dict)
    """The next time at which something may follow by itself."""
    rollovers: Mapping[CfdId, Timestamp] = field(factory=dict)
    """When we propose a rollover by ourselves, unless a run is live by then."""
    watching: Mapping[OutPoint, frozenset[CfdId]] = field(factory=dict)
    """At least the CFDs that a report about this outpoint may concern; it keeps those that ended meanwhile."""

    def due(self, now: Timestamp) -> set[CfdId]:
        """Whose time has come."""
        return {key for times in (self.wakes, self.rollovers) for key, at in times.items() if at <= now}

    def first(self, busy: Iterable[CfdId]) -> list[Timestamp]:
        """The next time of each kind, without rollovers of the CFDs that are busy."""
        rollovers = self.rollovers
        if not rollovers.keys().isdisjoint(waiting := set(busy)):
            rollovers = {key: at for key, at in rollovers.items() if key not in waiting}
        return [min(times.values()) for times in (self.wakes, rollovers) if times]
