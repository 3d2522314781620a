"""What thousands of CFDs would have come to on a path of prices: opened every hour, held for days, rolled over daily.

    python backtest.py                        # a made-up path, the same each time
    python backtest.py prices.csv out.png     # your own: a header, then lines `time,price`, one an hour

Payouts are the contract's own, exact and in whole sats; liquidation is looked at every hour, as the oracle's hourly
events do, and funding is charged a day ahead at opening and at each rollover. Left out: transaction fees (about 1,500
sats a CFD at 4 sat/vB, whatever its size) and the schedule's rounding (at most the tolerance, 0.25 % of the pool).
"""

import csv
import math
import random
import sys
from collections.abc import Iterator, Sequence
from decimal import Decimal
from fractions import Fraction
from itertools import accumulate
from pathlib import Path

from attrs import evolve, frozen

from cfd_core import Position, Role
from cfd_core.payouts import INVERSE_BTC_USD, FeeAccount, PayoutCurve
from cfd_core.values import round_half_up

DAY = 24
"""Hours."""


@frozen(kw_only=True)
class Strategy:
    """What the taker does each hour, at the price of that hour."""

    position: Position = Position.LONG
    quantity: int = 1_000
    leverage: int = 10
    maker_leverage: int = 1
    days: int = 3
    """How long a CFD is held; each day but the last ends in a rollover."""
    half_spread: Decimal = Decimal("0.002")
    """How far the maker's quote lies from the market, as a fraction; paid when opening and when closing."""
    funding_rate: Decimal = Decimal("0.0003")
    """A fraction per 24 h; positive: long pays short."""


@frozen
class Outcome:
    """How one CFD ended."""

    opened: int
    """Hours after the beginning of the path."""
    hours: int
    liquidated: bool
    margin: int
    gain: int
    """The taker's, in sats: fees, funding and spread included. The maker's is the opposite."""
    funding: int
    """Sats of it that went for funding; negative where the taker received."""


def made_up_path(hours: int, seed: int = 8, start: int = 50_000, daily_volatility: float = 0.03) -> list[int]:
    """Whole USD an hour: a geometric random walk without drift, the same each time for the same seed."""
    draws = random.Random(seed)  # noqa: S311 - a market, not a secret
    step = daily_volatility / math.sqrt(DAY)
    moves = (draws.gauss(-step * step / 2, step) for _ in range(hours - 1))
    return [round(start * math.exp(total)) for total in accumulate(moves, initial=0.0)]


def read_path(file: Path) -> list[int]:
    """Whole USD an hour from a CSV with a column `price`; an oracle attests whole dollars too, rounded down."""
    with file.open(newline="") as lines:
        return [int(Decimal(row["price"])) for row in csv.DictReader(lines)]


def run(path: Sequence[int], strategy: Strategy) -> Iterator[Outcome]:
    """One CFD opened at each hour that leaves time to hold it."""
    for opened in range(len(path) - strategy.days * DAY):
        yield _live(path, opened, strategy)


def _live(path: Sequence[int], opened: int, strategy: Strategy) -> Outcome:
    side, worse = strategy.position, 1 if strategy.position is Position.LONG else -1
    curve = PayoutCurve(
        INVERSE_BTC_USD,
        price=round(path[opened] * (1 + worse * strategy.half_spread), 2),
        quantity=strategy.quantity,
        long_leverage=strategy.leverage if side is Position.LONG else strategy.maker_leverage,
        short_leverage=strategy.leverage if side is Position.SHORT else strategy.maker_leverage,
    )
    margins = {"long_margin": curve.long_margin, "short_margin": curve.short_margin}
    account, margin = FeeAccount(Role.TAKER, side), curve.margin(side)
    for day in range(strategy.days):
        account = account.charge_funding(**margins, rate=strategy.funding_rate, hours=DAY)
        curve = curve.with_fees(account.long_pays_short)
        for hour in range(opened + day * DAY + 1, opened + (day + 1) * DAY + 1):
            long, per = curve.long_payout_ratio(path[hour])
            if long == 0 or long == curve.pool * per:
                paid = round_half_up(curve.payout(side, path[hour]))
                return Outcome(opened, hour - opened, True, margin, paid - margin, account.owed)
    last = opened + strategy.days * DAY
    quote = Fraction(path[last]) * (1 - worse * Fraction(strategy.half_spread))
    paid = round_half_up(curve.payout(side, quote))
    return Outcome(opened, strategy.days * DAY, False, margin, paid - margin, account.owed)


def report(name: str, outcomes: Sequence[Outcome]) -> str:
    """A few figures in a line."""
    gains = sorted(outcome.gain for outcome in outcomes)
    share = sum(outcome.liquidated for outcome in outcomes) / len(outcomes)
    worst, middle, best = gains[0], gains[len(gains) // 2], gains[-1]
    return (
        f"{name}: {len(outcomes):,} CFDs, taker's sum {sum(gains):+,} sats (worst {worst:+,}, median {middle:+,},"
        f" best {best:+,}), {share:.1%} liquidated, funding {sum(outcome.funding for outcome in outcomes):+,}"
    )


def plot(path: Sequence[int], results: dict[str, Sequence[Outcome]], file: Path) -> None:
    """The path, how the gains are spread, and how they add up."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 9), layout="constrained")
    prices, spread, sums = figure.subplots(3)
    prices.plot([hour / DAY for hour in range(len(path))], path, linewidth=0.8)
    prices.set(title="price", ylabel="USD", xlabel="days")
    for name, outcomes in results.items():
        spread.hist([100 * o.gain / o.margin for o in outcomes], bins=80, histtype="step", label=name)
        sums.plot([o.opened / DAY for o in outcomes], list(accumulate(o.gain for o in outcomes)), label=name)
    spread.set(title="taker's gain per CFD", xlabel="% of the margin", ylabel="CFDs")
    sums.set(title="taker's gains, summed up", xlabel="day of opening", ylabel="sats")
    spread.legend()
    sums.legend()
    figure.savefig(file)


def main(prices: Path | None = None, picture: Path = Path("backtest.png")) -> dict[str, Sequence[Outcome]]:
    """Longs and shorts on one path."""
    path = made_up_path(hours=24 * 120) if prices is None else read_path(prices)
    long = Strategy()
    strategies = {f"{s.position.value} {s.leverage}x": s for s in (long, evolve(long, position=Position.SHORT))}
    results: dict[str, Sequence[Outcome]] = {name: list(run(path, s)) for name, s in strategies.items()}
    for name, outcomes in results.items():
        print(report(name, outcomes))
    plot(path, results, picture)
    return results


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
