"""Stored events: names for ever, exact payloads, and golden samples that load and fold."""

import json
from typing import Any, get_args

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from cfd_core.bitcoin.transaction import Transaction
from cfd_core.cfd import events as e
from cfd_core.cfd import phases as p
from cfd_core.cfd.evolve import evolve as fold
from cfd_core.cfd.lifecycle import legal
from cfd_core.crypto.keys import Keychain
from cfd_core.engine import Engine, Settings
from cfd_core.errors import DecodeError, RuleViolation
from cfd_core.serial import stored
from cfd_core.serial.conversion import structure, unstructure
from cfd_core.serial.records import StoredEvent
from cfd_core.serial.upcasts import UPCASTS
from cfd_core.values import CfdId, Network, Role, Secret

Lives = dict[str, tuple[StoredEvent, ...]]


def one(record: StoredEvent, life: tuple[StoredEvent, ...]) -> Any:
    """The event in a record, read after the announcements that its life kept."""
    kept = tuple(x for x in life if x.name == "announcement-kept" and x != record)
    *_, (_, event) = stored.read_events((*kept, record))
    return event


def test_names_are_literal_and_unique() -> None:
    assert {kind.__name__: literal for kind, literal in stored.NAMES.items()} == {
        "OfferPublished": ("offer-published", 1),
        "OfferWithdrawn": ("offer-withdrawn", 1),
        "AnnouncementKept": ("announcement-kept", 1),
        "OrderPlaced": ("order-placed", 2),
        "OrderRejected": ("order-rejected", 1),
        "ContractSetupFailed": ("contract-setup-failed", 1),
        "LockSigned": ("lock-signed", 1),
        "LockCompleted": ("lock-completed", 1),
        "LockSeen": ("lock-seen", 1),
        "LockGone": ("lock-gone", 1),
        "CancelSigned": ("cancel-signed", 1),
        "LockConflictSeen": ("lock-conflict-seen", 1),
        "LockConflictGone": ("lock-conflict-gone", 1),
        "RolloverPrepared": ("rollover-prepared", 2),
        "RolloverSigned": ("rollover-signed", 1),
        "RevisionRevoked": ("revision-revoked", 2),
        "RestoredFromBackup": ("restored-from-backup", 1),
        "StandingLearned": ("standing-learned", 1),
        "BackupTrusted": ("backup-trusted", 1),
        "RolloverQuoted": ("rollover-quoted", 1),
        "RolloverFailed": ("rollover-failed", 1),
        "CloseSigned": ("close-signed", 1),
        "ForceCloseStarted": ("force-close-started", 1),
        "CommitSeen": ("commit-seen", 1),
        "CommitGone": ("commit-gone", 1),
        "FeeBumped": ("fee-bumped", 1),
        "OracleAttested": ("oracle-attested", 1),
        "OutcomeNoted": ("outcome-noted", 1),
        "OracleEquivocated": ("oracle-equivocated", 2),
        "OutcomeChosen": ("outcome-chosen", 1),
        "ExitSigned": ("exit-signed", 1),
        "ExitSeen": ("exit-seen", 1),
        "ExitGone": ("exit-gone", 1),
        "CloseSeen": ("close-seen", 2),
        "CloseGone": ("close-gone", 1),
        "CfdClosed": ("cfd-closed", 1),
    }
    assert len(set(stored.NAMES.values())) == len(stored.NAMES)
    assert set(get_args(e.Event)) == stored.NAMES.keys()


def test_the_samples_hold_every_event(lives: Lives) -> None:
    found = {(record.name, record.schema) for records in lives.values() for record in records}
    assert found == {*stored.NAMES.values(), *UPCASTS}


def test_each_sample_loads_and_encodes_back(lives: Lives) -> None:
    """Byte for byte; what an earlier version wrote comes back in the present form, and stays the same event."""
    for records in lives.values():
        for record, (stream, event) in zip(records, stored.read_events(records), strict=True):
            assert stream == record.stream
            again = stored.to_stored(e.Recorded(stream, record.version, event))
            if (record.name, record.schema) in UPCASTS:
                assert (again.name, again.schema) in stored.NAMES.values()
                assert one(again, records) == event
            else:
                assert again == record


def test_what_upcasts_add(lives: Lives) -> None:
    """What the old form did not say is taken as long ago, or unknown; the proof is made of the old signatures."""
    by_name = {record.name: (record, records) for records in lives.values() for record in records if record.schema == 1}
    assert one(*by_name["rollover-prepared"]).at == 0
    assert one(*by_name["close-seen"]).tip == 0
    placed = one(*by_name["order-placed"])
    assert placed.key_id == placed.cfd_id
    assert one(*by_name["revision-revoked"]).tip == 0
    record, records = by_name["oracle-equivocated"]
    event = one(record, records)
    before = next(x for x in records if x.name == "oracle-attested")
    assert event.first == one(before, records).attestation.brief
    announcement = next(one(x, records).announcement for x in records if x.name == "announcement-kept")
    assert event.first.proved(announcement)


