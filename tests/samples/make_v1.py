"""Made the golden samples of version 1: `python tests/samples/make_v1.py NAME...`, from the root of the repository.

Samples are made once: what an earlier release wrote must load, whatever today's would write. A new event gets a new
life here, a changed one a new version, an upcast, and new samples beside the old ones. Everything is derived from fixed
seeds, so a run on unchanged code gives the same files.
"""

import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

from cfd_core.cfd import commands as c
from cfd_core.engine import Policy
from cfd_core.protocols.contract_setup import messages as m
from cfd_core.protocols.rollover import messages as r
from cfd_core.protocols.settlement import messages as t
from cfd_core.serial import stored, wire
from cfd_core.testing import Pair, hours
from cfd_core.values import HOUR, Sats

HERE = Path(__file__).parent
ENTROPY = bytes(range(32))


class Lives:
    """The lives of the samples, and every line that went over the wire in them."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []

    def begin(self, *, liquidations: int = 0, **more: Any) -> Any:
        events = hours(1, liquidations) if liquidations else ()
        pair = Pair(liquidations=events, tolerance=Decimal("0.05"), **more)
        pair.tamper = self.listen
        pair.take()
        pair.run()
        return pair

    def open(self, **more: Any) -> Any:
        pair = self.begin(**more)
        pair.confirm_lock()
        return pair

    def listen(self, _to: Any, raw: bytes) -> bytes:
        self.lines.append(raw)
        return raw

    def lose(self, pair: Any, txid: str) -> None:
        """A reorg takes a transaction away; it comes back with the next block."""
        pair.chain.drop(txid)
        pair.mine()

    def roll_over(self, pair: Any) -> None:
        pair.later(2 * HOUR)
        pair.taker.give(c.RollOver(pair.taker.cfd.id, ENTROPY))
        pair.run()

    # --- the lives -------------------------------------------------------------------------------------------------

    def settled_by_cet(self) -> Any:
        """From the offer through a rollover to the final CET, with a reorg at each stage and a slow commit."""
        pair = self.open()
        self.lose(pair, pair.draft.lock.txid)
        self.roll_over(pair)
        pair.attest(48_935, pair.taker.cfd.settlement.event_id)
        commit = pair.draft.commit.txid
        pair.chain.held_back.add(commit)
        pair.taker.give(c.ForceClose(pair.taker.cfd.id))
        pair.mine(6)
        pair.chain.held_back.clear()
        pair.mine()
        self.lose(pair, commit)
        pair.mine(11)
        self.lose(pair, pair.chain.spender(pair.draft.commit_outpoint).txid)
        pair.mine(3)
        pair.maker.give(c.WithdrawOffer(pair.offer.id))
        return pair

    def hesitant(self) -> Any:
        """A rollover that the maker proposed comes to nothing, the next one is made."""
        pair = self.open()
        pair.tamper = lambda _to, _raw: None
        pair.later(2 * HOUR)
        pair.maker.give(c.RollOver(pair.maker.cfd.id, ENTROPY))
        pair.run()
        pair.later(60)
        pair.tamper = self.listen
        self.roll_over(pair)
        return pair

    def closed_together(self) -> Any:
        pair = self.open()
        pair.taker.give(c.ProposeSettlement(pair.taker.cfd.id, pair.offer.bid))
        pair.run()
        pair.mine()
        self.lose(pair, pair.chain.spender(pair.draft.lock_outpoint).txid)
        pair.mine(3)
        return pair

    def liquidated(self) -> Any:
        pair = self.open(liquidations=2)
        pair.attest(20_000, pair.offer.liquidations[0])
        pair.mine(16)
        return pair

    def doubted(self) -> Any:
        """The oracle signs two prices; the taker chooses."""
        pair = self.open()
        for price in (48_935, 60_000):
            pair.attest(price)
        pair.taker.give(c.ForceClose(pair.taker.cfd.id))
        pair.mine(2)
        for node in pair.nodes:
            node.give(c.ChooseOutcome(node.cfd.id, 60_000))
        pair.mine(16)
        return pair

    def punished(self) -> Any:
        pair = self.open()
        keys = pair.taker.settings.keychain.cfd_keys(pair.taker.cfd.id, 0)
        revoked = pair.taker.cfd.held.live.sign_commit(keys)
        self.roll_over(pair)
        pair.cheats(pair.taker)
        pair.chain.submit(revoked)
        pair.mine(4)
        return pair

    def cancelled(self) -> Any:
        """The maker keeps its lock signature; the taker's way out is lost once and comes back."""
        pair = Pair(liquidations=(), tolerance=Decimal("0.05"))
        pair.tamper = lambda to, raw: None if b"lock-signatures" in raw and to is pair.maker else raw
        pair.take()
        pair.run()
        pair.cut()
        pair.later(901)
        coin = pair.draft.party(pair.taker.role).funder.inputs[0].outpoint
        cancel = pair.chain.spender(coin)
        assert cancel is not None
        self.lose(pair, cancel.txid)
        pair.mine(3)
        return pair

    def rejected(self) -> Any:
        pair = self.begin(maker_policy=Policy(accept_up_to=Sats(0)))
        pair.maker.give(c.RejectOrder(pair.maker.cfd.id, "not today"))
        pair.run()
        return pair

    def failed(self) -> Any:
        pair = Pair(liquidations=(), tolerance=Decimal("0.05"))
        pair.maker.input_problems = ("input 0 is spent",)
        pair.take()
        pair.run()
        return pair


def records(log: list[Any]) -> list[dict[str, Any]]:
    plain = [stored.to_stored(recorded) for recorded in log]
    return [
        {"stream": x.stream, "version": x.version, "name": x.name, "schema": x.schema, "payload": x.payload.decode()}
        for x in plain
    ]


def write(name: str, value: Any) -> None:
    (HERE / "v1" / f"{name}.json").write_text(json.dumps(value, indent=1) + "\n", "utf-8")


def later_lives(names: set[str]) -> None:
    """Those that came after the first nine."""
    lives = Lives()
    if "hesitant" in names:
        write("hesitant", records(lives.hesitant().maker.log))


def first_lives() -> None:
    lives = Lives()
    whole = lives.settled_by_cet()
    write("maker", records(whole.maker.log))
    write("taker", records(whole.taker.log))
    write("closed", records(lives.closed_together().taker.log))
    write("liquidated", records(lives.liquidated().maker.log))
    write("doubted", records(lives.doubted().taker.log))
    write("punished", records(lives.punished().maker.log))
    write("cancelled", records(lives.cancelled().taker.log))
    write("rejected", records(lives.rejected().taker.log))
    write("failed", records(lives.failed().maker.log))
    key = whole.taker.cfd.id
    rejects = [kind(key, "not today") for kind in (m.Reject, r.Reject, t.Reject)]
    lines = (wire.encode_offers((whole.offer,)), *lives.lines, *map(wire.encode_message, rejects))
    kinds = {json.loads(line)["type"]: line.decode() for line in lines}
    write("wire", list(kinds.values()))


if __name__ == "__main__":
    later_lives(set(sys.argv[1:]))
    if "first" in sys.argv:
        first_lives()
