"""Values shared by every room: money, prices, identities. Integers wherever money is meant."""

import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from enum import Enum
from fractions import Fraction
from typing import Any, Final, NewType, Self

from attrs import field, frozen

from cfd_core.errors import DecodeError, RuleViolation

Sats = NewType("Sats", int)
"""An amount of money in satoshi."""
Timestamp = NewType("Timestamp", int)
"""Seconds since 1970-01-01T00:00:00Z."""
Txid = NewType("Txid", str)
"""64 lower-case hex digits in display order (as explorers print it)."""
CfdId = NewType("CfdId", str)
"""32 lower-case hex digits; the id of the order the CFD came from."""
OfferId = NewType("OfferId", str)
"""32 lower-case hex digits."""
PeerId = NewType("PeerId", str)
"""Fingerprint of the peer's transport key, for example `SHA256:...`."""
EventId = NewType("EventId", str)
"""An oracle's name for one event, for example `/x/BitMEX/BXBT/2021-10-04T22:00:00.price?n=20`."""
RunId = NewType("RunId", str)
"""One protocol run, and the stream it owns; unique within a process."""
FeeRate = NewType("FeeRate", int)
"""Satoshi per virtual byte."""

SATS_PER_BTC: Final = 100_000_000
HOUR: Final = 3600
MAX_LEVERAGE: Final = 100
MAX_QUANTITY: Final = 1_000_000_000
MAX_FEE_RATE: Final = 2_000
"""sat/vB; nobody agrees to more by accident."""

_HEX_ID = re.compile(r"[0-9a-f]{32}\Z")
_HEX_TXID = re.compile(r"[0-9a-f]{64}\Z")


def of_type(value: Any, kinds: tuple[type, ...], rule: str) -> Any:
    """The value; `TypeError` with the rule that it breaks when it is of no such type, whatever its annotation says."""
    if not isinstance(value, kinds):
        raise TypeError(f"{rule}, not {type(value).__name__}")
    return value


def kind(*kinds: type) -> Callable[[Any, Any, Any], None]:
    """An attrs validator: a `TypeError` in plain words unless the value is of one of these types."""
    names = " or ".join(found.__name__ for found in kinds)

    def check(_instance: Any, attribute: Any, value: Any) -> None:
        of_type(value, kinds, f"{attribute.name} is a {names}")

    return check


class Role(Enum):
    """Who published the offer, and who took it."""

    MAKER = "maker"
    TAKER = "taker"

    @property
    def other(self) -> "Role":
        return Role.TAKER if self is Role.MAKER else Role.MAKER


class Position(Enum):
    """Long gains when the price rises, short when it falls."""

    LONG = "long"
    SHORT = "short"

    @property
    def other(self) -> "Position":
        return Position.SHORT if self is Position.LONG else Position.LONG


class Network(Enum):
    """The bitcoin network whose addresses and rules apply."""

    REGTEST = "regtest"
    SIGNET = "signet"
    TESTNET4 = "testnet4"
    MAINNET = "mainnet"


class Secret:
    """Secret bytes that no repr, log line or traceback shows. Compare with `==` only in tests."""

    __slots__ = ("_bytes",)

    def __init__(self, value: bytes) -> None:
        # `bytes(32)` would be 32 zeros, and pass for a key
        self._bytes = bytes(of_type(value, (bytes, bytearray, memoryview), "a secret is made of bytes"))

    def reveal(self) -> bytes:
        """The bytes themselves; call it where they are used and nowhere else."""
        return self._bytes

    def __repr__(self) -> str:
        return "Secret(...)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._bytes == other._bytes

    def __hash__(self) -> int:
        return hash(self._bytes)


def _hex_field(pattern: re.Pattern[str], what: str) -> Callable[[Any, Any, Any], None]:
    def check(_instance: Any, _attribute: Any, value: Any) -> None:
        if not isinstance(value, str) or not pattern.match(value):
            raise DecodeError(f"not a {what}: {value!r:.80}")

    return check


_check_txid = _hex_field(_HEX_TXID, "transaction id")


def _whole(value: Any) -> bool:
    """An int that is not a bool: what callers and peers hand us is not what the annotation says."""
    return isinstance(value, int) and not isinstance(value, bool)


