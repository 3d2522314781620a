"""Keeping snapshots of the CFDs that changed, in the background: what is late or lost is folded from events instead."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

import structlog
from cfd_store import EventStore, StoreError

from cfd_core.cfd.aggregate import Cfd
from cfd_core.cfd.events import Recorded
from cfd_core.engine import NODE_STREAM, Engine
from cfd_core.errors import DecodeError
from cfd_core.serial.records import StoredSnapshot
from cfd_core.serial.snapshots import FORM, SnapshotCoder, announced_in
from cfd_core.values import CfdId
from cfd_node.loading import STATE

log = structlog.get_logger()
EVERY_SECONDS: Final = 60.0
"""Between two looks at what changed."""
BATCH: Final = 16
"""CFDs in one transaction: whoever has events to store waits no longer than that takes."""
PAUSE_SECONDS: Final = 0.05
"""Between two transactions."""
LEAVING_SECONDS: Final = 2.0
"""How long a node that stops goes on keeping."""
KeepRow = Callable[[Cfd], StoredSnapshot | None]
"""What else is kept of a CFD, for who lists them before there is an engine; None: nothing."""


class SnapshotKeeper:
    """Of one engine's CFDs. Each is read back before it is kept: one that is not the same is not kept."""

    def __init__(
        self,
        engine: Callable[[], Engine],
        store: EventStore,
        kept: Mapping[CfdId, int],
        *,
        row: KeepRow,
        room: Callable[[], bool],
    ) -> None:
        """`kept`: the versions that the store has snapshots of. `room`: whether the disk can do with more."""
        self._engine, self._store, self._row, self._room = engine, store, row, room
        self._changed = {key for key, cfd in engine().cfds.items() if kept.get(key) != cfd.version}

    def changed(self, recorded: Recorded) -> None:
        """An event was stored."""
        if recorded.stream != NODE_STREAM:
            self._changed.add(CfdId(recorded.stream))

    async def run(self) -> None:
        """Keep what has changed, every now and then, until cancelled."""
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            await self.keep(pause=PAUSE_SECONDS)

    async def leave(self) -> None:
        """Keep what has changed, if that takes no longer than a stop may."""
        try:
            async with asyncio.timeout(LEAVING_SECONDS):
                await self.keep(pause=0)
        except TimeoutError:
            log.info("left without some snapshots", cfds=len(self._changed))

    async def keep(self, *, pause: float) -> None:
        """Keep what has changed; what fails is tried again the next time."""
        waiting, coder = list(self._changed), SnapshotCoder()
        for start in range(0, len(waiting), BATCH):
            if not self._room():
                return
            keys = waiting[start : start + BATCH]
            self._changed.difference_update(keys)  # what changes meanwhile is in it again
            cfds = [cfd for key in keys if (cfd := self._engine().cfds.get(key)) is not None]
            try:
                await _to_its_end(lambda: self._keep(coder, cfds))  # noqa: B023 - awaited before the next round
            except StoreError as error:
                self._changed.update(keys)
                log.warning("snapshots are not kept", reason=str(error))
                return
            except Exception:
                log.exception("snapshots cannot be made")
            await asyncio.sleep(pause)

    def _keep(self, coder: SnapshotCoder, cfds: list[Cfd]) -> None:
        made = [snapshot for cfd in cfds if (snapshot := _snapshot(coder, cfd)) is not None]
        made += [row for cfd in cfds if (row := self._row(cfd)) is not None]
        self._store.keep(made)


async def _to_its_end(work: Callable[[], None]) -> None:
    """In a thread. Who cancels it waits for the thread, which uses the store."""
    task = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise


def _snapshot(coder: SnapshotCoder, cfd: Cfd) -> StoredSnapshot | None:
    try:
        data = coder.encode(cfd)
        if coder.decode(data, announced_in(cfd)) == cfd:
            return StoredSnapshot(STATE, cfd.id, cfd.version, FORM, data)
        problem = "it reads back as something else"
    except DecodeError as error:
        problem = str(error)
    log.error("a CFD has no snapshot", cfd=cfd.id, reason=problem)
    return None