@pytest.mark.parametrize(
    "change", [{"digits": 0}, {"digits": 10**9}, {"outcome": -1}, {"outcome": 1 << 20}, {"scalars": []}]
)
def test_an_upcast_of_nonsense(lives: Lives, change: dict[str, Any]) -> None:
    records = lives["doubted"]
    record = next(x for x in records if x.name == "oracle-equivocated")
    fields = json.loads(record.payload)
    fields["first"] |= change
    with pytest.raises(DecodeError):
        one(evolve(record, payload=json.dumps(fields).encode()), records)


@pytest.mark.parametrize(
    ("name", "new"),
    [("order-placed", "key_id"), ("rollover-prepared", "at"), ("revision-revoked", "tip"), ("close-seen", "tip")],
)
def test_an_old_form_with_a_new_field_is_refused(lives: Lives, name: str, new: str) -> None:
    records = next(life for life in lives.values() if any(x.name == name and x.schema == 1 for x in life))
    record = next(x for x in records if x.name == name)
    fields = json.loads(record.payload) | {new: 5}
    with pytest.raises(DecodeError, match=f"version 1 had no {new}"):
        one(evolve(record, schema=1, payload=json.dumps(fields).encode()), records)


def folded(records: tuple[StoredEvent, ...]) -> Any:
    cfd = None
    for record, (_, event) in zip(records, stored.read_events(records), strict=True):
        if isinstance(event, e.NodeEvent):
            continue
        assert cfd is None or legal(cfd.phase, event)
        cfd = fold(cfd, event)
        assert cfd.version == record.version
    return cfd


@pytest.mark.parametrize("name", ["maker", "taker"])
def test_a_whole_life_folds_to_its_end(lives: Lives, name: str) -> None:
    cfd = folded(lives[name])
    assert cfd.role.value == name
    assert isinstance(cfd.phase, p.Closed)
    assert cfd.phase.kind is e.ExitKind.CET
    assert cfd.phase.maker + cfd.phase.taker == cfd.terms.pool == 3_000_000
    assert cfd.attestation_for(1).outcome == 48_935
    cets = cfd.held.live.draft.event(cfd.settlement.event_id)
    assert cfd.held.live.draft.payouts(cets.find(48_935)[1]) == (cfd.phase.maker, cfd.phase.taker)


@pytest.mark.parametrize("name", ["maker", "taker"])
def test_the_transactions_of_old_events_are_derived_as_ever(lives: Lives, name: str) -> None:
    """A change of any script, fee or payout rule would lose the money of contracts that are open."""
    records = lives[name]
    upto = next(n for n, record in enumerate(records) if record.name == "exit-seen")
    cfd = folded(records[: upto + 1])
    draft = cfd.held.live.draft
    assert Transaction.parse(cfd.held.lock).txid == draft.lock.txid
    assert Transaction.parse(cfd.phase.commit.transaction).txid == draft.commit.txid
    cet = cfd.exit_for(1, e.ExitKind.CET).transaction
    assert Transaction.parse(cfd.phase.exit.transaction).txid == Transaction.parse(cet).txid


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("closed", e.ExitKind.CLOSE),
        ("liquidated", e.ExitKind.LIQUIDATION),
        ("doubted", e.ExitKind.CET),
        ("punished", e.ExitKind.PUNISH),
        ("cancelled", e.ExitKind.CANCEL),
        ("overtaken", e.ExitKind.CLOSE),
        ("unrevoked", e.ExitKind.CET),
        ("revoked", e.ExitKind.PUNISH),
    ],
)
def test_other_ends_fold_too(lives: Lives, name: str, kind: e.ExitKind) -> None:
    phase = folded(lives[name]).phase
    assert isinstance(phase, p.Closed)
    assert phase.kind is kind


@pytest.mark.parametrize(("name", "phase"), [("rejected", p.Rejected), ("failed", p.SetupFailed)])
def test_short_lives(lives: Lives, name: str, phase: type) -> None:
    assert isinstance(folded(lives[name]).phase, phase)


def test_an_engine_loads_all_samples(lives: Lives) -> None:
    keychain = Keychain.from_seed(Secret(bytes(32)), Network.REGTEST)
    for records in lives.values():
        engine = Engine.load(Settings(network=Network.REGTEST, keychain=keychain), stored.read_events(records))
        assert len(engine.cfds) == 1


def test_unknown_names_and_versions(lives: Lives) -> None:
    record = lives["taker"][0]
    for other in (
        evolve(record, name="order-cancelled"),
        evolve(record, schema=2),
        evolve(record, name="Order-Placed"),
    ):
        with pytest.raises(DecodeError, match="not known to this release"):
            one(other, lives["taker"])


