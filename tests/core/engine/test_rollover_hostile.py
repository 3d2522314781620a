"""A counterparty that lies, stops, repeats or interrupts while the CFD is rolled over: nothing at stake is lost."""

import hashlib
import itertools
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from attrs import evolve

from cfd_core import inputs as i
from cfd_core.cfd import commands as c
from cfd_core.cfd import events as e
from cfd_core.cfd import phases as p
from cfd_core.errors import RuleViolation
from cfd_core.oracle import hourly_event_id
from cfd_core.protocols.contract_setup import messages as setup
from cfd_core.protocols.rollover import messages as m
from cfd_core.protocols.settlement import messages as settle
from cfd_core.serial import wire
from cfd_core.testing import Parcel
from cfd_core.values import HOUR, CfdId, EventId, PeerId, Role, RunId, Timestamp, Txid

NOW = Timestamp(1633298400)
E32 = bytes(range(32))
COUNT = itertools.count()
G2 = bytes.fromhex("02c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee5")
G3 = bytes.fromhex("02f9308a019258c31049344f85f89d5229b531c845836f99b08601f113bce036f9")
MESSAGES = 12
"""Propose, Accept, and two each of Points, Agreement, Exits, CommitSignature, Revocation."""
roles = pytest.mark.parametrize("victim", list(Role), ids=lambda role: f"to the {role.value}")


def opened(make_pair: Any, **more: Any) -> Any:
    fields = {"own_oracle": True, "tolerance": Decimal("0.1"), "liquidations": (), **more}
    pair = make_pair(**fields)
    pair.take()
    pair.run()
    pair.confirm_lock()
    pair.later(2 * HOUR)
    return pair


@pytest.fixture
def rolling(make_pair: Any) -> Any:
    """Open, two hours old, with few CETs and no liquidation events."""
    return opened(make_pair)


def node_of(pair: Any, role: Role) -> Any:
    return pair.maker if role is Role.MAKER else pair.taker


def propose(pair: Any, role: Role = Role.TAKER) -> None:
    node = node_of(pair, role)
    node.give(c.RollOver(node.cfd.id, E32))


def settles(pair: Any, closer: Any = None) -> None:
    """Whatever went before: a force close of either side ends in the CET of the published revision, for both."""
    node = closer or pair.taker
    if not isinstance(node.phase, p.COMMITTED):
        node.give(c.ForceClose(node.cfd.id))
    pair.mine()
    number = node.phase.commit.number
    for one in pair.nodes:
        assert one.phase.commit.number == number
        assert one.held.settleable(number) is not None
    pair.attest(48_935, node.held.settleable(number).draft.revision.settlement)
    pair.mine(16)
    for one in pair.nodes:
        assert isinstance(one.phase, p.Closed)
        assert one.phase.kind is e.ExitKind.CET


def unchanged(pair: Any) -> None:
    for node in pair.nodes:
        assert isinstance(node.phase, p.Open)
        assert (node.held.live.number, node.held.old, node.held.next) == (0, None, None)
        assert not node.engine.runs
        assert not node.sent(m.CommitSignature)
        assert not node.sent(m.Revocation)


# --- lies ----------------------------------------------------------------------------------------------------------


def later_event(hours: int, digits: int = 20, source: str = "/x/BitMEX/BXBT") -> EventId:
    return hourly_event_id(Timestamp(NOW + hours * HOUR), digits, source)


TERMS: dict[str, Callable[[m.Terms], m.Terms]] = {
    "an hour more of funding": lambda x: evolve(x, hours=x.hours + 1),
    "no funding": lambda x: evolve(x, hours=0),
    "no later expiry": lambda x: evolve(x, settlement=later_event(24)),
    "an earlier expiry": lambda x: evolve(x, settlement=later_event(20)),
    "an expiry in the past": lambda x: evolve(x, settlement=later_event(1)),
    "an expiry that is too far": lambda x: evolve(x, settlement=later_event(28), hours=4),
    "an event of other digits": lambda x: evolve(x, settlement=later_event(26, digits=18)),
    "an event of another index": lambda x: evolve(x, settlement=later_event(26, source="/x/other/BXBT")),
    "no event at all": lambda x: evolve(x, settlement=EventId("tomorrow")),
    "an empty event": lambda x: evolve(x, settlement=EventId("")),
    "liquidations of its own": lambda x: evolve(x, liquidations=(later_event(10),)),
    "a liquidation that is no event": lambda x: evolve(x, liquidations=(EventId("x"),)),
}


