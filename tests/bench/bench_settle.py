"""From the oracle's attestation to a signed CET (target 8).

One round is what a node computes when the attestation of C1's event comes: read and verify it, decrypt the other's
signature of the CET that pays, check it, sign our own and put the transaction together. The contract is found as a node
that has just started holds it, with nothing derived, and the counterparty's packed signatures lie in an SQLite store.
"""

import hashlib
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

from cfd_store import Batch, SqlStore, sqlite_url

from cfd_core.cfd.events import LockSeen, Recorded
from cfd_core.contract.dlc import Dlc
from cfd_core.oracle import read_attestation
from cfd_core.serial.records import PackedRevision
from cfd_core.serial.stored import to_stored
from cfd_core.values import Role
from tests.bench.c1 import CFD, Theirs, announcement, attested, draft, keys, small_signatures
from tests.bench.report import Figure, Report, Turns, calibration, processor_seconds, run, wall_seconds

TARGET_MS: Final = 10.0


def held(theirs: Theirs) -> Dlc:
    """The maker's contract, as the fold leaves it."""
    whole = draft(announcement())
    return Dlc(
        role=Role.MAKER,
        draft=whole,
        their_refund=theirs.refund,
        cets_sha256=hashlib.sha256(theirs.cets).digest(),
        own_commit=small_signatures(whole, Role.MAKER)[0],
        their_commit=theirs.commit,
    )


def settle(dlc: Dlc, store: SqlStore, raw: bytes) -> int:
    """Sats that the signed CET pays the long."""
    attestation = read_attestation(dlc.draft.announcements[0], raw)
    return int(dlc.sign_cet(keys(Role.MAKER), attestation, store.revision(CFD, 0)).entry.long)


def measure(rounds: int) -> Report:
    theirs, raw = Theirs.make(), attested()
    warm = held(theirs)
    with tempfile.TemporaryDirectory(prefix="cfd-bench-") as folder:
        path = Path(folder) / "events.sqlite"
        with closing(SqlStore(sqlite_url(path), "bench")) as store:
            record = to_stored(Recorded(CFD, 1, LockSeen(100)))
            store.append_all([Batch(CFD, 0, (record,), (PackedRevision(CFD, 0, theirs.cets),))])
            settle(warm, store, raw)

            def cold(clock: Callable[[Callable[[], object]], float]) -> float:
                dlc = held(theirs)
                return 1e3 * clock(lambda: settle(dlc, store, raw))

            turns = Turns(
                {
                    "calibration": calibration,
                    "cold": lambda: cold(processor_seconds),
                    "cold, wall": lambda: cold(wall_seconds),
                    "warm": lambda: 1e3 * processor_seconds(lambda: settle(warm, store, raw)),
                },
                rounds,
            )
    what = "attestation in hand to signed CET, just started"
    return Report(
        "bench_settle",
        (
            Figure(8, f"{what}, scaled", turns.scaled("cold"), "ms", TARGET_MS, "at most"),
            Figure(0, f"{what}, wall time, best", turns.best("cold, wall"), "ms"),
            Figure(0, "with everything derived before, scaled", turns.scaled("warm"), "ms"),
        ),
        {"best_ms": {name: turns.best(name) for name in turns.taken}},
    )


if __name__ == "__main__":
    run(__doc__, 50, measure)
