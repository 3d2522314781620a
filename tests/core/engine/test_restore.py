"""A node that is put back from a backup knows that it may be behind, asks, and publishes nothing that is revoked."""

from decimal import Decimal
from typing import Any

import pytest
from attrs import evolve

from cfd_core import effects as f
from cfd_core import inputs as i
from cfd_core.bitcoin.transaction import Transaction
from cfd_core.cfd import commands as c
from cfd_core.cfd import decide
from cfd_core.cfd import events as e
from cfd_core.cfd import phases as p
from cfd_core.cfd.evolve import evolve as fold
from cfd_core.cfd.react import Deadlines
from cfd_core.cfd.standing import Standing
from cfd_core.cfd.summary import summary
from cfd_core.errors import RuleViolation
from cfd_core.protocols.rollover import messages as m
from cfd_core.testing import Pair
from cfd_core.values import HOUR, RunId

ENTROPY = bytes(range(32))
SIDES = ["taker", "maker"]


def _open() -> Any:
    return Pair(liquidations=(), tolerance=Decimal("0.1")).opened()


def _roll(pair: Any, times: int = 1) -> None:
    for _ in range(times):
        pair.later(2 * HOUR)
        pair.taker.give(c.RollOver(pair.taker.cfd.id, ENTROPY))
        pair.run()


def _restore(pair: Any, node: Any, backup: Any, *, linked: bool = True) -> None:
    pair.cut()
    if not linked:
        pair.alter(node, m.Holding, lambda _told: None)
    node.restore(backup)
    node.give(i.TipChanged(pair.chain.height))
    pair.run()
    pair.reconnect()


def _settle_on_chain(pair: Any, node: Any) -> int:
    """Expiry, the oracle's word, and all that follows by itself; what this side was paid by the chain in the end."""
    pair.oracle.speak(pair.other(node).cfd.settlement.event_id, 60_000)
    for _ in range(3):
        pair.advance(14 * HOUR)
        pair.mine(16)
    return _paid(pair, node)


def _paid(pair: Any, node: Any) -> int:
    """What the spend of the commit that is in the chain pays this side."""
    draft = pair.other(node).cfd.held.live.draft
    script = draft.party(node.role).funder.payout_script
    commit = pair.chain.spender(draft.lock_outpoint)
    exit_tx = pair.chain.spender(commit.outpoint(0))
    return 0 if exit_tx is None else sum(out.sats for out in exit_tx.outputs if out.script == script)


def _published(node: Any) -> set[str]:
    return {effect.kind for effect in node.done if isinstance(effect, f.BroadcastTx)}


@pytest.mark.parametrize("side", SIDES)
def test_from_the_newest_backup_the_peer_says_so_and_life_goes_on(side: str) -> None:
    pair = _open()
    _roll(pair)
    node = getattr(pair, side)
    _restore(pair, node, node.backup())
    assert node.cfd.standing is Standing.CURRENT
    assert node.cfd.doubt == ""
    node.check_replay()
    node.give(c.ForceClose(node.cfd.id))
    pair.run()
    pair.mine(2)
    assert isinstance(node.phase, p.CommitConfirmed)
    assert _settle_on_chain(pair, node) > 0
    assert isinstance(node.phase, p.Closed)


@pytest.mark.parametrize("side", SIDES)
def test_a_restored_cfd_is_never_rolled_over_again(side: str) -> None:
    """Its next revision would have the keys of one that may have been revoked already."""
    pair = _open()
    node = getattr(pair, side)
    _restore(pair, node, node.backup())
    assert node.cfd.standing is Standing.CURRENT
    pair.later(2 * HOUR)
    with pytest.raises(RuleViolation, match="not rolled over any more"):
        node.give(c.RollOver(node.cfd.id, ENTROPY))
    other = pair.other(node)
    other.give(c.RollOver(other.cfd.id, ENTROPY))
    pair.run()
    assert [n.cfd.held.live.number for n in pair.nodes] == [0, 0]
    node.give(c.ProposeSettlement(node.cfd.id, pair.offer.bid))
    pair.run()
    other.give(c.AcceptSettlement(node.cfd.id))
    pair.run()
    pair.mine(4)
    assert isinstance(node.phase, p.Closed)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("missed", [1, 3])
