"""What a person chose for this browser: units, the form of figures, an explorer. Kept in a cookie of this node."""

import json
import re
from enum import Enum
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit

from attrs import asdict, field, frozen
from babel import Locale, UnknownLocaleError

MOST: Final = 1_000
"""Characters of the cookie, and of a header that a browser sends."""
TXID: Final = "{txid}"
_LOCALE: Final = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z]{4})?([-_]([A-Za-z]{2}|[0-9]{3}))?\Z", re.ASCII)
_HEX: Final = re.compile(r"[0-9a-f]{64}\Z")
_ADDRESS: Final = re.compile(r"[A-Za-z0-9:/?#@!$&()*+,;=._~%{}\[\]-]{1,300}\Z", re.ASCII)
_BRACES: Final = re.compile(r"[{}]")
ENGLISH: Final = Locale("en", "US")
LOCALES: Final = {
    "": "as my browser asks for",
    "en-US": "1,234.5",
    "de-DE": "1.234,5",
    "fr-FR": "1 234,5",
    "de-CH": "1'234.5",
}
"""By what they do; a browser that asks for another one gets it."""


class Unit(Enum):
    """Of amounts."""

    SATS = "sats"
    BTC = "BTC"


def _unit(text: Any) -> Unit:
    return Unit(text)


def checked_locale(name: Any) -> str:
    """One of `LOCALES`; `ValueError` for another."""
    if name not in LOCALES:
        raise ValueError("no such form of figures")
    return str(name)


def checked_explorer(template: Any) -> str:
    """An explorer's address with `{txid}` where the transaction's id goes; empty: none. `ValueError` says what is
    wrong with it.
    """
    if template == "":
        return ""
    if not isinstance(template, str) or not _ADDRESS.match(template):
        raise ValueError("an address has at most 300 letters of those that may stand in one")
    if template.count(TXID) != 1 or _BRACES.search(template.replace(TXID, "")):
        raise ValueError(f"write {TXID} once, where the transaction's id goes")
    parts = urlsplit(template)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("an address begins with https:// or http://")
    if TXID in parts.netloc or "@" in parts.netloc:
        raise ValueError("the host must be a plain name")
    return template


def _flag(value: Any) -> bool:
    return value is True


@frozen
class Wishes:
    """All of them, with what holds for somebody who chose nothing."""

    unit: Unit = field(default=Unit.SATS, metadata={"read": _unit})
    locale: str = field(default="", metadata={"read": checked_locale})
    """One of `LOCALES`; empty: the browser's."""
    explorer: str = field(default="", metadata={"read": checked_explorer})
    """Empty: nothing leads to an explorer."""
    toured: bool = field(default=False, metadata={"read": _flag})
    """Has seen the tour."""

    @classmethod
    def read(cls, cookie: str) -> "Wishes":
        """From a cookie's value. Programs on other ports of this host can write it: what is not valid is not taken."""
        try:
            said = json.loads(unquote(cookie)) if 0 < len(cookie) <= MOST else {}
        except (ValueError, RecursionError):
            said = {}
        found = {}
        for each in cls.__attrs_attrs__:
            if isinstance(said, dict) and each.name in said:
                try:
                    found[each.name] = each.metadata["read"](said[each.name])
                except (ValueError, TypeError):
                    continue
        return cls(**found)

    def written(self) -> str:
        """As a cookie's value."""
        return quote(json.dumps({**asdict(self), "unit": self.unit.value}, separators=(",", ":")), safe="")

    def link(self, txid: str) -> str:
        """Where the chosen explorer shows a transaction; empty: no explorer was chosen."""
        if not _HEX.match(txid):
            raise ValueError("not a transaction's id")
        return self.explorer.replace(TXID, txid)


def locale_for(wishes: Wishes, accepted: str) -> Locale:
    """The chosen locale, or the first that a browser's `Accept-Language` names and we know, or American English."""
    for name in [wishes.locale, *_asked_for(accepted)]:
        if _LOCALE.match(name):
            try:
                return Locale.parse(name.replace("_", "-"), sep="-")
            except (UnknownLocaleError, ValueError):
                continue
    return ENGLISH


def _asked_for(accepted: str) -> list[str]:
    wanted = []
    for place, entry in enumerate(accepted[:MOST].split(",")[:16]):
        name, _, weight = entry.partition(";q=")
        try:
            wanted.append((-float(weight or 1), place, name.strip()))
        except ValueError:
            continue
    return [name for _, _, name in sorted(wanted)]
