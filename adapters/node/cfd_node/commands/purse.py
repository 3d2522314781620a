"""`cfd wallet`: the bitcoin wallet of a running node."""

import re
from typing import Any

import click
from cfd_web import models as m
from cfd_web.client import calls
from pydantic import ValidationError

from cfd_core import values
from cfd_node.commands import tables
from cfd_node.commands.asking import Asking, asks, moves, only
from cfd_node.commands.options import option, whole


@click.group("wallet")
def wallet() -> None:
    """The bitcoin wallet of a running node. Amounts are sats."""


@wallet.command("address")
@asks
def address(node: Asking) -> None:
    """A fresh address to pay to."""
    found = node.ask(calls.new_address())
    node.show(found, lambda console: console.print(found.address))


@wallet.command("balance")
@asks
def balance(node: Asking) -> None:
    """What is in it."""
    found = node.ask(calls.wallet())
    node.show(found, lambda console: tables.wallet(console, found))


@wallet.command("history")
@click.option("--limit", type=click.IntRange(1, 1_000), default=50, show_default=True, help="At most so many.")
@asks
def history(node: Asking, limit: int) -> None:
    """Its transactions, newest first."""
    found = node.ask(calls.history(limit=limit))
    node.show(found, lambda console: tables.history(console, found))


@wallet.command("descriptors")
@asks
def descriptors(node: Asking) -> None:
    """What another wallet needs to watch this one. It shows every payment; it can spend nothing."""
    found = node.ask(calls.watch_only())
    node.show(found, lambda console: tables.pairs(console, "Descriptors", list(found.model_dump().items())))


@wallet.command("send")
@click.argument("to", metavar="ADDRESS")
@click.argument("amount", metavar="SATS|all")
@option("--fee-rate", "SAT/VB", whole(values.fee_rate), "Default: the network's normal one.")
@click.option("--dry-run", is_flag=True, help="Only say what it would mean.")
@moves
def send(node: Asking, to: str, amount: str, fee_rate: int | None, dry_run: bool) -> None:
    """Send bitcoin away; `all` sends everything that is not set aside."""
    wish = _wish(to, amount, fee_rate)
    preview = node.ask(calls.preview_send(wish))
    if dry_run or not node.as_json:
        node.show(preview, lambda console: tables.send(console, preview))
    if dry_run:
        return
    node.possible(preview.obstacle)
    node.confirm("Send it?")
    sent = node.ask(calls.send(wish))
    node.show(sent, lambda console: console.print(f"Sent: {sent.txid}"))


@wallet.command("bump")
@click.argument("txid", metavar="TXID")
@option("--fee-rate", "SAT/VB", whole(values.fee_rate), "The new one.", required=True)
@moves
def bump(node: Asking, txid: str, fee_rate: int) -> None:
    """Replace an unconfirmed transaction by one that pays a higher fee. TXID may be its first few digits."""
    known = [entry for entry in node.ask(calls.history(limit=1_000)).entries if entry.txid.startswith(txid)]
    wish: m.Bump = _made(m.Bump, txid=only(known, txid, "transaction").txid, fee_rate=fee_rate)
    node.confirm(f"Replace {wish.txid} by one that pays {fee_rate} sat/vB?")
    sent = node.ask(calls.bump(wish))
    node.show(sent, lambda console: console.print(f"Sent: {sent.txid}, fee {sent.fee:,} sats"))


def _wish(to: str, amount: str, fee_rate: int | None) -> m.Send:
    if amount != "all" and not re.fullmatch(r"[0-9]{1,16}", amount, re.ASCII):
        raise click.ClickException(f"an amount is a whole number of sats, or all, not {amount!r:.40}")
    much = {"drain": True} if amount == "all" else {"sats": int(amount)}
    wish: m.Send = _made(m.Send, address=to, fee_rate=fee_rate, **much)
    return wish


def _made(model: Any, **fields: Any) -> Any:
    try:
        return model(**fields)
    except ValidationError as error:
        first = error.errors()[0]
        raise click.ClickException(f"{first['loc'][0]}: {first['msg']}") from error
