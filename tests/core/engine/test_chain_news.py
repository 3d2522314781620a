"""What the chain tells, in any order and taken back: the phase always follows the present truth."""

from collections import deque
from decimal import Decimal
from typing import Any

import pytest
from attrs import evolve, field, frozen
from hypothesis import given, settings
from hypothesis import strategies as st

from cfd_core import effects as f
from cfd_core import inputs as i
from cfd_core.bitcoin.transaction import Transaction, TxIn, TxOut
from cfd_core.cfd import commands as c
from cfd_core.cfd import events as e
from cfd_core.cfd import phases as p
from cfd_core.contract.dlc import publish_secret
from cfd_core.errors import RuleViolation
from cfd_core.protocols.contract_setup import messages as m
from cfd_core.serial import wire
from cfd_core.values import Role, Sats

roles = pytest.mark.parametrize("role", list(Role), ids=lambda role: role.value)


def locked(make_pair: Any) -> Any:
    """A pair with a complete lock that is not seen yet."""
    pair = make_pair(tolerance=Decimal("0.1"))
    pair.chain_speaks = False
    pair.take()
    pair.run()
    return pair


@pytest.fixture
def opened(make_pair: Any) -> Any:
    pair = locked(make_pair)
    pair.both(i.TipChanged(110))
    pair.both(lock_report(pair, 110))
    return pair


def node_of(pair: Any, role: Role) -> Any:
    return pair.maker if role is Role.MAKER else pair.taker


def commit_of(node: Any) -> bytes:
    """This side's signed commit, whatever phase it is in."""
    keys = node.settings.keychain.cfd_keys(node.cfd.key_id, 0)
    return bytes(node.cfd.held.live.sign_commit(keys).serialize())


def refund_of(node: Any) -> bytes:
    keys = node.settings.keychain.cfd_keys(node.cfd.key_id, 0)
    return bytes(node.cfd.held.live.sign_refund(keys).serialize())


def tell(node: Any, happened: Any) -> list[f.Effect]:
    node.todo.clear()
    node.give(happened)
    return list(node.todo)


def lock_report(pair: Any, created: int | None, commit: bytes | None = None, height: int = 0) -> i.OutpointReport:
    spend = None if commit is None else i.Spend(commit, height)
    return i.OutpointReport(pair.draft.lock_outpoint, created, spend)


def commit_report(pair: Any, created: int | None, exit_tx: bytes | None = None, height: int = 0) -> i.OutpointReport:
    spend = None if exit_tx is None else i.Spend(exit_tx, height)
    return i.OutpointReport(pair.draft.commit_outpoint, created, spend)


def phase_of(node: Any) -> Any:
    return node.phase


def in_phase(node: Any, phase: type) -> bool:
    return type(node.phase) is phase


def broadcast(effects: list[f.Effect]) -> list[str]:
    return [x.kind for x in effects if isinstance(x, f.BroadcastTx)]


@roles
def test_the_lock_comes_goes_and_comes_back(make_pair: Any, role: Role) -> None:
    pair = locked(make_pair)
    node = node_of(pair, role)
    for created, phase in ((0, p.LockPending), (110, p.Open), (None, p.LockPending), (0, p.LockPending), (112, p.Open)):
        tell(node, lock_report(pair, created))
        assert in_phase(node, phase)
    assert node.phase.lock_height == 112
    assert node.held.lock == pair.broadcasts[pair.draft.lock.txid].serialize()
    assert "LockGone" in node.event_names()
    assert broadcast(tell(node, i.TipChanged(113))) == []
    assert broadcast(tell(node, lock_report(pair, None))) == ["lock"]
    assert broadcast(tell(node, i.TipChanged(114))) == ["lock"], "again at each block"


@roles
def test_news_that_is_no_news_makes_no_event(opened: Any, role: Role) -> None:
    node = node_of(opened, role)
    reports = [
        lock_report(opened, 110),
        lock_report(opened, 110, commit_of(node), 0),
        lock_report(opened, 110, commit_of(node), 111),
        commit_report(opened, 111),
        commit_report(opened, 111, refund_of(node), 0),
        commit_report(opened, 111, refund_of(node), 400),
    ]
    for report in reports:
        tell(node, report)
        count = len(node.log)
        tell(node, report)
        assert len(node.log) == count
    stranger = i.OutpointReport(evolve(opened.draft.lock_outpoint, vout=1), 110, None)
    before = list(node.log)
    assert tell(node, stranger) == []
    assert node.log == before


