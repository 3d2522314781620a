"""What a hostile input costs us grows with its size and no faster, in steps and in memory."""

from functools import partial

from tests.fuzz.bounds import bombs, cost_of
from tests.fuzz.doors import Door

CALLS = (5_000, 2)
"""Function calls: so many, and so many per byte of input."""
MEMORY = (1_500_000, 40)
"""Bytes: so many, and so many per byte of input."""


def test_bombs_cost_little(door: Door) -> None:
    sample = door.samples[0]
    for bomb in bombs(sample, json=door.json):
        cost = cost_of(partial(door.open, bomb), door.refusals)
        assert cost.calls <= CALLS[0] + CALLS[1] * len(bomb), bomb[:80]
        assert cost.memory <= MEMORY[0] + MEMORY[1] * len(bomb), bomb[:80]
