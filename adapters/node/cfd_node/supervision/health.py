"""How a part of the node is, as a value for people and programs."""

from enum import Enum

from attrs import evolve, frozen

from cfd_core.values import Timestamp


class Level(Enum):
    """How a service is. Every level but `STOPPED` means that the node itself works on it."""

    LOADING = "loading"
    """On its way up, or waiting for a service it needs."""
    RUNNING = "running"
    DEGRADED = "degraded"
    """It works, with something missing or late."""
    FAILED = "failed"
    """It does not work; it is tried again."""
    STOPPED = "stopped"
    """Stopped by a person, or not started."""

    @property
    def up(self) -> bool:
        """Whether those who need the service may use it."""
        return self in (Level.RUNNING, Level.DEGRADED)


@frozen
class Health:
    """One service at one moment. Times are in seconds since 1970."""

    level: Level
    reason: str
    """Why, in plain words; empty while all is well."""
    since: Timestamp
    """When it came to this level."""
    last_good: Timestamp | None
    """When it was last known to be running; None: not yet in this process."""
    next_try: Timestamp | None = None
    """When it is begun anew after it ended; None: it goes on trying, or need not."""
    waits_for: str = ""
    """The service whose coming up it waits for; empty: none."""

    def moved(
        self, level: Level, reason: str, now: Timestamp, *, next_try: Timestamp | None = None, waits_for: str = ""
    ) -> "Health":
        """The next value. A new reason alone does not start the time anew."""
        good = now if Level.RUNNING in (level, self.level) else self.last_good
        since = self.since if level is self.level else now
        return Health(level, reason, since, good, next_try, waits_for)

    def at(self, now: Timestamp) -> "Health":
        """The same, seen later: what runs is good until now."""
        return evolve(self, last_good=now) if self.level is Level.RUNNING else self
