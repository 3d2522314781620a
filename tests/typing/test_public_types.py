"""What the type checker sees at the front doors. mypy reads the `assert_type` lines; running them checks the names."""

from decimal import Decimal
from typing import assert_type

from cfd_core import effects as f
from cfd_core import inputs as i
from cfd_core.bitcoin.transaction import Transaction
from cfd_core.cfd.aggregate import Cfd
from cfd_core.cfd.events import Event, Recorded
from cfd_core.contract.terms import ContractTerms
from cfd_core.crypto.keys import CfdKeys, Keychain
from cfd_core.engine import Engine, Settings, Step
from cfd_core.inputs import Message
from cfd_core.payouts import INVERSE_BTC_USD, PayoutCurve, Schedule, ScheduleEntry, build_schedule
from cfd_core.serial import stored, wire
from cfd_core.serial.records import PackedRevision, StoredEvent
from cfd_core.values import CfdId, Network, OutPoint, Role, Sats, Secret, Timestamp, Txid, cfd_id


def test_the_front_door() -> None:
    keychain = Keychain.from_seed(Secret(bytes(32)), Network.REGTEST)
    engine = Engine(settings=Settings(network=Network.REGTEST, keychain=keychain))
    step = engine.handle(i.TipChanged(1), Timestamp(0))
    assert_type(step, Step)
    assert_type(step.engine, Engine)
    assert_type(step.events, tuple[Recorded, ...])
    assert_type(step.effects, tuple[f.Effect, ...])
    assert_type(engine.resume(Timestamp(0)), tuple[f.Effect, ...])
    assert_type(engine.deadline, Timestamp | None)
    assert_type(engine.cfds.get(cfd_id("00" * 16)), Cfd | None)
    assert_type(keychain.cfd_keys(cfd_id("00" * 16), 0), CfdKeys)
    assert step.engine == engine.handle(i.TipChanged(1), Timestamp(0)).engine


def test_values() -> None:
    assert_type(cfd_id("00" * 16), CfdId)
    assert_type(OutPoint.parse("11" * 32 + ":0"), OutPoint)
    assert_type(Role.MAKER.other, Role)
    assert Role.MAKER.other is Role.TAKER


def test_payouts() -> None:
    curve = PayoutCurve(INVERSE_BTC_USD, Decimal(50_000), 1_000, 2, 1)
    schedule = build_schedule(curve, 20, Decimal("0.1"))
    assert_type(schedule, Schedule)
    assert_type(schedule.lookup(48_935), tuple[int, ScheduleEntry])
    assert_type(schedule.entries[0].long, Sats)
    assert_type(curve.pool, Sats)
    assert curve.pool == 3_000_000


def margin_of(terms: ContractTerms) -> Sats:
    return assert_type(terms.margin(Role.MAKER), Sats)


def transaction_of(raw: bytes) -> Transaction:
    assert_type(Transaction.parse(raw).txid, Txid)
    return assert_type(Transaction.parse(raw), Transaction)


def message_of(raw: bytes) -> Message:
    return assert_type(wire.decode_message(raw), Message)


def stored_of(recorded: Recorded) -> StoredEvent:
    assert_type(stored.to_revision(recorded), PackedRevision | None)
    assert_type(list(stored.read_events([stored.to_stored(recorded)])), list[tuple[str, Event]])
    return assert_type(stored.to_stored(recorded), StoredEvent)
