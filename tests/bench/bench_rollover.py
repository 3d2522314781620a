"""What a revision weighs, and what rolling the contract C2 over costs one party: time, bytes, memory (target 5).

C2 is C1 at the default tolerance with 24 hourly liquidation events. One round is everything one party computes for one
revision, on announcements it has never seen: derive, sign, verify; rounds of a contract setup and of a rollover take
turns in one run, and the best of each counts. The bytes are those of a real store in which a CFD lives for a day of
hourly rollovers; the aggregate that it is folded to is held against the last revision.
"""

import hashlib
import resource
import sys
import tempfile
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from time import thread_time
from typing import Any, Final

from attrs import evolve, fields, frozen, has
from cfd_store import Batch, RevisionMissing, SqlStore, sqlite_url

from cfd_core.cfd import events as e
from cfd_core.cfd.aggregate import Cfd
from cfd_core.cfd.evolve import evolve as fold
from cfd_core.contract import dlc, jobs
from cfd_core.contract.draft import Draft, Party
from cfd_core.contract.punish import check_revocation
from cfd_core.contract.terms import ContractTerms, RevisionTerms
from cfd_core.crypto.keys import CfdKeys, Keychain
from cfd_core.crypto.secp import public_key
from cfd_core.engine import NODE_STREAM
from cfd_core.oracle import (
    Announcement,
    AttestedOutcome,
    Dialect,
    IssuedEvent,
    OracleSecrets,
    hourly_event_id,
    read_announcement,
    sign_announcement,
)
from cfd_core.protocols.contract_setup.messages import Signatures
from cfd_core.serial.stored import read_events, to_revision, to_stored
from cfd_core.serial.wire import encode_message
from cfd_core.values import (
    HOUR,
    CfdId,
    EventId,
    FeeRate,
    Network,
    OfferId,
    PeerId,
    Position,
    Role,
    Sats,
    Secret,
    Timestamp,
)
from tests.bench import c1
from tests.bench.report import Figure, Report, run

CFD: Final = CfdId("c2" * 16)
AUX: Final = hashlib.sha256(b"aux").digest()
ORACLE: Final = OracleSecrets(Secret(b"\x01" * 32), Secret(b"\x02" * 32))
NOW: Final = Timestamp(1_633_298_400)
EVENTS: Final = 24
"""Hourly liquidation events of each revision."""
ROLLOVERS: Final = 24
TARGET_RATIO: Final = 1.2
TARGET_REVOKED: Final = 1_000
TARGET_DAY: Final = 100_000
REFERENCE_BYTES: Final = 820_000
"""What the reference stores for a revision of C1, as the design has it."""


# --- the contract ----------------------------------------------------------------------------------------------------


def hour(number: int) -> EventId:
    return hourly_event_id(Timestamp(NOW + number * HOUR))


SIGNED: Final = {
    hour(number): sign_announcement(ORACLE, IssuedEvent.price(Dialect.OLIVIA_V1, hour(number)))
    for number in range(1, EVENTS + ROLLOVERS + 2)
}
"""The oracle's work, done before anything is measured."""


def announced(events: Sequence[EventId]) -> tuple[Announcement, ...]:
    """Read anew each time, so that no round finds the points of another."""
    return tuple(read_announcement(Dialect.OLIVIA_V1, SIGNED[event], ORACLE.public) for event in events)


def revision_terms(number: int) -> RevisionTerms:
    """Revision `number`: an hour after the one before it, 42 sats of funding more."""
    return evolve(
        TERMS.first_revision,
        number=number,
        settlement=hour(number + EVENTS + 1),
        liquidations=tuple(hour(number + 1 + later) for later in range(EVENTS)),
        long_pays_short=42 * number,
    )


TERMS: Final = ContractTerms(
    network=Network.REGTEST,
    product="BTCUSD-inverse",
    price=Decimal(54_000),
    quantity=3_500,
    taker_position=Position.LONG,
    taker_leverage=5,
    maker_leverage=1,
    event=hour(EVENTS + 1),
    liquidations=tuple(hour(1 + later) for later in range(EVENTS)),
    digits=20,
    opening_fee=Sats(0),
    funding_rate=Decimal(0),
    fee_rate=FeeRate(2),
    tolerance=Decimal("0.0025"),
)


