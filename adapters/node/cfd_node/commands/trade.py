"""`cfd offers`, `take`, `list`, `rollover`, `settle`, `close`, `choose`, `requests`, `accept`, `reject`: trading."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final

import click
from cfd_web import models as m
from cfd_web.client import calls

from cfd_core import values
from cfd_core.values import Position
from cfd_node.commands import tables
from cfd_node.commands.asking import Asking, asks, moves, only
from cfd_node.commands.options import decimal, option, whole

REASON: Final = "rejected by the user"
BEST: Final = "best"
MOST_TOLD: Final = 5
"""Offers that a complaint names."""


@click.command("offers")
@asks
def offers(node: Asking) -> None:
    """The offers of all makers, side by side."""
    found = node.ask(calls.offers())
    node.show(found, lambda console: tables.offers(console, found))


@click.command("take")
@click.argument("offer", metavar="OFFER")
@click.argument("side", type=click.Choice(["long", "short"]))
@option("--quantity", "CONTRACTS", whole(values.quantity), "One contract is one USD.", required=True)
@option("--leverage", "TIMES", whole(values.leverage), "One of the offer's.", default="1")
@click.option("--dry-run", is_flag=True, help="Only say what it would mean.")
@moves
def take(node: Asking, offer: str, side: str, quantity: int, leverage: int, dry_run: bool) -> None:
    """Take an offer. OFFER may be its first few digits, or `best`: the best price for this side, quantity, leverage."""
    found = [o for maker in node.ask(calls.offers()).makers for o in maker.offers]
    position = Position(side)
    if offer == BEST:
        chosen = _best(found, position, quantity, leverage)
    else:
        chosen = only([o for o in found if o.id.startswith(offer)], offer, "offer")
    order = m.Order(maker=chosen.maker, offer=chosen.id, position=position, quantity=quantity, leverage=leverage)
    preview = node.ask(calls.preview_order(order))
    if dry_run or not node.as_json:
        node.show(preview, lambda console: tables.order(console, preview))
    if dry_run:
        return
    node.possible(preview.obstacle)
    node.confirm("Take it?")
    row = node.ask(calls.take(order))
    node.show(row, lambda console: tables.cfd(console, row))


def _on_offer(found: Iterable[m.Offer], position: Position) -> str:
    """What an order for this side can choose from, in one line."""
    lines = (
        f"{offer.min_quantity:,} to {offer.max_quantity:,}"
        f"{f' in steps of {offer.lot:,}' if offer.lot > 1 else ''}"
        f" with {', '.join(map(str, offer.leverages))}x"
        for offer in found
        if (offer.ask if position is Position.LONG else offer.bid) is not None and not offer.obstacle
    )
    told = list(dict.fromkeys(lines))
    more = f", and {len(told) - MOST_TOLD} more" if len(told) > MOST_TOLD else ""
    return f"on offer: {'; '.join(told[:MOST_TOLD])}{more}" if told else "nothing can be taken on that side"


def _best(found: Sequence[m.Offer], position: Position, quantity: int, leverage: int) -> m.Offer:
    fitting = [
        (price, offer)
        for offer in found
        if (price := offer.ask if position is Position.LONG else offer.bid) is not None
        and offer.min_quantity <= quantity <= offer.max_quantity
        and quantity % offer.lot == 0
        and leverage in offer.leverages
        and not offer.obstacle
    ]
    if not fitting:
        wanted = f"nobody offers {quantity:,} contracts {position.value} with {leverage}x now"
        raise click.ClickException(f"{wanted}; {_on_offer(found, position)}")
    best = min if position is Position.LONG else max
    return best(fitting, key=lambda priced: priced[0])[1]


@click.command("list")
@click.option("--all", "everything", is_flag=True, help="Those that are over, too.")
@asks
def list_cfds(node: Asking, everything: bool) -> None:
    """The CFDs of a running node, newest first."""
    found = node.ask(calls.cfds(over=None if everything else False))
    if found.cfds or everything or node.as_json or not node.ask(calls.cfds(over=True)).cfds:
        node.show(found, lambda console: tables.cfds(console, found.cfds))
    else:
        click.echo("CFDs: none open; --all shows those that are over")


@click.command("rollover")
@click.argument("cfd_id", metavar="ID")
@click.option("--dry-run", is_flag=True, help="Only say what it would mean.")
@moves
def rollover(node: Asking, cfd_id: str, dry_run: bool) -> None:
    """Propose to the counterparty to move a CFD's expiry ahead. ID may be its first few digits."""
    row = node.cfd(cfd_id)
    if _agreed(node, row, m.CfdAction.ROLL_OVER, dry_run) is not None:
        asked = node.ask(calls.roll_over(row.id))
        node.show(asked, lambda console: tables.asked(console, asked, "to roll over"))