@roles
def test_the_counterparty_publishes_the_commit(opened: Any, role: Role) -> None:
    node, other = node_of(opened, role), node_of(opened, role.other)
    theirs = commit_of(other)
    tell(node, lock_report(opened, 110, theirs, 0))
    assert in_phase(node, p.CommitPending)
    with pytest.raises(RuleViolation, match="published already"):
        node.give(c.ForceClose(node.cfd.id))
    tell(node, lock_report(opened, 110, theirs, 115))
    assert phase_of(node) == p.CommitConfirmed(p.Commit(0, theirs, 110), 115)
    live = node.held.live
    secret = publish_secret(live.draft, role, live.own_commit, Transaction.parse(node.phase.commit.transaction))
    assert secret == other.settings.keychain.cfd_keys(other.cfd.key_id, 0).publish


@roles
def test_the_commit_that_confirms_is_the_one_that_is_kept(opened: Any, role: Role) -> None:
    """Both commits have one txid; only the witness that is on the chain reveals the other's secret."""
    node, other = node_of(opened, role), node_of(opened, role.other)
    tell(node, c.ForceClose(node.cfd.id))
    ours, theirs = commit_of(node), commit_of(other)
    assert node.phase.commit.transaction == ours != theirs
    tell(node, commit_report(opened, 115))
    tell(node, lock_report(opened, 110, theirs, 115))
    assert phase_of(node) == p.CommitConfirmed(p.Commit(0, theirs, 110), 115)


@roles
def test_force_close_is_stored_and_broadcast_until_it_is_in(opened: Any, role: Role) -> None:
    node = node_of(opened, role)
    assert broadcast(tell(node, c.ForceClose(node.cfd.id))) == ["lock", "commit"]
    for phase_report in (lock_report(opened, 110), lock_report(opened, None), lock_report(opened, 111)):
        tell(node, phase_report)
        assert in_phase(node, p.CommitPending), "that it is not there yet is no news"
    node.restart()
    assert list(dict.fromkeys(broadcast(list(node.todo)))) == ["lock", "commit"]
    assert broadcast(tell(node, i.TipChanged(111))) == ["lock", "commit"]
    tell(node, lock_report(opened, 111, commit_of(node), 112))
    assert broadcast(tell(node, i.TipChanged(112))) == []
    assert broadcast(tell(node, lock_report(opened, 111))) == ["lock", "commit"], "a reorg took it away"


@roles
def test_the_commit_is_seen_before_the_makers_last_word(make_pair: Any, audit: Any, role: Role) -> None:
    """A maker may bring lock and commit to the chain before, or instead of, sending its lock signature."""
    pair = make_pair(tolerance=Decimal("0.1"))
    held: list[bytes] = []

    def keep(message: Any) -> None:
        held.append(wire.encode_message(message))

    pair.alter(pair.taker, m.LockSignatures, keep)
    pair.take()
    while not held:
        assert pair.step()
    (run,) = pair.taker.engine.runs
    commit = commit_of(node_of(pair, role))
    tell(pair.taker, lock_report(pair, 110, commit, 111))
    assert in_phase(pair.taker, p.CommitConfirmed)
    pair.deliver(pair.taker, run, held[0])
    assert in_phase(pair.taker, p.CommitConfirmed)
    assert Transaction.parse(pair.taker.held.lock).txid == pair.draft.lock.txid
    pair.tamper = lambda _to, raw: raw
    pair.run()
    audit(pair)


def test_the_lock_is_learned_from_the_chain_alone(make_pair: Any) -> None:
    """Between our signature and the other's, any sighting is enough: unconfirmed, confirmed, spent already."""
    for created, spent, phase in ((0, False, p.LockPending), (110, False, p.Open), (110, True, p.CommitConfirmed)):
        pair = make_pair(tolerance=Decimal("0.1"))
        pair.chain_speaks = False
        pair.alter(pair.taker, m.LockSignatures, lambda _message: None)
        pair.take()
        pair.run()
        assert in_phase(pair.taker, p.LockSignedUnseen)
        with pytest.raises(RuleViolation, match="nothing to close"):
            pair.taker.give(c.ForceClose(pair.taker.cfd.id))
        commit = commit_of(pair.maker) if spent else None
        tell(pair.taker, lock_report(pair, created, commit, 111 if spent else 0))
        assert in_phase(pair.taker, phase)
        if not spent:
            assert broadcast(tell(pair.taker, c.ForceClose(pair.taker.cfd.id))) == ["commit"]


@roles
def test_a_refund_is_recognised_and_closes_the_books(opened: Any, role: Role) -> None:
    node = node_of(opened, role)
    lock, commit = opened.draft.lock_outpoint, opened.draft.commit_outpoint
    tell(node, lock_report(opened, 110, commit_of(node), 111))
    tell(node, commit_report(opened, 111, refund_of(node), 327))
    assert node.phase.exit.kind is e.ExitKind.REFUND
    assert broadcast(tell(node, i.TipChanged(328))) == []
    assert in_phase(node, p.ExitConfirmed)
    tell(node, i.TipChanged(329))
    terms = node.cfd.terms
    margins = terms.margin(Role.MAKER), terms.margin(Role.TAKER)
    assert phase_of(node) == p.Closed(e.ExitKind.REFUND, *margins, 327)
    for happened in (i.OutpointReport(lock, None, None), i.OutpointReport(commit, 111, None), i.TipChanged(400)):
        assert tell(node, happened) == [], "the books are closed"


