"""The golden stores as nodes that are switched on again, on the chain as they left it."""

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from decimal import Decimal
from pathlib import Path

import pytest
from cfd_store import SqlStore, sqlite_url

from cfd_core import inputs as i
from cfd_core.bitcoin.transaction import Transaction
from cfd_core.cfd.aggregate import Cfd
from cfd_core.cfd.events import Recorded
from cfd_core.crypto.keys import Keychain
from cfd_core.engine import Engine, Settings
from cfd_core.serial import stored
from cfd_core.serial.records import StoredEvent
from cfd_core.testing import Conscience, Pair, SimNode, hours
from cfd_core.values import CfdId, Network, Secret

STORES = Path(__file__).parents[1] / "samples" / "v1" / "store"


class Museum:
    """A pair of nodes made of two stores. `forms` is how the release that switches them on reads events."""

    def __init__(self, stores: dict[str, SqlStore], forms: stored.Forms = stored.FORMS) -> None:
        world = json.loads((STORES / "world.json").read_text("utf-8"))
        self.stores = stores
        self.pair = Pair(liquidations=hours(3, 3), tolerance=Decimal("0.05"))
        self.pair.now = world["now"]
        chain = self.pair.chain
        for row in world["transactions"]:
            tx = Transaction.parse(bytes.fromhex(row["raw"]))
            chain.place(tx, row["height"])
        chain.height = world["tip"]
        for node in self.pair.nodes:
            node.settings = Settings(
                network=Network.REGTEST,
                keychain=Keychain.from_seed(Secret(bytes.fromhex(world["seeds"][node.role.value])), Network.REGTEST),
            )
            self._furnish(node, stores[node.role.value], forms)
            node.now = world["now"]

    def _furnish(self, node: SimNode, store: SqlStore, forms: stored.Forms) -> None:
        node.die()
        node.dead = False
        node.records = list(store.load_all())
        events = list(stored.read_events(node.records, forms))
        node.engine = Engine.load(node.settings, iter(events))
        node.log = [Recorded(x.stream, x.version, event) for x, (_, event) in zip(node.records, events, strict=True)]
        node.conscience = Conscience()
        node.conscience.cfds.update((str(key), cfd) for key, cfd in node.engine.cfds.items())
        node.conscience.versions = dict(Counter(record.stream for record in node.records))
        node.revisions = dict(self._revisions(node, store))

    def _revisions(self, node: SimNode, store: SqlStore) -> Iterator[tuple[tuple[str, int], bytes]]:
        for key, cfd in node.engine.cfds.items():
            for dlc in cfd.held.unrevoked if cfd.held and not cfd.ended else ():
                yield (key, dlc.number), store.revision(key, dlc.number)

    def switch_on(self) -> None:
        """As a node's start does it."""
        for node in self.pair.nodes:
            node.give(i.NodeStarted())
            node.give(i.TipChanged(self.pair.chain.height))
            node.todo.extend(node.engine.resume(node.now))
        self.pair.run()

    def cfd(self, node: SimNode, name: str) -> Cfd:
        """One of the three by what became of it: `closed`, `rolled`, `broken`."""
        return node.engine.cfds[CfdId(hashlib.sha256(name.encode()).digest()[:16].hex())]


@pytest.fixture
def open_museum(tmp_path: Path) -> Iterator[Callable[..., Museum]]:
    """Copies the golden stores and opens them."""
    with ExitStack() as stack:

        def store(role: str) -> SqlStore:
            shutil.copy(STORES / f"{role}.db", tmp_path / f"{role}.db")
            return stack.enter_context(closing(SqlStore(sqlite_url(tmp_path / f"{role}.db"), f"regtest/{role}")))

        def make(forms: stored.Forms = stored.FORMS) -> Museum:
            return Museum({role: store(role) for role in ("maker", "taker")}, forms)

        yield make


@pytest.fixture
def records(open_museum: Callable[..., Museum]) -> list[StoredEvent]:
    """All events of the taker's golden store."""
    return list(open_museum().stores["taker"].load_all())


@pytest.fixture
def pair() -> Pair:
    """A maker and a taker that have not begun; few CETs."""
    return Pair(liquidations=(), tolerance=Decimal("0.1"))


@pytest.fixture
def open_pair(pair: Pair) -> Pair:
    """The same with a CFD whose lock is confirmed."""
    return pair.opened()
