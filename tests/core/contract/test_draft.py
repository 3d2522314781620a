"""The unsigned transactions: identical on both sides, every sat accounted for, fees as agreed."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from attrs import evolve
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from cfd_core.bitcoin import scripts
from cfd_core.bitcoin.transaction import Transaction
from cfd_core.contract.costs import fee_of
from cfd_core.contract.draft import Draft
from cfd_core.contract.funding import change_of, needed
from cfd_core.contract.scripts import COMMIT_SCRIPT_BYTES, LOCK_SCRIPT_BYTES, placeholder_witness
from cfd_core.errors import CfdError, DecodeError, PeerViolation, RuleViolation
from cfd_core.values import FeeRate, OutPoint, Position, Role, Sats, Txid

kinds = st.sampled_from(["p2wpkh", "p2tr", "p2wsh"])
coin_kinds = st.sampled_from(["p2wpkh", "p2tr"])
coins = st.lists(st.tuples(coin_kinds, st.integers(1_000, 400_000_000)), min_size=1, max_size=4).map(tuple)
terms = st.fixed_dictionaries(
    {
        "price": st.decimals(1_000, 900_000, places=2),
        "quantity": st.integers(1, 100_000),
        "taker_position": st.sampled_from(list(Position)),
        "taker_leverage": st.integers(1, 100),
        "maker_leverage": st.integers(1, 100),
        "opening_fee": st.integers(0, 5_000).map(Sats),
        "funding_rate": st.decimals("-0.01", "0.01", places=6),
        "fee_rate": st.integers(1, 300).map(FeeRate),
        "tolerance": st.sampled_from([Decimal("0.02"), Decimal("0.07")]),
    }
)


def total(tx: Transaction) -> int:
    return sum(out.sats for out in tx.outputs)


def inputs_fee(draft: Draft, role: Role) -> int:
    coins = draft.party(role).funder.inputs
    return fee_of(sum(scripts.input_weight(coin.output.script) for coin in coins), draft.terms.fee_rate)


def check_conservation(draft: Draft) -> None:
    costs, pool = draft.costs, draft.terms.pool
    inside = sum(out.sats for out in draft.lock_spent)
    own_parts = costs.lock_body_fee + sum(inputs_fee(draft, role) for role in Role)
    changes = draft.lock.outputs[1:]
    own_parts += sum(fee_of(scripts.output_weight(out.script), draft.terms.fee_rate) for out in changes)
    dust = inside - total(draft.lock) - own_parts
    assert dust >= costs.total % 2, "the lock pays its parts, the odd sat, and change that was dust"
    if len(changes) == 2:
        assert dust == costs.total % 2
    assert draft.lock.outputs[0].sats == pool + costs.exit_fee + costs.commit_fee + scripts.ANCHOR_SATS
    assert draft.lock.outputs[0].sats - total(draft.commit) == costs.commit_fee
    assert total(draft.refund) == pool
    for entry in draft.schedule.entries:
        assert total(draft.cet(entry)) == pool
        assert sum(draft.payouts(entry)) == pool
        assert draft.cet(entry).inputs[0].sequence == draft.terms.cet_timelock


def check_no_dust(draft: Draft) -> None:
    everything = [draft.lock, draft.refund, *(draft.cet(entry) for entry in draft.schedule.entries)]
    for tx in everything:
        assert all(out.sats >= scripts.dust_limit(out.script) for out in tx.outputs)
    script, anchor = draft.commit.outputs
    assert script.sats >= scripts.dust_limit(script.script)
    assert (anchor.sats, anchor.script) == (240, scripts.P2A_SCRIPT)


def check_fees(draft: Draft) -> None:
    """Fee rates with signatures as long as they can be."""
    rate = draft.terms.fee_rate
    lock, script = placeholder_witness(LOCK_SCRIPT_BYTES), placeholder_witness(COMMIT_SCRIPT_BYTES)
    assert draft.costs.commit_fee >= rate * draft.commit.with_witness(0, lock).vsize
    for tx in (draft.refund, *(draft.cet(entry) for entry in draft.schedule.entries[::7])):
        assert draft.costs.exit_fee >= rate * tx.with_witness(0, script).vsize


@pytest.mark.slow
@settings(deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(terms=terms, mine=coins, yours=coins, kind=st.tuples(kinds, kinds, kinds, kinds))
def test_random_contracts_conserve_every_sat(
    workshop: Any, terms: dict[str, Any], mine: Any, yours: Any, kind: tuple[str, str, str, str]
) -> None:
    maker = workshop.side("maker", mine, payout=kind[0], change=kind[1])
    taker = workshop.side("taker", yours, payout=kind[2], change=kind[3])
    try:
        draft = workshop.draft(maker, taker, **terms)
        assert len(draft.schedule) > 1
        check_conservation(draft)
    except CfdError:
        assume(False)
    check_no_dust(draft)
    check_fees(draft)
    other = workshop.draft(maker, taker, **terms)
    assert other.fingerprint == draft.fingerprint
    assert other.lock.serialize() == draft.lock.serialize()
    assert other.cet_digests == draft.cet_digests
    assert other.refund.serialize() == draft.refund.serialize()


def test_script_lengths_are_those_the_weights_count(workshop: Any) -> None:
    draft = workshop.draft()
    assert (len(draft.lock_script), len(draft.commit_script)) == (LOCK_SCRIPT_BYTES, COMMIT_SCRIPT_BYTES)


def test_reference_sizes(workshop: Any) -> None:
    """Commit 150 vB before its anchor of 13 vB; a CET with two P2WPKH outputs 206.5 vB."""
    draft = workshop.draft()
    commit = draft.commit.with_witness(0, placeholder_witness(LOCK_SCRIPT_BYTES))
    cet = draft.refund.with_witness(0, placeholder_witness(COMMIT_SCRIPT_BYTES))
    assert Fraction(commit.weight, 4) - 13 <= 150
    assert Fraction(cet.weight, 4) <= Fraction(413, 2)


@pytest.mark.parametrize("rate", [1, 2, 3, 7])
def test_shared_costs_are_halved_and_the_odd_sat_is_a_fee(workshop: Any, rate: int) -> None:
    draft = workshop.draft(fee_rate=FeeRate(rate))
    costs = draft.costs
    assert 2 * costs.half - costs.total == costs.total % 2
    for role in Role:
        funder, margin = draft.party(role).funder, draft.terms.margin(role)
        brought = sum(coin.output.sats for coin in funder.inputs)
        own = inputs_fee(draft, role)
        own += fee_of(scripts.output_weight(funder.change_script), FeeRate(rate))
        assert change_of(funder, margin, costs, FeeRate(rate)) == brought - margin - costs.half - own


def with_change(workshop: Any, change: int, kind: str) -> Draft:
    """A draft in which the taker's change comes to exactly `change` sats before the dust rule."""
    rich = workshop.draft(taker=workshop.side("taker", (("p2wpkh", 10**8),), change=kind))
    (out,) = [o for o in rich.lock.outputs if o.script == rich.taker.funder.change_script]
    exact = 10**8 - out.sats + change
    made: Draft = workshop.draft(taker=workshop.side("taker", (("p2wpkh", exact),), change=kind))
    return made


