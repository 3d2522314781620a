"""`cfd payouts`: what a contract pays at which price, and with how many CETs."""

import json
from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.table import Table

from cfd_core import values
from cfd_core.errors import RuleViolation
from cfd_core.payouts import (
    INVERSE_BTC_USD,
    PayoutCurve,
    Schedule,
    ScheduleEntry,
    build_schedule,
    profit_percent,
)
from cfd_core.payouts.digits import check_digits
from cfd_core.values import Position
from cfd_node.commands.options import option, tolerance, whole
from cfd_node.plot import PlotError, check_chart_path, write_chart

_MOVES: Final = (-50, -30, -20, -15, -10, -5, -2, 0, 2, 5, 10, 15, 20, 30, 50, 100)
"""Percent away from the opening price: the rows a trader looks for."""


def _chart_path(text: str) -> Path:
    return check_chart_path(Path(text))


@click.command("payouts")
@option("--price", "USD", values.price, "Opening price of one BTC.", required=True)
@option("--quantity", "N", whole(values.quantity), "Contracts of 1 USD each.", required=True)
@option("--long-leverage", "N", whole(values.leverage), "The long's leverage.", required=True)
@option("--short-leverage", "N", whole(values.leverage), "The short's leverage.", required=True)
@option("--tolerance", "FRACTION", tolerance, "Allowed error, of the pool: 0.0025 or 0.25%.", default="0.0025")
@option("--digits", "N", whole(check_digits), "Binary digits of the oracle's event.", default="20")
@option("--plot", "FILE", _chart_path, "Draw the payoff to FILE.png or FILE.svg.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object with every interval.")
@click.option("--all", "every_row", is_flag=True, help="Print every interval, not a selection.")
def payouts(
    price: Decimal,
    quantity: int,
    long_leverage: int,
    short_leverage: int,
    tolerance: Decimal,
    digits: int,
    as_json: bool,
    every_row: bool,
    plot: Path | None,
) -> None:
    """Show what a contract pays each side at each settlement price, and how many CETs that takes."""
    try:
        curve = PayoutCurve(INVERSE_BTC_USD, price, quantity, long_leverage, short_leverage)
        schedule = build_schedule(curve, digits, tolerance)
        if plot:
            write_chart(plot, curve, schedule, Fraction(tolerance))
    except (RuleViolation, PlotError) as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        click.echo(json.dumps(as_object(curve, schedule, tolerance)))
        return
    _print_report(curve, schedule, tolerance, every_row=every_row)
    if plot:
        click.echo(f"\nChart written to {plot}")


def as_object(curve: PayoutCurve, schedule: Schedule, tolerance: Decimal) -> dict[str, Any]:
    """The answer as JSON types: sats and outcomes are integers, fractions and prices numbers for reading only."""
    return {
        "product": curve.payoff.name,
        "price": _number(Fraction(curve.price)),
        "quantity": curve.quantity,
        "long_leverage": curve.long_leverage,
        "short_leverage": curve.short_leverage,
        "digits": schedule.digits,
        "tolerance": float(tolerance),
        "pool": schedule.pool,
        "long_margin": curve.long_margin,
        "short_margin": curve.short_margin,
        "long_liquidation_price": _number(curve.liquidation_price(Position.LONG)),
        "short_liquidation_price": _number(curve.liquidation_price(Position.SHORT)),
        "count": len(schedule),
        "worst_error": float(schedule.worst_error),
        "worst_error_sats": float(schedule.worst_error * schedule.pool),
        "intervals": [_interval(entry, schedule.digits) for entry in schedule],
    }


def _number(value: Fraction | None) -> int | float | None:
    if value is None:
        return None
    return int(value) if value.denominator == 1 else float(value)


def _interval(entry: ScheduleEntry, digits: int) -> dict[str, int]:
    start, end = entry.prefix.start(digits), entry.prefix.end(digits)
    return {"start": start, "end": end, "long": entry.long, "short": entry.short}


def _print_report(curve: PayoutCurve, schedule: Schedule, tolerance: Decimal, *, every_row: bool) -> None:
    console = Console(highlight=False)
    console.print(f"{curve.quantity:,} contracts of 1 USD, opened at {curve.price:,f} USD per BTC\n")
    console.print(_sides(curve))
    console.print(_verdict(schedule, Fraction(tolerance)), soft_wrap=True)
    rows = schedule.entries if every_row else _selection(curve, schedule)
    console.print(_payout_table(curve, schedule, rows))
    if len(rows) < len(schedule):
        console.print(f"{len(rows)} of {len(schedule)} intervals shown; --all prints every one.")


def _sides(curve: PayoutCurve) -> Table:
    table = Table("Side")
    for title in ("Leverage", "Margin (sats)", "Liquidated at (USD)"):
        table.add_column(title, justify="right")
    leverages = {Position.LONG: curve.long_leverage, Position.SHORT: curve.short_leverage}
    for side, leverage in leverages.items():
        price = curve.liquidation_price(side)
        liquidation = "never" if price is None else f"{float(price):,.2f}"
        table.add_row(side.value, f"{leverage}x", f"{curve.margin(side):,}", liquidation)
    table.add_row("pool", "", f"{curve.pool:,}", "")
    return table


def _verdict(schedule: Schedule, tolerance: Fraction) -> str:
    top = (1 << schedule.digits) - 1
    return (
        f"{len(schedule)} CETs cover every whole price from 0 to {top:,}.\n"
        f"A payout is at most {float(schedule.worst_error * schedule.pool):,.1f} sats from the exact one: "
        f"{float(100 * schedule.worst_error):.4f} % of the pool (allowed: {float(100 * tolerance):g} %)."
    )


def _selection(curve: PayoutCurve, schedule: Schedule) -> tuple[ScheduleEntry, ...]:
    top = (1 << schedule.digits) - 1
    prices = (int(curve.price * (100 + move) / 100) for move in _MOVES)
    shown = {schedule.lookup(min(price, top))[0] for price in prices} | {0, len(schedule) - 1}
    return tuple(schedule.entries[index] for index in sorted(shown))


def _payout_table(curve: PayoutCurve, schedule: Schedule, rows: Iterable[ScheduleEntry]) -> Table:
    table = Table(title="Payouts in sats", title_justify="left", title_style="")
    for title in ("Settles at (USD)", "Long gets", "Profit", "Short gets", "Profit"):
        table.add_column(title, justify="right", overflow="fold")
    for entry in rows:
        start, end = entry.prefix.start(schedule.digits), entry.prefix.end(schedule.digits)
        prices = f"{start:,}" if start == end else f"{start:,} - {end:,}"
        cells = (cell for side in Position for cell in _side_cells(curve, entry, side))
        table.add_row(prices, *cells)
    return table


def _side_cells(curve: PayoutCurve, entry: ScheduleEntry, side: Position) -> tuple[str, str]:
    sats = entry.payout(side)
    return f"{sats:,}", f"{float(profit_percent(sats, curve.margin(side))):+.1f} %"