def _check_vout(_instance: Any, _attribute: Any, value: Any) -> None:
    if not _whole(value) or not 0 <= value < 2**32:
        raise DecodeError(f"not an output index: {value!r:.80}")


@frozen(order=True)
class OutPoint:
    """One output of one transaction."""

    txid: Txid = field(validator=_check_txid)
    vout: int = field(validator=_check_vout)

    def __str__(self) -> str:
        return f"{self.txid}:{self.vout}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `txid:vout`; `DecodeError` for anything else."""
        txid, _, vout = text.partition(":")
        if not vout.isascii() or not vout.isdigit() or len(vout) > 10:
            raise DecodeError(f"not an outpoint: {text!r:.100}")
        return cls(Txid(txid), int(vout))


@frozen(order=True)
class DigitPrefix:
    """The first `length` binary digits (most significant first) of an outcome, as the number they spell.

    With n digits it stands for the outcomes `start(n)` to `end(n)`, both included. Length 0 is every outcome.
    """

    length: int
    value: int

    def __attrs_post_init__(self) -> None:
        if not 0 <= self.length <= 64 or not 0 <= self.value < 1 << self.length:
            raise RuleViolation(f"not a digit prefix: {self.value} in {self.length} digits")

    def start(self, digits: int) -> int:
        return self.value << (digits - self.length)

    def end(self, digits: int) -> int:
        return ((self.value + 1) << (digits - self.length)) - 1

    def bit(self, index: int) -> int:
        """Digit `index`, 0 being the most significant."""
        return (self.value >> (self.length - 1 - index)) & 1

    def covers(self, outcome: int, digits: int) -> bool:
        return outcome >> (digits - self.length) == self.value


def cfd_id(text: str) -> CfdId:
    """Check a CFD id's form."""
    if not _HEX_ID.match(text):
        raise DecodeError(f"not a CFD id: {text!r:.80}")
    return CfdId(text)


def offer_id(text: str) -> OfferId:
    """Check an offer id's form."""
    if not _HEX_ID.match(text):
        raise DecodeError(f"not an offer id: {text!r:.80}")
    return OfferId(text)


def price(value: Decimal | int | str) -> Decimal:
    """A price in the product's unit: finite, positive, at most 12 digits before and 8 after the point; no float."""
    try:
        number = Decimal(of_type(value, (Decimal, int, str), "a price is a Decimal, a whole number or text"))
    except TypeError as error:
        raise RuleViolation(str(error)) from error
    except (InvalidOperation, ValueError) as error:
        raise RuleViolation(f"not a price: {value!r:.80}") from error
    if not number.is_finite() or number <= 0 or number >= 10**12:
        raise RuleViolation(f"a price must be positive and below 10^12, not {value!s:.80}")
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or exponent < -8:
        raise RuleViolation(f"a price has at most 8 decimals, not {value!s:.80}")
    return number


def quantity(value: int) -> int:
    """A number of contracts: 1 to `MAX_QUANTITY`."""
    if not _whole(value) or not 1 <= value <= MAX_QUANTITY:
        raise RuleViolation(f"quantity must be a whole number from 1 to {MAX_QUANTITY:,}, not {value!r:.80}")
    return value


def leverage(value: int) -> int:
    """A whole multiple from 1 to `MAX_LEVERAGE`."""
    if not _whole(value) or not 1 <= value <= MAX_LEVERAGE:
        raise RuleViolation(f"leverage must be a whole number from 1 to {MAX_LEVERAGE}, not {value!r:.80}")
    return value


def fee_rate(value: int) -> FeeRate:
    """Whole sat/vB from 1 to `MAX_FEE_RATE`."""
    if not _whole(value) or not 1 <= value <= MAX_FEE_RATE:
        raise RuleViolation(f"fee rate must be a whole number from 1 to {MAX_FEE_RATE} sat/vB, not {value!r:.80}")
    return FeeRate(value)


def round_half_up(value: Fraction) -> int:
    """The nearest integer; a tie goes up (towards positive infinity)."""
    return (2 * value.numerator + value.denominator) // (2 * value.denominator)


def words_of(value: object) -> str:
    """A value's class name as words, for messages to people: `AwaitingParams` is "awaiting params"."""
    return "".join(" " + c.lower() if c.isupper() else c for c in type(value).__name__).strip()
