"""How many signatures of the jobs under way are done: what a person who waits is shown."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog
from attrs import define

from cfd_core.values import CfdId

log = structlog.get_logger()
Done = Callable[[int], None]
"""Told of so many more."""


@define(eq=False)
class Count:
    """Of one job."""

    total: int
    done: int = 0


class Counts:
    """A count for each job under way."""

    def __init__(self) -> None:
        self._counts: dict[CfdId, list[Count]] = {}
        self.on_change: list[Callable[[CfdId], None]] = []
        """Asked to look again."""

    def of(self, cfd_id: CfdId) -> Count | None:
        """Of the newest job of this CFD; None: none is under way."""
        return self._counts[cfd_id][-1] if cfd_id in self._counts else None

    @contextmanager
    def job(self, cfd_id: CfdId, total: int) -> Iterator[Done]:
        """Count a job of `total` signatures for as long as it lasts."""
        count = Count(total)

        def done(more: int) -> None:
            count.done += more
            self._changed(cfd_id)

        self._counts.setdefault(cfd_id, []).append(count)
        self._changed(cfd_id)
        try:
            yield done
        finally:
            self._counts[cfd_id].remove(count)
            if not self._counts[cfd_id]:
                del self._counts[cfd_id]

    def _changed(self, cfd_id: CfdId) -> None:
        for listener in self.on_change:
            try:
                listener(cfd_id)
            except Exception:  # who looks on must not stop a signature
                log.exception("a listener of counts failed")
