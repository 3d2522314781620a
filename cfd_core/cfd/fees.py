"""Fee rates that rise with waiting: whatever must confirm before a timelock ends starts early and doubles."""

from typing import Final

from cfd_core.values import FeeRate

DOUBLE_EVERY: Final = 2
"""Blocks; within the 12 blocks before a CET may move, the rate rises to 32 times the agreed one."""


def scheduled_rate(agreed: FeeRate, waited: int, most: FeeRate) -> FeeRate:
    """sat/vB for a transaction that has waited so many blocks: the agreed rate, doubled every second block."""
    doublings = min(max(waited, 0) // DOUBLE_EVERY, 12)
    return FeeRate(min(agreed << doublings, most))
