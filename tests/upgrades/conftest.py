"""The golden stores as nodes that are switched on again, on the chain as they left it."""

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from cfd_store import SqlStore, sqlite_url

from cfd_core import inputs as i
from cfd_core.bitcoin.transaction import Transaction
from cfd_core.cfd.events import Recorded
from cfd_core.engine import Engine
from cfd_core.serial import stored
from cfd_core.serial.records import StoredEvent
from cfd_core.testing import Conscience, Pair, hours
from cfd_core.values import CfdId

TESTS = Path(__file__).parents[1]
STORES = TESTS / "samples" / "v1" / "store"


class Museum:
    """A pair of nodes made of two stores. `forms` is how the release that switches them on reads events."""

    def __init__(self, stores: dict[str, SqlStore], forms: stored.Forms = stored.FORMS) -> None:
        world = json.loads((STORES / "world.json").read_text("utf-8"))
        self.stores = stores
        self.pair = Pair(liquidations=hours(3, 3), tolerance=Decimal("0.05"))
        chain = self.pair.chain
        chain.height = world["tip"]
        for row in world["transactions"]:
            tx = Transaction.parse(bytes.fromhex(row["raw"]))
            chain.place(tx, row["height"])
        for node in self.pair.nodes:
            self._furnish(node, stores[node.role.value], forms)
            node.now = world["now"]

    def _furnish(self, node: Any, store: SqlStore, forms: stored.Forms) -> None:
        records = list(store.load_all())
        events = list(stored.read_events(records, forms))
        node.engine = Engine.load(node.settings, iter(events))
        node.records = records
        node.log = [
            Recorded(record.stream, record.version, event) for record, (_, event) in zip(records, events, strict=True)
        ]
        node.conscience = Conscience()
        node.conscience.cfds = dict(node.engine.cfds)
        node.conscience.versions = dict(Counter(record.stream for record in records))
        node.revisions = {(CfdId(key), number): data for key, number, data in self._revisions(node, store)}
        node.todo.clear()

    def _revisions(self, node: Any, store: SqlStore) -> Iterator[tuple[str, int, bytes]]:
        for key, cfd in node.engine.cfds.items():
            for dlc in cfd.held.unrevoked if not cfd.ended else ():
                yield key, dlc.number, store.revision(key, dlc.number)

    def switch_on(self) -> None:
        """As a node's start does it, and then the peers find each other."""
        for node in self.pair.nodes:
            node.give(i.NodeStarted())
            node.give(i.TipChanged(self.pair.chain.height))
            node.todo.extend(node.engine.resume(node.now))
        self.pair.run()

    def connect(self) -> None:
        self.pair.reconnect()

    def cfd(self, node: Any, name: str) -> Any:
        """One of the three by what became of it: `closed`, `rolled`, `broken`."""
        entropy = hashlib.sha256(name.encode()).digest()
        return node.engine.cfds[CfdId(entropy[:16].hex())]


@pytest.fixture
def open_museum(tmp_path: Path) -> Iterator[Callable[..., Museum]]:
    """Copies the golden stores and opens them."""
    with ExitStack() as stack:

        def make(forms: stored.Forms = stored.FORMS) -> Museum:
            for role in ("maker", "taker"):
                shutil.copy(STORES / f"{role}.db", tmp_path / f"{role}.db")
            return Museum(
                {
                    role: stack.enter_context(closing(SqlStore(sqlite_url(tmp_path / f"{role}.db"), f"regtest/{role}")))
                    for role in ("maker", "taker")
                },
                forms,
            )

        yield make


@pytest.fixture
def records(open_museum: Callable[..., Museum]) -> list[StoredEvent]:
    """All events of the taker's golden store."""
    return list(open_museum().stores["taker"].load_all())


@pytest.fixture
def pair() -> Any:
    """A maker and a taker that have not begun; few CETs."""
    return Pair(liquidations=(), tolerance=Decimal("0.1"))


@pytest.fixture
def open_pair(pair: Any) -> Any:
    """The same with a CFD whose lock is confirmed."""
    return pair.opened()