@roles
@pytest.mark.parametrize("name", TERMS)
def test_other_terms_than_are_due(rolling: Any, audit: Any, victim: Role, name: str) -> None:
    """To the accepter in the proposal, to the proposer in the answer."""
    pair = rolling
    kind: type[Any]
    for proposer, kind in ((victim.other, m.Propose), (victim, m.Accept)):
        pair.alter(node_of(pair, victim), kind, lambda x: evolve(x, terms=TERMS[name](x.terms)))
        propose(pair, proposer)
        pair.run()
        unchanged(pair)
    pair.tamper = lambda _to, raw: raw
    audit(pair)
    settles(pair)


@roles
def test_a_liquidation_event_left_out_or_added(make_pair: Any, victim: Role) -> None:
    pair = opened(make_pair, liquidations=tuple(later_event(n) for n in range(1, 24)))
    changes: list[Callable[[Any], Any]] = [
        lambda x: x[1:],
        lambda x: x[:-1],
        lambda _: (),
        lambda x: (*x[:3], x[2], *x[4:]),
        lambda x: x[::-1],
        lambda x: (later_event(1), *x),
    ]
    for change in changes:

        def altered(message: Any, change: Callable[[Any], Any] = change) -> Any:
            return evolve(message, terms=evolve(message.terms, liquidations=change(message.terms.liquidations)))

        pair.alter(node_of(pair, victim), m.Propose, altered)
        propose(pair, victim.other)
        pair.run()
        unchanged(pair)


@pytest.mark.parametrize("rate", ["0.0100001", "-0.0100001", "0.1"])
def test_funding_over_the_takers_limit(rolling: Any, rate: str) -> None:
    rolling.alter(rolling.taker, m.Accept, lambda x: evolve(x, terms=evolve(x.terms, funding_rate=Decimal(rate))))
    propose(rolling)
    rolling.run()
    unchanged(rolling)


@pytest.mark.parametrize("rate", ["0.2", "-1", "1E-13", "1E-999999999999", "1E+400", "99999999999999999999"])
def test_a_funding_rate_that_is_no_rate_does_not_decode(rolling: Any, rate: str) -> None:
    def absurd(message: Any) -> bytes:
        raw = wire.encode_message(message)
        was = f'"funding_rate":"{message.terms.funding_rate}"'.encode()
        assert was in raw
        return raw.replace(was, f'"funding_rate":"{rate}"'.encode())

    for role, kind in ((Role.TAKER, m.Accept), (Role.MAKER, m.Propose)):
        rolling.alter(node_of(rolling, role), kind, absurd)
        propose(rolling)
        rolling.run()
        rolling.fire_timers(2 * HOUR + 60)
        unchanged(rolling)


def test_a_taker_does_not_set_the_makers_rate(rolling: Any) -> None:
    pair = rolling
    pair.alter(pair.maker, m.Propose, lambda x: evolve(x, terms=evolve(x.terms, funding_rate=Decimal("-0.01"))))
    propose(pair)
    pair.run()
    assert [node.held.live.draft.revision.funding_rate for node in pair.nodes] == [0, 0], "the maker's word counts"
    assert [node.held.live.number for node in pair.nodes] == [1, 1]


@roles
def test_a_proposal_from_another_revision(rolling: Any, victim: Role) -> None:
    rolling.alter(node_of(rolling, victim), m.Propose, lambda x: evolve(x, from_commit=Txid("11" * 32)))
    propose(rolling, victim.other)
    rolling.run()
    unchanged(rolling)


def points_of(pair: Any, role: Role) -> Any:
    return pair.draft.party(role).points


