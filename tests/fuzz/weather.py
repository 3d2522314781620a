"""Which storms there are: what happens in which order, and what must hold when they are over."""

import hashlib
from decimal import Decimal
from typing import Final

from cfd_core import inputs as i
from cfd_core.cfd import commands as c
from cfd_core.cfd import phases as p
from cfd_core.engine import Engine
from cfd_core.errors import CfdError
from cfd_core.serial import stored
from cfd_core.testing import Pair
from cfd_core.values import HOUR, Timestamp
from tests.fuzz.storm import Storm

BID: Final = Decimal(50_000)
"""Of the pair's offer."""


def changed_messages(seed: int) -> Storm:
    """One storm over the protocols only: the peers lie, the shells do not. Returns it for its counts."""
    storm = Storm(seed)
    pair, random = storm.pair, storm.random
    storm.chance = random.choice((0, 0, 0.1, 0.3))
    pair.take()
    pair.run(2_000)
    pair.cut()
    storm.chance = random.choice((0.1, 0.3, 0.6))
    _mine(pair)
    for _ in range(3):
        _talk(storm)
    storm.chance = 0.0
    _end(pair)
    _replay(pair)
    return storm


def anything(seed: int, throws: int) -> Storm:
    """Missiles from every side into a conversation at a random stage."""
    storm = Storm(seed)
    pair, random = storm.pair, storm.random
    if random.random() < 0.8:
        pair.take()
        pair.run(random.choice((3, 20, 40, 60, 2_000, 2_000, 2_000)))
        if random.random() < 0.7:
            _mine(pair)
        if random.random() < 0.5:
            _talk(storm)
    storm.chance = 0.2
    for _ in range(throws):
        storm.throw()
        if random.random() < 0.3:
            _run(storm, random.choice((1, 5, 50)))
    _replay(pair)
    return storm


def _run(storm: Storm, steps: int) -> None:
    """As `Pair.run`, but answers of lied-to shells may be refused."""
    for _ in range(steps):
        try:
            if not storm.pair.step():
                return
        except CfdError:
            storm.refused += 1


def _mine(pair: Pair) -> None:
    pair.chain.mine()
    for node in pair.nodes:
        node.give(i.TipChanged(pair.chain.height))
    pair.run(2_000)


def _talk(storm: Storm) -> None:
    """One protocol run, for what it is worth under these skies."""
    pair, random = storm.pair, storm.random
    node = random.choice(pair.nodes)
    what = random.randrange(4)
    for cfd in list(node.engine.cfds.values()):
        entropy = hashlib.sha256(random.randbytes(8)).digest()
        try:
            if what < 2:
                for one in pair.nodes:
                    one.now = Timestamp(one.now + 2 * HOUR)
                node.give(c.RollOver(cfd.id, entropy))
            elif what == 2:
                node.give(c.ProposeSettlement(cfd.id, BID))
        except CfdError:
            storm.refused += 1
        pair.run(random.choice((10, 30, 2_000)))
    if random.random() < 0.5:
        pair.cut()
        pair.reconnect()


def _end(pair: Pair) -> None:
    """From whatever the lies left, each side gets to an end alone."""
    for round_number in range(40):
        if all(cfd.ended for node in pair.nodes for cfd in node.engine.cfds.values()):
            return
        for node in pair.nodes:
            for cfd in list(node.engine.cfds.values()):
                if isinstance(cfd.phase, p.Open | p.LockPending):
                    node.give(c.ForceClose(cfd.id))
        pair.run()
        held = [cfd.held for node in pair.nodes for cfd in node.engine.cfds.values() if cfd.held]
        for event in {dlc.draft.revision.settlement for one in held for dlc in one.unrevoked}:
            pair.attest(48_935, event)
        pair.later(HOUR)
        pair.mine(5)
        if round_number == 20:
            pair.cut()
    raise AssertionError(f"no end: {[node.engine.cfds for node in pair.nodes]}")


def _replay(pair: Pair) -> None:
    """The stored bytes tell the same story."""
    for node in pair.nodes:
        events = stored.read_events(stored.to_stored(recorded) for recorded in node.log)
        assert Engine.load(node.settings, events).cfds == node.engine.cfds
