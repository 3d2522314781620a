"""Two parties with real keys and coins, and the contract between them, without protocol or engine."""

import hashlib
from decimal import Decimal
from typing import Any

import pytest
from attrs import evolve, frozen

from cfd_core.bitcoin import scripts
from cfd_core.bitcoin.transaction import Transaction, TxOut
from cfd_core.contract import dlc as signing
from cfd_core.contract import jobs
from cfd_core.contract.dlc import Dlc
from cfd_core.contract.draft import Draft, Party
from cfd_core.contract.funding import Funder, LockInput
from cfd_core.contract.scripts import RevisionPoints
from cfd_core.contract.terms import ContractTerms
from cfd_core.crypto import secp
from cfd_core.crypto.keys import CfdKeys
from cfd_core.crypto.secp import public_key
from cfd_core.oracle import Announcement, Attestation, read_attestation
from cfd_core.values import EventId, FeeRate, Network, OutPoint, Position, Role, Sats, Secret, Txid

AUX = bytes(range(32))


def secret(label: str) -> Secret:
    return Secret(hashlib.sha256(label.encode()).digest())


def script_of(label: str, kind: str) -> bytes:
    key = public_key(secret(label))
    if kind == "p2wpkh":
        return b"\x00\x14" + scripts.hash160(key.encode())
    if kind == "p2tr":
        return b"\x51\x20" + key.x_only()
    return scripts.p2wsh(b"\x21" + key.encode() + b"\xac")


@frozen
class Side:
    """One party. `coins` are (script kind, sats); every key is derived from the name."""

    name: str
    coins: tuple[tuple[str, int], ...] = (("p2wpkh", 5_000_000), ("p2tr", 5_000_000))
    payout: str = "p2wpkh"
    change: str = "p2wpkh"

    @property
    def keys(self) -> CfdKeys:
        return CfdKeys(secret(f"{self.name} i"), secret(f"{self.name} r"), secret(f"{self.name} p"))

    @property
    def party(self) -> Party:
        points = RevisionPoints(public_key(self.keys.publish).encode(), public_key(self.keys.revocation).encode())
        funder = Funder(
            identity=public_key(self.keys.identity).encode(),
            inputs=tuple(self._coin(index, kind, sats) for index, (kind, sats) in enumerate(self.coins)),
            change_script=script_of(f"{self.name} change", self.change),
            payout_script=script_of(f"{self.name} payout", self.payout),
        )
        return Party(funder, points)

    def _coin(self, index: int, kind: str, sats: int) -> LockInput:
        txid = Txid(hashlib.sha256(f"{self.name} {index}".encode()).hexdigest())
        return LockInput(OutPoint(txid, index), TxOut(Sats(sats), script_of(f"{self.name} coin", kind)))

    def lock_witnesses(self, draft: Draft, role: Role) -> tuple[tuple[bytes, ...], ...]:
        return tuple(self._witness(draft, index) for index in signing.input_positions(draft, role))

    def _witness(self, draft: Draft, index: int) -> tuple[bytes, ...]:
        key, out = secret(f"{self.name} coin"), draft.lock_spent[index]
        if out.script[:2] == b"\x51\x20":
            return (secp.schnorr_sign(key, draft.lock.sighash_taproot(index, draft.lock_spent), AUX),)
        digest = draft.lock.sighash_v0(index, b"\x76\xa9\x14" + out.script[2:] + b"\x88\xac", out.sats)
        return secp.ecdsa_sign(key, digest) + b"\x01", public_key(key).encode()


def make_terms(announcement: Announcement, **changes: Any) -> ContractTerms:
    fields: dict[str, Any] = {
        "network": Network.REGTEST,
        "product": "BTCUSD-inverse",
        "price": Decimal(50_000),
        "quantity": 1_000,
        "taker_position": Position.LONG,
        "taker_leverage": 2,
        "maker_leverage": 1,
        "event": announcement.event_id,
        "digits": announcement.digits,
        "opening_fee": Sats(0),
        "funding_rate": Decimal(0),
        "fee_rate": FeeRate(2),
        "tolerance": Decimal("0.02"),
    }
    return ContractTerms(**{**fields, **changes})


