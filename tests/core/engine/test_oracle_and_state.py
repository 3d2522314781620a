"""The oracle's word at the engine, the engine as a value, and what is owed after a restart."""

import copy
import hashlib
import json
from decimal import Decimal
from typing import Any

import pytest
from attrs import evolve

from cfd_core import effects as f
from cfd_core import inputs as i
from cfd_core.bitcoin.transaction import Transaction
from cfd_core.cfd import commands as c
from cfd_core.cfd import phases as p
from cfd_core.cfd.events import ExitKind
from cfd_core.cfd.owed import Now, owed
from cfd_core.engine import Policy
from cfd_core.errors import CfdError, DecodeError, PeerViolation, RuleViolation
from cfd_core.oracle import Dialect, IssuedEvent, OracleSecrets, attest, read_announcement, sign_announcement
from cfd_core.protocols.contract_setup import messages as m
from cfd_core.values import EventId, PeerId, Position, Role, RunId, Secret, Timestamp

NOW = Timestamp(1633298400)
roles = pytest.mark.parametrize("role", list(Role), ids=lambda role: role.value)


def at_tip(height: int) -> Now:
    policy = Policy()
    return Now(tip=height, now=NOW, deadlines=policy.deadlines, max_fee_rate=policy.max_fee_rate)


def cet_of(node: Any) -> bytes:
    ready = node.cfd.exit_for(0, ExitKind.CET)
    assert ready is not None
    return bytes(ready.transaction)


def node_of(pair: Any, role: Role) -> Any:
    return pair.maker if role is Role.MAKER else pair.taker