@roles
def test_without_an_attestation_the_refund_goes_out(opened: Any, role: Role) -> None:
    node = node_of(opened, role)
    tell(node, lock_report(opened, 110, commit_of(node), 111))
    assert broadcast(tell(node, i.TipChanged(326))) == ["refund"]


@roles
def test_an_unknown_spend_is_said_to_be_unknown(opened: Any, role: Role) -> None:
    node = node_of(opened, role)
    draft = opened.draft
    taken = TxOut(Sats(1_000_000), draft.party(role).funder.payout_script)
    thief = Transaction((TxIn(draft.commit_outpoint),), (taken, TxOut(Sats(5), b"\x51"))).serialize()
    tell(node, lock_report(opened, 110, commit_of(node), 111))
    tell(node, commit_report(opened, 111, thief, 112))
    assert node.phase.exit.kind is e.ExitKind.UNKNOWN
    assert node.phase.exit.maker + node.phase.exit.taker == 1_000_000
    late = evolve(draft.cet(draft.schedule.entries[0]), inputs=(TxIn(draft.commit_outpoint, 13),)).serialize()
    tell(node, commit_report(opened, 111, late, 112))
    assert node.phase.exit.kind is e.ExitKind.UNKNOWN


@roles
def test_the_cet_goes_out_at_its_height_and_comes_back_after_an_eviction(opened: Any, role: Role) -> None:
    node = node_of(opened, role)
    tell(node, lock_report(opened, 110, commit_of(node), 111))
    node.give(i.AttestationReceived(opened.announcement.event_id, opened.attestation))
    opened.run()
    cet = node.cfd.exit_for(0, e.ExitKind.CET).transaction
    assert broadcast(tell(node, i.TipChanged(121))) == []
    assert broadcast(tell(node, i.TipChanged(122))) == ["CET"]
    tell(node, commit_report(opened, 111, cet, 0))
    assert in_phase(node, p.ExitPending)
    assert broadcast(tell(node, i.TipChanged(123))) == ["CET"], "it is kept in the mempool"
    tell(node, commit_report(opened, 111))
    assert in_phase(node, p.CommitConfirmed)
    assert broadcast(tell(node, i.TipChanged(124))) == ["CET"], "and put back where it was lost"
    tell(node, commit_report(opened, 111, cet, 123))
    assert broadcast(tell(node, i.TipChanged(124))) == []
    tell(node, commit_report(opened, 111))
    assert in_phase(node, p.CommitConfirmed)
    assert broadcast(tell(node, i.TipChanged(121))) == [], "a shorter chain: not mature any more"
    tell(node, commit_report(opened, 111, cet, 124))
    tell(node, i.TipChanged(126))
    assert in_phase(node, p.Closed)


@frozen
class Truth:
    """A present state of the chain: heights, 0 in the mempool, None nowhere."""

    lock: int | None = 110
    commit: int | None = None
    exit: int | None = None
    theirs: bool = field(default=False)


heights = st.sampled_from([None, 0, 130, 131])


@st.composite
def truths(draw: Any) -> Truth:
    lock = draw(st.sampled_from([None, 0, 110, 111, 111]))
    commit = draw(st.sampled_from([None, 0, 120, 121, 121])) if lock is not None else None
    if not lock and commit:
        commit = 0
    exit_height = draw(heights) if commit else None
    return Truth(lock, commit, exit_height, draw(st.booleans()))


def reports_of(pair: Any, node: Any, truth: Truth) -> list[i.OutpointReport]:
    commit = commit_of(node_of(pair, node.role.other) if truth.theirs else node)
    spend = commit if truth.commit is not None else None
    exit_tx = pair.exit_tx if truth.exit is not None else None
    return [
        lock_report(pair, truth.lock, spend, truth.commit or 0),
        commit_report(pair, truth.commit, exit_tx, truth.exit or 0),
    ]


def check_phase(pair: Any, node: Any, truth: Truth, committed: bool) -> None:
    phase = node.phase
    if not committed:
        assert phase == (p.Open(truth.lock) if truth.lock else p.LockPending())
    elif not truth.commit:
        assert type(phase) is p.CommitPending
    else:
        assert (phase.commit.transaction, phase.commit_height) == (
            commit_of(node_of(pair, node.role.other) if truth.theirs else node),
            truth.commit,
        )
        if truth.exit is None:
            assert type(phase) is p.CommitConfirmed
        elif truth.exit == 0:
            assert type(phase) is p.ExitPending
        else:
            assert type(phase) is p.ExitConfirmed
            assert phase.exit_height == truth.exit


