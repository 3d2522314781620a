"""`cfd offer`: a maker's own offers, by hand. Programs do the same over the API."""

from decimal import Decimal

import click
from cfd_web import models as m
from cfd_web.client import calls
from pydantic import ValidationError

from cfd_core import values
from cfd_core.contract.terms import funding_rate as checked_rate
from cfd_node.commands import tables
from cfd_node.commands.asking import Asking, asks, moves, only
from cfd_node.commands.options import decimal, option, whole


@click.group("offer")
def offer() -> None:
    """A maker's own offers."""


@offer.command("list")
@asks
def list_offers(node: Asking) -> None:
    """What this node offers now."""
    found = node.ask(calls.own_offers())
    node.show(found, lambda console: tables.own_offers(console, found.offers))


@offer.command("publish")
@option("--bid", "USD", decimal(values.price), "What takers can sell at (go short).")
@option("--ask", "USD", decimal(values.price), "What takers can buy at (go long).")
@option("--min", "CONTRACTS", whole(values.quantity), "The least quantity.", default="1")
@option("--max", "CONTRACTS", whole(values.quantity), "The most.", required=True)
@option("--lot", "CONTRACTS", whole(values.quantity), "Quantities are multiples of this.", default="1")
@click.option("--leverage", "leverages", type=click.IntRange(1, 100), multiple=True, help="Again for each choice.")
@option("--maker-leverage", "TIMES", whole(values.leverage), "This node's own.", default="1")
@click.option("--opening-fee", type=click.IntRange(0), default=0, show_default=True, help="Sats; takers pay them.")
@option("--funding-rate", "FRACTION", decimal(checked_rate), "Per day; positive: long pays short.", default="0")
@option("--fee-rate", "SAT/VB", whole(values.fee_rate), "Of the contract. Default: the network's normal one.")
@click.option("--keep-others", is_flag=True, help="Do not withdraw the other offers on the same product.")
@moves
def publish(
    node: Asking,
    bid: Decimal | None,
    ask: Decimal | None,
    min: int,  # noqa: A002 - the options' names
    max: int,  # noqa: A002
    lot: int,
    leverages: tuple[int, ...],
    maker_leverage: int,
    opening_fee: int,
    funding_rate: Decimal,
    fee_rate: int | None,
    keep_others: bool,
) -> None:
    """Publish an offer. It can be taken for ten minutes, or until it is withdrawn."""
    try:
        wanted = m.NewOffer(
            bid=bid,
            ask=ask,
            min_quantity=min,
            max_quantity=max,
            lot=lot,
            leverages=leverages or (1,),
            maker_leverage=maker_leverage,
            opening_fee=opening_fee,
            funding_rate=funding_rate,
            fee_rate=fee_rate,
            replaces_all=not keep_others,
        )
    except ValidationError as error:
        raise click.ClickException(error.errors()[0]["msg"].removeprefix("Value error, ")) from error
    node.confirm(f"Offer bid {tables.price(bid)}, ask {tables.price(ask)} to all takers?")
    published = node.ask(calls.publish(wanted))
    node.show(published, lambda console: tables.own_offers(console, [published]))


@offer.command("withdraw")
@click.argument("offer_id", metavar="OFFER")
@asks
def withdraw(node: Asking, offer_id: str) -> None:
    """Take no more orders on an offer; OFFER may be its first few digits, or `all`."""
    mine = node.ask(calls.own_offers()).offers
    wanted = (
        list(mine) if offer_id == "all" else [only([o for o in mine if o.id.startswith(offer_id)], offer_id, "offer")]
    )
    for found in wanted:
        node.ask(calls.withdraw(found.id))
    left = node.ask(calls.own_offers())
    node.show(left, lambda console: tables.own_offers(console, left.offers))