def keys(role: Role, number: int) -> CfdKeys:
    return Keychain.from_seed(Secret(role.value.encode() * 8), Network.REGTEST).cfd_keys(CFD, number)


def party(role: Role, number: int) -> Party:
    return c1.party_with(keys(role, number), role)


def draft(number: int) -> Draft:
    """Nothing of it computed yet."""
    terms = revision_terms(number)
    return Draft(
        terms=TERMS,
        revision=terms,
        announcements=announced(terms.events),
        maker=party(Role.MAKER, number),
        taker=party(Role.TAKER, number),
    )


@frozen
class Theirs:
    """What the counterparty (the taker) sends for one revision."""

    draft: Draft
    commit: bytes
    refund: bytes
    cets: bytes

    @classmethod
    def make(cls, number: int) -> "Theirs":
        whole, own = draft(number), keys(Role.TAKER, number)
        commit, refund = dlc.sign_commit(whole, Role.TAKER, own, AUX), dlc.sign_refund(whole, own)
        return cls(whole, commit, refund, jobs.sign_cets(dlc.sign_cets_job(whole, own, AUX)))


# --- time ------------------------------------------------------------------------------------------------------------


def work(number: int, theirs: Theirs) -> tuple[float, float]:
    """The maker's seconds for one revision: for signing alone, and for all. Past 0 it is a rollover."""
    begun = thread_time()
    whole, own = draft(number), keys(Role.MAKER, number)
    if whole.fingerprint != theirs.draft.fingerprint:
        sys.exit("the two sides derived other transactions")
    derived = thread_time()
    jobs.sign_cets(dlc.sign_cets_job(whole, own, AUX))
    dlc.sign_commit(whole, Role.MAKER, own, AUX)
    dlc.sign_refund(whole, own)
    signed = thread_time()
    dlc.check_commit(whole, Role.MAKER, theirs.commit)
    dlc.check_refund(whole, Role.MAKER, theirs.refund)
    if jobs.verify_cets(dlc.verify_cets_job(whole, Role.MAKER, theirs.cets)) is not None:
        sys.exit("a CET signature did not verify")
    if number:
        old = keys(Role.TAKER, number - 1).revocation
        check_revocation(public_key(old).encode(), old)
    return signed - derived, thread_time() - begun


def times(rounds: int) -> dict[str, float]:
    """Best seconds of each."""
    setup, rollover = Theirs.make(0), Theirs.make(1)
    taken = [(work(0, setup), work(1, rollover)) for _ in range(rounds)]
    return {
        "setup, signing": min(first[0] for first, _ in taken),
        "setup, all": min(first[1] for first, _ in taken),
        "rollover, signing": min(second[0] for _, second in taken),
        "rollover, all": min(second[1] for _, second in taken),
    }


# --- bytes -----------------------------------------------------------------------------------------------------------


@frozen
class Happened:
    """One turn's events, and the CET signatures that come with the last of them."""

    events: tuple[e.CfdEvent, ...]
    packed: bytes | None = None


def opening(theirs: Theirs) -> Iterator[Happened]:
    """The maker's events of a contract setup, up to the confirmed lock."""
    yield Happened(
        (
            e.OrderPlaced(
                cfd_id=CFD,
                role=Role.MAKER,
                peer=PeerId("SHA256:" + "t" * 43),
                offer=OfferId("0f" * 16),
                terms=TERMS,
                announcements=theirs.draft.announcements,
                at=NOW,
                key_id=CFD,
            ),
        )
    )
    signed = e.LockSigned(
        maker=theirs.draft.maker,
        taker=theirs.draft.taker,
        own_commit=dlc.sign_commit(theirs.draft, Role.MAKER, keys(Role.MAKER, 0), AUX),
        their_commit=theirs.commit,
        their_refund=theirs.refund,
        cets_sha256=hashlib.sha256(theirs.cets).digest(),
        at=NOW,
    )
    yield Happened((signed,), theirs.cets)
    yield Happened((e.LockCompleted(theirs.draft.lock.serialize()), e.LockSeen(100)))


