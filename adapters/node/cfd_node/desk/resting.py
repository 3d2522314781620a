"""CFDs as they are listed while the engine is not there: by rows that were kept beside their streams.

They are for reading only: nothing can be done about a CFD before the engine has read it.
"""

import asyncio
import hashlib
import json
from typing import Final

from cfd_store import EventStore
from cfd_web import models as m
from pydantic import ValidationError

from cfd_core.cfd.aggregate import Cfd
from cfd_core.cfd.react import Deadlines
from cfd_core.cfd.summary import summary
from cfd_core.engine import NODE_STREAM
from cfd_core.serial.records import StoredSnapshot
from cfd_core.values import Timestamp
from cfd_node.desk.rows import plain_row
from cfd_node.loading import read_cfds
from cfd_node.node import Node
from cfd_node.supervision import ServiceFailed

ROW: Final = "row"
"""The kind of the snapshots that hold a row."""
ROW_FORM: Final = hashlib.sha256(json.dumps(m.CfdRow.model_json_schema(), sort_keys=True).encode()).hexdigest()[:32]
FOLDED: Final = 50
"""At most so many CFDs without a row are folded while somebody waits for the list."""
BEHIND: Final = "what happened last is still being read"


def kept_row(cfd: Cfd, deadlines: Deadlines) -> StoredSnapshot:
    """What is to be kept of a CFD for listing it."""
    return StoredSnapshot(ROW, cfd.id, cfd.version, ROW_FORM, _row(cfd, deadlines).model_dump_json().encode())


def _row(cfd: Cfd, deadlines: Deadlines) -> m.CfdRow:
    return plain_row(cfd, summary(cfd, now=Timestamp(0), tip=0, deadlines=deadlines), None)


class RestingRows:
    """The rows in a node's store, read once between two lives of its engine."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._lock = asyncio.Lock()
        self._read: tuple[int, EventStore, tuple[m.CfdRow, ...]] | None = None

    async def all(self) -> tuple[m.CfdRow, ...]:
        """Every CFD, or `ServiceFailed`: a list that lacks some would look as if they were lost."""
        store, life = self._node.readable, self._node.lives
        deadlines = self._node.config.policy.deadlines
        async with self._lock:
            if self._read is None or self._read[:2] != (life, store):
                self._read = life, store, await asyncio.to_thread(read_rows, store, deadlines)
            return self._read[2]


def read_rows(store: EventStore, deadlines: Deadlines) -> tuple[m.CfdRow, ...]:
    """The row of every CFD in the store; `ServiceFailed` where one has none yet, or the store's own errors."""
    heads = store.streams()
    found: dict[str, m.CfdRow] = {}
    for snapshot in store.kept(ROW, ROW_FORM):
        try:
            row = m.CfdRow.model_validate_json(snapshot.data)
        except ValidationError:
            continue
        current = snapshot.version == heads.get(snapshot.stream)
        found[snapshot.stream] = row if current else row.model_copy(update={"warning": BEHIND})
    missing = heads.keys() - found.keys() - {NODE_STREAM}
    if len(missing) > FOLDED:
        raise ServiceFailed(f"the database has not been read yet: {len(missing):,} CFDs cannot be listed before")
    return (*found.values(), *(_row(cfd, deadlines) for cfd in read_cfds(store, missing)))
