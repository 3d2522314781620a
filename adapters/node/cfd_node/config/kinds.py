"""Kinds of settings: what a value may be, read from TOML or from the text of a variable or flag, and written again."""

from collections.abc import Callable
from decimal import Decimal
from enum import Enum
from typing import Any, Generic, TypeVar

from attrs import evolve, frozen

from cfd_core.errors import CfdError
from cfd_core.values import Secret

T = TypeVar("T")
E = TypeVar("E", bound=Enum)


class NotAllowed(Exception):
    """The value is not of its kind; the text shows it, cut to size."""

    def __init__(self, value: object) -> None:
        super().__init__(f"{value!r:.80}")


@frozen
class Kind(Generic[T]):
    """One kind of setting. Both readers raise `NotAllowed`."""

    allowed: str
    """What may be written, for people."""
    from_toml: Callable[[Any], T]
    from_text: Callable[[str], T]
    to_toml: Callable[[T], str]
    secret: bool = False
    """Never shown, neither the value nor what was written instead of one; never a flag, which others can see."""

    def show(self, value: T) -> str:
        """The value for people, as the file would spell it; of a secret, whether there is one."""
        return ('""' if value is None else "set, and not shown") if self.secret else self.to_toml(value)


def quoted(text: str) -> str:
    """A TOML basic string."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def words(allowed: str, read: Callable[[str], T], write: Callable[[T], str] = str) -> Kind[T]:
    """A string that `read` accepts: it raises `CfdError` or `ValueError` for others."""

    def from_text(text: str) -> T:
        try:
            return read(text)
        except (CfdError, ValueError):
            raise NotAllowed(text) from None

    def from_toml(value: Any) -> T:
        if not isinstance(value, str):
            raise NotAllowed(value)
        return from_text(value)

    return Kind(allowed, from_toml, from_text, lambda value: quoted(write(value)))


def secret(allowed: str, check: Callable[[str], object]) -> Kind[Secret]:
    """A text that nobody may see. `check` raises `CfdError` or `ValueError` for one that cannot be used."""

    def read(text: str) -> Secret:
        check(text)
        return Secret(text.encode())

    def write(_value: Secret) -> str:
        raise TypeError("a secret is written nowhere")

    return evolve(words(allowed, read, write), secret=True)


def one_of(choices: type[E]) -> Kind[E]:
    """One member of an enum, by its value."""
    return words(" or ".join(quoted(choice.value) for choice in choices), choices, lambda choice: str(choice.value))


def whole(low: int, high: int, unit: str) -> Kind[int]:
    """A whole number between two others, both included."""

    def check(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise NotAllowed(value)
        return value

    def from_text(text: str) -> int:
        if not text.removeprefix("-").isdecimal() or not text.isascii() or len(text) > 20:
            raise NotAllowed(text)
        return check(int(text))

    return Kind(f"a whole number from {low} to {high} ({unit})", check, from_text, str)


def fraction(low: Decimal, high: Decimal, unit: str) -> Kind[Decimal]:
    """A decimal number between two others, both included. TOML's numbers are read without going through binary."""

    def check(value: Any) -> Decimal:
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            raise NotAllowed(value)
        number = Decimal(value)
        if not number.is_finite() or not low <= number <= high:
            raise NotAllowed(str(value))
        return number

    def from_text(text: str) -> Decimal:
        try:
            return check(Decimal(text))
        except ArithmeticError:
            raise NotAllowed(text) from None

    return Kind(f"a number from {low} to {high} ({unit})", check, from_text, str)


def switch() -> Kind[bool]:
    """True or false."""

    def from_toml(value: Any) -> bool:
        if not isinstance(value, bool):
            raise NotAllowed(value)
        return value

    def from_text(text: str) -> bool:
        if text not in ("true", "false"):
            raise NotAllowed(text)
        return text == "true"

    return Kind("true or false", from_toml, from_text, lambda value: str(value).lower())


def many(kind: Kind[T], most: int = 64) -> Kind[tuple[T, ...]]:
    """A list; in variables and flags, separated by commas."""

    def from_toml(value: Any) -> tuple[T, ...]:
        if not isinstance(value, list) or len(value) > most:
            raise NotAllowed(value)
        return tuple(kind.from_toml(item) for item in value)

    def from_text(text: str) -> tuple[T, ...]:
        items = [item.strip() for item in text.split(",") if item.strip()]
        if len(items) > most:
            raise NotAllowed(text)
        return tuple(kind.from_text(item) for item in items)

    def to_toml(values: tuple[T, ...]) -> str:
        return "[" + ", ".join(kind.to_toml(value) for value in values) + "]"

    return Kind(f"a list of at most {most}, each {kind.allowed}", from_toml, from_text, to_toml)


def perhaps(kind: Kind[T]) -> Kind[T | None]:
    """As `kind`, or the empty string for none."""

    def from_toml(value: Any) -> T | None:
        return None if value == "" else kind.from_toml(value)

    def from_text(text: str) -> T | None:
        return None if text == "" else kind.from_text(text)

    def to_toml(value: T | None) -> str:
        return '""' if value is None else kind.to_toml(value)

    return Kind(f'{kind.allowed}, or "" for none', from_toml, from_text, to_toml, kind.secret)
