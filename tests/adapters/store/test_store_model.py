"""Any history of calls: the SQL store, through reopening, tells the same story as the one in memory."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from cfd_store import Batch, EventStore, MemoryStore, RevisionMissing, SqlStore, VersionConflict, sqlite_url
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from cfd_core.errors import RuleViolation
from cfd_core.serial.records import PackedRevision, StoredEvent
from cfd_core.values import CfdId

CFDS = [CfdId(digit * 32) for digit in "abc"]

cfds = st.sampled_from(CFDS)
offsets = st.sampled_from([0, 0, 0, 0, -1, 1])
payloads = st.lists(st.binary(max_size=40), max_size=4)
numbers = st.integers(0, 3)


class StoreHistory(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.memory: EventStore = MemoryStore()
        self.sql = self.open()
        self.revisions: dict[tuple[CfdId, int], bytes] = {}

    def open(self) -> SqlStore:
        return SqlStore(sqlite_url(Path(self.folder.name) / "node.db"), "regtest/taker")

    def both(self, call: Callable[[EventStore], object]) -> object:
        """What both stores answer, an error being an answer."""
        answers: list[object] = []
        for store in (self.memory, self.sql):
            try:
                answers.append(call(store))
            except (VersionConflict, RuleViolation, RevisionMissing) as error:
                answers.append((type(error), str(error)))
        assert answers[0] == answers[1]
        return answers[0]

    def batch(self, cfd: CfdId, offset: int, data: list[bytes], packed: dict[int, bytes]) -> Batch:
        expected = max(self.memory.streams().get(cfd, 0) + offset, 0)
        events = tuple(StoredEvent(cfd, n, "tick", 1, payload) for n, payload in enumerate(data, expected + 1))
        return Batch(cfd, expected, events, tuple(PackedRevision(cfd, n, part) for n, part in packed.items()))

    @rule(cfd=cfds, offset=offsets, data=payloads, packed=st.dictionaries(numbers, st.binary(max_size=60), max_size=2))
    def append(self, cfd: CfdId, offset: int, data: list[bytes], packed: dict[int, bytes]) -> None:
        batch = self.batch(cfd, offset, data, packed)
        answer = self.both(
            lambda store: store.append(batch.stream, batch.expected_version, batch.events, batch.revisions)
        )
        if answer is None:
            self.revisions |= {(cfd, number): part for number, part in packed.items()}

    @rule(data=st.dictionaries(cfds, st.tuples(offsets, payloads), max_size=3))
    def append_all(self, data: dict[CfdId, tuple[int, list[bytes]]]) -> None:
        batches = [self.batch(cfd, offset, parts, {}) for cfd, (offset, parts) in data.items()]
        before = self.memory.streams()
        if self.both(lambda store: store.append_all(batches)) is not None:
            assert self.sql.streams() == before

    @rule(cfd=cfds, number=numbers)
    def delete(self, cfd: CfdId, number: int) -> None:
        self.both(lambda store: store.delete_revision(cfd, number))
        self.revisions.pop((cfd, number), None)

    @rule()
    def reopen(self) -> None:
        self.sql.close()
        self.sql = self.open()

    @invariant()
    def same(self) -> None:
        self.both(lambda store: list(store.load_all()))
        self.both(lambda store: list(store.streams().items()))
        for cfd in CFDS:
            self.both(lambda store, cfd=cfd: store.load(cfd))  # type: ignore[misc]
            for number in range(4):
                answer = self.both(lambda store, cfd=cfd, number=number: store.revision(cfd, number))  # type: ignore[misc]
                assert ((cfd, number) in self.revisions) is isinstance(answer, bytes)
                assert self.revisions.get((cfd, number), answer) == answer

    def teardown(self) -> None:
        self.sql.close()
        self.memory.close()
        self.folder.cleanup()


TestStoreHistory = StoreHistory.TestCase
TestStoreHistory.settings = settings(max_examples=20, stateful_step_count=15, deadline=None)
