"""What every event store promises: one suite, run by each implementation."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier

import pytest
from cfd_store import MAX_PAYLOAD, MAX_REVISION, Batch, EventStore, RevisionMissing, StoreUnavailable, VersionConflict

from cfd_core.errors import RuleViolation
from cfd_core.serial.records import PackedRevision, StoredEvent
from cfd_core.values import CfdId

CFD = CfdId("0f" * 16)
OTHER = CfdId("1e" * 16)


def events(stream: str, versions: Iterable[int], payload: bytes = b"{}") -> list[StoredEvent]:
    return [StoredEvent(stream, version, "order_accepted", 1, payload) for version in versions]


def test_a_new_store_is_empty(store: EventStore) -> None:
    assert store.load(CFD) == []
    assert list(store.load_all()) == []
    assert store.streams() == {}


def test_what_is_appended_is_loaded(store: EventStore) -> None:
    first = StoredEvent(CFD, 1, "order_placed", 1, '{"a":"€"}'.encode())
    rest = [StoredEvent(CFD, 2, "lock_signed", 3, b'{"b":2}'), StoredEvent(CFD, 3, "lock_signed", 2, b"")]
    store.append(CFD, 0, [first])
    store.append(CFD, 1, rest)
    assert store.load(CFD) == [first, *rest]


def test_streams_do_not_mix_and_keep_the_order_of_appending(store: EventStore) -> None:
    store.append(OTHER, 0, events(OTHER, [1]))
    store.append(CFD, 0, events(CFD, [1, 2]))
    store.append(OTHER, 1, events(OTHER, [2]))
    assert store.load(OTHER) == events(OTHER, [1, 2])
    assert [(event.stream, event.version) for event in store.load_all()] == [
        (OTHER, 1),
        (CFD, 1),
        (CFD, 2),
        (OTHER, 2),
    ]
    assert list(store.streams().items()) == [(OTHER, 2), (CFD, 2)]


def test_load_all_goes_on_over_many_pages(store: EventStore) -> None:
    everything = events(CFD, range(1, 5001))
    store.append(CFD, 0, everything)
    assert list(store.load_all()) == everything


@pytest.mark.parametrize("expected", [0, 1, 3])
def test_another_version_is_a_conflict(store: EventStore, expected: int) -> None:
    store.append(CFD, 0, events(CFD, [1, 2]))
    with pytest.raises(VersionConflict, match=f"at version 2, not {expected}") as caught:
        store.append(CFD, expected, events(CFD, [expected + 1]), [PackedRevision(CFD, 0, b"x")])
    assert (caught.value.stream, caught.value.expected, caught.value.actual) == (CFD, expected, 2)
    assert store.load(CFD) == events(CFD, [1, 2])
    with pytest.raises(RevisionMissing):
        store.revision(CFD, 0)


def test_a_stream_that_does_not_exist_is_at_version_0(store: EventStore) -> None:
    with pytest.raises(VersionConflict, match="at version 0, not 1"):
        store.append(CFD, 1, events(CFD, [2]))


def test_appending_nothing_only_checks_the_version(store: EventStore) -> None:
    store.append(CFD, 0, [])
    with pytest.raises(VersionConflict):
        store.append(CFD, 1, [])
    assert store.streams() == {}


def test_several_streams_are_appended_together(store: EventStore) -> None:
    store.append_all(
        [
            Batch(CFD, 0, tuple(events(CFD, [1])), (PackedRevision(CFD, 0, b"c"),)),
            Batch(OTHER, 0, tuple(events(OTHER, [1]))),
        ]
    )
    assert store.streams() == {CFD: 1, OTHER: 1}
    assert store.revision(CFD, 0) == b"c"


def test_one_conflict_refuses_all_streams(store: EventStore) -> None:
    store.append(OTHER, 0, events(OTHER, [1]))
    batches = [
        Batch(CFD, 0, tuple(events(CFD, [1])), (PackedRevision(CFD, 0, b"c"),)),
        Batch(OTHER, 0, tuple(events(OTHER, [1]))),
    ]
    with pytest.raises(VersionConflict) as caught:
        store.append_all(batches)
    assert caught.value.stream == OTHER
    assert store.streams() == {OTHER: 1}
    with pytest.raises(RevisionMissing):
        store.revision(CFD, 0)


def test_revisions_are_kept_with_their_events(store: EventStore) -> None:
    data = bytes(range(256)) * 200
    store.append(CFD, 0, events(CFD, [1]), [PackedRevision(CFD, 0, data), PackedRevision(CFD, 1, b"")])
    assert store.revision(CFD, 0) == data
    assert store.revision(CFD, 1) == b""


@pytest.mark.parametrize(("cfd", "number"), [(CFD, 1), (OTHER, 0)])
def test_an_unknown_revision_is_missing(store: EventStore, cfd: CfdId, number: int) -> None:
    store.append(CFD, 0, events(CFD, [1]), [PackedRevision(CFD, 0, b"old")])
    with pytest.raises(RevisionMissing, match=f"revision {number} of CFD {cfd}"):
        store.revision(cfd, number)
    store.delete_revision(cfd, number)
    assert store.revision(CFD, 0) == b"old"


def test_a_revision_is_replaced_and_deleted(store: EventStore) -> None:
    store.append(CFD, 0, events(CFD, [1]), [PackedRevision(CFD, 0, b"long"), PackedRevision(CFD, 1, b"live")])
    store.append(CFD, 1, events(CFD, [2]), [PackedRevision(CFD, 0, b"s")])
    assert store.revision(CFD, 0) == b"s"
    store.delete_revision(CFD, 0)
    with pytest.raises(RevisionMissing):
        store.revision(CFD, 0)
    assert store.revision(CFD, 1) == b"live"
    assert store.load(CFD) == events(CFD, [1, 2])


def test_a_stored_revision_stays_if_the_events_that_replace_it_are_refused(store: EventStore) -> None:
    store.append(CFD, 0, events(CFD, [1]), [PackedRevision(CFD, 0, b"first")])
    with pytest.raises(VersionConflict):
        store.append(CFD, 0, events(CFD, [1]), [PackedRevision(CFD, 0, b"second")])
    assert store.revision(CFD, 0) == b"first"
    assert store.load(CFD) == events(CFD, [1])


@pytest.mark.parametrize(
    ("expected", "batch"),
    [
        (0, events(CFD, [2])),
        (0, events(CFD, [1, 3])),
        (0, events(CFD, [1, 1])),
        (0, events(OTHER, [1])),
        (-1, []),
        (0, events(CFD, [1], b"x" * (MAX_PAYLOAD + 1))),
    ],
    ids=["late start", "gap", "twice", "other stream", "negative", "too large"],
)
def test_a_batch_that_makes_no_sense_is_refused(store: EventStore, expected: int, batch: list[StoredEvent]) -> None:
    with pytest.raises(RuleViolation):
        store.append(CFD, expected, batch)
    assert store.streams() == {}


def test_a_revision_that_is_too_large_is_refused(store: EventStore) -> None:
    huge = PackedRevision(CFD, 0, b"x" * (MAX_REVISION + 1))
    with pytest.raises(RuleViolation, match="at most"):
        store.append(CFD, 0, events(CFD, [1]), [huge])
    assert store.streams() == {}


def test_a_stream_or_revision_twice_in_one_transaction_is_refused(store: EventStore) -> None:
    with pytest.raises(RuleViolation, match="stream at most once"):
        store.append_all([Batch(CFD, 0, tuple(events(CFD, [1]))), Batch(CFD, 1, tuple(events(CFD, [2])))])
    with pytest.raises(RuleViolation, match="revision at most once"):
        store.append(CFD, 0, events(CFD, [1]), [PackedRevision(CFD, 0, b"a"), PackedRevision(CFD, 0, b"b")])
    assert store.streams() == {}


def test_the_largest_event_fits(store: EventStore) -> None:
    largest = events(CFD, [1], b"x" * MAX_PAYLOAD)
    store.append(CFD, 0, largest)
    assert store.load(CFD) == largest


def test_load_all_started_earlier_survives_an_append(store: EventStore) -> None:
    store.append(CFD, 0, events(CFD, [1, 2]))
    running = store.load_all()
    assert next(running).version == 1
    store.append(CFD, 2, events(CFD, [3]))
    assert next(running).version == 2


def test_stores_of_one_kind_are_apart(new_store: Callable[[], EventStore]) -> None:
    one, two = new_store(), new_store()
    one.append(CFD, 0, events(CFD, [1]))
    assert two.streams() == {}


def test_threads_that_append_to_one_version_win_once(store: EventStore) -> None:
    workers, rounds = 4, 15
    barrier = Barrier(workers)

    def run(worker: int) -> int:
        won = 0
        for version in range(1, rounds + 1):
            barrier.wait(30)
            with suppress(VersionConflict):
                store.append(CFD, version - 1, [StoredEvent(CFD, version, "tick", 1, b"%d" % worker)])
                won += 1
        return won

    with ThreadPoolExecutor(workers) as pool:
        wins = list(pool.map(run, range(workers)))
    assert sum(wins) == rounds
    assert [event.version for event in store.load(CFD)] == list(range(1, rounds + 1))


def test_a_closed_store_says_so(store: EventStore) -> None:
    store.close()
    store.close()
    calls: list[Callable[[], object]] = [
        lambda: store.append(CFD, 0, events(CFD, [1])),
        lambda: store.load(CFD),
        lambda: list(store.load_all()),
        store.streams,
        lambda: store.revision(CFD, 0),
        lambda: store.delete_revision(CFD, 0),
    ]
    for call in calls:
        with pytest.raises(StoreUnavailable, match="closed"):
            call()