def forgeries(raw: bytes) -> list[bytes]:
    """The recorded attestation with one thing wrong each."""
    outer = json.loads(raw)
    flipped = raw.replace(b'"outcome":"48935"', b'"outcome":"48936"')
    made = [b"", b"{}", raw[:-1], raw + b" x", flipped if flipped != raw else raw[: len(raw) // 2]]
    made += [json.dumps({**outer, "more": 1}).encode(), json.dumps(dict(list(outer.items())[:-1])).encode()]
    digits = [
        at
        for at in range(40, raw.index(b"ecdsa-v1"))
        if raw[at : at + 1] in b"0123456789" and raw[at - 1 : at] in b"abcdef"
    ]
    for at in digits[:: max(1, len(digits) // 8)]:
        made.append(raw[:at] + (b"0" if raw[at : at + 1] != b"0" else b"1") + raw[at + 1 :])
    return made


@roles
def test_forged_attestations_change_nothing_and_the_true_one_still_settles(open_pair: Any, role: Role) -> None:
    node, event = node_of(open_pair, role), open_pair.announcement.event_id
    before = (node.engine, list(node.log))
    for raw in forgeries(open_pair.attestation):
        with pytest.raises((PeerViolation, DecodeError)):
            node.give(i.AttestationReceived(event, raw))
        assert (node.engine, node.log) == before
    node.give(i.AttestationReceived(event, open_pair.attestation))
    assert [x.outcome for x in node.cfd.attestations] == [48_935]


def test_the_oracle_is_named_as_the_culprit(open_pair: Any) -> None:
    forged = open_pair.attestation.replace(b"48935", b"48936")
    assert forged != open_pair.attestation
    with pytest.raises(PeerViolation) as caught:
        open_pair.maker.give(i.AttestationReceived(open_pair.announcement.event_id, forged))
    assert caught.value.culprit == "oracle"


@roles
def test_the_attestation_of_another_event(open_pair: Any, role: Role) -> None:
    node = node_of(open_pair, role)
    other = EventId(open_pair.announcement.event_id.replace("T22", "T21"))
    node.give(i.AttestationReceived(other, open_pair.attestation))
    assert node.cfd.attestations == (), "nobody waits for that event"
    secrets = OracleSecrets(Secret(b"\x01" * 32), Secret(b"\x02" * 32))
    issued = IssuedEvent.price(Dialect.OLIVIA_V1, open_pair.announcement.event_id)
    by_another = attest(secrets, issued, 48_935, Timestamp(1633384800))
    with pytest.raises(PeerViolation, match="forged"):
        node.give(i.AttestationReceived(open_pair.announcement.event_id, by_another))


def test_two_oracles_with_one_name_for_an_event(make_pair: Any) -> None:
    """Each CFD listens to the oracle it was made with; the other's word is not for it and does no harm."""
    secrets = OracleSecrets(Secret(b"\x01" * 32), Secret(b"\x02" * 32))
    pair = make_pair(tolerance=Decimal("0.1"))
    issued = IssuedEvent.price(Dialect.OLIVIA_V1, pair.announcement.event_id)
    second = read_announcement(Dialect.OLIVIA_V1, sign_announcement(secrets, issued), secrets.public)
    word = attest(secrets, issued, 60_000, Timestamp(1633384800))
    pair.take()
    pair.run()
    for node in (pair.maker, pair.taker):
        node.give(i.AnnouncementReceived(second))
        node.wallet.receive(5_000_000)
    entropy = hashlib.sha256(b"second order").digest()
    pair.taker.give(c.TakeOffer(PeerId("SHA256:maker"), pair.offer.id, Position.SHORT, 1_000, 2, entropy))
    pair.run()
    for raw, outcome in ((word, 60_000), (pair.attestation, 48_935)):
        for node in (pair.maker, pair.taker):
            node.give(i.AttestationReceived(issued.event_id, raw))
            assert (outcome,) in [tuple(x.outcome for x in cfd.attestations) for cfd in node.engine.cfds.values()]
    pair.run()
    for node in (pair.maker, pair.taker):
        assert sorted(cfd.attestation_for(0).outcome for cfd in node.engine.cfds.values()) == [48_935, 60_000]


@roles
def test_a_word_is_for_those_whom_it_concerns_and_only_for_those_it_is_given_to(open_pair: Any, role: Role) -> None:
    node, event = node_of(open_pair, role), open_pair.announcement.event_id
    word = i.AttestationReceived(event, open_pair.attestation, frozenset())
    assert node.engine.concerned_by(event) == (node.cfd.id,)
    assert node.engine.concerned_by(EventId(event.replace("T22", "T21"))) == ()
    node.give(word)
    assert node.cfd.attestations == ()
    node.give(evolve(word, among=frozenset([node.cfd.id])))
    assert [x.outcome for x in node.cfd.attestations] == [48_935]
    assert node.engine.concerned_by(event) == (node.cfd.id,), "another word on it would be a contradiction"


@roles
def test_an_attestation_late_early_and_twice(open_pair: Any, role: Role) -> None:
    pair, node = open_pair, node_of(open_pair, role)
    word = i.AttestationReceived(pair.announcement.event_id, pair.attestation)
    commit = node.cfd.held.live.sign_commit(node.settings.keychain.cfd_keys(node.cfd.key_id, 0))
    pair.chain.submit(commit)
    pair.mine(90)
    assert pair.broadcasts.keys() <= {pair.draft.lock.txid, commit.txid}
    node.give(word)
    pair.run()
    cet = Transaction.parse(cet_of(node))
    assert cet.txid in pair.broadcasts, "the timelock is long over: it goes out at once"
    log = list(node.log)
    node.give(word)
    pair.run()
    assert node.log == log


def test_an_attestation_during_setup_or_after_a_failure_is_not_kept(quick: Any) -> None:
    word = i.AttestationReceived(quick.announcement.event_id, quick.attestation)
    quick.take()
    quick.taker.give(word)
    assert quick.taker.cfd.attestations == ()
    (run,) = quick.taker.engine.runs
    quick.taker.give(i.StreamClosed(run, "cut"))
    quick.taker.give(word)
    assert quick.taker.cfd.attestations == ()


@roles
def test_stored_signatures_that_were_damaged(open_pair: Any, role: Role) -> None:
    node = node_of(open_pair, role)
    node.give(c.ForceClose(node.cfd.id))
    node.give(i.AttestationReceived(open_pair.announcement.event_id, open_pair.attestation))
    good = node.revisions[node.cfd.id, 0]
    assert f.LoadRevision(node.cfd.id, 0) in node.todo
    for bad in (b"", good[:-1], bytes(len(good)), good + b"\x00"):
        with pytest.raises(RuleViolation, match="not the stored CET signatures"):
            node.give(i.RevisionLoaded(node.cfd.id, 0, bad))
    node.give(i.RevisionLoaded(node.cfd.id, 1, b"of another revision"))
    assert node.cfd.exits == ()
    node.give(i.RevisionLoaded(node.cfd.id, 0, good))
    assert node.cfd.exit_for(0, ExitKind.CET) is not None


def test_an_engine_is_never_changed(quick: Any) -> None:
    """Deeply: every engine of a whole conversation, refusals included, stays what it was."""
    kept: list[tuple[Any, str]] = []
    for node in (quick.maker, quick.taker):
        original = node.give

        def keep(happened: Any, now: Any = None, node: Any = node, original: Any = original) -> None:
            kept.append((node.engine, deep(node.engine)))
            original(happened, now)
            key: Any = next(iter(node.engine.cfds), "")
            for command in (c.ForceClose(key), c.AcceptOrder(key), c.WithdrawOffer(quick.offer.id)):
                kept.append((node.engine, deep(node.engine)))
                try:
                    node.engine.handle(command, now or NOW)
                except CfdError as error:
                    assert isinstance(error, RuleViolation)  # noqa: PT017 -- some are legal, none may do harm

        node.give = keep
    quick.take()
    quick.run()
    quick.confirm_lock()
    assert len(kept) > 80
    for engine, before in kept:
        assert deep(engine) == before


def deep(engine: Any) -> str:
    """All fields, hidden ones too, in one text."""
    return repr(plain(engine))


def plain(value: Any) -> Any:
    if isinstance(value, Secret):
        return value.reveal()
    if hasattr(type(value), "__attrs_attrs__"):
        names = [field.name for field in type(value).__attrs_attrs__]
        return type(value).__name__, [(name, plain(getattr(value, name))) for name in names]
    if isinstance(value, dict):
        return [(str(key), plain(inner)) for key, inner in value.items()]
    if isinstance(value, tuple | list):
        return [plain(inner) for inner in value]
    return copy.copy(value)


def test_a_failed_store_leaves_an_engine_that_can_try_again(quick: Any) -> None:
    """The shell could not store: it drops the step, and the same input works again."""
    engine = quick.taker.engine
    take = c.TakeOffer(PeerId("SHA256:maker"), quick.offer.id, Position.LONG, 1_000, 2, bytes(range(32)))
    first, second = engine.handle(take, NOW), engine.handle(take, NOW)
    assert (first.events, first.effects) == (second.events, second.effects)
    assert first.engine == second.engine


@roles
def test_running_everything_owed_twice_changes_nothing(open_pair: Any, role: Role) -> None:
    pair, node = open_pair, node_of(open_pair, role)
    node.give(i.AttestationReceived(pair.announcement.event_id, pair.attestation))
    node.give(c.ForceClose(node.cfd.id))
    pair.run()
    log, cfds = list(node.log), node.engine.cfds
    for _ in range(2):
        node.todo.extend(node.engine.resume(NOW))
        pair.run()
    assert (node.log, node.engine.cfds) == (log, cfds)
    assert node.engine.resume(NOW) == owed(node.cfd, at_tip(node.engine.tip))


def test_what_is_owed_in_each_phase(quick: Any) -> None:
    quick.take()
    assert owed(quick.taker.cfd, at_tip(0)) == ()
    quick.chain_speaks = False
    quick.run()
    names = [type(effect).__name__ for effect in owed(quick.taker.cfd, at_tip(0))]
    assert names == [*["WatchOutpoint"] * 3, "BroadcastTx", "FetchAttestation"], "the lock, and one input of each side"
    quick.chain_speaks = True
    quick.confirm_lock()
    names = [type(effect).__name__ for effect in owed(quick.taker.cfd, at_tip(0))]
    assert names == ["WatchOutpoint", "FetchAttestation"]
    fetch = owed(quick.taker.cfd, at_tip(0))[-1]
    assert fetch == f.FetchAttestation(quick.announcement.event_id, quick.announcement.maturity)


@roles
def test_a_restart_in_each_later_phase_goes_on_as_before(open_pair: Any, role: Role) -> None:
    pair, node = open_pair, node_of(open_pair, role)
    word = i.AttestationReceived(pair.announcement.event_id, pair.attestation)
    keys = node.settings.keychain.cfd_keys(node.cfd.key_id, 0)
    dlc = node.cfd.held.live
    pair.chain_speaks = False
    commit = dlc.sign_commit(keys).serialize()
    story = [
        word,
        c.ForceClose(node.cfd.id),
        i.OutpointReport(pair.draft.lock_outpoint, 110, i.Spend(commit, 0)),
        i.OutpointReport(pair.draft.lock_outpoint, 110, i.Spend(commit, 111)),
        i.TipChanged(122),
    ]
    for happened in story:
        node.give(happened)
        before = node.engine.cfds
        node.restart()
        pair.run()
        assert node.cfd.phase == before[node.cfd.id].phase
    node.give(i.TipChanged(123))
    pair.run()
    cet = cet_of(node)
    assert Transaction.parse(cet).txid in {x.txid for x in node.done if isinstance(x, f.BroadcastTx)}
    for spend in (i.Spend(cet, 0), i.Spend(cet, 124)):
        node.give(i.OutpointReport(dlc.draft.commit_outpoint, 111, spend))
        node.restart()
    assert isinstance(node.phase, p.ExitConfirmed)
    node.give(i.TipChanged(126))
    assert isinstance(node.phase, p.Closed)
    node.restart()
    assert list(node.todo) == []


def test_a_restarted_maker_still_takes_orders(quick: Any, audit: Any) -> None:
    quick.maker.restart()
    quick.take()
    quick.run()
    assert isinstance(quick.taker.phase, p.LockPending)
    audit(quick)


def test_the_maker_asks_again_for_the_events_of_its_offers_after_a_restart(quick: Any) -> None:
    from cfd_core.engine import Engine
    from cfd_core.serial import stored

    # nothing relies on them any more, as after a maker's offers have run out while it was down
    log = [r for r in quick.maker.log if "Announcement" not in type(r.event).__name__]
    events = stored.read_events(stored.to_stored(r) for r in log)
    engine = Engine.load(quick.maker.settings, events)
    assert engine.offers
    assert f.FetchAnnouncement(quick.offer.event) in engine.resume(NOW)


def test_no_repr_of_an_engine_shows_a_secret(open_pair: Any) -> None:
    for node in (open_pair.maker, open_pair.taker):
        keys = node.settings.keychain.cfd_keys(node.cfd.key_id, 0)
        shown = [node.engine, node.log, node.done, node.cfd, node.phase, node.settings, node.cfd.held.live]
        text = "".join(repr(x) for x in shown)
        for key in (keys.identity, keys.publish, keys.revocation):
            assert key.reveal().hex() not in text
            assert repr(key.reveal())[2:-1] not in text
    entropy = hashlib.sha256(b"order").digest()
    command = c.TakeOffer(PeerId("m"), open_pair.offer.id, Position.LONG, 1, 1, entropy)
    opened = i.StreamOpened(RunId("r"), PeerId("m"), m.PROTOCOL, entropy)
    assert repr(entropy)[2:-1] not in repr((command, opened))
    assert evolve(opened, run=RunId("s")).entropy == entropy
