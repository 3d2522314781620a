"""Our own implementation, as the conformance kit asks it."""

import hashlib
from decimal import Decimal
from typing import Any

from cfd_conformance import Invalid

from cfd_core.bitcoin.transaction import Transaction
from cfd_core.contract.close import build_close
from cfd_core.contract.dlc import publish_secret
from cfd_core.contract.draft import ANCHOR_VOUT, COMMIT_VOUT, Draft
from cfd_core.contract.punish import punish_digest, punishment, revokes
from cfd_core.crypto import adaptor
from cfd_core.crypto.secp import Point, schnorr_signature_point
from cfd_core.errors import CfdError
from cfd_core.payouts import PayoutCurve, ScheduleEntry, build_schedule, liquidation_entries, payoff_of
from cfd_core.serial.conversion import structure
from cfd_core.values import Role, Sats, Secret

Json = dict[str, Any]
raw = bytes.fromhex


def draft_of(facts: Json) -> Draft:
    draft: Draft = structure(facts, Draft, "facts")
    return draft


def transactions_of(draft: Draft) -> Json:
    """The derived part of a contract vector."""
    commit = draft.commit
    anchor = commit.outputs[ANCHOR_VOUT]
    samples = [
        (number, draft.cet(entry).serialize().hex())
        for number, entry in enumerate(draft.entries)
        if number % max(1, len(draft.entries) // 6) == 0
    ]
    return {
        "lock_script": draft.lock_script.hex(),
        "commit_script": draft.commit_script.hex(),
        "lock": draft.lock.serialize().hex(),
        "commit": commit.serialize().hex(),
        "commit_digest": draft.commit_digest.hex(),
        "anchor": {"vout": ANCHOR_VOUT, "sats": anchor.sats, "script": anchor.script.hex()},
        "commit_output": {"vout": COMMIT_VOUT, "sats": commit.outputs[COMMIT_VOUT].sats},
        "refund": draft.refund.serialize().hex(),
        "refund_digest": draft.refund_digest.hex(),
        "cet_count": len(draft.entries),
        "cets": [list(sample) for sample in samples],
        "cet_digests_sha256": hashlib.sha256(draft.cet_digests).hexdigest(),
        "cet_points_sha256": hashlib.sha256(draft.packed_points).hexdigest(),
    }


def curve_of(terms: Json) -> PayoutCurve:
    return PayoutCurve(
        payoff_of(terms["product"]),
        Decimal(terms["price"]),
        terms["quantity"],
        terms["long_leverage"],
        terms["short_leverage"],
        terms["long_pays_short"],
    )


def rows(entries: tuple[ScheduleEntry, ...]) -> list[list[int]]:
    return [[entry.prefix.length, entry.prefix.value, entry.long, entry.short] for entry in entries]


class Ours:
    """An `Implementation`: each method is a few words to the core."""

    def verify_adaptor(self, signature: str, key: str, point: str, digest: str) -> bool:
        try:
            return adaptor.verify(raw(signature), Point.parse(raw(key)), Point.parse(raw(point)), raw(digest))
        except CfdError as error:
            raise Invalid from error

    def decrypt_adaptor(self, signature: str, secret: str) -> str:
        return adaptor.decrypt(raw(signature), Secret(raw(secret))).hex()

    def recover_adaptor(self, signature: str, compact: str, point: str) -> str:
        try:
            return adaptor.recover(raw(signature), raw(compact), Point.parse(raw(point))).reveal().hex()
        except CfdError as error:
            raise Invalid from error

    def attestation_point(self, key: str, nonce: str, digest: str) -> str:
        return schnorr_signature_point(raw(key), raw(nonce), raw(digest)).encode().hex()

    def schedule(self, terms: Json) -> list[list[int]]:
        try:
            return rows(build_schedule(curve_of(terms), terms["digits"], Decimal(terms["tolerance"])).entries)
        except CfdError as error:
            raise Invalid from error

    def liquidation(self, terms: Json) -> list[list[int]]:
        try:
            return rows(liquidation_entries(curve_of(terms), terms["digits"], Decimal(terms["slack"])))
        except CfdError as error:
            raise Invalid from error

    def contract(self, facts: Json) -> Json:
        return transactions_of(draft_of(facts))

    def close(self, facts: Json, price: str) -> str:
        return build_close(draft_of(facts), Decimal(price)).transaction.serialize().hex()

    def revokes(self, point: str, secret: str) -> bool:
        return revokes(raw(point), Secret(raw(secret)))

    def publish_secret(self, facts: Json, role: str, own_commit: str, published: str) -> str:
        draft, side = draft_of(facts), Role(role)
        try:
            return publish_secret(draft, side, raw(own_commit), Transaction.parse(raw(published))).reveal().hex()
        except CfdError as error:
            raise Invalid from error

    def punish(self, facts: Json, role: str, sats: int) -> Json:
        draft = draft_of(facts)
        tx = punishment(draft, Role(role), Sats(sats))
        return {"transaction": tx.serialize().hex(), "digest": punish_digest(draft, tx).hex()}
