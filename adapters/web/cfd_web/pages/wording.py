"""Figures as people read them, and as they write them."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Final

from attrs import frozen
from babel import Locale
from babel.numbers import format_decimal, get_decimal_symbol, get_group_symbol

from cfd_core.values import SATS_PER_BTC
from cfd_web import models as m
from cfd_web.pages.wishes import ENGLISH, Unit, Wishes

NONE: Final = "–"
WHOLE: Final = "#,##0"
BITCOINS: Final = "#,##0.00000000"
DOLLARS: Final = "#,##0.0"
SHARE: Final = "#,##0.######"
_FIGURE: Final = re.compile(r"[-+\u2212]?[0-9.,'’\s]{1,40}\Z")
_GAPS: Final = re.compile(r"[\s'’]")


@frozen
class Wording:
    """How one person wants figures."""

    wishes: Wishes = Wishes()
    locale: Locale = ENGLISH

    @property
    def unit(self) -> Unit:
        """Of amounts."""
        return self.wishes.unit

    def money(self, amount: int | None, *, sign: bool = False) -> str:
        """An amount of sats in the chosen unit; a dash for none."""
        if amount is None:
            return NONE
        if self.unit is Unit.BTC:
            return f"{self._number(Decimal(amount) / SATS_PER_BTC, BITCOINS, sign=sign)} BTC"
        return f"{self._number(amount, WHOLE, sign=sign)} sats"

    def usd(self, price: Decimal | None) -> str:
        """A price of the inverse product; a dash for none."""
        return NONE if price is None else f"{self._number(price, DOLLARS)} USD"

    def whole(self, count: int, *, sign: bool = False) -> str:
        """A whole number."""
        return self._number(count, WHOLE, sign=sign)

    def percent(self, fraction: Decimal, *, digits: int | None = None) -> str:
        """A signed fraction of one, in hundredths; `digits` after the point, or as many as it has."""
        form = SHARE if digits is None else f"#,##0.{'0' * digits}"
        return f"{self._number(fraction * 100, form, sign=True)} %"

    def progress(self, made: m.Progress) -> str:
        """How far a protocol run has come."""
        place = f", step {made.number} of {made.steps}" if made.steps else ""
        counted = f" ({self.whole(made.done)} of {self.whole(made.total)} signatures)" if made.total else ""
        return f"{made.protocol}: {made.step}{place}{counted}"

    def written(self, figure: Decimal) -> str:
        """A figure as a field shows it to be changed."""
        return self._number(figure, "0.########")

    def read(self, text: str) -> Decimal:
        """A figure that a person wrote in the form that figures have here; `ValueError` for anything that is not, or
        not surely, one: `50.000` is fifty thousand to some.
        """
        if not _FIGURE.match(text.strip()):
            raise ValueError("that is not a number")
        group, point = get_group_symbol(self.locale), get_decimal_symbol(self.locale)
        said = text.strip().replace("\u2212", "-")
        minus, said = said.startswith("-"), _GAPS.sub(group, said.removeprefix("-").removeprefix("+"))
        whole, _, rest = said.partition(point)
        digits = whole.replace(group, "")
        grouped = group not in whole or (digits.isdecimal() and whole == self.whole(int(digits)))
        if not grouped or not digits.isdecimal() or not (rest or "0").isdecimal() or said.endswith(point):
            raise ValueError(f"numbers are written like {self._number(Decimal('1234.5'), DOLLARS)} here (see Settings)")
        return Decimal(f"{'-' if minus else ''}{digits}.{rest or 0}")

    def read_money(self, text: str) -> int:
        """Sats that a person wrote in the chosen unit; `ValueError` says what is wrong."""
        said = self.read(text)
        sats = said if self.unit is Unit.SATS else said * SATS_PER_BTC
        if sats != int(sats):
            raise ValueError("there is nothing smaller than a sat")
        return int(sats)

    def _number(self, number: Decimal | int, form: str, *, sign: bool = False) -> str:
        return _formed(Decimal(number), f"+{form};-{form}" if sign else form, str(self.locale))


@lru_cache(maxsize=20_000)  # a tenth of a millisecond each, and pages show the same figures again and again
def _formed(number: Decimal, form: str, locale: str) -> str:
    return format_decimal(number, format=form, locale=locale)


def utc(at: int | None) -> str:
    """A time; a dash for none."""
    return NONE if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


def ago(at: int | None, now: int) -> str:
    """How old something is."""
    return "never" if at is None else f"{_rough(now - at)} ago"


def ahead(at: int, now: int) -> str:
    """How long until something."""
    return f"in {_rough(at - now)}" if at > now else "now"


def _rough(seconds: int) -> str:
    """The largest unit, and the next one while it matters."""
    seconds = max(seconds, 0)
    days, hours, minutes = seconds // 86_400, seconds // 3_600 % 24, seconds // 60 % 60
    if days:
        return f"{days} d {hours} h" if days < 7 and hours else f"{days} d"
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{minutes} min" if minutes else f"{seconds} s"
