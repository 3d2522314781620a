"""Makes the kit's own vectors, once: `python -m tests.conformance.make`. What is released never changes.

The published ones (`ecdsa_adaptor`, `dlc_schnorr`) are taken over from tests/vectors, and the bad ones are marked.
"""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from cfd_core import inputs as i
from cfd_core.bitcoin.transaction import Transaction
from cfd_core.cfd import commands as c
from cfd_core.contract.draft import COMMIT_VOUT
from cfd_core.crypto import secp
from cfd_core.crypto.keys import CfdKeys
from cfd_core.serial.conversion import unstructure
from cfd_core.testing import Pair, SimNode, hours
from cfd_core.values import HOUR, Position, Role
from tests.conformance.ours import Ours, transactions_of

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "adapters" / "conformance" / "cfd_conformance" / "vectors"
Json = dict[str, Any]


def terms(**changes: Any) -> Json:
    usual = {
        "product": "BTCUSD-inverse",
        "price": "54000",
        "quantity": 3_500,
        "long_leverage": 5,
        "short_leverage": 1,
        "long_pays_short": 0,
        "digits": 20,
        "tolerance": "0.0025",
    }
    return {**usual, **changes}


SCHEDULES = {
    "canonical": terms(),
    "coarse": terms(tolerance="0.05"),
    "fees to the short": terms(long_pays_short=12_345, tolerance="0.02"),
    "fees to the long": terms(long_pays_short=-12_345, tolerance="0.02"),
    "both sides can be liquidated": terms(short_leverage=3, tolerance="0.02"),
    "a price with decimals": terms(price="48935.71", tolerance="0.02"),
    "quanto": terms(product="ETHUSD-quanto", price="3000", quantity=10, long_leverage=2, short_leverage=2, digits=16),
    "few digits": terms(price="9", quantity=1, digits=4, tolerance="0.01"),
}
BAD_SCHEDULES = {
    "no tolerance": (terms(tolerance="0"), "a tolerance is above 0"),
    "a price that the event cannot attest": (terms(digits=15), "54,000 needs 16 digits"),
    "finer than whole sats": (terms(quantity=1, tolerance="0.000000000001"), "sats are whole"),
    "leverage 0": (terms(long_leverage=0), "a leverage is from 1 to 100"),
    "no contracts": (terms(quantity=0), "a quantity is at least 1"),
    "more fees than bitcoin": (terms(long_pays_short=3 * 10**15), "there are 2.1 * 10^15 sats"),
}


def schedules() -> list[Json]:
    good = [{"name": name, "terms": t, "entries": Ours().schedule(t)} for name, t in SCHEDULES.items()]
    return good + [{"name": name, "terms": t, "bad": why} for name, (t, why) in BAD_SCHEDULES.items()]


def liquidations() -> list[Json]:
    asked = [
        ("short never liquidated", terms(slack="0.005")),
        ("both", terms(short_leverage=3, slack="0.005")),
        ("no slack", terms(slack="0")),
        ("fees", terms(long_pays_short=50_000, short_leverage=2, slack="0.01")),
    ]
    good = [{"name": name, "terms": t, "entries": Ours().liquidation(t)} for name, t in asked]
    return [*good, {"name": "slack above a half", "terms": terms(slack="0.6"), "bad": "a slack is at most 0.5"}]


def facts(node: SimNode) -> Json:
    found: Json = unstructure(node.held.live.draft)
    return found


