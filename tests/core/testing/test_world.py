"""The simulator is deterministic, complete, and notices what must never happen."""

from decimal import Decimal
from typing import Any

import pytest

from cfd_core.bitcoin.transaction import Transaction, TxIn, TxOut
from cfd_core.cfd import commands as c
from cfd_core.cfd import phases as p
from cfd_core.errors import RuleViolation
from cfd_core.serial import stored
from cfd_core.testing import Draws, Faults, InvariantBroken, Moment, Pair, SimNode, SimOracle, check, hours
from cfd_core.values import HOUR, Sats


def life(seed: bytes, faults: Faults | None = None) -> Pair:
    pair = Pair(seed=seed, faults=faults, liquidations=(), tolerance=Decimal("0.1"))
    pair.take()
    pair.run()
    pair.advance(120)
    pair.network.faults = Faults()
    pair.mine()
    pair.oracle.speak(pair.offer.event, 60_000)
    pair.advance(26 * HOUR)
    pair.mine(16)
    return pair


def bytes_of(pair: Pair) -> list[bytes]:
    return [record.payload for node in pair.nodes for record in node.records]


def test_one_seed_is_one_world() -> None:
    faults = Faults(loss=50, duplication=100, reordering=100, delay=200)
    assert bytes_of(life(b"1", faults)) == bytes_of(life(b"1", faults))
    assert bytes_of(life(b"1", faults)) != bytes_of(life(b"2", faults))


def test_a_life_without_faults_ends_with_the_contracts_cet() -> None:
    pair = life(b"quiet")
    check(pair)
    assert [type(node.phase) for node in pair.nodes] == [p.Closed, p.Closed]


def test_a_copy_goes_its_own_way_and_ends_alike() -> None:
    pair = Pair(liquidations=(), tolerance=Decimal("0.1")).opened()
    before = bytes_of(pair)
    twin, other = pair.copy(), pair.copy()
    for world in (twin, other):
        world.taker.give(c.ForceClose(world.taker.cfd.id))
        world.mine(3)
    assert bytes_of(twin) == bytes_of(other)
    assert bytes_of(pair) == before
    assert isinstance(pair.taker.phase, p.Open)


def test_draws_are_numbers_in_range_and_repeat() -> None:
    first, second = Draws(b"x"), Draws(b"x")
    assert [first.below(10) for _ in range(50)] == [second.below(10) for _ in range(50)]
    assert {Draws(b"y").apart(str(n)).below(3) for n in range(30)} == {0, 1, 2}
    assert 300 < sum(first.chance(400) for _ in range(1000)) < 500
    assert first.copy().entropy() == first.entropy()


@pytest.mark.parametrize("moment", list(Moment), ids=lambda moment: moment.name)
def test_a_process_dies_where_it_is_told_and_keeps_only_bytes(moment: Moment) -> None:
    pair = Pair(liquidations=(), tolerance=Decimal("0.1"))
    before = len(pair.taker.records)

    def mortal(_node: SimNode, at: Moment) -> bool:
        return at is moment

    pair.taker.mortal = mortal
    pair.take()
    pair.run()
    assert pair.taker.dead
    stored_events = {Moment.DECIDED: 0, Moment.TORN: 1, Moment.STORED: 2, Moment.ACTED: 2}[moment]
    assert len(pair.taker.records) == before + stored_events
    pair.taker.mortal = lambda _node, _moment: False
    assert pair.revive()
    assert [type(cfd.phase) for cfd in pair.taker.engine.cfds.values()] == [p.SetupFailed] * (stored_events > 1)


def test_sats_that_are_nobodys_are_noticed() -> None:
    pair = life(b"lost")
    check(pair)
    coin = pair.maker.wallet.spares[0]
    assert pair.chain.submit(Transaction((TxIn(coin.outpoint(0)),), (TxOut(Sats(100_000), b"\x51"),)))
    with pytest.raises(InvariantBroken, match="locked for ever"):
        check(pair)


def test_the_store_is_what_is_loaded() -> None:
    pair = life(b"store")
    pair.maker.records[-1] = stored.to_stored(pair.maker.log[-2])
    with pytest.raises(InvariantBroken, match="says something else"):
        check(pair)


@pytest.mark.parametrize("event", ["nonsense", "", None, 7, "/x/BitMEX/BXBT/2021-13-04T22:00:00.price?n=20"])
def test_the_oracle_does_not_speak_of_what_is_no_price_event(event: Any) -> None:
    oracle = SimOracle()
    with pytest.raises(RuleViolation, match="the oracle speaks of price events, as `hours` makes them, not "):
        oracle.speak(event, 60_000)
    assert oracle.said == {}


@pytest.mark.parametrize("price", [60_000.5, 60_000.0, Decimal(60_000), "60000", True, None, -1, 1 << 20])
def test_the_oracle_speaks_whole_prices_alone(price: Any) -> None:
    oracle = SimOracle()
    with pytest.raises(RuleViolation, match="the oracle speaks whole prices of 20 binary digits, not "):
        oracle.speak(hours(24, 24)[0], price)
    assert oracle.said == {}
