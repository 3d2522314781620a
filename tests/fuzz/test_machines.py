"""Every machine and the front desk in storms: only the three error families, and nothing changes by a refusal.

The long version is `nox -s fuzz` (see `campaign.py`).
"""

import pytest

from tests.fuzz import weather


@pytest.mark.parametrize("seed", range(60))
def test_changed_messages(seed: int) -> None:
    """Setup, rollover, settlement and resume, with messages changed on their way; then the CFD ends by force."""
    weather.changed_messages(seed)


@pytest.mark.parametrize("seed", range(60))
def test_anything_from_any_shell(seed: int) -> None:
    weather.anything(seed, 40)
