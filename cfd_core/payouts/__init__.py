"""Payout maths: margins, fees, the exact payoff of each product, and the digit prefixes that pay and liquidate it."""

from cfd_core.payouts.curve import Gain, LinearRatio, Payoff, PayoutCurve
from cfd_core.payouts.digits import MAX_DIGITS, prefix_cover
from cfd_core.payouts.fees import OPENING_HOURS, FeeAccount, funding_fee, rollover_hours
from cfd_core.payouts.liquidation import (
    DEFAULT_LIQUIDATION_SLACK,
    Liquidation,
    LiquidationRange,
    build_liquidation,
    check_slack,
    liquidation_entries,
)
from cfd_core.payouts.margin import long_liquidation_price, profit_percent, short_liquidation_price
from cfd_core.payouts.products import (
    INVERSE_BTC_USD,
    PRODUCTS,
    QUANTO_ETH_USD,
    InverseBtcUsd,
    QuantoEthUsd,
    payoff_of,
    register,
)
from cfd_core.payouts.schedule import (
    DEFAULT_TOLERANCE,
    MAX_ENTRIES,
    Schedule,
    ScheduleEntry,
    build_schedule,
    check_tolerance,
    find,
)

__all__ = [
    "DEFAULT_LIQUIDATION_SLACK",
    "DEFAULT_TOLERANCE",
    "INVERSE_BTC_USD",
    "MAX_DIGITS",
    "MAX_ENTRIES",
    "OPENING_HOURS",
    "PRODUCTS",
    "QUANTO_ETH_USD",
    "FeeAccount",
    "Gain",
    "InverseBtcUsd",
    "LinearRatio",
    "Liquidation",
    "LiquidationRange",
    "Payoff",
    "PayoutCurve",
    "QuantoEthUsd",
    "Schedule",
    "ScheduleEntry",
    "build_liquidation",
    "build_schedule",
    "check_slack",
    "check_tolerance",
    "find",
    "funding_fee",
    "liquidation_entries",
    "long_liquidation_price",
    "payoff_of",
    "prefix_cover",
    "profit_percent",
    "register",
    "rollover_hours",
    "short_liquidation_price",
]