POINTS: dict[str, Callable[[m.Points, Any, Role], m.Points]] = {
    "no point": lambda x, _p, _v: evolve(x, publish=bytes(33)),
    "an x on no point": lambda x, _p, _v: evolve(x, revocation=b"\x02" + bytes(31) + b"\x05"),
    "one point twice": lambda x, _p, _v: evolve(x, publish=x.revocation),
    "our old publish point": lambda x, p, v: evolve(x, publish=points_of(p, v).publish),
    "our old revocation point": lambda x, p, v: evolve(x, revocation=points_of(p, v).revocation),
    "its own old revocation point": lambda x, p, v: evolve(x, revocation=points_of(p, v.other).revocation),
    "its own old publish point": lambda x, p, v: evolve(x, publish=points_of(p, v.other).publish),
    "our identity": lambda x, p, v: evolve(x, revocation=p.draft.party(v).funder.identity),
    "its own identity": lambda x, p, v: evolve(x, publish=p.draft.party(v.other).funder.identity),
    "other points than it used": lambda x, _p, _v: evolve(x, publish=G2, revocation=G3),
}


@roles
@pytest.mark.parametrize("name", POINTS)
def test_bad_points(rolling: Any, audit: Any, victim: Role, name: str) -> None:
    rolling.alter(node_of(rolling, victim), m.Points, lambda x: POINTS[name](x, rolling, victim))
    propose(rolling)
    rolling.run()
    unchanged(rolling)
    audit(rolling)
    settles(rolling)


def flip(raw: bytes, at: int) -> bytes:
    return raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]


BEFORE_COMMITS: dict[str, tuple[type[Any], Callable[[Any], Any]]] = {
    "another fingerprint": (m.Agreement, lambda x: evolve(x, fingerprint=bytes(32))),
    "a bad refund": (m.Exits, lambda x: evolve(x, refund=flip(x.refund, 40))),
    "no refund": (m.Exits, lambda x: evolve(x, refund=b"")),
    "a bad first CET": (m.Exits, lambda x: evolve(x, cets=flip(x.cets, 70))),
    "a bad last CET": (m.Exits, lambda x: evolve(x, cets=flip(x.cets, len(x.cets) - 1))),
    "a CET too few": (m.Exits, lambda x: evolve(x, cets=x.cets[:-162])),
    "no CETs": (m.Exits, lambda x: evolve(x, cets=b"")),
    "CETs of zeros": (m.Exits, lambda x: evolve(x, cets=bytes(len(x.cets)))),
}


@roles
@pytest.mark.parametrize("name", BEFORE_COMMITS)
def test_lies_before_a_commit_is_signed(rolling: Any, audit: Any, victim: Role, name: str) -> None:
    kind, change = BEFORE_COMMITS[name]
    node = node_of(rolling, victim)
    rolling.alter(node, kind, change)
    propose(rolling)
    rolling.run()
    rolling.fire_timers(2 * HOUR + 60)
    assert not node.sent(m.CommitSignature), "the liar gets no commit"
    assert not node.sent(m.Revocation)
    assert node.held.live.number == 0
    audit(rolling)
    settles(rolling, node)


COMMITS: dict[str, Callable[[m.CommitSignature], m.CommitSignature]] = {
    "a flipped bit": lambda x: evolve(x, signature=flip(x.signature, 100)),
    "zeros": lambda x: evolve(x, signature=bytes(162)),
    "of another revision": lambda x: evolve(x, revision=x.revision + 1),
    "of the old revision": lambda x: evolve(x, revision=0),
}


@roles
@pytest.mark.parametrize("name", COMMITS)
def test_a_bad_commit_signature(rolling: Any, audit: Any, victim: Role, name: str) -> None:
    node = node_of(rolling, victim)
    rolling.alter(node, m.CommitSignature, COMMITS[name])
    propose(rolling)
    rolling.run()
    assert node.held.live.number == 0
    assert not node.sent(m.Revocation), "our old revision stays unrevoked"
    audit(rolling)
    settles(rolling, node)


SECRETS: dict[str, Callable[[m.Revocation], m.Revocation]] = {
    "a wrong secret": lambda x: evolve(x, secret=flip(x.secret, 31)),
    "zero": lambda x: evolve(x, secret=bytes(32)),
    "more than the order": lambda x: evolve(x, secret=b"\xff" * 32),
    "of another revision": lambda x: evolve(x, revision=x.revision + 1),
    "of a negative revision": lambda x: evolve(x, revision=-1),
}


