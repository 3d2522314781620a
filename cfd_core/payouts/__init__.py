"""Payout maths: margins, fees, the exact payoff, and the schedule of digit prefixes that pays it."""

from cfd_core.payouts.curve import (
    INVERSE_BTC_USD,
    PRODUCTS,
    InverseBtcUsd,
    LinearRatio,
    Payoff,
    PayoutCurve,
    payoff_of,
)
from cfd_core.payouts.digits import MAX_DIGITS, prefix_cover
from cfd_core.payouts.fees import OPENING_HOURS, FeeAccount, funding_fee, rollover_hours
from cfd_core.payouts.margin import long_liquidation_price, profit_percent, short_liquidation_price
from cfd_core.payouts.schedule import (
    DEFAULT_TOLERANCE,
    MAX_ENTRIES,
    Schedule,
    ScheduleEntry,
    build_schedule,
    check_tolerance,
)

__all__ = [
    "DEFAULT_TOLERANCE",
    "INVERSE_BTC_USD",
    "MAX_DIGITS",
    "MAX_ENTRIES",
    "OPENING_HOURS",
    "PRODUCTS",
    "FeeAccount",
    "InverseBtcUsd",
    "LinearRatio",
    "Payoff",
    "PayoutCurve",
    "Schedule",
    "ScheduleEntry",
    "build_schedule",
    "check_tolerance",
    "funding_fee",
    "long_liquidation_price",
    "payoff_of",
    "prefix_cover",
    "profit_percent",
    "rollover_hours",
    "short_liquidation_price",
]
