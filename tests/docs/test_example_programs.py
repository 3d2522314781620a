"""The examples run, and what they say is true."""

from collections.abc import Sequence
from contextlib import closing
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import trio
from cfd_store import NotAStore, RevisionMissing, StoreCorrupt, StoreTooNew, StoreUnavailable, WrongStore

from cfd_core import Position, Role
from cfd_core.cfd.events import ExitKind
from cfd_core.cfd.phases import Closed, Open
from cfd_core.engine import Engine
from cfd_core.errors import RuleViolation
from cfd_core.payouts import INVERSE_BTC_USD, PayoutCurve, build_liquidation, build_schedule
from cfd_core.serial.records import PackedRevision, StoredEvent
from cfd_core.serial.stored import read_events
from cfd_core.testing import Pair, hours
from cfd_core.values import HOUR, CfdId
from tests.docs.examples import FOLDER, load_example

CFD = CfdId("0f" * 16)


# --- the core in trio ------------------------------------------------------------------------------------------------


def test_two_nodes_in_trio_open_and_settle_a_cfd() -> None:
    ends = trio.run(load_example("in_trio").main)
    assert [end.kind for end in ends.values()] == [ExitKind.CLOSE] * 2
    # at the opening price each gets its margin back: 1,000 USD at 1x and 2x, of a pool of 3,000,000 sats
    assert {(end.maker, end.taker) for end in ends.values()} == {(2_000_000, 1_000_000)}


def test_the_trio_example_is_short_and_knows_no_other_runtime() -> None:
    text = (FOLDER / "in_trio.py").read_text()
    assert len(text.splitlines()) < 150
    assert "import asyncio" not in text


# --- a custom payoff -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("position", list(Position))
def test_a_cfd_on_the_squared_price_goes_all_the_way_to_the_chain(position: Position) -> None:
    squared = load_example("custom_payoff").SQUARED
    pair = Pair(product=squared.name, tolerance=Decimal("0.02"), liquidations=hours(1, 2))
    pair.take(position=position, quantity=100)
    pair.run()
    pair.mine()
    terms, draft = pair.taker.cfd.terms, pair.draft
    assert isinstance(pair.taker.phase, Open)
    assert terms.margin(Role.TAKER) == 1_250_000
    assert len(draft.events) == 3
    assert all(sum(draft.payouts(entry)) == terms.pool for entry in draft.entries)
    exact = terms.curve.payout(position, 53_000)
    gain = 100 * (53_000**2 - 50_000**2) // 100_000
    assert exact == 1_250_000 + (gain if position is Position.LONG else -gain)

    pair.advance(24 * HOUR)
    pair.oracle.speak(pair.offer.event, 53_000)
    pair.advance(2 * HOUR)
    pair.mine(16)
    end = pair.maker.phase
    assert isinstance(end, Closed)
    assert end.kind is ExitKind.CET
    assert repr(pair.taker.phase) == repr(end)
    assert end.maker + end.taker == terms.pool
    assert abs(end.taker - exact) <= terms.pool * Fraction(terms.tolerance)


def test_the_custom_payoff_liquidates_where_it_says() -> None:
    squared = load_example("custom_payoff").SQUARED
    curve = PayoutCurve(squared, 50_000, 100, 2, 2)
    liquidation = build_liquidation(curve, 20)
    for position, threshold in ((Position.LONG, liquidation.long_at), (Position.SHORT, liquidation.short_from)):
        told = curve.liquidation_price(position)
        assert told is not None
        assert threshold is not None
        assert abs(told - threshold) <= 1


def test_an_order_on_a_payoff_that_nobody_registered_is_refused() -> None:
    with pytest.raises(RuleViolation, match="unknown product"):
        Pair(product="BTCUSD-cubed", liquidations=())


# --- a backtest ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def backtest() -> Any:
    return load_example("backtest")


def test_the_backtest_lives_thousands_of_cfds_and_draws_them(backtest: Any, tmp_path: Path) -> None:
    picture = tmp_path / "out.png"
    results = backtest.main(picture=picture)
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert sum(map(len, results.values())) > 5_000
    for outcomes in results.values():
        assert {outcome.liquidated for outcome in outcomes} == {True, False}
        for outcome in outcomes:
            assert outcome.gain >= -outcome.margin
            assert not outcome.liquidated or outcome.hours <= 72


