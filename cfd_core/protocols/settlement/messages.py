"""What the two parties tell each other to close at an agreed price.

Propose -> Accept or Reject -> CloseSignature of the proposer -> CloseSignature of the other; then both broadcast.
"""

from decimal import Decimal
from typing import Final

from attrs import field, frozen

from cfd_core import values
from cfd_core.errors import DecodeError, RuleViolation
from cfd_core.inputs import Message, for_people, length

PROTOCOL: Final = "cfd-settle@1"


def _price(_instance: object, _attribute: object, value: Decimal) -> None:
    try:
        values.price(value)
    except RuleViolation as error:
        raise DecodeError(str(error)) from error


@frozen
class Propose(Message):
    """Close at exactly this price. `digest` is what both would sign: any difference shows before a signature leaves."""

    price: Decimal = field(validator=_price)
    digest: bytes = field(validator=length(32))


@frozen
class Accept(Message):
    """The receiver agrees to the price and derived the same close."""


@frozen
class Reject(Message):
    """Either side ends the run."""

    reason: str = field(converter=for_people)


@frozen
class CloseSignature(Message):
    """DER signature on the close."""

    signature: bytes = field(repr=False)


SettlementMessage = Propose | Accept | Reject | CloseSignature
