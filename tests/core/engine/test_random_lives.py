"""Random histories of two honest nodes, and of one that cheats at the end.

Messages are lost, processes die, blocks are undone, fees spike, commands come at any time. Nothing escapes
`Engine.handle`, no honest side is ever punishable (`cfd_core.testing.Conscience` sees each turn), and every CFD can be
driven to its end, with an outcome that the contract allows.
"""

import hashlib
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from cfd_core import inputs as i
from cfd_core.bitcoin.transaction import Transaction
from cfd_core.cfd import commands as c
from cfd_core.cfd import phases as p
from cfd_core.cfd.events import ExitKind
from cfd_core.errors import RuleViolation
from cfd_core.values import HOUR, CfdId, EventId, Role, Timestamp

ALLOWED = {ExitKind.CET, ExitKind.LIQUIDATION, ExitKind.REFUND, ExitKind.CLOSE, ExitKind.CANCEL, ExitKind.DOUBLE_SPEND}
SAME_MONEY = {ExitKind.LIQUIDATION: ExitKind.CET, ExitKind.DOUBLE_SPEND: ExitKind.CANCEL}
PRICES = (Decimal(50_000), Decimal(47_000), Decimal("51234.5"))
steps = st.one_of(
    st.tuples(st.just("run"), st.integers(0, 40)),
    st.tuples(st.sampled_from(["roll", "settle", "accept", "restart", "cut", "reconnect", "time"]), st.integers(0, 5)),
    st.tuples(st.sampled_from(["roll", "run"]), st.integers(0, 5)),
    st.tuples(st.sampled_from(["mine", "reorg", "evict", "hold", "lose", "later"]), st.integers(0, 5)),
    st.tuples(st.sampled_from(["close", "attest", "liquidate", "repeat", "contradict"]), st.integers(0, 5)),
)
histories = st.lists(steps, min_size=4, max_size=30)


