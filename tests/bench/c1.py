"""The canonical contract C1 on a recorded announcement, both parties' sides of it, for the benchmark programs."""

import hashlib
from decimal import Decimal
from pathlib import Path
from typing import Final

from attrs import frozen

from cfd_core.bitcoin.transaction import TxOut
from cfd_core.contract import dlc, jobs
from cfd_core.contract.draft import Draft, Party
from cfd_core.contract.funding import Funder, LockInput
from cfd_core.contract.scripts import RevisionPoints
from cfd_core.contract.terms import ContractTerms
from cfd_core.crypto.keys import CfdKeys, Keychain
from cfd_core.crypto.secp import public_key
from cfd_core.oracle import (
    KNOWN_ORACLES,
    Announcement,
    Dialect,
    read_announcement,
    read_recorded_event,
)
from cfd_core.values import CfdId, FeeRate, Network, OutPoint, Position, Role, Sats, Secret, Txid

EVENT: Final = Path(__file__).parents[1] / "vectors" / "olivia_bxbt_2021-10-04T22.json"
CFD: Final = CfdId("c1" * 16)
AUX: Final = hashlib.sha256(b"aux").digest()
TOLERANCE: Final = Decimal("0.0035")
DIGITS: Final = 20


def announcement() -> Announcement:
    """Read anew each time, so that no round finds the points of another."""
    return read_announcement(Dialect.OLIVIA_V1, read_recorded_event(EVENT.read_bytes())[0], KNOWN_ORACLES["olivia"])


def attested() -> bytes:
    """What the oracle published after the event, unread."""
    attestation = read_recorded_event(EVENT.read_bytes())[1]
    if attestation is None:
        raise SystemExit("the recorded event has no attestation")
    return attestation


def keys(role: Role) -> CfdKeys:
    return Keychain.from_seed(Secret(role.value.encode() * 8), Network.REGTEST).cfd_keys(CFD, 0)


def party(role: Role) -> Party:
    return party_with(keys(role), role)


def party_with(own: CfdKeys, role: Role) -> Party:
    """One side with these keys: a coin of 30,000,000 sats, and scripts of its own."""
    seed = hashlib.sha256(role.value.encode()).digest()
    coin = LockInput(OutPoint(Txid(seed.hex()), 0), TxOut(Sats(30_000_000), b"\x00\x14" + seed[:20]))
    funder = Funder(
        identity=public_key(own.identity).encode(),
        inputs=(coin,),
        change_script=b"\x00\x14" + seed[1:21],
        payout_script=b"\x00\x14" + seed[2:22],
    )
    return Party(funder, RevisionPoints(public_key(own.publish).encode(), public_key(own.revocation).encode()))


def terms(event: Announcement, tolerance: Decimal = TOLERANCE) -> ContractTerms:
    return ContractTerms(
        network=Network.REGTEST,
        product="BTCUSD-inverse",
        price=Decimal(54_000),
        quantity=3_500,
        taker_position=Position.LONG,
        taker_leverage=5,
        maker_leverage=1,
        event=event.event_id,
        digits=event.digits,
        opening_fee=Sats(0),
        funding_rate=Decimal(0),
        fee_rate=FeeRate(2),
        tolerance=tolerance,
    )


def draft(event: Announcement, tolerance: Decimal = TOLERANCE) -> Draft:
    """C1, nothing of it computed yet."""
    agreed = terms(event, tolerance)
    return Draft(
        terms=agreed,
        revision=agreed.first_revision,
        announcements=(event,),
        maker=party(Role.MAKER),
        taker=party(Role.TAKER),
    )


@frozen
class Theirs:
    """What the counterparty (the taker) sends."""

    commit: bytes
    refund: bytes
    cets: bytes

    @classmethod
    def make(cls, tolerance: Decimal = TOLERANCE) -> "Theirs":
        whole, secret = draft(announcement(), tolerance), keys(Role.TAKER)
        cets = jobs.sign_cets(dlc.sign_cets_job(whole, secret, AUX))
        return cls(*small_signatures(whole, Role.TAKER), cets)


def small_signatures(whole: Draft, role: Role) -> tuple[bytes, bytes]:
    """On the commit and on the refund."""
    return dlc.sign_commit(whole, role, keys(role), AUX), dlc.sign_refund(whole, keys(role))


def check_small(whole: Draft, theirs: Theirs) -> None:
    dlc.check_commit(whole, Role.MAKER, theirs.commit)
    dlc.check_refund(whole, Role.MAKER, theirs.refund)