@pytest.mark.parametrize("position", list(Position))
def test_the_backtest_pays_what_contracts_pay(backtest: Any, position: Position) -> None:
    path = [50_000] * 72 + [53_000]
    strategy = backtest.Strategy(position=position, leverage=2, half_spread=Decimal(0))
    (outcome,) = backtest.run(path, strategy)
    sides = (2, 1) if position is Position.LONG else (1, 2)
    curve = PayoutCurve(INVERSE_BTC_USD, 50_000, 1_000, *sides)
    # positive rate: the long pays 0.0003 of the short's margin a day, three times
    fee = 3 * -(-curve.short_margin * 3 // 10_000)
    schedule = build_schedule(curve.with_fees(fee), 20, Fraction(1, 1000))
    paid = schedule.lookup(53_000)[1].payout(position)
    assert abs(outcome.margin + outcome.gain - paid) <= schedule.worst_error * schedule.pool
    assert outcome.funding == (fee if position is Position.LONG else -fee)
    assert outcome.hours == 72


@pytest.mark.parametrize(("position", "price"), [(Position.LONG, 44_000), (Position.SHORT, 57_000)])
def test_the_backtest_liquidates_in_the_hour(backtest: Any, position: Position, price: int) -> None:
    path = [50_000] * 10 + [price] + [50_000] * 62
    (outcome,) = backtest.run(path, backtest.Strategy(position=position, leverage=10))
    assert (outcome.liquidated, outcome.hours, outcome.gain) == (True, 10, -outcome.margin)


def test_the_backtest_reads_prices_from_a_file(backtest: Any, tmp_path: Path) -> None:
    file = tmp_path / "prices.csv"
    file.write_text("time,price\n2021-10-04T21:00:00Z,48935.71\n2021-10-04T22:00:00Z,49001\n")
    assert backtest.read_path(file) == [48_935, 49_001]
    assert backtest.made_up_path(50) == backtest.made_up_path(50)


# --- an own store ----------------------------------------------------------------------------------------------------


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


def opened(path: Path, identity: str = "regtest/me") -> Any:
    return closing(load_example("jsonl_store").JsonLinesStore(path, identity))


def numbered(count: int) -> list[StoredEvent]:
    return [StoredEvent(CFD, version, "order_accepted", 1, b"{}") for version in range(1, count + 1)]


def read_back(path: Path) -> Sequence[StoredEvent]:
    with opened(path) as store:
        return list(store.load_all())


def test_the_journal_keeps_what_was_appended_through_a_restart(journal: Path) -> None:
    with opened(journal) as store:
        store.append(CFD, 0, numbered(2), [PackedRevision(CFD, 0, b"\x00\xff"), PackedRevision(CFD, 1, b"b")])
        store.delete_revision(CFD, 1)
    with opened(journal) as store:
        assert store.load(CFD) == numbered(2)
        assert store.revision(CFD, 0) == b"\x00\xff"
        with pytest.raises(RevisionMissing, match="revision 1"):
            store.revision(CFD, 1)
    assert journal.stat().st_mode & 0o077 == 0


def test_a_torn_line_is_as_if_it_had_never_been(journal: Path) -> None:
    with opened(journal) as store:
        store.append(CFD, 0, numbered(1))
        kept = journal.stat().st_size
        store.append(CFD, 1, numbered(2)[1:])
    whole = journal.read_bytes()
    for cut in range(kept, len(whole)):
        journal.write_bytes(whole[:cut])
        assert read_back(journal) == numbered(1)
    assert journal.stat().st_size == kept


@pytest.mark.parametrize("line", [b"{}", b"[]", b'{"events":[[1]],"revisions":[],"dropped":[]}', b"\xff", b"7"])
def test_a_damaged_line_is_found_and_the_file_left_alone(journal: Path, line: bytes) -> None:
    with opened(journal) as store:
        store.append(CFD, 0, numbered(1))
    damaged = journal.read_bytes() + line + b"\n"
    journal.write_bytes(damaged)
    with pytest.raises(StoreCorrupt, match="line 3"):
        read_back(journal)
    assert journal.read_bytes() == damaged


@pytest.mark.parametrize(
    ("header", "error"),
    [
        (b"hello", NotAStore),
        (b"[]", NotAStore),
        (b'{"format":"cfd-jsonl","version":2,"identity":"regtest/me"}', StoreTooNew),
        (b'{"format":"cfd-jsonl","version":1,"identity":"regtest/you"}', WrongStore),
    ],
)
def test_a_file_that_is_not_this_nodes_journal_is_refused(journal: Path, header: bytes, error: type[Exception]) -> None:
    journal.write_bytes(header + b"\n")
    with pytest.raises(error):
        read_back(journal)
    assert journal.read_bytes() == header + b"\n"


def test_the_journal_is_for_one_process(journal: Path) -> None:
    with opened(journal), pytest.raises(StoreUnavailable, match="another process"):
        read_back(journal)


def test_a_node_comes_back_from_the_journal(journal: Path) -> None:
    pair = Pair(liquidations=(), tolerance=Decimal("0.1")).opened()
    with opened(journal) as store:
        for record in pair.taker.records:
            store.append(record.stream, record.version - 1, [record])
    with opened(journal) as store:
        engine = Engine.load(pair.taker.settings, read_events(store.load_all()))
    assert engine.cfds == pair.taker.engine.cfds