@frozen
class CommitAndRefund:
    """What one side signs besides the CETs."""

    commit: bytes
    refund: bytes


@frozen
class Contract:
    """A draft with both sides' signatures exchanged."""

    draft: Draft
    maker: Side
    taker: Side
    bundles: dict[Role, CommitAndRefund]
    cets: dict[Role, bytes]
    attestation: Attestation

    def side(self, role: Role) -> Side:
        return self.maker if role is Role.MAKER else self.taker

    def dlc(self, role: Role) -> Dlc:
        return Dlc(
            role=role,
            draft=self.draft,
            own_commit=self.bundles[role].commit,
            their_commit=self.bundles[role.other].commit,
            their_refund=self.bundles[role.other].refund,
            cets_sha256=hashlib.sha256(self.cets[role.other]).digest(),
        )

    @property
    def lock(self) -> Transaction:
        lock = self.draft.lock
        for role in Role:
            lock = signing.fill_lock(self.draft, lock, self.side(role).lock_witnesses(self.draft, role), role)
        return lock

    def spent(self, tx: Transaction) -> tuple[TxOut, ...]:
        """What a transaction of this contract spends."""
        known = {self.draft.lock_outpoint: self.draft.lock.outputs[0]}
        known[self.draft.commit_outpoint] = self.draft.commit.outputs[0]
        known.update((coin.outpoint, coin.output) for coin in self._coins())
        return tuple(known[tx_in.outpoint] for tx_in in tx.inputs)

    def _coins(self) -> tuple[LockInput, ...]:
        return self.draft.maker.funder.inputs + self.draft.taker.funder.inputs

    def fee(self, tx: Transaction) -> int:
        return sum(out.sats for out in self.spent(tx)) - sum(out.sats for out in tx.outputs)

    def transactions(self, role: Role) -> dict[str, Transaction]:
        """Lock, commit, CET of the recorded price and refund, fully signed by `role`'s means."""
        dlc, keys = self.dlc(role), self.side(role).keys
        cet = dlc.sign_cet(keys, self.attestation, self.cets[role.other]).transaction
        return {"lock": self.lock, "commit": dlc.sign_commit(keys), "cet": cet, "refund": dlc.sign_refund(keys)}


class Workshop:
    """Makes drafts and contracts on the recorded event."""

    def __init__(self, announcement: Announcement, attestation: bytes) -> None:
        self.announcement = announcement
        self.attestation = read_attestation(announcement, attestation)

    def side(self, name: str, coins: Any = None, **scripts: Any) -> Side:
        return Side(name, **scripts) if coins is None else Side(name, coins, **scripts)

    def terms(self, **changes: Any) -> ContractTerms:
        return make_terms(self.announcement, **changes)

    def hourly(self, event: EventId) -> Announcement:
        """Another event, attested by the same digits."""
        return evolve(self.announcement, event_id=event)

    def draft(self, maker: Side | None = None, taker: Side | None = None, **terms: Any) -> Draft:
        agreed = self.terms(**terms)
        return Draft(
            terms=agreed,
            revision=agreed.first_revision,
            announcements=(self.announcement, *(self.hourly(event) for event in agreed.liquidations)),
            maker=(maker or Side("maker")).party,
            taker=(taker or Side("taker")).party,
        )

    def contract(self, maker: Side | None = None, taker: Side | None = None, **terms: Any) -> Contract:
        maker, taker = maker or Side("maker"), taker or Side("taker")
        draft = self.draft(maker, taker, **terms)
        sides = {Role.MAKER: maker, Role.TAKER: taker}
        bundles = {
            role: CommitAndRefund(
                signing.sign_commit(draft, role, sides[role].keys, AUX), signing.sign_refund(draft, sides[role].keys)
            )
            for role in Role
        }
        cets = {role: jobs.sign_cets(signing.sign_cets_job(draft, sides[role].keys, AUX)) for role in Role}
        return Contract(draft, maker, taker, bundles, cets, self.attestation)


@pytest.fixture(scope="session")
def workshop(recorded: tuple[Announcement, bytes]) -> Workshop:
    return Workshop(*recorded)


@pytest.fixture(scope="session")
def contract(workshop: Workshop) -> Contract:
    return workshop.contract()
