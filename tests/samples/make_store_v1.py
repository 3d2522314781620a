"""Made the golden stores of version 1, once: `python tests/samples/make_store_v1.py`, from the root of the repository.

One SQLite store of a maker and one of its taker, as their nodes would have left them when their machines were switched
off: one CFD is closed, one is open after a rollover, and a rollover of the third broke off between the two commit
signatures. Beside them stands the chain at that moment. They are never made again: every later version must load them
and bring each CFD to its end.
"""

import hashlib
import json
from decimal import Decimal
from pathlib import Path

from cfd_store import Batch, SqlStore, sqlite_url

from cfd_core.cfd import commands as c
from cfd_core.crypto.keys import Keychain
from cfd_core.engine import Engine, Settings
from cfd_core.protocols.rollover import messages as r
from cfd_core.serial import stored
from cfd_core.testing import MAKER, Pair, SimNode, hours
from cfd_core.values import HOUR, CfdId, Network, Position, Secret

FOLDER = Path(__file__).parent / "v1" / "store"
SEEDS = {"maker": b"golden maker" + bytes(4), "taker": b"golden taker" + bytes(4)}


class GoldenPair(Pair):
    """Nodes whose seeds are known without the simulator."""

    def add(self, name: str, *rest: object, **more: object) -> SimNode:
        node = super().add(name, *rest, **more)  # type: ignore[arg-type]
        keychain = Keychain.from_seed(Secret(SEEDS[name]), Network.REGTEST)
        node.settings = Settings(network=Network.REGTEST, keychain=keychain)
        node.engine = Engine(settings=node.settings, tip=self.chain.height)
        node.wallet.receive(5_000_000)
        return node


class Day:
    """What the two did before they were switched off."""

    def __init__(self) -> None:
        self.pair = GoldenPair(liquidations=hours(3, 3), tolerance=Decimal("0.05"))

    def take(self, name: str) -> CfdId:
        """Another CFD, confirmed."""
        entropy = hashlib.sha256(name.encode()).digest()
        self.pair.taker.give(c.TakeOffer(MAKER, self.pair.offer.id, Position.LONG, 1000, 2, entropy))
        self.pair.run()
        self.pair.mine()
        return CfdId(entropy[:16].hex())

    def roll_over(self, cfd: CfdId) -> None:
        self.pair.taker.give(c.RollOver(cfd, hashlib.sha256(b"roll" + cfd.encode()).digest()))
        self.pair.run()

    def live(self) -> None:
        closed, rolled, broken = (self.take(name) for name in ("closed", "rolled", "broken"))
        self.pair.taker.give(c.ProposeSettlement(closed, Decimal(50_000)))
        self.pair.run()
        self.pair.mine(4)
        self.pair.later(2 * HOUR)
        self.roll_over(rolled)
        # the maker's commit signature never arrives: it may publish both revisions, the taker only the first
        self.pair.alter(self.pair.taker, r.CommitSignature, lambda _message: None)
        self.roll_over(broken)
        self.pair.cut()


def write(path: Path, node: SimNode) -> None:
    """The store that this node's shell would have written."""
    path.unlink(missing_ok=True)
    store = SqlStore(sqlite_url(path), f"regtest/{node.role.value}")
    for recorded in node.log:
        revision = stored.to_revision(recorded)
        kept = revision is not None and (revision.cfd_id, revision.revision) in node.revisions
        revisions = (revision,) if revision is not None and kept else ()
        store.append_all([Batch(recorded.stream, recorded.version - 1, (stored.to_stored(recorded),), revisions)])
    store.close()


def main() -> None:
    day = Day()
    day.live()
    FOLDER.mkdir(exist_ok=True)
    for node in day.pair.nodes:
        write(FOLDER / f"{node.role.value}.db", node)
    chain = day.pair.chain
    rows = [{"height": chain.places[txid], "raw": tx.serialize().hex()} for txid, tx in chain.transactions.items()]
    seeds = {role: seed.hex() for role, seed in SEEDS.items()}
    about = {"now": day.pair.taker.now, "tip": chain.height, "seeds": seeds, "transactions": rows}
    (FOLDER / "world.json").write_text(json.dumps(about, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
