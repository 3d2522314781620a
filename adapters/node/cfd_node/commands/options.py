"""Options that say in one line what is wrong with them."""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

import click

from cfd_core.errors import CfdError, RuleViolation
from cfd_core.payouts import check_tolerance
from cfd_node.plot import PlotError

_WHOLE: Final = re.compile(r"-?[0-9]{1,20}\Z")


def option(
    name: str,
    metavar: str,
    read: Callable[[str], Any],
    text: str,
    *,
    required: bool = False,
    default: str | None = None,
) -> Callable[[Any], Any]:
    """A click option whose text goes through `read`; anything wrong is one line that names the option."""
    # since click 8.5, a default of None is a value like any other, and no required option would be missing
    given: dict[str, Any] = {} if default is None else {"default": default, "show_default": True}
    return click.option(name, metavar=metavar, callback=_checked(read), help=text, required=required, **given)


def _checked(read: Callable[[str], Any]) -> Callable[[click.Context, click.Parameter, str | None], Any]:
    def convert(_context: click.Context, parameter: click.Parameter, text: str | None) -> Any:
        if text is None:
            return None
        try:
            return read(text.strip())
        except (CfdError, PlotError) as error:
            raise click.ClickException(f"{parameter.opts[0]}: {error}") from error

    return convert


def whole(check: Callable[[int], Any]) -> Callable[[str], Any]:
    """A whole number that `check` accepts."""

    def read(text: str) -> Any:
        if not _WHOLE.match(text):
            raise RuleViolation(f"not a whole number: {text!r:.80}")
        return check(int(text))

    return read


def decimal(check: Callable[[Decimal], Any]) -> Callable[[str], Any]:
    """A decimal number that `check` accepts."""

    def read(text: str) -> Any:
        try:
            number = Decimal(text)
        except (ArithmeticError, ValueError) as error:
            raise RuleViolation(f"not a number: {text!r:.80}") from error
        return check(number)

    return read


def tolerance(text: str) -> Decimal:
    """`0.0025` and `0.25%` are the same fraction of the pool."""
    try:
        number = Decimal(text.removesuffix("%"))
        fraction = number.scaleb(-2) if text.endswith("%") else number
    except (ArithmeticError, ValueError) as error:
        raise RuleViolation(f"not a tolerance: {text!r:.80}; for example 0.0025 or 0.25%") from error
    check_tolerance(fraction)
    return fraction