def test_from_an_older_backup_it_learns_that_its_revision_is_revoked_and_is_paid_by_the_peer(
    side: str, missed: int
) -> None:
    pair = _open()
    node = getattr(pair, side)
    old = node.backup()
    _roll(pair, missed)
    _restore(pair, node, old)
    assert node.cfd.held.live.number == 0
    assert node.cfd.standing is Standing.REVOKED
    for command in (
        c.ForceClose(node.cfd.id),
        c.RollOver(node.cfd.id, ENTROPY),
        c.ProposeSettlement(node.cfd.id, pair.offer.bid),
        c.TrustBackup(node.cfd.id),
    ):
        with pytest.raises(RuleViolation, match="backup"):
            node.give(command)
    before = len(node.done)
    paid = _settle_on_chain(pair, node)
    draft = pair.other(node).cfd.held.live.draft
    commit = pair.chain.spender(draft.lock_outpoint)
    assert commit.txid == draft.commit.txid, "the honest side's newest commit"
    assert paid > 0
    since = [effect for effect in node.done[before:] if isinstance(effect, f.BroadcastTx)]
    assert since == [], "the restored node broadcast nothing at all"


@pytest.mark.parametrize("side", SIDES)
def test_with_a_silent_peer_it_warns_and_publishes_nothing_revoked(side: str) -> None:
    pair = _open()
    node = getattr(pair, side)
    old = node.backup()
    _roll(pair, 2)
    _restore(pair, node, old, linked=False)
    assert node.cfd.standing is Standing.UNSURE
    told = summary(node.cfd, now=node.now, tip=node.engine.tip, deadlines=Deadlines())
    assert "has not told yet whether they are current" in told.warning
    assert told.actions == ()
    with pytest.raises(RuleViolation, match="has not told yet"):
        node.give(c.ForceClose(node.cfd.id))
    # silent towards us, it still looks after its own money: its commit and the CET pay us too
    assert _settle_on_chain(pair, node) > 0
    assert "commit" not in _published(node)


@pytest.mark.parametrize("side", SIDES)
def test_with_a_peer_that_is_gone_a_human_may_rely_on_a_backup_that_is_current(side: str) -> None:
    pair = _open()
    node = getattr(pair, side)
    _restore(pair, node, node.backup(), linked=False)
    pair.other(node).die()
    pair.oracle.speak(node.cfd.settlement.event_id, 60_000)
    for _ in range(4):
        pair.later(10 * HOUR)
    assert isinstance(node.phase, p.Open), "long due, and still not published"
    node.give(c.TrustBackup(node.cfd.id))
    assert node.cfd.standing is Standing.TRUSTED
    pair.run()
    pair.mine(2)
    assert isinstance(node.phase, p.CommitConfirmed)
    with pytest.raises(RuleViolation, match="not in doubt"):
        node.give(c.TrustBackup(node.cfd.id))


def test_worst_case_a_peer_that_hides_the_newer_revision_takes_the_pool() -> None:
    """The one thing that nobody can prove is that there is nothing newer. Known, stated in the documents, bounded by
    the pool: a lie of the peer *and* an old backup *and* a force close lose it.
    """
    pair = _open()
    node = pair.taker
    old = node.backup()
    _roll(pair, 2)
    pair.cheats(node)
    pair.alter(node, m.Holding, lambda told: m.Holding(told.cfd_id, 0, b""))
    _restore(pair, node, old)
    assert node.cfd.standing is Standing.CURRENT
    node.conscience.revoked.clear()  # which would stop the world here: "we gave that commit up"
    node.conscience.chain_lies = True  # nor do its books know the end that comes
    node.give(c.ForceClose(node.cfd.id))
    pair.run()
    pair.mine(6)
    assert isinstance(pair.maker.phase, p.Closed)
    assert pair.maker.phase.kind is e.ExitKind.PUNISH
    assert pair.maker.phase.taker == 0


@pytest.mark.parametrize("missed", [0, 2])
def test_on_a_peers_word_alone_nothing_goes_out_by_itself(missed: int) -> None:
    """A peer that hides the newer revision only has to wait for expiry, if the node then publishes by itself; an honest
    one publishes its own commit. So the pool is lost only if a person forces the close, against a warning.
    """
    pair = _open()
    node, old = pair.taker, pair.taker.backup()
    _roll(pair, missed)
    pair.alter(node, m.Holding, lambda told: m.Holding(told.cfd_id, 0, b""))
    _restore(pair, node, old)
    assert node.cfd.standing is Standing.CURRENT
    pair.maker.die()  # as one that lies in wait
    pair.oracle.speak(node.cfd.settlement.event_id, 60_000)
    for _ in range(5):
        pair.later(10 * HOUR)
        pair.mine(2)
    assert isinstance(node.phase, p.Open)
    assert "commit" not in _published(node)
    told = summary(node.cfd, now=node.now, tip=node.engine.tip, deadlines=Deadlines())
    assert "only the counterparty says that they are current" in told.warning
    assert told.actions == ("settle", "force close")
    node.check_replay()


