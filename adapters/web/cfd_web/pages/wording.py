"""Figures as people read them."""

from datetime import UTC, datetime
from decimal import Decimal

from cfd_web import models as m


def sats(amount: int | None, *, sign: bool = False) -> str:
    """An amount with its unit; a dash for none."""
    return "–" if amount is None else f"{amount:+,} sats" if sign else f"{amount:,} sats"


def usd(price: Decimal | None) -> str:
    """A price of the inverse product; a dash for none."""
    return "–" if price is None else f"{price:,.1f} USD"


def utc(at: int | None) -> str:
    """A time; a dash for none."""
    return "–" if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


def progress(found: m.Progress) -> str:
    """How far a protocol run has come."""
    place = f", step {found.number} of {found.steps}" if found.steps else ""
    counted = f" ({found.done:,} of {found.total:,} signatures)" if found.total else ""
    return f"{found.protocol}: {found.step}{place}{counted}"


def ago(at: int | None, now: int) -> str:
    """How old something is."""
    if at is None:
        return "never"
    seconds = max(now - at, 0)
    for size, name in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {name} ago"
    return f"{seconds} s ago"