class History:
    """What may happen to a pair, one step at a time; nobody waits for anybody."""

    def __init__(self, pair: Any) -> None:
        self.pair = pair
        self.highest = pair.chain.height
        self.to_lose = 0
        self.seen: list[tuple[Any, bytes]] = []
        self.commits: dict[tuple[Role, int], Transaction] = {}
        pair.tamper = self._lose
        pair.take()

    def _lose(self, to: Any, raw: bytes) -> bytes | None:
        self.seen.append((to, raw))
        if self.to_lose:
            self.to_lose -= 1
            return None
        return raw

    def node(self, which: int) -> Any:
        return self.pair.nodes[which % 2]

    def command(self, node: Any, command: Any) -> None:
        try:
            node.give(command)
        except RuleViolation as refusal:
            event(f"refused: {type(command).__name__}: {str(refusal)[:30]}")

    def do(self, what: str, how: int) -> None:
        getattr(self, what)(how)
        for node in self.pair.nodes:
            self._remember(node)

    def _remember(self, node: Any) -> None:
        for cfd in node.engine.cfds.values():
            if cfd.held is not None and (node.role, cfd.held.live.number) not in self.commits:
                keys = node.settings.keychain.cfd_keys(cfd.key_id, cfd.held.live.number)
                self.commits[node.role, cfd.held.live.number] = cfd.held.live.sign_commit(keys)

    # --- steps -----------------------------------------------------------------------------------------------------

    def run(self, how: int) -> None:
        self.pair.run(how * 3)

    def key(self, node: Any) -> CfdId:
        return next(iter(node.engine.cfds), CfdId("ee" * 16))

    def roll(self, how: int) -> None:
        node = self.node(how)
        entropy = hashlib.sha256(f"{how} {len(node.log)}".encode()).digest()
        self.command(node, c.RollOver(self.key(node), entropy))
        self.pair.run(how * 30)

    def settle(self, how: int) -> None:
        node = self.node(how)
        self.command(node, c.ProposeSettlement(self.key(node), PRICES[how % 3]))

    def accept(self, how: int) -> None:
        node = self.node(how)
        self.command(node, c.AcceptSettlement(self.key(node)))

    def close(self, how: int) -> None:
        if how < 2:  # not too often: it is the end of the interesting part
            node = self.node(how)
            self.command(node, c.ForceClose(self.key(node)))

    def restart(self, how: int) -> None:
        self.pair.restart(self.node(how))

    def cut(self, _how: int) -> None:
        self.pair.network.cut()
        for node in self.pair.nodes:
            for run in list(node.engine.runs):
                node.give(i.StreamClosed(run, "the link broke"))

    def reconnect(self, _how: int) -> None:
        for node, other in zip(self.pair.nodes, reversed(self.pair.nodes), strict=True):
            node.give(i.PeerConnected(other.peer, hashlib.sha256(node.peer.encode()).digest()))

    def time(self, how: int) -> None:
        for node in self.pair.nodes:
            node.now = Timestamp(node.now + 61 * (1 + how))
            node.give(i.TimerFired())

    def later(self, how: int) -> None:
        for node in self.pair.nodes:
            node.now = Timestamp(node.now + HOUR * (1 + how))
            node.give(i.TimerFired())

    def mine(self, how: int) -> None:
        for _ in range(1 + how):
            self.pair.chain.mine()
            self.tip()
            self.pair.run(20)

    def tip(self) -> None:
        self.highest = max(self.highest, self.pair.chain.height)
        for node in self.pair.nodes:
            node.give(i.TipChanged(self.pair.chain.height))

    def reorg(self, how: int) -> None:
        depth = min(1 + how % 2, self.pair.chain.height - self.highest + 2)
        if depth > 0:
            self.pair.chain.reorg(depth)
            self.tip()

    def waiting(self) -> list[str]:
        return list(self.pair.chain.waiting)

    def evict(self, how: int) -> None:
        if waiting := self.waiting():
            self.pair.chain.drop(waiting[how % len(waiting)])

    def hold(self, how: int) -> None:
        """A fee spike; a later one ends it."""
        held = self.pair.chain.held_back
        held.clear() if held else held.update(self.waiting()[: 1 + how])

    def lose(self, how: int) -> None:
        self.to_lose = 1 + how % 2

    def repeat(self, how: int) -> None:
        """A message of before comes once more, on whatever stream there is."""
        if self.seen:
            to, raw = self.seen[-1 - how % len(self.seen)]
            for run in list(to.engine.runs):
                self.pair.deliver(to, run, raw)

    def events(self) -> list[Any]:
        found = [cfd.held.unrevoked for node in self.pair.nodes for cfd in node.engine.cfds.values() if cfd.held]
        return [dlc for dlcs in found for dlc in dlcs]

    def attest(self, how: int) -> None:
        if dlcs := self.events():
            self.speak(dlcs[how % len(dlcs)].draft.revision.settlement, 48_935)

    def liquidate(self, how: int) -> None:
        hourly = [x for dlc in self.events() for x in dlc.draft.revision.liquidations]
        if hourly and how < 2:
            self.speak(hourly[how % len(hourly)], (20_000, 48_935)[how])

    def speak(self, name: EventId, price: int) -> None:
        known = self.pair.spoken.setdefault(name, price)
        for node in self.pair.nodes:
            node.give(i.AttestationReceived(name, self.pair.attested(name, known)))

    def contradict(self, how: int) -> None:
        """The oracle signs another price for what it has spoken about; whoever has not settled by then is refunded."""
        if how < 2 and self.pair.spoken:
            name = sorted(self.pair.spoken)[how % len(self.pair.spoken)]
            for node in self.pair.nodes:
                node.give(i.AttestationReceived(name, self.pair.attested(name, self.pair.spoken[name] + 1_000)))
                for cfd in node.engine.cfds.values():
                    doubted = {doubt.first.event_id for doubt in cfd.equivocations}
                    known = cfd.held is not None and cfd.outcome_of(name) is not None and not cfd.ended
                    assert (name in doubted) or not known

    # --- the end ---------------------------------------------------------------------------------------------------

    def finish(self) -> None:
        """Everybody does what they can; no more mishaps."""
        self.to_lose = 0
        self.pair.chain.held_back.clear()
        self.cut(0)
        self.reconnect(0)
        self.pair.run()
        for round_number in range(60):
            if all(cfd.ended for node in self.pair.nodes for cfd in node.engine.cfds.values()):
                return
            for node in self.pair.nodes:
                if round_number > 2 and isinstance(node.phase, p.Open):
                    self.command(node, c.ForceClose(node.cfd.id))
            self.pair.run()
            for dlc in self.events():
                self.speak(dlc.draft.revision.settlement, 48_935)
            self.later(0)
            self.pair.run()
            self.mine(5)
            self.pair.run()
        pytest.fail(f"no end: {[node.engine.cfds.values() for node in self.pair.nodes]}")


