"""What a hostile input costs us grows with its size and no faster, in steps and in memory."""

from typing import Any

CALLS = (5_000, 2)
"""Function calls: so many, and so many per byte of input."""
MEMORY = (1_500_000, 40)
"""Bytes: so many, and so many per byte of input."""


def test_bombs_cost_little(door: Any, bounds: Any) -> None:
    sample = door.samples[0]
    for bomb in bounds.bombs(sample, json=door.json):
        cost = bounds.cost_of(lambda raw=bomb: door.open(raw), door.refusals)
        assert cost.calls <= CALLS[0] + CALLS[1] * len(bomb), bomb[:80]
        assert cost.memory <= MEMORY[0] + MEMORY[1] * len(bomb), bomb[:80]
