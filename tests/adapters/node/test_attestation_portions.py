"""An oracle's word for many CFDs is given in portions, and reaches each of them."""

import hashlib
from decimal import Decimal
from typing import Any

import pytest
from attrs import define, field
from cfd_node import attestations
from cfd_node.attestations import AttestationPoller

from cfd_core.cfd import commands as c
from cfd_core.cfd.aggregate import Cfd
from cfd_core.engine import Step
from cfd_core.errors import PeerViolation
from cfd_core.inputs import AttestationReceived
from cfd_core.testing import Pair
from cfd_core.testing.node import SimNode
from cfd_core.testing.oracle import attestation
from cfd_core.values import PeerId, Position

PRICE = 48_935


def opened(count: int) -> Pair:
    pair = Pair(liquidations=(), tolerance=Decimal("0.1"))
    pair.take()
    pair.run()
    for number in range(1, count):
        take_another(pair, number)
    pair.mine()
    return pair


def take_another(pair: Pair, number: int) -> None:
    for node in pair.nodes:
        node.wallet.receive(5_000_000)
    entropy = hashlib.sha256(b"%d" % number).digest()
    pair.taker.give(c.TakeOffer(PeerId("SHA256:maker"), pair.offer.id, Position.SHORT, 1_000, 2, entropy))
    pair.run()


@define(eq=False)
class Turns:
    """What the poller needs of a pump: each turn is remembered, and others may come between two."""

    node: SimNode
    portions: list[frozenset[Any] | None] = field(factory=list)
    between: Any = None

    @property
    def engine(self) -> Any:
        return self.node.engine

    def give(self, word: AttestationReceived) -> Step:
        self.portions.append(word.among)
        step = self.node.engine.handle(word, self.node.now)
        self.node.give(word)
        if self.between is not None:
            self.between, between = None, self.between
            between()
        return step


@define
class Oracle:
    raw: bytes

    async def fetch_attestation(self, _event: Any) -> bytes:
        return self.raw


def cfds(node: SimNode) -> list[Cfd]:
    return list(node.engine.cfds.values())


def poller(turns: Turns, raw: bytes) -> AttestationPoller:
    pump: Any = turns
    oracle: Any = Oracle(raw)
    clock: Any = None
    return AttestationPoller(pump, oracle, clock)


async def hear(turns: Turns, pair: Pair, raw: bytes | None = None) -> AttestationPoller:
    event = pair.offer.event
    asking = poller(turns, attestation(event, PRICE) if raw is None else raw)
    await asking._attested(event)
    return asking


async def test_each_turn_has_at_most_a_portion(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attestations, "PORTION", 2)
    pair = opened(5)
    turns = Turns(pair.maker)
    asking = await hear(turns, pair)
    assert [len(portion or ()) for portion in turns.portions] == [2, 2, 1]
    assert frozenset().union(*(portion or () for portion in turns.portions)) == pair.maker.engine.cfds.keys()
    assert all([a.outcome for a in cfd.attestations] == [PRICE] for cfd in cfds(pair.maker))
    assert asking.trouble == ""


async def test_a_cfd_that_opens_between_two_portions_hears_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attestations, "PORTION", 1)
    pair = opened(2)
    await hear(Turns(pair.maker, between=lambda: take_another(pair, 7)), pair)
    assert len(cfds(pair.maker)) == 3
    assert all([a.outcome for a in cfd.attestations] == [PRICE] for cfd in cfds(pair.maker))


async def test_a_word_that_is_forged_is_told_as_trouble_and_heard_by_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attestations, "PORTION", 1)
    pair = opened(2)
    forged = attestation(pair.offer.event, PRICE).replace(b"48935", b"48936")
    turns = Turns(pair.maker)
    with pytest.raises(PeerViolation):
        await poller(turns, forged)._hear(pair.offer.event, forged)
    asking = await hear(turns, pair, forged)
    assert "forged" in asking.trouble
    assert all(cfd.attestations == () for cfd in cfds(pair.maker))


async def test_nobody_is_bothered_by_a_word_that_concerns_nobody() -> None:
    pair = Pair(liquidations=(), tolerance=Decimal("0.1"))
    turns = Turns(pair.maker)
    await hear(turns, pair)
    assert turns.portions == []