@roles
@pytest.mark.parametrize("name", SECRETS)
def test_a_bad_revocation(rolling: Any, audit: Any, victim: Role, name: str) -> None:
    node = node_of(rolling, victim)
    rolling.alter(node, m.Revocation, SECRETS[name])
    propose(rolling)
    rolling.run()
    assert node.held.live.number == 1, "the new revision is ours"
    assert node.held.old is not None, "the old one may still come: it is kept whole"
    assert not node.held.revoked
    if victim is Role.MAKER:
        assert not node.sent(m.Revocation), "the maker revokes after the taker"
    audit(rolling)
    with pytest.raises(RuleViolation, match="not complete"):
        propose(rolling, victim)
    settles(rolling, node)


@roles
@pytest.mark.parametrize("name", SECRETS)
def test_a_bad_revocation_sent_again(rolling: Any, victim: Role, name: str) -> None:
    """On the resume stream too; the true one, later, completes the rollover."""
    node = node_of(rolling, victim)
    rolling.alter(node, m.Revocation, lambda _: None)
    propose(rolling)
    rolling.run()
    rolling.cut()
    rolling.alter(node, m.Revocation, SECRETS[name])
    rolling.reconnect()
    assert node.held.old is not None
    rolling.cut()
    rolling.tamper = lambda _to, raw: raw
    rolling.reconnect()
    for one in rolling.nodes:
        assert (one.held.live.number, one.held.old) == (1, None)


# --- one commit signature per revision -------------------------------------------------------------------------------


def withheld(pair: Any) -> None:
    """The maker takes the taker's commit signature and says nothing more."""
    pair.alter(pair.maker, m.CommitSignature, lambda _: None)
    propose(pair)
    pair.run()
    pair.cut()
    pair.tamper = lambda _to, raw: raw
    assert pair.taker.held.next is not None


def test_other_points_for_a_revision_that_we_signed_already(rolling: Any, audit: Any) -> None:
    """Two commits of one revision would be out: the taker would know and be able to settle only one."""
    pair = rolling
    withheld(pair)
    first = pair.taker.held.next
    forged = (G2, G3)
    pair.alter(pair.taker, m.Points, lambda x: evolve(x, publish=forged[0], revocation=forged[1]))
    propose(pair)
    pair.run()
    assert pair.taker.held.next == first
    assert not pair.taker.engine.runs
    pair.tamper = lambda _to, raw: raw
    audit(pair)
    propose(pair)
    pair.run()
    assert [node.held.live.number for node in pair.nodes] == [1, 1]


def test_the_signature_that_is_out_is_the_one_that_is_kept(rolling: Any) -> None:
    """Signed again with other nonces, a punishment could not find the publish secret."""
    pair = rolling
    withheld(pair)
    first = pair.taker.held.next.own_commit
    pair.taker.give(c.RollOver(pair.taker.cfd.id, hashlib.sha256(b"other entropy").digest()))
    pair.run()
    assert pair.taker.held.live.own_commit == first
    maker_keys = pair.maker.settings.keychain.cfd_keys(pair.maker.cfd.key_id, 1)
    revoked = pair.maker.held.live.sign_commit(maker_keys)
    pair.later(HOUR)
    propose(pair)
    pair.run()
    pair.cheats(pair.maker)
    pair.chain.submit(revoked)
    pair.mine(5)
    assert pair.taker.phase.kind is e.ExitKind.PUNISH


@pytest.mark.parametrize("published", [0, 1])
def test_either_commit_settles_while_a_rollover_is_incomplete(rolling: Any, published: int) -> None:
    """A maker that holds both commits may choose; the taker settles by either."""
    pair = rolling
    pair.alter(pair.taker, m.CommitSignature, lambda _: None)
    propose(pair)
    pair.run()
    pair.cut()
    assert (pair.maker.held.live.number, pair.taker.held.live.number) == (1, 0)
    dlc = pair.maker.held.live if published else pair.maker.held.old
    keys = pair.maker.settings.keychain.cfd_keys(pair.maker.cfd.key_id, published)
    pair.chain.submit(dlc.sign_commit(keys))
    pair.mine()
    assert pair.taker.phase.commit.number == published
    settles(pair, pair.taker)


# --- stopping, repeating, wrong turns --------------------------------------------------------------------------------


def deliver_only(pair: Any, which: int, copies: int) -> None:
    count = iter(range(10**6))

    def tamper(to: Any, raw: bytes) -> bytes | None:
        if next(count) != which:
            return raw
        for _ in range(copies - 1):
            pair.network.wire.appendleft(Parcel(to.peer, pair.run_of(to), raw))
        return raw if copies else None

    pair.tamper = tamper