def test_a_maker_that_forgot_a_cfd_makes_other_keys_when_its_taker_orders_it_again() -> None:
    """Or a taker that knows revocation secrets of the forgotten one could punish commits of the new one."""
    pair = Pair(liquidations=(), tolerance=Decimal("0.1"))
    backups = [(node, node.backup()) for node in pair.nodes]
    pair.opened()
    key = pair.maker.cfd.id
    before = pair.maker.settings.keychain.cfd_keys(pair.maker.cfd.key_id, 0)
    pair.cut()
    for node, backup in backups:
        node.restore(backup)
        node.give(i.TipChanged(pair.chain.height))
    pair.later(60)
    pair.reconnect()
    pair.take()
    pair.run()
    assert pair.maker.cfd.id == pair.taker.cfd.id == key
    assert pair.maker.cfd.held is not None
    again = pair.maker.settings.keychain.cfd_keys(pair.maker.cfd.key_id, 0)
    names = ("identity", "publish", "revocation")
    assert len({getattr(keys, name).reveal() for keys in (before, again) for name in names}) == 6
    pair.maker.check_replay()


def test_words_of_a_peer_are_stored_once_and_never_make_us_bolder() -> None:
    pair = _open()
    node = pair.taker
    _restore(pair, node, node.backup(), linked=False)
    keys = node.settings.keychain.cfd_keys(node.cfd.key_id, 0)
    kept = []
    for number in (0, 0, 7, 7, 0, 9):
        found = decide.learn_standing(node.cfd, keys, number, b"")
        kept.append(len(found))
        for event in found:
            node.engine = evolve(node.engine, cfds={node.cfd.id: fold(node.cfd, event)})
    assert kept == [1, 0, 1, 0, 0, 0]
    assert node.cfd.standing is Standing.BEHIND
    (proof,) = decide.learn_standing(node.cfd, keys, 9, keys.revocation.reveal())
    assert fold(node.cfd, proof).standing is Standing.REVOKED


def test_a_peer_that_only_claims_to_be_ahead_stops_us_until_a_human_decides() -> None:
    pair = _open()
    node = pair.taker
    pair.alter(node, m.Holding, lambda told: evolve(told, number=7))
    _restore(pair, node, node.backup())
    assert node.cfd.standing is Standing.BEHIND
    with pytest.raises(RuleViolation, match="says that there is a newer revision"):
        node.give(c.ForceClose(node.cfd.id))
    node.give(c.TrustBackup(node.cfd.id))
    node.give(c.ForceClose(node.cfd.id))
    pair.run()
    pair.mine(2)
    assert isinstance(node.phase, p.CommitConfirmed)
    assert _settle_on_chain(pair, node) > 0
    assert isinstance(node.phase, p.Closed)


def test_a_false_proof_is_no_proof() -> None:
    pair = _open()
    node = pair.taker
    pair.alter(node, m.Holding, lambda told: evolve(told, number=7, secret=b"\x05" * 32))
    _restore(pair, node, node.backup())
    assert str(node.cfd.standing) == str(Standing.UNSURE)
    pair.tamper = lambda _to, raw: raw
    pair.advance(HOUR)
    assert node.cfd.standing is Standing.CURRENT, "asked again, and answered truly"


def test_who_is_in_doubt_vouches_for_nobody() -> None:
    pair = _open()
    old = [node.backup() for node in pair.nodes]
    _roll(pair)
    pair.cut()
    for node, backup in zip(pair.nodes, old, strict=True):
        node.restore(backup)
    pair.reconnect()
    pair.advance(3 * HOUR)
    assert [node.cfd.standing for node in pair.nodes] == [Standing.UNSURE] * 2
    assert all("commit" not in _published(node) for node in pair.nodes)