@click.command("settle")
@click.argument("cfd_id", metavar="ID")
@option("--price", "USD", decimal(values.price), "Default: the counterparty's present quote.")
@click.option("--dry-run", is_flag=True, help="Only say what it would mean, at the counterparty's quote.")
@moves
def settle(node: Asking, cfd_id: str, price: Decimal | None, dry_run: bool) -> None:
    """Propose to the counterparty to close a CFD together. ID may be its first few digits."""
    row = node.cfd(cfd_id)
    preview = _agreed(node, row, m.CfdAction.SETTLE, dry_run, price)
    if preview is not None:
        asked = node.ask(calls.settle(row.id, price))
        at = f"{price:,}" if price is not None else f"its price, {tables.price(preview.price)} when you looked"
        node.show(asked, lambda console: tables.asked(console, asked, f"to close at {at}"))


@click.command("close")
@click.argument("cfd_id", metavar="ID")
@click.option("--dry-run", is_flag=True, help="Only say what it would mean.")
@moves
def close(node: Asking, cfd_id: str, dry_run: bool) -> None:
    """Force-close a CFD: take it to the chain alone. This cannot be undone. ID may be its first few digits."""
    row = node.cfd(cfd_id)
    if _agreed(node, row, m.CfdAction.FORCE_CLOSE, dry_run) is not None:
        _done(node, node.ask(calls.force_close(row.id)))


@click.command("choose")
@click.argument("cfd_id", metavar="ID")
@click.argument("outcome", metavar="[PRICE]", type=click.IntRange(min=0), required=False)
@moves
def choose(node: Asking, cfd_id: str, outcome: int | None) -> None:
    """Where the oracle signed two prices for one event: show both, or settle on PRICE. ID may be shortened."""
    row = node.cfd(cfd_id)
    found = node.ask(calls.cfd(row.id)).outcomes
    if outcome is None or not node.as_json:
        node.show(found, lambda console: tables.outcomes(console, found))
    if outcome is None:
        return
    if outcome not in [each.outcome for each in found]:
        raise click.ClickException(f"the oracle did not sign two prices of which one is {outcome:,}")
    node.confirm(f"Settle on {outcome:,}?")
    _done(node, node.ask(calls.choose(row.id, outcome)))


def _agreed(
    node: Asking, row: m.CfdRow, action: m.CfdAction, dry_run: bool, price: Decimal | None = None
) -> m.ActionPreview | None:
    """What the user was shown and agreed to; None: nothing is to be done."""
    preview = node.ask(calls.preview(row.id, action))
    if dry_run or not node.as_json:
        node.show(preview, lambda console: tables.action(console, preview))
    if dry_run:
        return None
    node.possible(preview.obstacle)
    node.confirm("Go on?" if price is None else f"Propose {price:,} instead of the quote above?")
    return preview


def _done(node: Asking, row: m.CfdRow) -> None:
    node.show(row, lambda console: tables.cfd(console, row))


@click.command("requests")
@asks
def requests(node: Asking) -> None:
    """What counterparties ask for and nobody has answered."""
    found = node.ask(calls.requests())
    node.show(found, lambda console: tables.requests(console, found))


@click.command("accept")
@click.argument("cfd_id", metavar="ID")
@moves
def accept(node: Asking, cfd_id: str) -> None:
    """Accept the order or the settlement that a counterparty asks for."""
    asked = _asked(node, cfd_id)
    if not node.as_json:
        node.show(asked, lambda console: tables.requests(console, [asked]))
    node.confirm("Accept it?")
    _done(node, node.ask(calls.accept(asked.cfd)))


@click.command("reject")
@click.argument("cfd_id", metavar="ID")
@click.option("--reason", default=REASON, show_default=True, help="The counterparty reads it.")
@moves
def reject(node: Asking, cfd_id: str, reason: str) -> None:
    """Reject it."""
    if not 1 <= len(reason) <= 200 or not reason.isascii() or not reason.isprintable():
        raise click.ClickException("--reason: 1 to 200 printable ASCII characters")
    _done(node, node.ask(calls.reject(_asked(node, cfd_id).cfd, reason)))


def _asked(node: Asking, beginning: str) -> m.Request:
    return only([r for r in node.ask(calls.requests()) if r.cfd.startswith(beginning)], beginning, "request")