@pytest.mark.parametrize("kind", ["p2wpkh", "p2tr", "p2wsh"])
def test_change_below_dust_goes_to_fees(workshop: Any, kind: str) -> None:
    script = with_change(workshop, 1_000, kind).taker.funder.change_script
    limit = scripts.dust_limit(script)
    kept, lost = with_change(workshop, limit, kind), with_change(workshop, limit - 1, kind)
    assert kept.lock.outputs[-1].script == script
    assert kept.lock.outputs[-1].sats == limit
    assert script not in {out.script for out in lost.lock.outputs}
    fee = sum(out.sats for out in lost.lock_spent) - total(lost.lock)
    assert fee >= sum(out.sats for out in kept.lock_spent) - total(kept.lock)


@pytest.mark.parametrize(
    ("maker_kind", "taker_kind"), [("p2wpkh", "p2wpkh"), ("p2tr", "p2wpkh"), ("p2wpkh", "p2wsh"), ("p2tr", "p2tr")]
)
def test_a_payout_below_dust_goes_to_the_other_side(workshop: Any, maker_kind: str, taker_kind: str) -> None:
    draft = workshop.draft(
        workshop.side("maker", payout=maker_kind), workshop.side("taker", payout=taker_kind), fee_rate=FeeRate(1)
    )
    maker, taker = draft.maker.funder.payout_script, draft.taker.funder.payout_script
    pool = draft.terms.pool
    entry = draft.schedule.entries[len(draft.schedule) // 2]
    for script, other, which in ((maker, taker, Position.SHORT), (taker, maker, Position.LONG)):
        limit = scripts.dust_limit(script)
        for sats in (0, limit - 1, limit):
            share = {"long": Sats(sats), "short": Sats(pool - sats)}
            if which is Position.SHORT:
                share = {"long": Sats(pool - sats), "short": Sats(sats)}
            cut = evolve(entry, **share)
            outputs = draft.cet(cut).outputs
            assert total(draft.cet(cut)) == pool
            if sats < limit:
                assert [(o.script, o.sats) for o in outputs] == [(other, pool)]
                assert draft.payouts(cut) == ((0, pool) if script == maker else (pool, 0))
            else:
                assert [o.script for o in outputs] == [maker, taker]
                assert draft.payouts(cut) == ((limit, pool - limit) if script == maker else (pool - limit, limit))


def test_a_margin_that_could_not_be_refunded_is_refused(workshop: Any) -> None:
    with pytest.raises(RuleViolation, match="the taker's margin of 300 sats is below 330"):
        workshop.terms(price=Decimal(100_000), quantity=3, taker_leverage=10)
    assert workshop.terms(price=Decimal(100_000), quantity=33, taker_leverage=100).margin(Role.TAKER) == 330


def test_inputs_that_do_not_suffice(workshop: Any) -> None:
    with pytest.raises(PeerViolation, match="short of margin and fees"):
        workshop.draft(taker=workshop.side("taker", (("p2wpkh", 1_000_000),))).lock  # noqa: B018
    enough = needed(workshop.terms(), Role.TAKER) + fee_of(272, FeeRate(2))
    exact = workshop.draft(taker=workshop.side("taker", (("p2wpkh", enough),), payout="p2tr"), maker=None)
    assert exact.taker.funder.change_script not in {out.script for out in exact.lock.outputs}


def test_funders_are_checked(workshop: Any) -> None:
    funder = workshop.side("maker").party.funder
    coin = funder.inputs[0]
    legacy = b"\x76\xa9\x14" + bytes(20) + b"\x88\xac"
    many = tuple(evolve(coin, outpoint=OutPoint(Txid("00" * 32), n)) for n in range(51))
    wsh = evolve(coin, output=evolve(coin.output, script=b"\x00\x20" + bytes(32)))
    for changed in (
        {"inputs": ()},
        {"inputs": many},
        {"inputs": (coin, coin)},
        {"inputs": (wsh,)},
        {"inputs": (evolve(coin, output=evolve(coin.output, script=legacy)),)},
        {"change_script": legacy},
        {"payout_script": b"\x6a"},
    ):
        with pytest.raises(DecodeError):
            evolve(funder, **changed)
    assert len(evolve(funder, inputs=many[:50]).inputs) == 50


def test_both_bring_the_same_input(workshop: Any) -> None:
    maker, taker = workshop.side("maker"), workshop.side("taker")
    party = taker.party
    shared = evolve(party, funder=evolve(party.funder, inputs=maker.party.funder.inputs))
    with pytest.raises(PeerViolation, match="the same input"):
        evolve(workshop.draft(maker, taker), taker=shared).lock  # noqa: B018


CHANGES: dict[str, dict[str, Any]] = {
    "price": {"price": Decimal("50000.01")},
    "quantity": {"quantity": 1_001},
    "position": {"taker_position": Position.SHORT},
    "taker leverage": {"taker_leverage": 3},
    "maker leverage": {"maker_leverage": 2},
    "opening fee": {"opening_fee": Sats(1_000)},
    "funding": {"funding_rate": Decimal("0.001")},
    "fee rate": {"fee_rate": FeeRate(3)},
    "tolerance": {"tolerance": Decimal("0.01")},
    "cet timelock": {"cet_timelock": 13},
    "refund timelock": {"refund_timelock": 217},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_any_other_term_is_another_fingerprint(workshop: Any, change: dict[str, Any]) -> None:
    assert workshop.draft(**change).fingerprint != workshop.draft().fingerprint


@pytest.mark.parametrize("part", ["identity", "publish", "revocation", "change", "payout", "coin"])
@pytest.mark.parametrize("role", list(Role))
def test_any_other_contribution_is_another_fingerprint(workshop: Any, role: Role, part: str) -> None:
    draft = workshop.draft()
    party, other = draft.party(role), workshop.side("somebody").party
    funder, points = party.funder, party.points
    changed = {
        "identity": lambda: evolve(party, funder=evolve(funder, identity=other.funder.identity)),
        "publish": lambda: evolve(party, points=evolve(points, publish=other.points.publish)),
        "revocation": lambda: evolve(party, points=evolve(points, revocation=other.points.revocation)),
        "change": lambda: evolve(party, funder=evolve(funder, change_script=other.funder.change_script)),
        "payout": lambda: evolve(party, funder=evolve(funder, payout_script=other.funder.payout_script)),
        "coin": lambda: evolve(party, funder=evolve(funder, inputs=other.funder.inputs)),
    }[part]()
    assert evolve(draft, **{role.value: changed}).fingerprint != draft.fingerprint
