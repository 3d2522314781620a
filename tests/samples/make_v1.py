"""Made the golden samples of version 1, once: `python tests/samples/make_v1.py`, from the root of the repository.

Samples of a released version are never made again: a changed event gets a new version, an upcast, and new samples
beside the old ones. Everything here is derived from fixed seeds, so a run on unchanged code gives the same files.
"""

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

from cfd_core import inputs as i
from cfd_core.bitcoin.transaction import Transaction
from cfd_core.cfd import commands as c
from cfd_core.cfd.aggregate import CetReady
from cfd_core.protocols.contract_setup import messages as m
from cfd_core.serial import stored, wire

HERE = Path(__file__).parent
CONVERSATION = HERE.parent / "core" / "engine" / "conftest.py"


def load_conversation() -> Any:
    spec = importlib.util.spec_from_file_location("conversation", CONVERSATION)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["conversation"] = module
    spec.loader.exec_module(module)
    return module


def whole_life(conversation: Any) -> tuple[Any, list[bytes]]:
    """From the offer to the final CET, with a reorg at each stage. Also the messages on the wire."""
    pair = conversation.Pair(tolerance=conversation.Decimal("0.05"))
    lines: list[bytes] = []

    def listen(_to: Any, raw: bytes) -> bytes:
        lines.append(raw)
        return raw

    pair.tamper = listen
    pair.take()
    pair.run()
    draft = pair.draft
    pair.confirm_lock(110)
    pair.both(i.OutpointReport(draft.lock_outpoint, None, None))
    pair.confirm_lock(111)
    pair.both(i.AttestationReceived(pair.announcement.event_id, pair.attestation))
    pair.taker.give(c.ForceClose(pair.taker.cfd.id))
    pair.run()
    commit = pair.broadcasts[draft.commit.txid].serialize()
    for spend in (i.Spend(commit, 0), i.Spend(commit, 112), None, i.Spend(commit, 113)):
        pair.both(i.OutpointReport(draft.lock_outpoint, 111, spend))
    assert isinstance(pair.taker.cfd.outcome, CetReady)
    cet = Transaction.parse(pair.taker.cfd.outcome.cet)
    pair.both(i.TipChanged(124))
    assert cet.txid in pair.broadcasts
    raw = cet.serialize()
    for exit_spend in (i.Spend(raw, 0), i.Spend(raw, 125), None, i.Spend(raw, 126)):
        pair.both(i.OutpointReport(draft.commit_outpoint, 113, exit_spend))
    pair.both(i.TipChanged(128))
    pair.maker.give(c.WithdrawOffer(pair.offer.id))
    return pair, lines


def rejected(conversation: Any) -> Any:
    policy = conversation.Policy(accept_up_to=conversation.Sats(0))
    pair = conversation.Pair(maker_policy=policy, tolerance=conversation.Decimal("0.05"))
    pair.take()
    pair.run()
    pair.maker.give(c.RejectOrder(pair.maker.cfd.id, "not today"))
    pair.run()
    return pair


def failed(conversation: Any) -> Any:
    pair = conversation.Pair(tolerance=conversation.Decimal("0.05"))
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


def main() -> None:
    conversation = load_conversation()
    pair, lines = whole_life(conversation)
    offers = wire.encode_offers((pair.offer,))
    write("maker", records(pair.maker.log))
    write("taker", records(pair.taker.log))
    write("rejected", records(rejected(conversation).taker.log))
    write("failed", records(failed(conversation).maker.log))
    reject = wire.encode_message(m.Reject(pair.taker.cfd.id, "not today"))
    write("wire", [line.decode() for line in (offers, *lines, reject)])


if __name__ == "__main__":
    main()
