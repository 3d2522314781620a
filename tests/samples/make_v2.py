"""Made the golden samples of version 2, once: `python -m tests.samples.make_v2`, from the root of the repository.

Beside those of version 1: lives with the events that are new or have another form since. What `make_v1` says of its
samples holds for these.
"""

import json
from pathlib import Path
from typing import Any

from attrs import evolve

from cfd_core.cfd import commands as c
from cfd_core.protocols.rollover import messages as r
from cfd_core.serial import wire
from tests.samples.make_v1 import Lives, records

HERE = Path(__file__).parent / "v2"


class LaterLives(Lives):
    """What version 1 had no events for."""

    def contradicted(self) -> Any:
        """An hour that liquidates nobody is said to be another price later; the user believes the first."""
        pair = self.open(liquidations=2)
        for price in (48_935, 20_000):
            pair.attest(price, pair.offer.liquidations[0])
        pair.taker.give(c.ChooseOutcome(pair.taker.cfd.id, 48_935))
        pair.run()
        return pair

    def unrevoked(self) -> Any:
        """The maker keeps its revocation: the taker force-closes an hour before the old event."""
        pair = self.open()
        old_expiry = pair.taker.cfd.expiry
        pair.tamper = lambda to, raw: None if b'"type":"revocation"' in raw and to is pair.taker else raw
        self.roll_over(pair)
        pair.cut()
        pair.later(old_expiry - 3600 - pair.taker.now)
        pair.attest(48_935, pair.taker.cfd.settlement.event_id)
        pair.mine(16)
        return pair

    def overtaken(self) -> Any:
        """A close that no block takes is force-closed over, and confirms first all the same."""
        pair = self.open()
        pair.taker.give(c.ProposeSettlement(pair.taker.cfd.id, pair.offer.bid))
        pair.run()
        close = pair.chain.spender(pair.draft.lock_outpoint).txid
        pair.chain.held_back.add(close)
        pair.mine(4)
        pair.taker.give(c.ForceClose(pair.taker.cfd.id))
        pair.mine(2)
        pair.chain.held_back.clear()
        pair.mine(3)
        return pair

    def restored(self) -> Any:
        """From an older backup: the maker says without proof that it is ahead, the user trusts the backup all the
        same; in another world the maker's proof comes first.
        """
        pair = self.open()
        backup = pair.taker.backup()
        pair.alter(pair.taker, r.Holding, lambda told: evolve(told, number=7, secret=b""))
        pair.cut()
        pair.taker.restore(backup)
        pair.reconnect()
        pair.taker.give(c.TrustBackup(pair.taker.cfd.id))
        pair.taker.give(c.ForceClose(pair.taker.cfd.id))
        pair.run()
        pair.mine(2)
        return pair


def lines(pair: Any) -> list[str]:
    """The question of a restored taker and the maker's answer, as they go over the wire."""
    key = pair.taker.cfd.id
    return [wire.encode_message(m).decode() for m in (r.Holding(key, 0, b""), r.Holding(key, 1, bytes(range(32))))]


def write(name: str, value: Any) -> None:
    (HERE / f"{name}.json").write_text(json.dumps(value, indent=1) + "\n", "utf-8")


def main() -> None:
    lives = LaterLives()
    write("revoked", records(lives.punished().maker.log))
    HERE.mkdir(exist_ok=True)
    write("contradicted", records(lives.contradicted().taker.log))
    write("unrevoked", records(lives.unrevoked().taker.log))
    write("overtaken", records(lives.overtaken().taker.log))
    write("ordered", records(lives.open().maker.log))
    restored = lives.restored()
    write("restored", records(restored.taker.log))
    write("wire", lines(restored))


if __name__ == "__main__":
    main()
