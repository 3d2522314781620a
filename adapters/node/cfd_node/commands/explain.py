"""`cfd explain`: what one CFD is doing, what it means, and what comes next."""

import json
import time
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
from cfd_store import SqlStore, StoreError, sqlite_url
from cfd_web.access import AccessRefused, find_access
from cfd_web.client import Client, ClientError, calls
from rich.console import Console
from rich.table import Table

from cfd_core import values
from cfd_core.cfd.aggregate import Cfd
from cfd_core.cfd.events import CfdEvent, CommitSeen, ExitSeen, LockSeen, NodeEvent, OrderPlaced
from cfd_core.cfd.evolve import evolve
from cfd_core.cfd.react import Deadlines
from cfd_core.cfd.summary import Summary, summary
from cfd_core.errors import CfdError
from cfd_core.serial.stored import read_events
from cfd_core.values import HOUR, Timestamp, words_of
from cfd_node.commands.folders import meant
from cfd_node.commands.options import decimal, option
from cfd_node.node import IDENTITY_FILE


@click.command()
@click.argument("cfd_id", metavar="ID")
@click.option("--folder", type=click.Path(path_type=Path), required=True, help="The node's folder.")
@option("--price", "USD", decimal(values.price), "Market price, for the unrealised gain.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def explain(cfd_id: str, folder: Path, price: Decimal | None, as_json: bool) -> None:
    """Say what a CFD is doing, what that means, what can be done, and how it got there.

    Reads the node's store; the node may be running, and then says when it rolls over by itself. ID may be its first
    few digits.
    """
    try:
        history = _history(folder, cfd_id)
    except (CfdError, StoreError, OSError) as error:
        raise click.ClickException(str(error)) from error
    cfd = _folded(history)
    found = summary(cfd, now=_now(), tip=_tip(history), price=price, deadlines=Deadlines())
    rollover = None if cfd.ended else _rollover_at(folder, cfd)
    if as_json:
        words = [words_of(event) for event in history]
        click.echo(json.dumps({**_plain(found), "rollover_at": rollover, "history": words}))
    else:
        _print(found, history, rollover)


def _rollover_at(folder: Path, cfd: Cfd) -> Timestamp | None:
    """When the running node rolls it over by itself: only the node knows its settings. None: not, or none runs."""
    try:
        with Client(find_access(folder)) as client:
            at = client.ask(calls.cfd(cfd.id)).row.rollover_at
    except (AccessRefused, ClientError):
        return None
    return None if at is None else Timestamp(at)


def _now() -> Timestamp:
    return Timestamp(int(time.time()))  # noqa: TID251 - the command line reads the clock


def open_store(folder: Path) -> SqlStore:
    """The node's store; unlike a node, this makes none where there is none."""
    file, identity = folder / "events.sqlite", folder / IDENTITY_FILE
    if not file.is_file() or not identity.is_file():
        raise click.ClickException(f"{folder} is not the folder of a node{meant(folder, IDENTITY_FILE)}")
    try:
        return SqlStore(sqlite_url(file), identity.read_text())
    except UnicodeDecodeError as error:
        raise click.ClickException(f"{identity} is not text") from error


def _history(folder: Path, prefix: str) -> list[CfdEvent]:
    store = open_store(folder)
    try:
        events = list(read_events(store.load_all()))
    finally:
        store.close()
    streams = {stream for stream, event in events if isinstance(event, OrderPlaced) and stream.startswith(prefix)}
    if not streams:
        raise click.ClickException(f"no CFD here begins with {prefix!r:.40}")
    if len(streams) > 1:
        raise click.ClickException(f"{len(streams)} CFDs begin with {prefix!r:.40}: give more of the ID")
    return [event for stream, event in events if stream in streams and not isinstance(event, NodeEvent)]


def _folded(history: list[CfdEvent]) -> Cfd:
    cfd: Cfd | None = None
    for event in history:
        cfd = evolve(cfd, event)
    if cfd is None:
        raise click.ClickException("an empty history")
    return cfd


def _tip(history: list[CfdEvent]) -> int:
    """The highest block that the CFD has heard of."""
    return max((event.height for event in history if isinstance(event, LockSeen | CommitSeen | ExitSeen)), default=0)


def _plain(found: Summary) -> dict[str, Any]:
    return {
        "id": found.id,
        "role": found.role.value,
        "peer": found.peer,
        "position": found.position.value,
        "price": str(found.price),
        "quantity": found.quantity,
        "leverage": found.leverage,
        "margin": found.margin,
        "pool": found.pool,
        "state": found.state,
        "meaning": found.meaning,
        "actions": list(found.actions),
        "expiry": found.expiry,
        "liquidation_price": None if found.liquidation_price is None else float(found.liquidation_price),
        "deadline": _deadline(found),
        "warning": found.warning,
        "worst_case": found.worst_case,
        "fees_owed": found.fees_owed,
        "unrealised": found.unrealised,
        "realised": found.realised,
        "profit_percent": None if found.profit_percent is None else round(float(found.profit_percent), 4),
    }


def _deadline(found: Summary) -> str:
    if found.deadline is None:
        return ""
    when = f"at block {found.deadline.height}" if found.deadline.at is None else f"at {_utc(found.deadline.at)}"
    return f"{found.deadline.what} {when}"


def _utc(at: Timestamp) -> str:
    return datetime.fromtimestamp(at // HOUR * HOUR + at % HOUR, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _print(found: Summary, history: list[CfdEvent], rollover: Timestamp | None) -> None:
    console = Console()
    table = Table("", "", title=f"CFD {found.id}", show_header=False)
    table.add_row("state", found.state)
    table.add_row("that means", found.meaning)
    if found.warning:
        table.add_row("warning", f"[red]{found.warning}[/red]")
    if rollover is not None:
        table.add_row(
            "rolls over by itself", f"at {_utc(rollover)}, if the counterparty agrees: the expiry moves ahead"
        )
    table.add_row("next" if rollover is None else "otherwise", _deadline(found) or "nothing by itself")
    over = found.realised is not None
    table.add_row("you can", ", ".join(found.actions) or ("do nothing: it is over" if over else "wait"))
    contract = f"{found.position.value}, {found.quantity:,} contracts at {found.price:,} USD, {found.leverage}x"
    table.add_row("contract", contract)
    table.add_row("expiry", _utc(found.expiry))
    liquidation = "none" if found.liquidation_price is None else f"{float(found.liquidation_price):,.1f} USD"
    table.add_row("liquidation price", liquidation)
    table.add_row("margin", f"{found.margin:,} of {found.pool:,} sats")
    table.add_row("worst case", f"{-found.worst_case:,} sats")
    owed = "are owed" if found.fees_owed < 0 else "owe"
    table.add_row("fees so far", f"you {owed} {abs(found.fees_owed):,} sats")
    gain = found.realised if found.realised is not None else found.unrealised
    if gain is not None:
        kind = "realised" if over else "unrealised"
        table.add_row(kind, f"{gain:+,} sats ({float(found.profit_percent or 0):+.2f} %)")
    table.add_row("so far", ", ".join(words_of(event) for event in history))
    console.print(table)