def test_it_gives_up_no_commit_that_it_may_have_published_since_the_backup() -> None:
    """It force-closed while a rollover was open, and forgot that. Mempools lost its commit, but somebody may have kept
    it: the secret that the counterparty now asks for would make that commit a gift of the whole pool.
    """
    pair = _open()
    node = pair.taker
    pair.alter(node, m.CommitSignature, lambda _signature: None)
    _roll(pair)
    pair.tamper = lambda _to, raw: raw
    pair.cut()
    assert node.held.next is not None
    assert pair.maker.held.old is not None
    backup = node.backup()
    pair.chain_speaks = False
    node.give(c.ForceClose(node.cfd.id))
    pair.run()
    pair.chain.drop(pair.chain.spender(pair.draft.lock_outpoint).txid)
    pair.chain_speaks = True
    _restore(pair, node, backup)
    pair.advance(HOUR)
    assert node.held.live.number == 0
    assert not node.sent(m.Revocation)
    assert node.cfd.standing is Standing.BEHIND
    assert _settle_on_chain(pair, node) > 0, "the counterparty's new commit pays both"
    assert isinstance(node.phase, p.Closed)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("price", [50_000, 9_000])
def test_a_close_that_was_signed_after_the_backup_ends_the_books(side: str, price: int) -> None:
    """They do not hold it, and the counterparty says that their revision is its newest: they waited for ever."""
    pair = _open()
    node = getattr(pair, side)
    backup = node.backup()
    pair.taker.give(c.ProposeSettlement(pair.taker.cfd.id, Decimal(price)))
    pair.run()
    pair.maker.give(c.AcceptSettlement(pair.maker.cfd.id)) if pair.maker.conversations else None
    pair.run()
    _restore(pair, node, backup)
    assert node.held.close is None
    pair.mine(4)
    assert isinstance(node.phase, p.Closed)
    assert node.phase == pair.other(node).phase
    assert pair.other(node).phase.kind is e.ExitKind.CLOSE


@pytest.mark.parametrize("wrong", ["amount", "script", "signature", "witness"])
def test_what_only_looks_like_a_close_of_before_is_none(wrong: str) -> None:
    """A chain server cannot make one up: it pays what was locked, to the two, with our signature."""
    pair = _open()
    node, backup = pair.taker, pair.taker.backup()
    node.give(c.ProposeSettlement(node.cfd.id, Decimal(50_000)))
    pair.run()
    close = pair.chain.spender(pair.draft.lock_outpoint)
    first, second = close.outputs
    witness = close.inputs[0].witness
    match wrong:
        case "amount":
            close = evolve(close, outputs=(evolve(first, sats=first.sats - 1), second))
        case "script":
            close = evolve(close, outputs=(evolve(first, script=b"\x00\x14" + bytes(20)), second))
        case "signature":  # ours in the place of theirs as well: what a server could do with it
            close = close.with_witness(0, (witness[1], witness[1], witness[2]))
        case _:
            close = close.with_witness(0, (b"", b"\x30", witness[2]))
    pair.cut()
    node.restore(backup)
    report = i.OutpointReport(pair.draft.lock_outpoint, pair.chain.height, i.Spend(close.serialize(), 0))
    before = len(node.log)
    node.give(report)
    assert len(node.log) == before
    assert isinstance(node.phase, p.Open)


def test_an_answer_without_a_question_changes_nothing() -> None:
    pair = _open()
    before = [len(node.log) for node in pair.nodes]
    run = RunId("stray")
    pair.taker.give(i.StreamOpened(run, pair.maker.peer, m.RESUME_PROTOCOL, ENTROPY))
    pair.taker.give(i.MessageReceived(run, m.Holding(pair.taker.cfd.id, 5, b"")))
    assert [len(node.log) for node in pair.nodes] == before
    assert pair.taker.cfd.standing is None


def test_a_commit_that_was_published_before_the_backup_goes_on() -> None:
    pair = _open()
    node = pair.taker
    node.give(c.ForceClose(node.cfd.id))
    pair.run()
    backup = node.backup()
    pair.mine(2)
    _restore(pair, node, backup)
    assert isinstance(node.phase, p.CommitConfirmed)
    assert _settle_on_chain(pair, node) > 0
    assert isinstance(node.phase, p.Closed)


def test_what_ended_is_not_doubted() -> None:
    pair = _open()
    pair.taker.give(c.ProposeSettlement(pair.taker.cfd.id, pair.offer.bid))
    pair.run()
    pair.mine(4)
    assert isinstance(pair.taker.phase, p.Closed)
    _restore(pair, pair.taker, pair.taker.backup())
    assert pair.taker.cfd.standing is None
    assert not [r for r in pair.taker.log if isinstance(r.event, e.RestoredFromBackup)]
    assert Transaction.parse(pair.chain.spender(pair.draft.lock_outpoint).serialize()).inputs