@pytest.mark.parametrize("proposer", list(Role), ids=lambda role: role.value)
@pytest.mark.parametrize("which", range(MESSAGES))
@pytest.mark.parametrize("copies", [0, 2], ids=["lost", "doubled"])
def test_a_message_lost_or_doubled(rolling: Any, audit: Any, which: int, proposer: Role, copies: int) -> None:
    pair = rolling
    deliver_only(pair, which, copies)
    propose(pair, proposer)
    pair.run()
    pair.fire_timers(2 * HOUR + 60)
    pair.tamper = lambda _to, raw: raw
    audit(pair)
    numbers = [node.held.live.number for node in pair.nodes]
    assert max(numbers) - min(numbers) <= 1
    pair.reconnect()
    for node in pair.nodes:
        node.give(i.TimerFired(), Timestamp(node.now + 61))
    pair.run()
    settles(pair, node_of(pair, proposer))


def test_a_rollover_takes_twelve_messages(rolling: Any) -> None:
    seen: list[bytes] = []

    def note(_to: Any, raw: bytes) -> bytes:
        seen.append(raw)
        return raw

    rolling.tamper = note
    propose(rolling)
    rolling.run()
    assert len(seen) == MESSAGES


def samples(pair: Any) -> list[i.Message]:
    key = pair.taker.cfd.id
    terms = m.Terms(settlement=later_event(26), liquidations=(), funding_rate=Decimal(0), hours=2)
    return [
        m.Propose(key, pair.draft.commit.txid, terms),
        m.Accept(key, terms),
        m.Points(key, G2, G3),
        m.Agreement(key, bytes(32)),
        m.Exits(key, b"", b""),
        m.CommitSignature(key, 1, bytes(162)),
        m.Revocation(key, 0, bytes(32)),
        setup.Accept(key),
        setup.LockSignatures(key, ()),
        settle.CloseSignature(key, b""),
        settle.Reject(key, "no"),
    ]


@roles
@pytest.mark.parametrize("kind", range(11))
def test_a_message_out_of_turn_in_every_state(make_pair: Any, audit: Any, victim: Role, kind: int) -> None:
    """After so many steps of an honest rollover, the victim gets a message too many, of any kind."""
    pair = node = None
    for steps in range(0, 60, 4):
        pair = opened(make_pair, tolerance=Decimal("0.1"))
        node = node_of(pair, victim)
        propose(pair)
        pair.run(steps)
        if not node.engine.runs and steps > 20:
            break
        for run in list(node.engine.runs):
            node.give(i.MessageReceived(run, samples(pair)[kind]))
        pair.run()
        pair.fire_timers(2 * HOUR + 60)
        audit(pair)
        numbers = [one.held.live.number for one in pair.nodes]
        assert max(numbers) - min(numbers) <= 1
    settles(pair, node)


def test_first_messages_that_begin_nothing(rolling: Any) -> None:
    maker = rolling.maker
    for number, message in enumerate(samples(rolling)[1:]):
        run = RunId(f"x{number}")
        maker.give(i.StreamOpened(run, PeerId("SHA256:taker"), m.PROTOCOL, E32))
        maker.give(i.MessageReceived(run, message))
        assert run not in maker.engine.runs


def test_proposals_about_nothing_of_theirs(rolling: Any) -> None:
    """A stranger, an unknown CFD, and a CFD of somebody else."""
    maker, proposal = rolling.maker, samples(rolling)[0]
    for peer, message in (
        ("SHA256:stranger", proposal),
        ("SHA256:taker", evolve(proposal, cfd_id=CfdId("ee" * 16))),
        ("SHA256:stranger", settle.Propose(proposal.cfd_id, Decimal(50_000), bytes(32))),
    ):
        protocol = settle.PROTOCOL if isinstance(message, settle.Propose) else m.PROTOCOL
        maker.give(i.StreamOpened(RunId("s"), PeerId(peer), protocol, E32))
        maker.give(i.MessageReceived(RunId("s"), message))
        sent = [x for x in maker.todo if getattr(x, "run", None) == "s"]
        assert "no such CFD" in sent[0].message.reason
        maker.todo.clear()
        assert RunId("s") not in maker.engine.runs


