"""Any history of two honest nodes, as a state machine; what must hold is looked at after each step.

Commands, messages that are lost, doubled, late and out of turn, links that break, processes that die in the middle of
a turn, blocks, reorgs, evictions, fee spikes, an oracle that is early, late, silent, down or a liar: in any order. In
the end the mishaps stop, and each history must come to an end that the contract allows. `nox -s properties` is long.
"""

import os
from decimal import Decimal

from hypothesis import HealthCheck, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from cfd_core import inputs as i
from cfd_core.cfd import commands as c
from cfd_core.cfd.events import ExitKind
from cfd_core.engine import Policy
from cfd_core.testing import Faults, Pair, SimNode, World, attestation, check, hours, require, verdict
from cfd_core.testing.crashes import live_out
from cfd_core.testing.stories import KEY, entropy, node_of
from cfd_core.values import HOUR, EventId, Position, Role, Timestamp

LONG = os.environ.get("CFD_PROPERTIES") == "long"
ALLOWED = set(ExitKind) - {ExitKind.PUNISH, ExitKind.UNKNOWN}
PRICES = (Decimal(50_000), Decimal(47_000), Decimal("51234.5"))
SKIES = (
    Faults(),
    Faults(loss=150),
    Faults(duplication=250),
    Faults(delay=300, max_delay=90),
    Faults(reordering=300),
    Faults(loss=50, duplication=50, delay=100, reordering=100),
)
FINALITY = 3
roles = st.sampled_from(list(Role))
few = st.integers(0, 5)


