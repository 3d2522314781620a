"""Every decoder against arbitrary bytes and mutations of real ones: it takes them wholly or refuses by its rules.

The long version is `nox -s fuzz` (see `campaign.py`).
"""

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.doors import Door
from tests.fuzz.mutation import Mutator

EXAMPLES = 40


def knock(door: Door, raw: bytes) -> bool:
    """Whether the door took it; anything but its refusals fails the test."""
    try:
        door.open(raw)
    except door.refusals:
        return False
    return True


def test_the_first_sample_is_taken(door: Door) -> None:
    assert knock(door, door.samples[0])


@settings(max_examples=EXAMPLES, derandomize=True, deadline=None)
@given(raw=st.binary(max_size=400))
def test_any_bytes(door: Door, raw: bytes) -> None:
    knock(door, raw)


@settings(max_examples=EXAMPLES, derandomize=True, deadline=None)
@given(data=st.data(), seed=st.integers(0, 2**32))
def test_changed_samples(door: Door, data: st.DataObject, seed: int) -> None:
    changing = Mutator(Random(seed), door.samples)
    sample = data.draw(st.sampled_from(door.samples))
    knock(door, changing.line(sample) if door.json else changing.blob(sample))
