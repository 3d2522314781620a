"""The demo's figures, and the checks that must hold for each of them."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from attrs import evolve, field, frozen

from cfd_core.bitcoin.transaction import Transaction, TxOut
from cfd_core.cfd import phases as p
from cfd_core.cfd.events import CetSigned, ForceCloseStarted, LockCompleted, LockSigned, OracleAttested
from cfd_core.contract.draft import Draft
from cfd_core.values import SATS_PER_BTC, OutPoint, Position, Role, Sats, round_half_up
from cfd_node.demo.plan import DemoPlan
from cfd_node.demo.story import Finished, Side


@frozen
class ShownTransaction:
    """One transaction as it went to the chain."""

    kind: str
    transaction: Transaction = field(repr=False)
    fee: int
    height: int


@frozen(kw_only=True)
class ShownParty:
    """One side's money, in sats."""

    position: Position
    margin: Sats
    put_in: int
    """What left the wallet into the lock: inputs less change."""
    payout: Sats
    exact_payout: Fraction
    wallet_before: int
    wallet_after: int


@frozen(kw_only=True)
class Report:
    """Everything that is shown, and what does not agree."""

    chain: str
    plan: DemoPlan
    attested_price: int
    pool: Sats
    cets: int
    parties: dict[Role, ShownParty]
    transactions: tuple[ShownTransaction, ...]
    seconds: float
    disagreements: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        plan = self.plan
        return {
            "chain": self.chain,
            "contract": {
                "price": _number(Fraction(plan.price)),
                "quantity": plan.quantity,
                "position": plan.position.value,
                "long_leverage": plan.terms.leverage(Position.LONG),
                "short_leverage": plan.terms.leverage(Position.SHORT),
                "tolerance": float(plan.tolerance),
                "digits": plan.terms.digits,
                "opening_fee": plan.opening_fee,
                "funding_rate": float(plan.funding_rate),
                "event": plan.event.announcement.event_id,
            },
            "attested_price": self.attested_price,
            "pool": self.pool,
            "parties": {role.value: _party_json(party) for role, party in self.parties.items()},
            "cets": self.cets,
            "transactions": [_transaction_json(shown) for shown in self.transactions],
            "seconds": round(self.seconds, 2),
            "disagreements": list(self.disagreements),
        }


def _party_json(party: ShownParty) -> dict[str, Any]:
    return {
        "position": party.position.value,
        "margin": party.margin,
        "payout": party.payout,
        "exact_payout": float(party.exact_payout),
        "put_in": party.put_in,
        "wallet_before": party.wallet_before,
        "wallet_after": party.wallet_after,
    }


def _transaction_json(shown: ShownTransaction) -> dict[str, Any]:
    tx = shown.transaction
    return {
        "kind": shown.kind,
        "txid": tx.txid,
        "hex": tx.serialize().hex(),
        "vsize": tx.vsize,
        "fee": shown.fee,
        "height": shown.height,
    }


def _number(value: Fraction) -> int | float:
    return int(value) if value.denominator == 1 else float(value)


def make_report(plan: DemoPlan, story: Finished, chain: str, seconds: float) -> Report:
    """Gather the figures from the taker's stored events, and hold them against independent ones."""
    events = _events(story)
    draft = _draft(story)
    transactions = _transactions(events, draft, story)
    outcome = events[OracleAttested].attestation.outcome
    parties = {
        role: _party(plan, draft, transactions[-1].transaction, side, role, outcome)
        for role, side in ((Role.MAKER, story.maker), (Role.TAKER, story.taker))
    }
    report = Report(
        chain=chain,
        plan=plan,
        attested_price=outcome,
        pool=draft.terms.pool,
        cets=len(draft.schedule),
        parties=parties,
        transactions=transactions,
        seconds=seconds,
        disagreements=(),
    )
    found = (*_check_money(report, draft), *_check_payouts(report), *_check_nodes(report, story))
    return evolve(report, disagreements=found)


def _events(story: Finished) -> dict[type, Any]:
    return {type(event): event for event in story.history}


def _draft(story: Finished) -> Draft:
    signed: LockSigned = _events(story)[LockSigned]
    cfd = story.taker.node.engine.cfds[story.cfd_id]
    return Draft(terms=cfd.terms, announcement=cfd.announcement, maker=signed.maker, taker=signed.taker)


