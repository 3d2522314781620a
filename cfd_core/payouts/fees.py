"""Funding fees and the running account between the two parties of one CFD. Integers all the way."""

from decimal import Decimal
from fractions import Fraction
from math import ceil
from typing import Final, Self

from attrs import evolve, field, frozen

from cfd_core.errors import RuleViolation
from cfd_core.payouts.exact import exact_rate
from cfd_core.values import HOUR, Position, Role, Sats, Timestamp

HOURS_PER_DAY: Final = 24
OPENING_HOURS: Final = 24
"""Charged when the CFD opens."""
LATE_ROLLOVER_HOURS: Final = 24
"""Charged by a rollover of a contract whose expiry has come already."""


def funding_fee(base: int, rate: Decimal | Fraction, hours: int) -> Sats:
    """Size of a funding fee in sats: ceil(base * |rate| * hours / 24); the sign of `rate` only says who pays.

    `base` is the margin in sats of the side that receives, `rate` a fraction per 24 h from -1 to 1.
    """
    if base < 0 or hours < 0:
        raise RuleViolation(f"a funding fee needs a margin and hours of at least 0, not {base} sats and {hours} h")
    return Sats(ceil(base * abs(exact_rate(rate, "a funding rate")) * hours / HOURS_PER_DAY))


def rollover_hours(old_expiry: Timestamp, new_expiry: Timestamp, now: Timestamp) -> int:
    """Hours of funding that a rollover charges.

    The whole hours between the two expiries; `LATE_ROLLOVER_HOURS` once the old expiry has come. `RuleViolation`
    when the new expiry is not at least an hour after the old one, or is not ahead of `now`.
    """
    if new_expiry - old_expiry < HOUR:
        raise RuleViolation("a rollover must move the expiry forward by at least one hour")
    if new_expiry <= now:
        raise RuleViolation("a rollover must lead to an expiry that is still ahead")
    if now >= old_expiry:
        return LATE_ROLLOVER_HOURS
    return (new_expiry - old_expiry) // HOUR


@frozen
class FeeAccount:
    """What one party owes the other for fees so far; both parties' accounts are each other's negative.

    Every charge returns a new account.
    """

    role: Role
    position: Position
    owed: int = field(default=0)
    """Sats that I owe; negative when the other side owes me."""

    def charge_opening_fee(self, fee: int) -> Self:
        """The taker pays the maker `fee` sats for opening."""
        if fee < 0:
            raise RuleViolation(f"an opening fee is at least 0 sats, not {fee}")
        return self._charge(fee, i_pay=self.role is Role.TAKER)

    def charge_funding(self, *, long_margin: int, short_margin: int, rate: Decimal | Fraction, hours: int) -> Self:
        """`hours` of funding at `rate` per 24 h: positive means long pays short, negative the reverse."""
        long_pays = exact_rate(rate, "a funding rate") > 0
        fee = funding_fee(short_margin if long_pays else long_margin, rate, hours)
        return self._charge(fee, i_pay=(self.position is Position.LONG) == long_pays)

    @property
    def long_pays_short(self) -> int:
        """The settled form, the same number on both sides: sats by which it shifts the payout curve."""
        return self.owed if self.position is Position.LONG else -self.owed

    def _charge(self, fee: int, *, i_pay: bool) -> Self:
        return evolve(self, owed=self.owed + (fee if i_pay else -fee))