def rolled(number: int, theirs: Theirs) -> Iterator[Happened]:
    """The maker's events of one rollover, and of an hour that liquidates nobody."""
    prepared = e.RolloverPrepared(
        revision=theirs.draft.revision,
        announcements=theirs.draft.announcements,
        maker=theirs.draft.maker.points,
        taker=theirs.draft.taker.points,
        own_commit=dlc.sign_commit(theirs.draft, Role.MAKER, keys(Role.MAKER, number), AUX),
        their_refund=theirs.refund,
        cets_sha256=hashlib.sha256(theirs.cets).digest(),
        at=NOW,
    )
    hour = theirs.draft.announcements[1]
    yield Happened((e.OutcomeNoted(AttestedOutcome(hour.event_id, 54_000, hour.digits, bytes(range(32)))),))
    yield Happened((prepared,), theirs.cets)
    yield Happened((e.RolloverSigned(theirs.commit),))
    yield Happened((e.RevisionRevoked(number - 1, keys(Role.TAKER, number - 1).revocation.reveal(), 0),))


class Book:
    """A maker's store with one CFD in it."""

    def __init__(self, path: Path) -> None:
        self.path, self.identity = path, "bench"
        self.store = SqlStore(sqlite_url(path), self.identity)
        self.versions = {CFD: 0, NODE_STREAM: 0}
        self.bytes = {CFD: 0, NODE_STREAM: 0}
        """Of payloads, by stream."""
        self.kept: set[EventId] = set()

    def write(self, happened: Happened) -> None:
        for event in happened.events:
            for announcement in getattr(event, "announcements", ()):
                if announcement.event_id not in self.kept:
                    self.kept.add(announcement.event_id)
                    self._append(NODE_STREAM, e.AnnouncementKept(announcement), None)
            self._append(CFD, event, happened.packed)
            if isinstance(event, e.RevisionRevoked):
                self.store.delete_revision(CFD, event.number)

    def _append(self, stream: str, event: e.Event, packed: bytes | None) -> None:
        recorded = e.Recorded(stream, self.versions[stream] + 1, event, packed)
        record, revision = to_stored(recorded), to_revision(recorded)
        batch = Batch(stream, self.versions[stream], (record,), () if revision is None else (revision,))
        self.store.append_all([batch])
        self.versions[stream] += 1
        self.bytes[stream] += len(record.payload)

    def folded(self) -> Cfd:
        """The aggregate, from the stored bytes."""
        cfd: Cfd | None = None
        for stream, event in read_events(self.store.load_all()):
            if stream == CFD and not isinstance(event, e.NodeEvent):
                cfd = fold(cfd, event)
        if cfd is None:
            sys.exit("nothing was stored")
        return cfd

    def file_size(self) -> int:
        """With what is still in the log brought into the file."""
        self.store.close()
        size = self.path.stat().st_size
        self.store = SqlStore(sqlite_url(self.path), self.identity)
        return size


def sizes(folder: Path) -> dict[str, int]:
    """Bytes of one CFD in a store of its own."""
    book = Book(folder / "events.sqlite")
    theirs = Theirs.make(0)
    for happened in opening(theirs):
        book.write(happened)
    before, file_before = dict(book.bytes), book.file_size()
    for number in range(1, ROLLOVERS + 1):
        theirs = Theirs.make(number)
        for happened in rolled(number, theirs):
            book.write(happened)
    found = _sizes(book.folded(), theirs)
    stream, node = (book.bytes[name] - before[name] for name in (CFD, NODE_STREAM))
    found |= {
        "day of rollovers, own": stream,
        "day of rollovers, announcements": node,
        "day of rollovers, all": stream + node,
        "day of rollovers, file": book.file_size() - file_before,
        "revisions kept": sum(_has(book.store, number) for number in range(ROLLOVERS + 1)),
    }
    book.store.close()
    return found


