"""A process killed between appends loses nothing that was acknowledged."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cfd_store import SqlStore

from cfd_core.values import CfdId

CFD = CfdId("cc" * 16)

# Appends for ever and prints a version as soon as the store has acknowledged it.
_WRITER = """
import sys
from pathlib import Path
from cfd_core.serial.records import PackedRevision, StoredEvent
from cfd_store import SqlStore, sqlite_url
store = SqlStore(sqlite_url(Path(sys.argv[1])), "regtest/maker")
version = len(store.load(sys.argv[2]))
while True:
    version += 1
    event = StoredEvent(sys.argv[2], version, "tick", 1, b"%d" % version)
    store.append(sys.argv[2], version - 1, [event], [PackedRevision(sys.argv[2], version, b"%d" % version * 3000)])
    print(version, flush=True)
"""


@pytest.mark.parametrize("appends", [1, 7, 40])
def test_what_was_acknowledged_survives_a_kill(path: Path, open_sql: Callable[..., SqlStore], appends: int) -> None:
    acknowledged = 0
    for _ in range(2):
        writer = subprocess.Popen([sys.executable, "-c", _WRITER, str(path), CFD], stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        with writer, writer.stdout as lines:
            for _ in range(appends):
                acknowledged = int(lines.readline())
            writer.kill()
            acknowledged = max([acknowledged, *(int(line) for line in lines if line.endswith("\n"))])
        store = open_sql()
        events = store.load(CFD)
        assert len(events) in (acknowledged, acknowledged + 1)
        assert [event.payload for event in events] == [b"%d" % (n + 1) for n in range(len(events))]
        assert [store.revision(CFD, e.version) for e in events] == [b"%d" % e.version * 3000 for e in events]
        store.close()
    assert [file.name for file in path.parent.iterdir()] == [path.name]
