"""Conversations without sockets: `cfd_core.testing`, held against Core's script engine and the recorded event."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cfd_core.bitcoin.transaction import Transaction
from cfd_core.cfd.aggregate import Cfd
from cfd_core.engine import Policy
from cfd_core.oracle import (
    Announcement,
    Dialect,
    OracleKeys,
    read_announcement,
    read_attestation,
    read_recorded_event,
)
from cfd_core.protocols.contract_setup import messages as m
from cfd_core.testing import SECRETS, Pair, SimNode, attestation, hours
from cfd_core.values import EventId

VECTOR = Path(__file__).parents[2] / "vectors" / "olivia_bxbt_2021-10-04T22.json"
OLIVIA = OracleKeys(bytes.fromhex("ddd4636845a90185991826be5a494cde9f4a6947b1727217afedc6292fa4caf7"), None)


def recorded_event() -> tuple[Announcement, bytes]:
    announcement, raw = read_recorded_event(VECTOR.read_bytes())
    return read_announcement(Dialect.OLIVIA_V1, announcement, OLIVIA), raw or b""


def paired(
    maker_policy: Policy | None = None, taker_policy: Policy | None = None, *, own_oracle: bool = False, **offer: Any
) -> Pair:
    """A pair that settles on the recorded event, or, with `own_oracle`, on the simulated oracle's."""
    settles = None if own_oracle else recorded_event()
    return Pair(maker_policy, taker_policy, settles=settles, **offer)


def enforceable(node: SimNode, cfd: Cfd, accepts: Callable[..., bool], word: bytes) -> None:
    """From the stored bytes alone, this side can publish, settle and refund under Core's rules."""
    assert cfd.held is not None
    live, draft = cfd.held.live, cfd.held.live.draft
    keys = node.settings.keychain.cfd_keys(cfd.key_id, live.number)
    assert accepts(live.sign_commit(keys), draft.lock.outputs[:1])
    for dlc in cfd.held.unrevoked:
        settlement, of_number = dlc.draft.announcements[0], node.settings.keychain.cfd_keys(cfd.key_id, dlc.number)
        own = settlement.oracle_key == SECRETS.public.attestation
        raw = attestation(settlement.event_id, 48_935) if own else word
        packed = node.revisions[cfd.id, dlc.number]
        cet = dlc.sign_cet(of_number, read_attestation(settlement, raw), packed).transaction
        assert accepts(cet, dlc.draft.commit.outputs[:1])
        assert accepts(dlc.sign_refund(of_number), dlc.draft.commit.outputs[:1])
    if cfd.held.lock:
        assert accepts(Transaction.parse(cfd.held.lock), draft.lock_spent)


@pytest.fixture(scope="session")
def audit(accepts: Callable[..., bool]) -> Callable[[Pair], None]:
    """What must hold on both sides once nobody has anything to say any more."""

    def check(pair: Pair) -> None:
        for node in pair.nodes:
            assert not node.conversations, "every run about a CFD has ended"
            node.check_replay()
            for cfd in node.engine.cfds.values():
                if cfd.held is None:
                    assert cfd.ended
                    assert not node.sent(m.LockSignatures), "no lock signature of ours is out"
                    assert cfd.id not in node.wallet.reserved, "the coins are free"
                else:
                    enforceable(node, cfd, accepts, recorded_event()[1])

    return check


@pytest.fixture
def pair() -> Pair:
    return paired()


@pytest.fixture(scope="session")
def make_pair() -> Callable[..., Pair]:
    return paired


@pytest.fixture(scope="session")
def attested() -> Callable[[EventId, int], bytes]:
    """What the simulated oracle signs for an event."""
    return attestation


@pytest.fixture(scope="session")
def hourly() -> Callable[[int, int], tuple[EventId, ...]]:
    """Its events at these hours after the beginning."""
    return hours


@pytest.fixture
def quick() -> Pair:
    """A pair whose contracts have few CETs, for tests that set up many."""
    return paired(tolerance=Decimal("0.05"))


@pytest.fixture
def open_pair() -> Pair:
    """A pair whose lock is confirmed."""
    return paired().opened()


@pytest.fixture
def hourly_pair() -> Pair:
    """The same on the simulated oracle, with hourly liquidations."""
    return Pair().opened()
