"""Which waiting transactions reach a fee rate."""

from cfd_regtest.packages import Waiting, reaching
from hypothesis import given
from hypothesis import strategies as st

from cfd_core.values import Sats, Txid


def name(number: int) -> Txid:
    return Txid(f"{number:064x}")


def waiting(number: int, fee: int, vsize: int, *parents: int) -> Waiting:
    return Waiting(name(number), Sats(fee), vsize, frozenset(map(name, parents)))


@st.composite
def mempools(draw: st.DrawFn) -> list[Waiting]:
    pool = []
    for number in range(draw(st.integers(0, 12))):
        parents = draw(st.sets(st.integers(0, number - 1), max_size=3)) if number else set()
        pool.append(waiting(number, draw(st.integers(0, 5_000)), draw(st.integers(60, 500)), *parents))
    return draw(st.permutations(pool))


@given(mempools(), st.integers(1, 20))
def test_parents_first_and_only_what_pays(pool: list[Waiting], floor: int) -> None:
    chosen = reaching(pool, floor)
    known = {each.txid: each for each in pool}
    seen: set[Txid] = set()
    for txid in chosen:
        assert known[txid].parents <= seen
        seen.add(txid)
    assert len(seen) == len(chosen)
    assert sum(known[txid].fee for txid in chosen) >= floor * sum(known[txid].vsize for txid in chosen)
    for each in pool:  # nobody is left out who pays with parents that are in
        if each.txid not in seen and each.parents <= seen:
            assert each.fee < floor * each.vsize


@given(mempools())
def test_no_floor_takes_all(pool: list[Waiting]) -> None:
    assert set(reaching(pool, 0)) == {each.txid for each in pool}


def test_a_grandchild_pays_for_two() -> None:
    pool = [waiting(2, 6_000, 100, 1), waiting(1, 0, 100, 0), waiting(0, 100, 100)]
    assert reaching(pool, 20) == [name(0), name(1), name(2)]
    assert reaching(pool, 21) == []


def test_the_best_is_taken_first() -> None:
    """A parent that pays alone does not lift a child below the floor."""
    pool = [waiting(0, 3_000, 100), waiting(1, 1_500, 100, 0)]
    assert reaching(pool, 20) == [name(0)]


def test_a_parent_is_paid_for_once() -> None:
    pool = [waiting(0, 100, 100), waiting(1, 8_000, 100, 0), waiting(2, 1_900, 100, 0), waiting(3, 2_000, 100, 0)]
    assert set(reaching(pool, 20)) == {name(0), name(1), name(3)}
