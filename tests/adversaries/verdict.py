"""What the honest side must have got, computed from the offer, the order and the oracle's prices alone.

Not one line here asks the honest engine, or the core's payout code: amounts come from the chain, the contract's maths
is written once more, in plain fractions.
"""

from decimal import Decimal
from fractions import Fraction
from math import ceil
from typing import Any, Final

from attrs import frozen

from cfd_core.values import HOUR, Position, Role

DUST: Final = 330
"""A share below this goes to the other side."""
SETTLE_WITHIN: Final = HOUR
"""After the old expiry the honest side goes to the chain; later no old revision can be chosen any more."""
SLACK: Final = 2 * HOUR
"""The oracle is heard, and the test's clock moves, in steps of up to an hour."""


@frozen
class Contract:
    """The terms in the reader's own words. `hours`: of funding charged up to each revision."""

    quantity: int
    price: Decimal
    taker: Position
    taker_leverage: int
    maker_leverage: int
    funding_rate: Decimal
    tolerance: Decimal
    hours: dict[int, int]

    def margin(self, position: Position) -> int:
        leverage = self.taker_leverage if position is self.taker else self.maker_leverage
        exact = Fraction(self.quantity * 100_000_000) / (Fraction(self.price) * leverage)
        return int(exact + Fraction(1, 2))

    def position(self, role: Role) -> Position:
        return self.taker if role is Role.TAKER else self.taker.other

    @property
    def pool(self) -> int:
        return sum(self.margin(position) for position in Position)

    def fees(self, revision: int) -> int:
        """Sats that long has paid short in funding; each charge is rounded up."""
        receives = Position.SHORT if self.funding_rate > 0 else Position.LONG
        charges = [self.hours[number] for number in range(revision + 1)]
        rate = abs(Fraction(self.funding_rate))
        paid = sum(ceil(self.margin(receives) * rate * charged / 24) for charged in charges)
        return paid if receives is Position.SHORT else -paid

    def payout(self, role: Role, revision: int, price: int | Decimal) -> Fraction:
        """Exactly what this side is owed."""
        pool, value = self.pool, Fraction(self.quantity * 100_000_000)
        gain = value / Fraction(self.price) - value / Fraction(price) if price else -Fraction(pool)
        long = self.margin(Position.LONG) + gain - self.fees(revision)
        long = min(max(long, Fraction(0)), Fraction(pool))
        return long if self.position(role) is Position.LONG else pool - long


def contract_of(arena: Any) -> Contract:
    """From the public offer, the order that the stories place, and the hours that each rollover agreed on."""
    offer = arena.offer
    return Contract(
        quantity=1000,
        price=offer.ask,
        taker=Position.LONG,
        taker_leverage=2,
        maker_leverage=offer.maker_leverage,
        funding_rate=offer.funding_rate,
        tolerance=offer.tolerance,
        hours={dlc.number: dlc.draft.revision.hours for dlc in arena.hand_of_all.values()},
    )


def judge(arena: Any, worth_before: int) -> str:
    """How it ended; `AssertionError` when the honest side got less than it should have."""
    contract = contract_of(arena)
    role, chain = arena.honest.role, arena.chain
    gained = arena.honest.wallet.worth - worth_before
    lock = _lock(arena)
    if lock is None:
        cancel = _own_fees(arena, None)
        assert gained >= -cancel, f"{gained} sats where nothing was locked; cancelling cost {cancel}"
        return "never locked"
    margin = contract.margin(contract.position(role))
    put_in = _put_in(arena, lock)
    assert put_in - margin <= 2_000, "fees of the lock as the fee rate has them"
    back = gained + put_in + _own_fees(arena, lock)
    spender = chain.spender(lock.outpoint(0))
    assert spender is not None, "the money does not stay locked"
    assert chain.places[spender.txid], "what ends it is in a block"
    least, how = _least(arena, contract, spender)
    assert back >= least, f"{how}: the honest {role.value} got {back} sats back, and should have got {float(least)}"
    return how