def test_no_rollover_while_a_close_is_signed(rolling: Any) -> None:
    rolling.alter(rolling.maker, settle.CloseSignature, lambda _: None)
    rolling.taker.give(c.ProposeSettlement(rolling.taker.cfd.id, Decimal(50_000)))
    rolling.run()
    rolling.maker.give(c.AcceptSettlement(rolling.maker.cfd.id))
    rolling.run()
    rolling.cut()
    rolling.tamper = lambda _to, raw: raw
    assert rolling.taker.held.close is not None
    with pytest.raises(RuleViolation, match="close is signed"):
        propose(rolling, Role.TAKER)
    propose(rolling, Role.MAKER)
    rolling.run()
    assert [node.held.live.number for node in rolling.nodes] == [0, 0]
    settles(rolling)


# --- sent again ------------------------------------------------------------------------------------------------------


def resume(node: Any, peer: str, *messages: i.Message) -> RunId:
    run = RunId(f"resume{next(COUNT)}")
    node.give(i.StreamOpened(run, PeerId(peer), m.RESUME_PROTOCOL, E32))
    for message in messages:
        node.give(i.MessageReceived(run, message))
    return run


def resume_lies(pair: Any) -> list[tuple[str, i.Message]]:
    key = pair.taker.cfd.id
    return [
        ("SHA256:stranger", m.CommitSignature(key, 1, bytes(162))),
        ("SHA256:stranger", m.Revocation(key, 0, bytes(32))),
        ("peer", m.CommitSignature(CfdId("ee" * 16), 1, bytes(162))),
        ("peer", m.CommitSignature(key, 7, bytes(162))),
        ("peer", m.CommitSignature(key, -1, bytes(162))),
        ("peer", m.CommitSignature(key, 1, bytes(162))),
        ("peer", m.Revocation(key, 0, bytes(32))),
        ("peer", m.Revocation(key, 1, bytes(32))),
        ("peer", m.Revocation(key, 10**30, bytes(32))),
        ("peer", m.Agreement(key, bytes(32))),
        ("peer", setup.Order(key, pair.offer.id, pair.taker.cfd.position, 1000, 2)),
    ]


@roles
@pytest.mark.parametrize("cut_after", [0, 6, 8, 9, 10, 11, 12])
def test_lies_on_the_resume_stream(rolling: Any, audit: Any, victim: Role, cut_after: int) -> None:
    pair = rolling
    left = iter(range(10**6))
    pair.tamper = lambda _to, raw: raw if next(left) < cut_after else None
    propose(pair)
    pair.run()
    pair.cut()
    pair.tamper = lambda _to, raw: raw
    node = node_of(pair, victim)
    before = node.cfd
    for peer, message in resume_lies(pair):
        resume(node, node_of(pair, victim.other).peer if peer == "peer" else peer, message)
        assert node.cfd == before, message
    pair.cut()
    pair.reconnect()
    pair.fire_timers(2 * HOUR + 61)
    audit(pair)
    settles(pair, node)


def test_resuming_any_number_of_times_in_any_order(rolling: Any) -> None:
    pair = rolling
    left = iter(range(10**6))
    pair.tamper = lambda _to, raw: raw if next(left) < 9 else None
    propose(pair)
    pair.run()
    pair.cut()
    recorded: list[tuple[Any, bytes]] = []

    def listen(to: Any, raw: bytes) -> bytes:
        recorded.append((to, raw))
        return raw

    pair.tamper = listen
    for _ in range(3):
        pair.reconnect()
        pair.fire_timers(pair.taker.now - NOW + 61)
    pair.tamper = lambda _to, raw: raw
    assert [node.held.live.number for node in pair.nodes] == [1, 1]
    logs = [list(node.log) for node in pair.nodes]
    for to, raw in reversed(recorded):
        resume(to, node_of(pair, to.role.other).peer, wire.decode_message(raw))
    pair.run()
    assert [list(node.log) for node in pair.nodes] == logs, "replays are no news"


@roles
def test_a_revocation_after_the_end_is_no_news(rolling: Any, victim: Role) -> None:
    """The CFD ended by the new revision before the old one was revoked."""
    pair, node = rolling, node_of(rolling, victim)
    pair.alter(node, m.Revocation, lambda _: None)
    propose(pair)
    pair.run()
    pair.cut()
    number = node.held.old.number
    key = node_of(pair, victim.other).settings.keychain.cfd_keys(node.cfd.key_id, number)
    settles(pair, node)
    before = node.cfd
    resume(node, node_of(pair, victim.other).peer, m.Revocation(node.cfd.id, number, key.revocation.reveal()))
    assert node.cfd == before


