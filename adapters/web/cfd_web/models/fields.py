"""The kinds of fields that models are made of. Money is whole sats, times are whole seconds, prices are decimal text.

In JSON a price or a rate is a string such as `"43250.5"`: a JSON number would be read as a float by most programs.
"""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

MAX_MONEY: Final = 21_000_000 * 100_000_000
"""Sats; there are no more."""
MAX_TIME: Final = 2**40


class Model(BaseModel):
    """What all models share: they do not change, and know no field that is not theirs."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


def _decimal(pattern: str) -> Callable[[Any], Decimal]:
    exact = re.compile(pattern.removesuffix("$") + r"\Z", re.ASCII)

    def read(value: Any) -> Decimal:
        text = format(value, "f") if isinstance(value, Decimal) else value
        if not isinstance(text, str) or not exact.match(text):
            raise ValueError('must be a decimal number in quotes, for example "43250.5"')
        return Decimal(text)

    return read


def _text(value: Decimal) -> str:
    """Plain digits, without trailing zeros after the point."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


_PRICE: Final = r"^[0-9]{1,12}(\.[0-9]{1,8})?$"
_RATE: Final = r"^-?[01](\.[0-9]{1,12})?$"
_NUMBER: Final = r"^-?[0-9]{1,18}(\.[0-9]{1,18})?$"


def _whole(value: Any) -> Any:
    """JSON does not tell 1 from 1.0."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value


Price = Annotated[
    Decimal,
    BeforeValidator(_decimal(_PRICE)),
    PlainSerializer(_text, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": _PRICE, "examples": ["43250.5"]}),
]
"""In the product's unit, at most 12 digits before and 8 after the point. Construct with a `Decimal` or text."""
Rate = Annotated[
    Decimal,
    BeforeValidator(_decimal(_RATE)),
    PlainSerializer(_text, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": _RATE, "examples": ["0.00024"]}),
]
"""A fraction of one, at most 12 decimals."""
Number = Annotated[
    Decimal,
    BeforeValidator(_decimal(_NUMBER)),
    PlainSerializer(_text, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": _NUMBER, "examples": ["12.75"]}),
]
"""A decimal that is only shown, for example a percentage; at most 18 decimals."""
Sats = Annotated[int, Field(strict=True, ge=0, le=MAX_MONEY), BeforeValidator(_whole)]
"""An amount, at least 0."""
SomeSats = Annotated[int, Field(strict=True, ge=1, le=MAX_MONEY), BeforeValidator(_whole)]
"""An amount, at least 1."""
SignedSats = Annotated[int, Field(strict=True, ge=-MAX_MONEY, le=MAX_MONEY), BeforeValidator(_whole)]
"""A gain (positive) or a loss or cost (negative), as the field says."""
Time = Annotated[int, Field(strict=True, ge=0, le=MAX_TIME), BeforeValidator(_whole)]
"""Seconds since 1970-01-01T00:00:00Z."""
Whole = Annotated[int, Field(strict=True, ge=-(2**53), le=2**53), BeforeValidator(_whole)]
"""A whole number, also below 0."""
Count = Annotated[int, Field(strict=True, ge=0, le=2**53), BeforeValidator(_whole)]
"""A whole number, at least 0."""
Quantity = Annotated[int, Field(strict=True, ge=1, le=1_000_000_000), BeforeValidator(_whole)]
"""Contracts; one is one USD."""
Leverage = Annotated[int, Field(strict=True, ge=1, le=100), BeforeValidator(_whole)]
"""How many times its margin a position is worth."""
FeeRate = Annotated[int, Field(strict=True, ge=1, le=2_000), BeforeValidator(_whole)]
"""Whole sat/vB."""
CfdId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
"""32 lower-case hex digits."""
OfferId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
"""32 lower-case hex digits."""
Txid = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
"""64 lower-case hex digits, as explorers print them."""
PeerId = Annotated[
    str, Field(pattern=r"^[!-~]{1,100}$", examples=["SHA256:pU2bLyqPdAE1pHfvzU1kVuk1DDpGyHxnWHAgJYyqH1g"])
]
"""Fingerprint of a peer's key: up to 100 printable ASCII characters without a space."""
Reason = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[ -~]+$")]
"""A line of printable ASCII that another person will read."""