def _transactions(events: dict[type, Any], draft: Draft, story: Finished) -> tuple[ShownTransaction, ...]:
    lock = Transaction.parse(events[LockCompleted].lock)
    commit = Transaction.parse(events[ForceCloseStarted].commit)
    cet = Transaction.parse(events[CetSigned].cet)
    heights = story.heights
    return (
        ShownTransaction("lock", lock, _fee(lock, draft.lock_spent), heights[lock.txid]),
        ShownTransaction("commit", commit, _fee(commit, lock.outputs[:1]), heights[commit.txid]),
        ShownTransaction("CET", cet, _fee(cet, commit.outputs[:1]), heights["exit"]),
    )


def _fee(tx: Transaction, spent: tuple[TxOut, ...]) -> int:
    return sum(out.sats for out in spent) - sum(out.sats for out in tx.outputs)


def _party(plan: DemoPlan, draft: Draft, cet: Transaction, side: Side, role: Role, outcome: int) -> ShownParty:
    funder = draft.party(role).funder
    change = sum(out.sats for out in draft.lock.outputs[1:] if out.script == funder.change_script)
    return ShownParty(
        position=plan.terms.position(role),
        margin=draft.terms.margin(role),
        put_in=sum(coin.output.sats for coin in funder.inputs) - change,
        payout=Sats(sum(out.sats for out in cet.outputs if out.script == funder.payout_script)),
        exact_payout=exact_payout(plan, plan.terms.position(role), outcome),
        wallet_before=side.deposited,
        wallet_after=side.balance_after,
    )


def exact_payout(plan: DemoPlan, position: Position, outcome: int) -> Fraction:
    """The textbook formula of an inverse contract, on purpose not the code that made the CETs."""
    terms = plan.terms
    long_margin, short_margin = (
        Fraction(round_half_up(Fraction(plan.quantity * SATS_PER_BTC) / (Fraction(plan.price) * terms.leverage(side))))
        for side in (Position.LONG, Position.SHORT)
    )
    gain = Fraction(plan.quantity * SATS_PER_BTC) * (1 / Fraction(plan.price) - 1 / Fraction(max(outcome, 1)))
    fees = terms.fee_account(terms.role(Position.LONG)).long_pays_short
    long = min(max(long_margin + gain - fees, Fraction(0)), long_margin + short_margin)
    return long if position is Position.LONG else long_margin + short_margin - long


def _check_money(report: Report, draft: Draft) -> Iterator[str]:
    lock, commit, cet = (shown.transaction for shown in report.transactions)
    spent = {
        "lock": draft.lock_spent,
        "commit": _spent(commit, lock),
        "CET": _spent(cet, commit),
    }
    for shown in report.transactions:
        paid_in = sum(out.sats for out in spent[shown.kind])
        paid_out = sum(out.sats for out in shown.transaction.outputs)
        if paid_in != paid_out + shown.fee or shown.fee < shown.transaction.vsize:
            yield f"{shown.kind}: {paid_in:,} sats in, {paid_out:,} out, fee {shown.fee:,}"
    for role, party in report.parties.items():
        expected = party.wallet_before - party.put_in + party.payout
        if party.wallet_after != expected:
            yield f"the {role.value}'s wallet has {party.wallet_after:,} sats, not {expected:,}"


def _spent(tx: Transaction, previous: Transaction) -> tuple[TxOut, ...]:
    outputs = {OutPoint(previous.txid, index): out for index, out in enumerate(previous.outputs)}
    return tuple(outputs[tx_in.outpoint] for tx_in in tx.inputs)


def _check_payouts(report: Report) -> Iterator[str]:
    if sum(party.payout for party in report.parties.values()) != report.pool:
        yield "the payouts do not add up to the pool"
    if sum(party.margin for party in report.parties.values()) != report.pool:
        yield "the margins do not add up to the pool"
    allowed = Fraction(report.plan.tolerance) * report.pool
    for role, party in report.parties.items():
        if abs(party.payout - party.exact_payout) > allowed:
            yield f"the {role.value} got {party.payout:,} sats, exact are {float(party.exact_payout):,.1f}"


def _check_nodes(report: Report, story: Finished) -> Iterator[str]:
    for name, side in (("maker", story.maker), ("taker", story.taker)):
        phase = side.node.engine.cfds[story.cfd_id].phase
        expected = (report.parties[Role.MAKER].payout, report.parties[Role.TAKER].payout)
        if not isinstance(phase, p.Closed) or (phase.maker, phase.taker) != expected:
            yield f"the {name}'s books say {phase}"
