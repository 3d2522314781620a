"""What a node tells, as tables for people. Amounts are sats."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal

from cfd_web import models as m
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

IDS = ("offer", "CFD", "transaction", "position", "answer by")
"""Columns whose text is of no use when it is cut."""
COLOURS = {
    m.ServiceState.RUNNING: "green",
    m.ServiceState.DEGRADED: "yellow",
    m.ServiceState.BACKOFF: "red",
    m.ServiceState.STOPPED: "red",
}


def utc(at: int | None) -> str:
    """A time for people; empty for none."""
    return "" if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


def soon(at: int) -> str:
    """A time in the next days or weeks, for narrow columns."""
    return datetime.fromtimestamp(at, UTC).strftime("%m-%d %H:%M")


def money(sats: int | None, *, sign: bool = False) -> str:
    """Sats with thousands; empty for none."""
    return "" if sats is None else f"{sats:+,}" if sign else f"{sats:,}"


def flow(paid: int) -> str:
    """Who pays: sats that the user pays, or gets where it is negative."""
    return f"you {'get' if paid < 0 else 'pay'} {abs(paid):,} sats"


def price(value: Decimal | None) -> str:
    """A price with thousands; a dash for none."""
    return "-" if value is None else f"{value:,}"


def pairs(console: Console, title: str, rows: Iterable[tuple[str, str]]) -> None:
    """Names and values."""
    table = Table("", "", title=title, show_header=False)
    for name, value in rows:
        table.add_row(name, Text(value))
    console.print(table)


def grid(console: Console, title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Rows under columns, or a line that there are none. Columns that begin with `>` hold numbers."""
    style = "bold underline"
    table = Table(title=title, box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style=style)  # 80 columns
    for column in columns:
        name, number = column.removeprefix(">"), column.startswith(">")
        table.add_column(name, justify="right" if number else "left", no_wrap=number or name in IDS)
    for row in rows:
        cells: list[RenderableType] = [Text(cell) for cell in row]
        table.add_row(*cells)
    console.print(table if table.row_count else f"{title}: none")


def offers(console: Console, found: m.Offers) -> None:
    """Offers side by side, then which cannot be taken, and who is not there."""
    columns = ("offer", "maker", *_OFFER)
    shown = [(maker.name or maker.peer, offer) for maker in found.makers for offer in maker.offers]
    grid(console, "Offers", columns, [(offer.id[:8], name, *_offer(offer)) for name, offer in shown])
    _obstacles(console, [offer for _, offer in shown])
    for maker in found.makers:
        if not maker.connected:
            console.print(Text(f"{maker.name or maker.peer} is not connected: {maker.reason}"))


def own_offers(console: Console, found: Iterable[m.Offer]) -> None:
    """This node's."""
    shown = list(found)
    grid(console, "Own offers", ("offer", *_OFFER), [(offer.id[:8], *_offer(offer)) for offer in shown])
    _obstacles(console, shown)


_OFFER = (">bid", ">ask", ">quantity", "times", ">fee", ">a day", "expiry")


def _obstacles(console: Console, found: Iterable[m.Offer]) -> None:
    for offer in found:
        if offer.obstacle:
            console.print(Text(f"! {offer.id[:8]}: {offer.obstacle}"))


def _offer(offer: m.Offer) -> tuple[str, ...]:
    return (
        price(offer.bid),
        price(offer.ask),
        f"{offer.min_quantity:,}-{offer.max_quantity:,}",
        ",".join(str(leverage) for leverage in offer.leverages) + "x",
        money(offer.opening_fee),
        f"{(offer.funding_rate * 100).normalize():+f}%",
        soon(offer.expiry),
    )


def order(console: Console, found: m.OrderPreview) -> None:
    """What an order would mean."""
    wanted = found.order
    rows = [
        ("order", f"{wanted.position.value} {wanted.quantity:,} at {price(found.price)}, {wanted.leverage}x"),
        ("margin", f"{money(found.margin)} of {money(found.pool)} sats"),
        ("opening fee", flow(found.opening_fee)),
        ("funding per day", flow(found.funding_per_day)),
        ("transaction fees", f"about {money(found.chain_fee)} sats"),
        ("liquidation price", price(found.liquidation_price)),
        ("expiry", utc(found.expiry)),
        ("worst case", f"-{money(found.worst_case)} sats"),
        ("spendable", "not known" if found.spendable is None else f"{money(found.spendable)} sats"),
    ]
    pairs(console, "Order", rows + ([("cannot be", found.obstacle)] if found.obstacle else []))


def cfds(console: Console, rows: Iterable[m.CfdRow]) -> None:
    """CFDs at a glance."""
    found = list(rows)
    columns = ("CFD", "state", "position", ">quantity", ">price", ">margin", ">gain", "expiry UTC")
    grid(console, "CFDs", columns, map(_cfd, found))
    for row in found:
        if row.warning:
            console.print(Text(f"! {row.id[:8]}: {row.warning}"))


