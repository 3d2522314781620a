"""`cfd demo`: the whole life of one CFD between two nodes of this machine."""

import asyncio
import json
import resource
import sys
import tempfile
import time
from contextlib import AbstractAsyncContextManager
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
import httpx
from cfd_electrum import ElectrumError
from cfd_network import Address, TransportError
from cfd_oracle import OracleError
from cfd_regtest.bitcoind import BitcoindControl
from cfd_regtest.control import ChainControl, EmbeddedControl
from cfd_regtest.errors import RegtestError
from cfd_store import StoreError
from cfd_wallet import WalletError
from rich.console import Console

from cfd_core import values
from cfd_core.contract.terms import funding_rate, opening_fee
from cfd_core.errors import CfdError
from cfd_core.values import Position
from cfd_node.commands.options import decimal, option, tolerance, whole
from cfd_node.demo.plan import RECORDED, DemoPlan, RecordedEvent
from cfd_node.demo.report import Report, make_report
from cfd_node.demo.stories import STORIES
from cfd_node.demo.table import show
from cfd_node.demo.theatre import DemoFailed, Say, Theatre
from cfd_node.folder import FolderRefused

EXPECTED = (
    CfdError,
    DemoFailed,
    ElectrumError,
    FolderRefused,
    OSError,
    OracleError,
    RegtestError,
    StoreError,
    TransportError,
    WalletError,
    httpx.HTTPError,
    httpx.InvalidURL,
)
"""What may go wrong without a fault in this program."""
SIDES = {"long": Position.LONG, "buy": Position.LONG, "short": Position.SHORT, "sell": Position.SHORT}


@click.command()
@option("--price", "USD", values.price, "Opening price of one BTC.", default="50000")
@option("--quantity", "N", whole(values.quantity), "Contracts of 1 USD each.", default="1000")
@option("--leverage", "N", whole(values.leverage), "The taker's leverage; the maker has 1.", default="2")
@click.option(
    "--side",
    default="long",
    show_default=True,
    type=click.Choice(sorted(SIDES)),
    help="The taker's side; buy is long, sell is short.",
)
@option("--tolerance", "FRACTION", tolerance, "Allowed error, of the pool: 0.0025 or 0.25%.", default="0.0025")
@option("--opening-fee", "SATS", whole(opening_fee), "What the taker pays the maker.", default="0")
@option("--funding-rate", "RATE", decimal(funding_rate), "Per 24 h; above 0 long pays short.", default="0")
@click.option(
    "--story",
    default="cet",
    show_default=True,
    type=click.Choice([*STORIES, "all"]),
    help="How the CFD goes; see below.",
)
@click.option("--event", type=click.Path(path_type=Path), default=RECORDED, help="Recorded olivia event (JSON).")
@click.option("--electrum", metavar="HOST:PORT", help="Electrum server of an outside regtest node.")
@click.option("--bitcoind", metavar="URL", help="RPC address of that node: http://user:password@host:port")
@click.option("--keep", type=click.Path(path_type=Path), help="Keep the two nodes' folders under this one.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as one JSON object.")
def demo(
    price: Decimal,
    quantity: int,
    leverage: int,
    side: str,
    tolerance: Decimal,
    opening_fee: Any,
    funding_rate: Decimal,
    story: str,
    event: Path,
    electrum: str | None,
    bitcoind: str | None,
    keep: Path | None,
    as_json: bool,
) -> None:
    """Open a CFD between two nodes and see it through to its end.

    A maker and a taker, each with its own seed, wallet, store and engine, find each other over SSH on loopback. The
    chain is Bitcoin Core's own engine in this process, unless --electrum and --bitcoind name a regtest node.
    Exit code 0 only if every figure agrees.

    \b
    Stories:
      cet              force close on the recorded price
      settle           both close together at the maker's quote
      rollover         24 hourly rollovers, then a settlement
      liquidate-long   an hourly price liquidates the long
      liquidate-short  an hourly price liquidates the short
      refund           the oracle never speaks
      punish           the taker publishes a revoked commit
      cancel           the maker withholds its lock signature
      reorg            blocks are replaced under the lock and the commit
      stuck-close      a fee spike: the close needs children of the payouts
      fees             a fee spike: the commit needs its anchor
      all              each of them, one after the other
    """
    console = Console(stderr=as_json)
    try:
        plan = DemoPlan(
            price=price,
            quantity=quantity,
            leverage=leverage,
            position=SIDES[side],
            tolerance=tolerance,
            opening_fee=opening_fee,
            funding_rate=funding_rate,
            event=RecordedEvent.read(event),
        )
        names = list(STORIES) if story == "all" else [story]
        _check_unused(keep, names)
        plans = {name: STORIES[name].prepare(plan) for name in names}
        for prepared in plans.values():
            prepared.terms  # noqa: B018 - refuses a contract that cannot be before anything is started
        reports = [_tell(name, plans[name], (electrum, bitcoind), keep, console) for name in names]
    except EXPECTED as error:
        raise click.ClickException(str(error) or type(error).__name__) from error
    if as_json:
        told = [report.as_json() for report in reports]
        click.echo(json.dumps({"stories": told} if story == "all" else told[0]))
    else:
        _show(reports, console)
    sys.exit(1 if any(report.disagreements for report in reports) else 0)


def _check_unused(keep: Path | None, names: list[str]) -> None:
    """Each demo has new seeds, so its nodes cannot live in the folders of an earlier one."""
    for folder in (keep / name for name in names) if keep is not None else ():
        if folder.exists():
            raise FolderRefused(f"an earlier demo left {folder}; keep this one elsewhere")


def _tell(
    name: str, plan: DemoPlan, outside: tuple[str | None, str | None], keep: Path | None, console: Console
) -> Report:
    chain, control = _control(plan, *outside)
    console.print(f"{name}: {STORIES[name].about}", style="bold")

    def say(line: str) -> None:
        console.print(line, style="dim", soft_wrap=True)

    if keep is not None:
        return asyncio.run(_run(name, plan, chain, control, keep / name, say))
    with tempfile.TemporaryDirectory(prefix="cfd-demo-") as folder:
        return asyncio.run(_run(name, plan, chain, control, Path(folder), say))


def _show(reports: list[Report], console: Console) -> None:
    for report in reports:
        show(report, console)
    if len(reports) > 1:
        for report in reports:
            verdict = "; ".join(report.disagreements) or "every figure agrees"
            console.print(f"{report.story:16} {report.ends.value:13} {report.seconds:5.1f} s  {verdict}")
    console.print(f"Peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB", style="dim")


def _control(
    plan: DemoPlan, electrum: str | None, bitcoind: str | None
) -> tuple[str, AbstractAsyncContextManager[ChainControl]]:
    if bool(electrum) != bool(bitcoind):
        raise click.ClickException("--electrum and --bitcoind belong together")
    if electrum and bitcoind:
        server = Address.parse(electrum)
        return "bitcoind (regtest)", BitcoindControl(bitcoind, server.host, server.port)
    return "embedded (regtest)", EmbeddedControl(start_time=plan.event.announcement.maturity - 2 * 86400)


async def _run(
    name: str, plan: DemoPlan, chain: str, control: AbstractAsyncContextManager[ChainControl], folder: Path, say: Say
) -> Report:
    begun = time.monotonic()
    story = STORIES[name]
    async with control as running, Theatre(plan, running, folder, say) as stage:
        await story.act(stage)
        return await make_report(stage, name, story.ends, chain, time.monotonic() - begun)
