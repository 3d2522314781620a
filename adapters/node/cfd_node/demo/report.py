"""A story's figures, and the checks that must hold for each of them."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from attrs import evolve, field, frozen

from cfd_core.bitcoin.transaction import Transaction, TxOut
from cfd_core.cfd import events as e
from cfd_core.cfd import phases as p
from cfd_core.contract.draft import ANCHOR_VOUT, Draft
from cfd_core.values import SATS_PER_BTC, OutPoint, Position, Role, Sats, round_half_up
from cfd_node.demo.plan import DemoPlan
from cfd_node.demo.theatre import Theatre


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
    """What the contract gives this side."""
    extra: int
    """Other income: fee reserve returned by a close, less fees of children of its own."""
    wallet_before: int
    wallet_after: int


@frozen(kw_only=True)
class Report:
    """Everything that is shown, and what does not agree."""

    story: str
    ends: e.ExitKind
    chain: str
    plan: DemoPlan
    attested_price: int | None
    pool: Sats
    cets: int
    revision: int
    parties: dict[Role, ShownParty]
    transactions: tuple[ShownTransaction, ...]
    proofs: tuple[str, ...]
    seconds: float
    disagreements: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The figures for programs."""
        plan = self.plan
        return {
            "story": self.story,
            "ends": self.ends.value,
            "chain": self.chain,
            "contract": {
                "product": plan.product,
                "price": _number(Fraction(plan.price)),
                "quantity": plan.quantity,
                "position": plan.position.value,
                "long_leverage": plan.terms.leverage(Position.LONG),
                "short_leverage": plan.terms.leverage(Position.SHORT),
                "tolerance": float(plan.tolerance),
                "digits": plan.terms.digits,
                "opening_fee": plan.opening_fee,
                "funding_rate": float(plan.funding_rate),
                "event": plan.settlement,
            },
            "attested_price": self.attested_price,
            "pool": self.pool,
            "parties": {role.value: _party_json(party) for role, party in self.parties.items()},
            "cets": self.cets,
            "revision": self.revision,
            "transactions": [_transaction_json(shown) for shown in self.transactions],
            "proofs": list(self.proofs),
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
        "extra": party.extra,
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


class Ledger:
    """What both nodes stored about the CFD, as the report needs it."""

    def __init__(self, stage: Theatre) -> None:
        self.stage, self.plan = stage, stage.plan
        self.histories = {node.config.name: node.pump.history(stage.key) for node in stage.nodes}
        self.draft: Draft = stage.held(stage.maker).live.draft
        closed = stage.cfd(stage.maker).phase
        self.closed = closed if isinstance(closed, p.Closed) else None

    def last(self, kind: type, name: str = "maker") -> Any:
        """The newest event of a kind in one node's history."""
        return next((event for event in reversed(self.histories[name]) if isinstance(event, kind)), None)

    @property
    def attested(self) -> e.OracleAttested | None:
        found: e.OracleAttested | None = self.last(e.OracleAttested)
        return found

    def transactions(self) -> list[ShownTransaction]:
        """Lock, then what spent it, and so on, as they stand in the chain."""
        lock_seen = [x for x in self.histories["maker"] if isinstance(x, e.LockSeen) and x.height]
        found: list[ShownTransaction] = []
        conflict = self.last(e.LockConflictSeen)
        if conflict is not None:
            return [self._shown("cancellation", conflict.transaction, conflict.height, found)]
        found.append(self._shown("lock", self.last(e.LockCompleted).lock, lock_seen[-1].height, found))
        for kind, seen in (("close", e.CloseSeen), ("commit", e.CommitSeen)):
            event = self.last(seen)
            if event is not None:
                found.append(self._shown(kind, getattr(event, kind), event.height, found))
        found += [
            ShownTransaction("fee bump", child, fee, found[-1].height) for child, fee in self.stage.children.values()
        ]
        exit_seen = self.last(e.ExitSeen)
        if exit_seen is not None:
            found.append(self._shown(exit_seen.kind.value, exit_seen.transaction, exit_seen.height, found))
        return found

    def _shown(self, kind: str, raw: bytes, height: int, before: list[ShownTransaction]) -> ShownTransaction:
        tx = Transaction.parse(raw)
        paid_in = sum(self._spent(tx_in.outpoint, before).sats for tx_in in tx.inputs)
        return ShownTransaction(kind, tx, paid_in - sum(out.sats for out in tx.outputs), height)

    def _spent(self, outpoint: OutPoint, before: list[ShownTransaction]) -> TxOut:
        coins = self.draft.maker.funder.inputs + self.draft.taker.funder.inputs
        known = {coin.outpoint: coin.output for coin in coins}
        for shown in before:
            known.update({shown.transaction.outpoint(n): out for n, out in enumerate(shown.transaction.outputs)})
        return known[outpoint]

    def party(self, role: Role, before: int, after: int, shown: list[ShownTransaction]) -> ShownParty:
        """One side's figures."""
        funder = self.draft.party(role).funder
        last = next(each for each in reversed(shown) if each.kind != "fee bump")
        paid = sum(out.sats for out in last.transaction.outputs if out.script == funder.payout_script)
        exact = self.entitled(role, last)
        reserve = round(paid - exact) if last.kind == "close" else 0
        return ShownParty(
            position=self.plan.terms.position(role),
            margin=self.draft.terms.margin(role),
            put_in=self._put_in(role, last),
            payout=Sats(paid - reserve),
            exact_payout=exact,
            extra=reserve - self._bump_cost(role),
            wallet_before=before,
            wallet_after=after,
        )

    def _put_in(self, role: Role, last: ShownTransaction) -> int:
        funder = self.draft.party(role).funder
        if last.kind == "cancellation":
            spent = {tx_in.outpoint for tx_in in last.transaction.inputs}
            lost = sum(coin.output.sats for coin in funder.inputs if coin.outpoint in spent)
            return lost - sum(out.sats for out in last.transaction.outputs if lost)
        change = sum(out.sats for out in self.draft.lock.outputs[1:] if out.script == funder.change_script)
        return sum(coin.output.sats for coin in funder.inputs) - change

    def _bump_cost(self, role: Role) -> int:
        """What a child of this side's cost it, if it is the one in the chain."""
        child = self.stage.children.get(role.value)
        if child is None:
            return 0
        brought = sum(out.sats for out in self.draft.commit.outputs[ANCHOR_VOUT:]) if self.on_commit else 0
        return child[1] - brought

    @property
    def on_commit(self) -> bool:
        """Whether the CFD went over a commit, whose anchor a child spends, and not over a close."""
        return self.last(e.CommitSeen) is not None

    def entitled(self, role: Role, last: ShownTransaction) -> Fraction:
        """What the contract gives this side, by the textbook formulas, on purpose not the code that made the CETs."""
        pool, position = self.draft.terms.pool, self.plan.terms.position(role)
        match last.kind:
            case "cancellation":
                return Fraction(0)
            case "refund":
                return Fraction(self.draft.terms.margin(role))
            case "punishment":
                return Fraction(pool + self.draft.costs.exit_fee - last.fee if role is Role.MAKER else 0)
            case "close":
                price = Fraction(self.last(e.CloseSigned).price)
                long = round_half_up(exact_payout(self.plan, Position.LONG, price, self.fees))
                return Fraction(long if position is Position.LONG else pool - long)
            case _:
                outcome = self.attested.attestation.outcome if self.attested else 0
                return exact_payout(self.plan, position, Fraction(outcome), self.fees)

    @property
    def fees(self) -> int:
        return self.draft.revision.long_pays_short


def exact_payout(plan: DemoPlan, position: Position, price: Fraction, long_pays_short: int) -> Fraction:
    """The payoff of an inverse contract in exact numbers."""
    value = Fraction(plan.quantity * SATS_PER_BTC)
    long_margin, short_margin = (
        Fraction(round_half_up(value / (Fraction(plan.price) * plan.terms.leverage(side))))
        for side in (Position.LONG, Position.SHORT)
    )
    gain = value * (1 / Fraction(plan.price) - 1 / max(price, Fraction(1)))
    long = min(max(long_margin + gain - long_pays_short, Fraction(0)), long_margin + short_margin)
    return long if position is Position.LONG else long_margin + short_margin - long


async def make_report(stage: Theatre, story: str, ends: e.ExitKind, chain: str, seconds: float) -> Report:
    """Gather the figures from what the nodes stored, and hold them against independent ones."""
    ledger = Ledger(stage)
    shown = ledger.transactions()
    parties = {
        role: ledger.party(role, stage.plan.deposit(role), await stage.balance(node), shown)
        for role, node in ((Role.MAKER, stage.maker), (Role.TAKER, stage.taker))
    }
    report = Report(
        story=story,
        ends=ends,
        chain=chain,
        plan=stage.plan,
        attested_price=ledger.attested.attestation.outcome if ledger.attested else None,
        pool=ledger.draft.terms.pool,
        cets=len(ledger.draft.entries),
        revision=ledger.draft.revision.number,
        parties=parties,
        transactions=tuple(shown),
        proofs=tuple(stage.proofs),
        seconds=seconds,
        disagreements=(),
    )
    found = (*_check_end(stage, report), *_check_fees(report), *_check_payouts(report), *_check_wallets(report))
    return evolve(report, disagreements=found)


def _check_end(stage: Theatre, report: Report) -> Iterator[str]:
    phases = {node.config.name: _alike(stage.cfd(node).phase) for node in stage.nodes}
    for name, phase in phases.items():
        if not isinstance(phase, p.Closed) or phase.kind is not report.ends:
            yield f"the {name}'s books say {phase}"
    if len(set(phases.values())) > 1:
        yield "the two books differ"


def _alike(phase: p.Phase) -> p.Phase:
    """What one side calls its cancellation is the other's double spend of its own coin."""
    if isinstance(phase, p.Closed) and phase.kind is e.ExitKind.DOUBLE_SPEND:
        return evolve(phase, kind=e.ExitKind.CANCEL)
    return phase


def _check_fees(report: Report) -> Iterator[str]:
    for shown in report.transactions:
        if shown.fee < shown.transaction.vsize:
            yield f"{shown.kind} pays {shown.fee} sats for {shown.transaction.vsize} vB"
        if not shown.height:
            yield f"{shown.kind} is not in a block"


def _check_payouts(report: Report) -> Iterator[str]:
    allowed = Fraction(report.plan.tolerance) * report.pool if report.ends is e.ExitKind.CET else Fraction(1, 2)
    if report.ends is e.ExitKind.LIQUIDATION:
        allowed = Fraction(report.plan.terms.liquidation_slack) * report.pool
    for role, party in report.parties.items():
        if abs(party.payout - party.exact_payout) > allowed:
            yield f"the {role.value} got {party.payout:,} sats, due are {float(party.exact_payout):,.1f}"
    if report.ends in (e.ExitKind.CET, e.ExitKind.LIQUIDATION, e.ExitKind.REFUND, e.ExitKind.CLOSE) and (
        sum(party.payout for party in report.parties.values()) != report.pool
    ):
        yield "the payouts do not add up to the pool"


def _check_wallets(report: Report) -> Iterator[str]:
    for role, party in report.parties.items():
        expected = party.wallet_before - party.put_in + party.payout + party.extra
        if party.wallet_after != expected:
            yield f"the {role.value}'s wallet has {party.wallet_after:,} sats, not {expected:,}"
