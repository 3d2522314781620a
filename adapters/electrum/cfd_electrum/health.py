"""How the connection is doing, and how long to wait before the next try."""

import random
from collections.abc import Callable
from enum import Enum

from attrs import field, frozen


class State(Enum):
    """`STOPPED` only before `start` and after `stop`."""

    STOPPED = "stopped"
    CONNECTING = "connecting"
    RUNNING = "running"
    DISCONNECTED = "disconnected"


@frozen
class Health:
    """`tip` is the last height heard of, ever.

    `since`: when it last began or ceased to run (or was started), in seconds of the adapter's clock (monotonic).

    `reason` says why it is disconnected; while running, what it cannot watch (empty: all is well).
    """

    state: State
    reason: str
    since: float
    tip: int | None


@frozen
class Backoff:
    """Jittered exponential waits in seconds: from `first`, doubling, to `most`, each shortened by up to a half.

    `jitter` gives numbers in [0, 1). A connection that lasted `healthy_after` seconds starts the series anew.
    """

    first: float = 0.5
    most: float = 60.0
    healthy_after: float = 30.0
    jitter: Callable[[], float] = field(factory=lambda: random.SystemRandom().random)

    def delay(self, failures: int) -> float:
        """Seconds to wait after this many failures in a row (1, 2, ...)."""
        longest = min(self.most, self.first * 2.0 ** min(failures - 1, 32))
        return longest * (1 - self.jitter() / 2)