def _has(store: SqlStore, number: int) -> bool:
    try:
        return bool(store.revision(CFD, number))
    except RevisionMissing:
        return False


def _sizes(cfd: Cfd, last: Theirs) -> dict[str, int]:
    held = cfd.held
    if held is None or held.live.draft.fingerprint != last.draft.fingerprint or len(held.revoked) != ROLLOVERS:
        sys.exit("the stored CFD is not the one that was rolled over")
    return {
        "live revision, CET signatures": len(last.cets),
        "revoked revision, raw": max(map(_raw, held.revoked)),
        "revoked revision, in memory": max(map(_in_memory, held.revoked)),
    }


def _raw(thing: Any) -> int:
    """Bytes of content: 33 per point, 162 of signature, 32 of secret, 8 for a number."""
    if has(type(thing)):
        return sum(_raw(getattr(thing, part.name)) for part in fields(type(thing)))
    if isinstance(thing, Secret):
        return len(thing.reveal())
    return len(thing) if isinstance(thing, bytes) else 8


def _in_memory(thing: Any) -> int:
    """The same as Python's objects."""
    if isinstance(thing, Secret):
        return sys.getsizeof(thing) + sys.getsizeof(thing.reveal())
    inner = (getattr(thing, part.name) for part in fields(type(thing))) if has(type(thing)) else ()
    return sys.getsizeof(thing) + sum(map(_in_memory, inner))


# --- all of it -------------------------------------------------------------------------------------------------------


def c1_sizes() -> dict[str, int]:
    """Bytes of what is stored and sent for one revision of C1."""
    theirs, whole = c1.Theirs.make(), c1.draft(c1.announcement())
    signed = e.LockSigned(
        maker=whole.maker,
        taker=whole.taker,
        own_commit=c1.small_signatures(whole, Role.MAKER)[0],
        their_commit=theirs.commit,
        their_refund=theirs.refund,
        cets_sha256=hashlib.sha256(theirs.cets).digest(),
        at=NOW,
    )
    payload = to_stored(e.Recorded(CFD, 2, signed, theirs.cets)).payload
    message = Signatures(CFD, theirs.commit, theirs.refund, theirs.cets)
    return {"stored": len(theirs.cets) + len(payload), "message": len(encode_message(message))}


def figures(c1_bytes: dict[str, int], seconds: dict[str, float], size: dict[str, int]) -> Iterator[Figure]:
    source = "the reference's revision"
    yield Figure(5, "a stored revision of C1", c1_bytes["stored"], "bytes", 45_000, "at most", REFERENCE_BYTES, source)
    yield Figure(5, "a signatures message of C1", c1_bytes["message"], "bytes", 45_000)
    for name in ("raw", "in memory"):
        kept = size.pop(f"revoked revision, {name}")
        yield Figure(5, f"a revoked revision, {name}", kept, "bytes", TARGET_REVOKED)
    yield Figure(0, "a day of rollovers, the CFD's own events", size["day of rollovers, own"], "bytes", TARGET_DAY)
    for part in ("signing", "all"):
        ratio = seconds[f"rollover, {part}"] / seconds[f"setup, {part}"]
        yield Figure(0, f"rollover of C2, times its setup, {part}", ratio, "x", TARGET_RATIO)
    yield from (Figure(0, f"C2: {name}, not scaled", 1000 * value, "ms") for name, value in seconds.items())
    yield from (Figure(0, f"C2: {name}", value, "" if "kept" in name else "bytes") for name, value in size.items())


def measure(rounds: int) -> Report:
    with tempfile.TemporaryDirectory(prefix="cfd-bench-") as folder:
        c1_bytes, seconds, size = c1_sizes(), times(rounds), sizes(Path(folder))
    details = {"cets_of_c2": len(draft(0).entries), "bytes": dict(size), "seconds": seconds, "c1_bytes": c1_bytes}
    details["peak_memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return Report("bench_rollover", tuple(figures(c1_bytes, seconds, size)), details)


if __name__ == "__main__":
    run(__doc__, 5, measure)