def _cfd(row: m.CfdRow) -> tuple[str, ...]:
    gain = row.realised if row.over else row.unrealised
    position = f"{row.position.value} {row.leverage}x"
    money_cells = (f"{row.quantity:,}", price(row.price), money(row.margin), money(gain, sign=True))
    return row.id[:8], row.state, position, *money_cells, soon(row.expiry)


def cfd(console: Console, row: m.CfdRow) -> None:
    """One CFD after something was done about it."""
    console.print(Text(f"CFD {row.id[:8]}: {row.state}. {row.meaning}"))


def asked(console: Console, row: m.CfdRow, what: str) -> None:
    """One CFD whose counterparty was asked for something. Its answer comes later, and the state is that of before."""
    console.print(Text(f"CFD {row.id[:8]}: the counterparty is asked {what}. Look with `cfd explain {row.id[:8]}`."))


def action(console: Console, found: m.ActionPreview) -> None:
    """What doing something about a CFD would mean."""
    rows = [("then", step) for step in found.steps]
    rows += [("at", price(found.price))] if found.price is not None else []
    rows += [("paid to you", f"{money(found.payout)} sats")] if found.payout is not None else []
    rows += [("gain", f"{money(found.gain, sign=True)} sats")] if found.gain is not None else []
    rows += [("fee", flow(found.fee)), ("transaction fees", f"about {money(found.chain_fee)} sats")]
    rows += [("new expiry", utc(found.new_expiry))] if found.new_expiry is not None else []
    rows += [("money is back", f"about {utc(found.money_back_at)}")] if found.money_back_at is not None else []
    pairs(
        console,
        f"{found.action.value} {found.cfd[:8]}",
        rows + ([("cannot", found.obstacle)] if found.obstacle else []),
    )


def outcomes(console: Console, found: Iterable[m.SignedOutcome]) -> None:
    """What the oracle contradicts itself with."""
    rows = [
        (
            f"{each.outcome:,}",
            "nobody is paid" if each.payout is None else money(each.payout),
            money(each.gain, sign=True),
            "chosen" if each.chosen else "",
            each.event,
        )
        for each in found
    ]
    grid(console, "Two prices for one event", (">price", ">paid to you", ">gain", "", "event"), rows)


def requests(console: Console, found: Iterable[m.Request]) -> None:
    """What waits for the user."""
    columns = ("CFD", "asks for", "position", ">quantity", ">price", ">margin", ">gain", "answer by")
    rows = [
        (
            asked.cfd[:8],
            asked.kind.value,
            f"{asked.position.value} {asked.leverage}x",
            f"{asked.quantity:,}",
            price(asked.price),
            money(asked.margin),
            money(asked.gain, sign=True),
            soon(asked.answer_by),
        )
        for asked in found
    ]
    grid(console, "Waiting for you", columns, rows)


def wallet(console: Console, found: m.Wallet) -> None:
    """What is in the wallet."""
    synced = "never" if found.synced_at is None else utc(found.synced_at)
    rows = [
        ("spendable", money(found.spendable)),
        ("set aside", money(found.reserved)),
        ("on its way", money(found.pending)),
        ("locked in CFDs", money(found.locked)),
        ("as of", synced + (" (the last sync failed)" if found.stale else "")),
    ]
    pairs(console, "Wallet, in sats", rows)


def history(console: Console, found: m.History) -> None:
    """The wallet's transactions."""
    columns = ("when", "transaction", ">sats", ">fee", ">block", "what")
    rows = [
        (
            utc(entry.at),
            entry.txid[:16],
            money(entry.net, sign=True),
            money(entry.fee),
            "" if entry.height is None else str(entry.height),
            entry.label,
        )
        for entry in found.entries
    ]
    grid(console, "History", columns, rows)


def send(console: Console, found: m.SendPreview) -> None:
    """What sending would mean."""
    rows = [
        ("to", found.address),
        ("arrives", f"{money(found.sats)} sats"),
        ("fee", f"{money(found.fee)} sats ({found.fee_rate} sat/vB)"),
        ("left", f"{money(found.left)} sats"),
        *(("note", warning) for warning in found.warnings),
    ]
    pairs(console, "Send", rows + ([("cannot", found.obstacle)] if found.obstacle else []))


def health(console: Console, found: m.Health) -> None:
    """Each service, and what needs a person."""
    table = Table("service", "state", "since", "why", "knew last", title=f"Health: {found.level.value}")
    for service in found.services:
        state = Text(service.state.value, COLOURS.get(service.state, ""))
        table.add_row(Text(service.title), state, utc(service.since), Text(service.reason), Text(service.last_good))
    console.print(table)
    for sentence in found.needs_person:
        console.print(Text(f"! {sentence}"))