def test_damaged_payloads(lives: Lives) -> None:
    lives_of = {(record.name, record.schema): records for records in lives.values() for record in records}
    for record in {(x.name, x.schema): x for records in lives.values() for x in records}.values():
        payload = record.payload
        step = max(1, len(payload) // 100)
        for bad in (*(payload[:cut] for cut in range(0, len(payload), step)), payload + b"x", payload + payload, b"[]"):
            with pytest.raises(DecodeError):
                one(evolve(record, payload=bad), lives_of[record.name, record.schema])
        fields = json.loads(payload)
        for bad_fields in ({**fields, "more": 1}, *({k: v for k, v in fields.items() if k != key} for key in fields)):
            with pytest.raises(DecodeError):
                one(evolve(record, payload=json.dumps(bad_fields).encode()), lives_of[record.name, record.schema])


def paths(value: Any) -> list[tuple[Any, ...]]:
    """The way to every leaf and branch of plain data."""
    found: list[tuple[Any, ...]] = [()]
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in children:
        found += [(key, *rest) for rest in paths(inner)]
    return found


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(value[path[0]], path[1:], new)
    return copy


ODD: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, 0, -1, 10**40, 1.5, "", "A", "AAAA", "x" * 200, [], {}, [[]], [None], {"a": []}]
)


@settings(max_examples=400)
@given(data=st.data())
def test_odd_values_anywhere(lives: Lives, data: st.DataObject) -> None:
    life = data.draw(st.sampled_from(sorted(lives)))
    record = data.draw(st.sampled_from(lives[life]))
    fields = json.loads(record.payload)
    path = data.draw(st.sampled_from(paths(fields)))
    bad = evolve(record, payload=json.dumps(replaced(fields, path, data.draw(ODD))).encode())
    try:
        event = one(bad, lives[life])
    except DecodeError:
        return
    assert stored.to_stored(e.Recorded(bad.stream, bad.version, event)).name == record.name


@given(st.sampled_from(sorted(stored.NAMES.values())), st.binary(max_size=200))
def test_any_payload(literal: tuple[str, int], payload: bytes) -> None:
    with pytest.raises(DecodeError):
        one(StoredEvent("s", 1, *literal, payload), ())


@pytest.mark.parametrize(
    "change",
    [
        {"stream": ""},
        {"stream": "x" * 201},
        {"stream": "a\nb"},
        {"version": 0},
        {"version": 2**31},
        {"version": True},
        {"schema": 0},
        {"name": 1},
        {"schema": "1"},
    ],
)
def test_records_are_checked(change: dict[str, Any]) -> None:
    with pytest.raises(RuleViolation):
        evolve(StoredEvent("s", 1, "n", 1, b""), **change)


def test_secrets_are_never_serialised() -> None:
    with pytest.raises(RuleViolation):
        unstructure(Secret(b"k"))
    with pytest.raises(DecodeError):
        structure("a2V5", Secret, "a secret")


def test_only_new_revisions_bring_cet_signatures(lives: Lives) -> None:
    for records in lives.values():
        for record, (_, event) in zip(records, stored.read_events(records), strict=True):
            revision = stored.to_revision(e.Recorded(record.stream, record.version, event, b"packed"))
            number = {e.LockSigned: 0, e.RolloverPrepared: 1}.get(type(event))
            if number is not None:
                assert revision is not None
                assert (revision.cfd_id, revision.revision, revision.data) == (CfdId(record.stream), number, b"packed")
            assert stored.to_revision(e.Recorded(record.stream, record.version, event)) is None


def test_an_announcement_is_stored_once_and_before_it_is_referred_to(lives: Lives) -> None:
    for records in lives.values():
        kept = [record.payload for record in records if record.name == "announcement-kept"]
        assert len(set(kept)) == len(kept)
        referring = next(record for record in records if record.name == "order-placed")
        with pytest.raises(DecodeError, match=r"not stored before|was not stored"):
            list(stored.read_events((referring,)))
        assert len(referring.payload) < 1_500, "a reference is short"


def test_roles_in_the_samples(lives: Lives) -> None:
    assert {name: folded(records).role for name, records in lives.items()} == {
        "cancelled": Role.TAKER,
        "closed": Role.TAKER,
        "contradicted": Role.TAKER,
        "doubted": Role.TAKER,
        "failed": Role.MAKER,
        "hesitant": Role.MAKER,
        "liquidated": Role.MAKER,
        "maker": Role.MAKER,
        "overtaken": Role.TAKER,
        "punished": Role.MAKER,
        "rejected": Role.TAKER,
        "restored": Role.TAKER,
        "taker": Role.TAKER,
        "ordered": Role.MAKER,
        "revoked": Role.MAKER,
        "unrevoked": Role.TAKER,
    }