@pytest.fixture(scope="session")
def start(make_pair: Any, attested: Any, hourly: Any) -> Any:
    def begin(liquidations: int) -> History:
        events = hourly(1, liquidations) if liquidations else ()
        pair = make_pair(own_oracle=True, tolerance=Decimal("0.1"), liquidations=events)
        pair.spoken = {}
        pair.attested = attested
        return History(pair)

    return begin


def same_end(pair: Any) -> None:
    ends = [next(iter(node.engine.cfds.values())).phase for node in pair.nodes if node.engine.cfds]
    kinds = set()
    for end in ends:
        if isinstance(end, p.Closed):
            assert end.kind in ALLOWED
            kinds.add(end.kind)
        else:
            assert isinstance(end, p.SetupFailed | p.Rejected)
            kinds.add(ExitKind.CANCEL)
    # by the chain alone the two cannot always tell a liquidation from a settlement that pays the same, and a
    # cancellation of the one is a double spend for the other
    kinds = {SAME_MONEY.get(kind, kind) for kind in kinds}
    assert len(kinds) == 1, ends
    event(f"ended by {kinds.pop().value}")


@settings(max_examples=30, derandomize=True, deadline=None)
@given(history=histories)
def test_whatever_happens_from_the_first_word_on(start: Any, history: list[tuple[str, int]]) -> None:
    story = start(0)
    for what, how in history:
        story.do(what, how)
    story.finish()
    same_end(story.pair)


@settings(max_examples=110, derandomize=True, deadline=None)
@given(history=histories, lasting=st.booleans())
def test_whatever_happens_to_an_open_cfd(start: Any, history: list[tuple[str, int]], lasting: bool) -> None:
    story = start(0)
    story.pair.run()
    for what, how in (("mine", 0), ("later", 1), *history):
        # half of the histories leave out what ends a CFD, so that rollovers get far
        if not lasting or what not in ("close", "attest", "settle"):
            story.do(what, how)
    story.finish()
    same_end(story.pair)


@settings(max_examples=12, derandomize=True, deadline=None)
@given(history=histories)
def test_whatever_happens_with_liquidations(start: Any, history: list[tuple[str, int]]) -> None:
    story = start(23)
    story.pair.run()
    for what, how in (("mine", 0), ("later", 1), *history):
        story.do(what, how)
    story.finish()
    same_end(story.pair)


@settings(max_examples=50, derandomize=True, deadline=None)
@given(
    history=st.lists(steps, min_size=2, max_size=20),
    cheat=st.sampled_from(list(Role)),
    which=st.integers(0, 5),
    delay=st.integers(0, 10),
    restart=st.booleans(),
)
def test_a_revoked_commit_is_always_punished(
    start: Any, history: list[tuple[str, int]], cheat: Role, which: int, delay: int, restart: bool
) -> None:
    """However the rollovers went, whichever revoked commit comes, and though no block takes the punishment at first."""
    story = start(0)
    pair = story.pair
    pair.run()
    story.mine(1)
    for what, how in (("later", 1), ("roll", 4), ("run", 40), *history, ("later", 0), ("run", 40)):
        if what not in ("close", "settle", "attest"):
            story.do(what, how)
    honest, liar = (pair.maker, pair.taker) if cheat is Role.TAKER else (pair.taker, pair.maker)
    pair.chain.held_back.clear()
    pair.run()
    revoked = [x.number for x in honest.held.revoked] if honest.held else []
    if not revoked or not isinstance(honest.phase, p.Open | p.LockPending):
        event("nothing to cheat with")
        return
    number = revoked[which % len(revoked)]
    pair.cheats(liar)
    liar.conscience.may_punish = False
    assert pair.chain.submit(story.commits[cheat, number])
    pair.run()
    for _ in range(delay):
        pair.chain.held_back |= set(story.waiting()) - {story.commits[cheat, number].txid}
        if restart:
            pair.restart(honest)
        pair.mine()
    pair.chain.held_back.clear()
    pair.mine(5)
    assert isinstance(honest.phase, p.Closed)
    assert honest.phase.kind is ExitKind.PUNISH
    event(f"punished after {delay} blocks")
