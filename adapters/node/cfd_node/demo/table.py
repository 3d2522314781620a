"""The report as a trader reads it."""

from fractions import Fraction

from rich.console import Console
from rich.table import Table

from cfd_core.payouts import profit_percent
from cfd_core.values import Position, Role
from cfd_node.demo.report import Report


def show(report: Report, console: Console) -> None:
    """Print contract, parties, transactions and verdict."""
    console.print(_contract(report))
    console.print(_parties(report))
    console.print(_transactions(report))
    console.print(_verdict(report))


def _contract(report: Report) -> Table:
    plan, terms = report.plan, report.plan.terms
    table = Table("", "", title=f"Contract ({report.story})", show_header=False)
    table.add_row("opened at", f"{plan.price:,} USD")
    table.add_row("quantity", f"{plan.quantity:,} contracts")
    table.add_row("leverage", f"long {terms.leverage(Position.LONG)}x, short {terms.leverage(Position.SHORT)}x")
    table.add_row("oracle event", plan.settlement)
    if plan.recorded:
        table.add_row("announcement signature", plan.event.announcement.signature_status.value)
    table.add_row("hourly liquidation events", str(len(plan.liquidations)))
    table.add_row("rollovers", str(report.revision))
    table.add_row("attested", "nothing" if report.attested_price is None else f"{report.attested_price:,} USD")
    table.add_row("ended by", report.ends.value)
    table.add_row("pool", f"{report.pool:,} sats")
    table.add_row("CETs", f"{report.cets:,} (settlement within {float(plan.tolerance):.2%} of the pool)")
    table.add_row("chain", report.chain)
    for proof in report.proofs:
        table.add_row("chain said", proof)
    return table


def _parties(report: Report) -> Table:
    table = Table(title="Who put in what, who got what (sats)")
    for heading in ("", "maker", "taker"):
        table.add_column(heading, justify="left" if not heading else "right")
    maker, taker = report.parties[Role.MAKER], report.parties[Role.TAKER]
    table.add_row("position", maker.position.value, taker.position.value)
    table.add_row("margin", f"{maker.margin:,}", f"{taker.margin:,}")
    table.add_row("put in, with fees", f"{maker.put_in:,}", f"{taker.put_in:,}")
    table.add_row("due, exactly", f"{float(maker.exact_payout):,.1f}", f"{float(taker.exact_payout):,.1f}")
    table.add_row("paid", f"{maker.payout:,}", f"{taker.payout:,}")
    table.add_row("paid - exact", *(f"{float(x.payout - x.exact_payout):+,.1f}" for x in (maker, taker)))
    table.add_row("profit on margin", *(_percent(profit_percent(x.payout, x.margin)) for x in (maker, taker)))
    table.add_row("reserve back, bumps", f"{maker.extra:+,}", f"{taker.extra:+,}")
    table.add_row("wallet before", f"{maker.wallet_before:,}", f"{taker.wallet_before:,}")
    table.add_row("wallet after", f"{maker.wallet_after:,}", f"{taker.wallet_after:,}")
    return table


def _percent(value: Fraction) -> str:
    return f"{float(value):+.2f} %"


def _transactions(report: Report) -> Table:
    table = Table(title="Transactions")
    for heading in ("kind", "txid"):
        table.add_column(heading, overflow="fold")
    for heading in ("vB", "fee", "sat/vB", "block"):
        table.add_column(heading, justify="right")
    for shown in report.transactions:
        tx = shown.transaction
        rate = f"{shown.fee / tx.vsize:.2f}"
        table.add_row(shown.kind, tx.txid, f"{tx.vsize:,}", f"{shown.fee:,}", rate, str(shown.height))
    return table


def _verdict(report: Report) -> str:
    if report.disagreements:
        return "[red]Does not agree:[/red] " + "; ".join(report.disagreements)
    return f"[green]Every figure agrees.[/green] {report.seconds:.1f} s"