def cases() -> dict[str, list[Json]]:
    """From two CFDs: a long that is rolled over and punishes, and a short with liquidations and an opening fee."""
    pair = Pair(
        seed=b"conformance", tolerance=Decimal("0.02"), liquidations=(), funding_rate=Decimal("0.0003")
    ).opened()
    short = Pair(seed=b"conformance 2", tolerance=Decimal("0.05"), liquidations=hours(1, 3), opening_fee=777)
    short.opened(position=Position.SHORT, leverage=5)
    contract = [
        {"name": name, "facts": facts(p.taker), "derived": transactions_of(p.taker.held.live.draft)}
        for name, p in (("long", pair), ("short with liquidations", short))
    ]
    close = [
        {"name": f"long at {price}", "facts": facts(pair.taker), "price": price, "close": _close(pair.taker, price)}
        for price in ("50000", "48935.71", "1", "99999")
    ]
    old = pair.maker.held.live
    maker_keys = pair.maker.settings.keychain.cfd_keys(pair.maker.cfd.key_id, 0)
    assert isinstance(maker_keys, CfdKeys)
    taker_keys = pair.taker.settings.keychain.cfd_keys(pair.taker.cfd.key_id, 0)
    mine, theirs = pair.taker.held.live.sign_commit(taker_keys), old.sign_commit(maker_keys)
    own_commit, before = pair.taker.held.live.own_commit, facts(pair.taker)
    sats = old.draft.commit.outputs[COMMIT_VOUT].sats - 1_000
    punished = Ours().punish(before, "taker", sats)
    punish = {
        "name": "the maker published what it had revoked",
        "facts": before,
        "role": Role.TAKER.value,
        "own_commit": own_commit.hex(),
        "publish_secret": maker_keys.publish.reveal().hex(),
        "sats": sats,
        "punish": punished["transaction"],
        "digest": punished["digest"],
        "published": [
            {"name": "as signed", "transaction": theirs.serialize().hex()},
            {"name": "with the other s", "transaction": _high_s(theirs).serialize().hex()},
            {"name": "by ourselves", "transaction": mine.serialize().hex(), "bad": "our own signature reveals nothing"},
            {"name": "unsigned", "transaction": old.draft.commit.serialize().hex(), "bad": "there is no witness"},
        ],
    }
    pair.later(2 * HOUR)
    pair.taker.give(c.RollOver(pair.taker.cfd.id, pair.draws.entropy()))
    pair.run()
    pair.both(i.TimerFired())
    revocation = maker_keys.revocation.reveal()
    rolled = pair.taker.held.live.draft
    rollover = {
        "name": "a day further, with 26 hours of funding",
        "facts": facts(pair.taker),
        "derived": transactions_of(rolled),
        "revocations": [
            {"point": old.draft.maker.points.revocation.hex(), "secret": revocation.hex()},
            {"point": old.draft.taker.points.revocation.hex(), "secret": revocation.hex(), "bad": "another's point"},
            {"point": rolled.maker.points.revocation.hex(), "secret": revocation.hex(), "bad": "another revision's"},
            {"point": old.draft.maker.points.revocation.hex(), "secret": "00" * 32, "bad": "no valid scalar"},
        ],
    }
    rollover["name"] = f"a rollover that charges {rolled.revision.hours} hours of funding"
    return {"contract": contract, "close": close, "rollover": [rollover], "punish": [punish]}


def _close(node: SimNode, price: str) -> str:
    return Ours().close(facts(node), price)


def _high_s(commit: Transaction) -> Transaction:
    """The commit as a miner may put it into a block: the taker's signature with the other s, which is valid too."""
    witness = list(commit.inputs[0].witness)
    compact = secp.der_to_compact(witness[0][:-1])
    high = secp.ORDER - int.from_bytes(compact[32:], "big")
    witness[0] = secp.compact_to_der(compact[:32] + high.to_bytes(32, "big")) + witness[0][-1:]
    return commit.with_witness(0, tuple(witness))


def published() -> dict[str, list[Json]]:
    """The specifications' vectors, the bad ones marked; encodings are asked for as verifications."""
    adaptor_cases = json.loads((ROOT / "tests" / "vectors" / "ecdsa_adaptor.json").read_text())
    kept = [case for case in adaptor_cases if case["kind"] in ("verification", "recovery")]
    for number, case in enumerate(kept):
        case["name"] = f"{case['kind']} {number}"
        if case.pop("error", None):
            case["bad"] = "marked so in the specification"
    for case in (case for case in adaptor_cases if case["kind"] == "serialization"):
        good = kept[0]
        encoded = {**{k: good[k] for k in ("public_signing_key", "encryption_key", "message_hash", "decryption_key")}}
        why = "the encoding is malformed" if case.get("error") else "a signature of something else"
        sig = case["adaptor_sig"]
        kept.append(
            {"kind": "verification", "name": f"encoding {len(kept)}", "adaptor_sig": sig, **encoded, "bad": why}
        )
    return {
        "ecdsa_adaptor": kept,
        "dlc_schnorr": json.loads((ROOT / "tests" / "vectors" / "dlc_schnorr.json").read_text()),
    }


def everything() -> dict[str, list[Json]]:
    return {**published(), "schedule": schedules(), "liquidation": liquidations(), **cases()}


def text_of(found: list[Json]) -> str:
    """One case a line."""
    return "[\n" + ",\n".join(json.dumps(case, separators=(",", ":")) for case in found) + "\n]\n"


if __name__ == "__main__":
    for name, found in everything().items():
        (FOLDER / f"{name}.json").write_text(text_of(found))