class Histories(RuleBasedStateMachine):
    """Two honest nodes, and everything that is not in their hands."""

    allowed = ALLOWED
    """Ways to end."""

    @initialize(
        liquidations=st.sampled_from([0, 0, 0, 2]),
        position=st.sampled_from(Position),
        auto=st.booleans(),
        opened=st.sampled_from([True, True, True, False]),
    )
    def begin(self, liquidations: int, position: Position, auto: bool, opened: bool) -> None:
        events = hours(1, liquidations) if liquidations else ()
        policy = Policy(auto_rollover=auto)
        self.pair = Pair(taker_policy=policy, tolerance=Decimal("0.1"), liquidations=events, maker_leverage=2)
        self.pair.tamper = self._remember
        self.said: list[tuple[SimNode, bytes]] = []
        self.highest = self.pair.chain.height
        self.audited: set[tuple[Role, int]] = set()
        self.replayed = {Role.MAKER: 0, Role.TAKER: 0}
        self.pair.take(position=position)
        if opened:
            self.pair.run()
            self.mine(1)

    def _remember(self, to: SimNode, raw: bytes) -> bytes | None:
        self.said.append((to, raw))
        return raw

    # --- commands --------------------------------------------------------------------------------------------------

    @rule(steps=st.integers(1, 60))
    def work(self, steps: int) -> None:
        self.pair.run(steps)

    @rule()
    def rest(self) -> None:
        self.pair.run()

    @rule(role=roles, steps=st.one_of(st.just(1000), st.integers(0, 60)))
    def roll(self, role: Role, steps: int) -> None:
        self.pair.later(HOUR)
        node_of(self.pair, role).command(c.RollOver(KEY, entropy(self.pair, role)))
        self.pair.run(steps)

    @rule(role=roles, price=st.sampled_from(PRICES), steps=st.integers(0, 20))
    def settle(self, role: Role, price: Decimal, steps: int) -> None:
        node_of(self.pair, role).command(c.ProposeSettlement(KEY, price))
        self.pair.run(steps)

    @rule(role=roles)
    def accept(self, role: Role) -> None:
        node_of(self.pair, role).command(c.AcceptSettlement(KEY))

    @precondition(lambda self: self.highest > 116)  # not too often: it is the end of the interesting part
    @rule(role=roles)
    def force_close(self, role: Role) -> None:
        node_of(self.pair, role).command(c.ForceClose(KEY))

    # --- network and processes -------------------------------------------------------------------------------------

    @rule(sky=st.sampled_from(SKIES))
    def weather(self, sky: Faults) -> None:
        self.pair.network.faults = sky

    @rule()
    def cut(self) -> None:
        self.pair.cut()

    @rule()
    def reconnect(self) -> None:
        self.pair.reconnect()

    @precondition(lambda self: self.said)
    @rule(which=st.integers(0, 12))
    def repeat(self, which: int) -> None:
        """A message of before comes once more, on whatever streams there are."""
        to, raw = self.said[-1 - which % len(self.said)]
        for run in list(to.engine.runs):
            self.pair.deliver(to, run, raw)

    @rule(role=roles)
    def restart(self, role: Role) -> None:
        self.pair.restart(node_of(self.pair, role))

    @rule(role=roles, moments=st.integers(1, 40))
    def doom(self, role: Role, moments: int) -> None:
        """So many moments from now the process dies, wherever it is."""
        left = iter([False] * moments + [True])
        node_of(self.pair, role).mortal = lambda _node, _moment: next(left, False)

    @rule()
    def revive(self) -> None:
        self.pair.revive()

    # --- clock and chain -------------------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([1, 20, 61, 301, 901]))
    def wait(self, seconds: int) -> None:
        self.pair.later(seconds)

    @rule(some=st.integers(1, 8))
    def wait_long(self, some: int) -> None:
        self.pair.later(some * HOUR)

    @rule(role=roles, seconds=st.integers(0, 100))
    def skew(self, role: Role, seconds: int) -> None:
        """A clock runs ahead, by less than the two may differ."""
        if all(node.now == self.pair.now for node in self.pair.nodes):
            node = node_of(self.pair, role)
            node.now = Timestamp(node.now + seconds)

    @rule(blocks=st.sampled_from([1, 1, 2, 3, 12]))
    def mine(self, blocks: int) -> None:
        self.pair.mine(blocks)
        self.highest = max(self.highest, self.pair.chain.height)

    @rule(depth=st.integers(1, FINALITY - 1), forget=st.booleans())
    def reorg(self, depth: int, forget: bool) -> None:
        depth = min(depth, self.pair.chain.height - self.highest + FINALITY - 1)
        if depth > 0:
            self.pair.reorg(depth, forget=forget)

    @rule(which=few)
    def evict(self, which: int) -> None:
        if waiting := self.pair.chain.waiting:
            self.pair.chain.drop(waiting[which % len(waiting)])

    @rule(rate=st.sampled_from([0, 0, 5, 40]))
    def spike(self, rate: int) -> None:
        self.pair.chain.block_rate = rate

    @rule(rate=st.sampled_from([0, 0, 3]))
    def crowd(self, rate: int) -> None:
        """Mempools are full: they take and keep only what pays this."""
        self.pair.chain.relay_floor = rate
        self.pair.chain.purge()

    # --- oracle ----------------------------------------------------------------------------------------------------

    def _events(self) -> list[EventId]:
        cfds = [cfd for node in self.pair.nodes for cfd in node.engine.cfds.values()]
        dlcs = [dlc for cfd in cfds if cfd.held for dlc in cfd.held.unrevoked]
        return sorted({name for dlc in dlcs for name in dlc.draft.revision.events})

    @rule(which=few, price=st.sampled_from([48_935, 60_000]), early=st.booleans())
    def speak(self, which: int, price: int, early: bool) -> None:
        if events := self._events():
            name = events[which % len(events)]
            self.pair.oracle.speak(name, self.pair.oracle.said.get(name, (price,))[0])
            if early:  # somebody hands it over before it is due
                for node in self.pair.nodes:
                    node.give(i.AttestationReceived(name, attestation(name, self.pair.oracle.said[name][0])))

    @rule(which=few)
    def lie(self, which: int) -> None:
        """A second price for something already attested; not too often, or nothing else is ever seen."""
        if which == 0 and self.pair.oracle.said:
            name = min(self.pair.oracle.said)
            if len(self.pair.oracle.said[name]) == 1:
                self.pair.oracle.speak(name, 40_000)

    @rule(down=st.booleans())
    def outage(self, down: bool) -> None:
        self.pair.oracle.down = down

    # --- what must hold --------------------------------------------------------------------------------------------

    @invariant()
    def sats_are_conserved(self) -> None:
        if hasattr(self, "pair"):
            verdict.conserved(self.pair, locked=True)

    @invariant()
    def the_log_says_the_same(self) -> None:
        for node in self._living():
            if self.replayed[node.role] != len(node.records):
                self.replayed[node.role] = len(node.records)
                node.check_replay()

    @invariant()
    def both_derive_the_same_transactions(self) -> None:
        found: dict[int, set[bytes]] = {}
        for node in self._living():
            for cfd in node.engine.cfds.values():
                for dlc in cfd.held.unrevoked if cfd.held else ():
                    found.setdefault(dlc.number, set()).add(dlc.draft.fingerprint)
        require(all(len(prints) == 1 for prints in found.values()), "both sides have the same transactions")

    @invariant()
    def each_can_go_to_the_chain_alone(self) -> None:
        for node in self._living():
            for cfd in node.engine.cfds.values():
                if cfd.held is not None and (node.role, cfd.held.live.number) not in self.audited:
                    self.audited.add((node.role, cfd.held.live.number))
                    live, keys = cfd.held.live, node.settings.keychain.cfd_keys(cfd.key_id, cfd.held.live.number)
                    valid = World.accepts(live.sign_commit(keys), live.draft.lock.outputs[:1])
                    require(valid, "its commit is valid")
                    require((cfd.id, live.number) in node.revisions, "its CETs are in the store")

    def _living(self) -> list[SimNode]:
        return [node for node in self.pair.nodes if not node.dead] if hasattr(self, "pair") else []

    def teardown(self) -> None:
        if not hasattr(self, "pair"):
            return
        for node in self.pair.nodes:
            node.mortal = lambda _node, _moment: False
            node.now = self.pair.now
        live_out(self.pair, 60_000)
        check(self.pair)
        kinds = {verdict.kind_of(cfd) for node in self.pair.nodes for cfd in node.engine.cfds.values()}
        assert kinds <= self.allowed
        event(f"ended by {', '.join(sorted(kind.value for kind in kinds)) or 'nothing'}")
        event(f"{len(self.audited)} revisions in all")


TestHistories = Histories.TestCase
TestHistories.settings = settings(
    max_examples=int(os.environ.get("CFD_HISTORIES", 2000 if LONG else 80)),
    stateful_step_count=60 if LONG else 30,
    derandomize=not LONG,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