@settings(max_examples=80, deadline=None)
@given(
    role=st.sampled_from(list(Role)),
    history=st.lists(st.tuples(truths(), st.booleans(), st.booleans()), min_size=1, max_size=8),
)
def test_the_phase_follows_the_truth_whatever_came_before(
    make_pair: Any, role: Role, history: list[tuple[Truth, bool, bool]]
) -> None:
    """Only what changed is reported, the two outpoints in any order; restarts in between."""
    pair = locked(make_pair)
    node = node_of(pair, role)
    pair.exit_tx = refund_of(node)
    known: list[i.OutpointReport] = [lock_report(pair, None), commit_report(pair, None)]
    watched = {pair.draft.lock_outpoint}
    committed = False
    for truth, swap, restart in history:
        if restart:
            node.restart()
        present = reports_of(pair, node, truth)
        changed = [new for new, old in zip(present, known, strict=True) if new != old or restart]
        waiting = deque(x for x in (reversed(changed) if swap else changed) if x.outpoint in watched)
        while waiting:
            for effect in tell(node, waiting.popleft()):
                if isinstance(effect, f.WatchOutpoint):  # whoever begins to watch is told the present truth
                    watched.add(effect.outpoint)
                    waiting.extend(x for x in present if x.outpoint == effect.outpoint)
        known = present
        committed = committed or truth.commit is not None
        check_phase(pair, node, truth, committed)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_report_at_any_time(make_pair: Any, data: st.DataObject) -> None:
    """Whatever a server makes up, nothing but the phase changes, and the log stays foldable."""
    pair = locked(make_pair)
    node = node_of(pair, data.draw(st.sampled_from(list(Role))))
    node.conscience.chain_lies = True
    draft = pair.draft
    strange = Transaction((TxIn(draft.lock_outpoint),), (TxOut(Sats(1), b"\x51"),)).serialize()
    transactions = st.sampled_from([commit_of(pair.maker), commit_of(pair.taker), refund_of(node), strange])
    spends = st.none() | st.builds(i.Spend, transactions, st.integers(0, 300))
    created = st.none() | st.integers(0, 300)
    outpoints = st.sampled_from([draft.lock_outpoint, draft.commit_outpoint])
    reports = st.builds(i.OutpointReport, outpoints, created, spends) | st.builds(i.TipChanged, st.integers(0, 400))
    for happened in data.draw(st.lists(reports, max_size=12)):
        tell(node, happened)
        if data.draw(st.integers(0, 5)) == 0:
            before = node.engine.cfds
            node.restart()
            assert node.engine.cfds == before


def test_the_lock_itself_is_still_learned_when_the_cfd_is_open(make_pair: Any) -> None:
    """Without the maker's witnesses we could not broadcast it again after a reorg."""
    pair = make_pair(tolerance=Decimal("0.1"))
    pair.chain_speaks = False
    pair.alter(pair.taker, m.LockSignatures, lambda _message: None)
    pair.take()
    pair.run()
    taker = pair.taker
    tell(taker, lock_report(pair, 110))
    assert in_phase(taker, p.Open)
    assert not taker.held.lock
    taker.restart()
    coin = pair.draft.taker.funder.inputs[0].outpoint
    assert coin in {x.outpoint for x in taker.todo if isinstance(x, f.WatchOutpoint)}
    lock = pair.maker.held.lock
    tell(taker, i.OutpointReport(coin, 100, i.Spend(lock, 110)))
    assert taker.held.lock == lock
    assert broadcast(tell(taker, lock_report(pair, None))) == ["lock"]


@roles
@pytest.mark.parametrize("changed", ["cut", "swapped", "theirs"])
def test_our_own_commit_is_broadcast_as_we_signed_it(opened: Any, role: Role, changed: str) -> None:
    """A chain server shows it with another witness: what goes out again with every block is ours, which holds."""
    node = node_of(opened, role)
    node.give(c.ForceClose(node.cfd.id))
    ours = Transaction.parse(commit_of(node))
    first, second, script = ours.inputs[0].witness
    theirs = Transaction.parse(commit_of(opened.other(node)))
    seen = {
        "cut": ours.with_witness(0, (first[:-2], second, script)),
        "swapped": ours.with_witness(0, (second, first, script)),
        "theirs": theirs,
    }[changed]
    tell(node, lock_report(opened, 110, seen.serialize()))
    assert phase_of(node).commit.transaction == seen.serialize(), "what was seen is known"
    sent = [x for x in tell(node, i.TipChanged(112)) if isinstance(x, f.BroadcastTx) and x.kind == "commit"]
    assert [x.transaction for x in sent] == [ours.serialize()]