def _least(arena: Any, contract: Contract, spender: Any) -> tuple[Fraction, str]:
    role = arena.honest.role
    if spender.txid not in arena.published:
        prices = [price for price in arena.witness.closes if _is_close(arena, spender, price)]
        agreed = {arena.offer.bid, arena.offer.ask}
        assert arena.witness.closes <= agreed, "no close at a price that the honest side did not want"
        assert prices, "only a close that the honest side signed spends the lock, or a commit"
        at = min(contract.payout(role, arena.honest.held.live.number, price) for price in prices)
        return at - DUST - 1, "close"
    number, revoked, when = arena.published[spender.txid]
    known = arena.witness.revoked if arena.forgot is None else {n for n in arena.witness.revoked if n < arena.forgot}
    revoked &= known
    exit_tx = arena.chain.spender(spender.outpoint(0))
    assert exit_tx is not None, "the commit is settled"
    assert arena.chain.places[exit_tx.txid]
    if number in revoked or (number in known and len(exit_tx.inputs[0].witness) > 3):
        # if it was revoked only after it was published, both ways to end are lawful
        fee = spender.outputs[0].sats - sum(out.sats for out in exit_tx.outputs)
        assert fee <= 40_000, "a punishment does not burn the pool"
        return Fraction(contract.pool - fee), "punished"
    dlc = arena.hand_of_all[spender.txid]
    expiry = dlc.draft.announcements[0].maturity
    newer = [one for one in arena.hand_of_all.values() if one.number > number and one.number in arena.witness.given]
    if newer and arena.strategy.chooses_late and arena.forgot is None:
        assert when <= expiry + SETTLE_WITHIN + SLACK, "no choice between revisions with hindsight"
    if exit_tx.inputs[0].sequence == dlc.draft.terms.refund_timelock:
        return Fraction(contract.margin(contract.position(role))), "refund"
    owed = []
    for event in dlc.draft.revision.events:
        for price in arena.oracle.said.get(event, ()):
            payout = contract.payout(role, number, price)
            if event == dlc.draft.revision.settlement or payout in (0, contract.pool):
                owed.append(payout)
    assert owed, "a CET needs the oracle's word"
    return min(owed) - Fraction(contract.tolerance) * contract.pool - DUST - 1, f"CET of revision {number}"


def _is_close(arena: Any, spender: Any, price: Decimal) -> bool:
    known = [arena.hand.closes.get(str(price))]
    held = arena.honest.held
    if held.close is not None and Decimal(held.close.price) == price:
        known.append(type(spender).parse(held.close.transaction))
    return any(tx is not None and tx.txid == spender.txid for tx in known)


def _lock(arena: Any) -> Any:
    """The lock, if it is in a block."""
    for dlc in arena.hand_of_all.values():
        lock = dlc.draft.lock
        if arena.chain.places.get(lock.txid):
            return arena.chain.transactions[lock.txid]
    return None


def _put_in(arena: Any, lock: Any) -> int:
    """What the honest side's coins brought, less its change."""
    ours = arena.honest.wallet.scripts
    spent = [arena.chain.transactions[i.outpoint.txid].outputs[i.outpoint.vout] for i in lock.inputs]
    brought: int = sum(out.sats for out in spent if out.script in ours)
    change: int = sum(out.sats for out in lock.outputs if out.script in ours)
    return brought - change


def _own_fees(arena: Any, lock: Any) -> int:
    """What the honest side paid for children and cancellations: transactions, other than the lock, on its coins."""
    total, ours = 0, arena.honest.wallet.scripts
    for tx in arena.chain.transactions.values():
        if arena.chain.fee(tx) is None or (lock is not None and tx.txid == lock.txid):
            continue
        spent = [arena.chain.transactions[i.outpoint.txid].outputs[i.outpoint.vout] for i in tx.inputs]
        brought = sum(out.sats for out in spent if out.script in ours)
        total += brought - sum(out.sats for out in tx.outputs if out.script in ours) if brought else 0
    return total
