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
from typing import Any

from cfd_store import Batch, SqlStore, sqlite_url

from cfd_core import inputs as i
from cfd_core.cfd import commands as c
from cfd_core.protocols.rollover import messages as r
from cfd_core.serial import stored
from cfd_core.testing import Pair, SimWallet, hours
from cfd_core.values import HOUR, CfdId, Position

HERE = Path(__file__).parent
FOLDER = HERE / "v1" / "store"


class Day:
    """What the two did before they were switched off."""

    def __init__(self) -> None:
        self.pair = Pair(liquidations=hours(3, 3), tolerance=Decimal("0.05"))
        self.pair.both(i.TipChanged(self.pair.chain.height))

    def take(self, name: str) -> CfdId:
        """A CFD of its own, on coins of its own, confirmed."""
        entropy = hashlib.sha256(name.encode()).digest()
        for node in self.pair.nodes:
            node.wallet = SimWallet(f"{name} {node.role.value}", self.pair.chain)
        offer = self.pair.offer
        self.pair.taker.give(c.TakeOffer(self.pair.maker.peer, offer.id, Position.LONG, 1000, 2, entropy))
        self.pair.run()
        self.pair.mine()
        return CfdId(entropy[:16].hex())

    def roll_over(self, cfd: CfdId) -> None:
        self.pair.taker.give(c.RollOver(cfd, hashlib.sha256(b"roll" + cfd.encode()).digest()))
        self.pair.run()

    def live(self) -> None:
        closed, rolled, broken = (self.take(name) for name in ("closed", "rolled", "broken"))
        assert self.pair.offer.bid is not None
        self.pair.taker.give(c.ProposeSettlement(closed, self.pair.offer.bid))
        self.pair.run()
        self.pair.mine(4)
        self.pair.later(2 * HOUR)
        self.roll_over(rolled)
        # the maker's commit signature never arrives: it may publish both revisions, the taker only the first
        self.pair.alter(self.pair.taker, r.CommitSignature, lambda _message: None)
        self.roll_over(broken)
        self.pair.cut()


def write(path: Path, node: Any) -> None:
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
    about = {"now": day.pair.taker.now, "tip": chain.height, "transactions": rows}
    (FOLDER / "world.json").write_text(json.dumps(about, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
