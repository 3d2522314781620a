"""What the supervisor looks after."""

from typing import Protocol

from cfd_node.supervision.health import Level


class ServiceFailed(Exception):
    """A service cannot go on; the text says why, for people. It is tried again."""


class Tell(Protocol):
    """How a service says how it is."""

    def __call__(self, level: Level, reason: str = "", /) -> None:
        """The level from now on. The first `RUNNING` or `DEGRADED` lets those who need the service begin."""
        ...


class Service(Protocol):
    """One part of the node. Its whole life is one coroutine: what it holds is released when that ends.

    Cancelling is stopping, so there is no half-started state; starting again is calling `run` again.
    """

    @property
    def name(self) -> str:
        """Short, lower case, unique within a node: `database`, `chain`."""
        ...

    @property
    def needs(self) -> tuple[str, ...]:
        """Services that must be up before `run` is called. When one of them ends, this one is begun anew after it."""
        ...

    async def run(self, tell: Tell) -> None:
        """Come up, `tell` so, and stay until cancelled, telling of every change.

        Must not raise for a fault that heals by itself: tell `FAILED` or `DEGRADED`, and keep trying. Whatever it
        raises (`ServiceFailed` for people to read) or a return ends this run; another follows after a pause.
        """
        ...