# --- our own side ----------------------------------------------------------------------------------------------------


def test_a_late_verification_is_not_taken_for_the_next_run(rolling: Any) -> None:
    """The CETs of a first run were good; those of the second are not, and are being checked."""
    pair, maker = rolling, rolling.maker
    propose(pair)
    while not any(type(run.state).__name__ == "VerifyingCets" for run in maker.engine.runs.values()):
        assert pair.step()
    (late,) = [x for x in maker.todo if type(x).__name__ == "VerifyCets"]
    maker.todo.remove(late)
    pair.cut()
    pair.alter(maker, m.Exits, lambda x: evolve(x, cets=flip(x.cets, 70)))
    pair.taker.give(c.RollOver(pair.taker.cfd.id, hashlib.sha256(b"second").digest()))
    while not any(type(run.state).__name__ == "VerifyingCets" for run in maker.engine.runs.values()):
        assert pair.step()
    maker.give(i.CetsVerified(late.cfd_id, late.run, None))
    pair.run()
    pair.fire_timers(2 * HOUR + 60)
    assert maker.held.live.number == 0
    assert not maker.sent(m.CommitSignature)


def test_run_ids_are_never_used_twice(rolling: Any) -> None:
    seen = set()
    for _ in range(3):
        for command in (c.RollOver(rolling.taker.cfd.id, E32), c.ProposeSettlement(rolling.taker.cfd.id, Decimal(1))):
            rolling.taker.give(command)
            (run,) = rolling.taker.engine.runs
            assert run not in seen
            seen.add(run)
            rolling.taker.give(i.StreamClosed(run, "cut"))


def test_another_announcement_of_a_kept_event_changes_nothing(rolling: Any) -> None:
    name = (rolling.announcement.oracle_key, rolling.announcement.event_id)
    kept = rolling.taker.engine.announcements[name]
    other = evolve(kept, nonces=kept.nonces[::-1])
    rolling.taker.give(i.AnnouncementReceived(other))
    assert rolling.taker.engine.announcements[name] == kept


def test_an_attestation_of_the_replaced_revision_does_not_stop_rollovers(rolling: Any) -> None:
    """It is replaced once the counterparty has revoked it; before, the CFD is closed (test_open_rollover.py)."""
    pair = rolling
    propose(pair)
    pair.run()
    pair.later(22 * HOUR)
    pair.attest(48_935)
    assert all(isinstance(node.phase, p.Open) for node in pair.nodes)
    propose(pair)
    pair.run()
    assert [node.held.live.number for node in pair.nodes] == [2, 2]
    settles(pair)


@pytest.mark.parametrize("publisher", list(Role), ids=lambda role: f"the {role.value} publishes")
@pytest.mark.parametrize("again", [False, True], ids=["on the run", "on the resume stream"])
def test_a_commit_signature_after_a_commit_is_out_gives_nothing_up(rolling: Any, publisher: Role, again: bool) -> None:
    """Else our secret of the old revision would leave while its commit, maybe our own, is on its way."""
    pair, taker = rolling, rolling.taker
    kept: list[m.CommitSignature] = []
    pair.alter(taker, m.CommitSignature, kept.append)
    propose(pair)
    pair.run()
    if again:
        pair.cut()
    if publisher is Role.TAKER:
        # not by a command, which would end the run: the clock says that the CFD is over
        taker.now = Timestamp(taker.now + 36 * HOUR)
        taker.give(i.TipChanged(pair.chain.height))
    else:
        keys = pair.maker.settings.keychain.cfd_keys(pair.maker.cfd.key_id, 0)
        pair.chain.submit(pair.maker.held.old.sign_commit(keys))
        while pair.report_news():
            pass
    assert isinstance(taker.phase, p.COMMITTED)
    if again:
        resume(taker, "SHA256:maker", kept[0])
    else:
        (run,) = taker.engine.runs
        taker.give(i.MessageReceived(run, kept[0]))
    pair.run()
    assert taker.held.live.number == 0
    assert not taker.sent(m.Revocation)
    pair.tamper = lambda _to, raw: raw
    settles(pair)
