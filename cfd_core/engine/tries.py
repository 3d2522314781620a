"""Trying again: later each time, and not all at once."""

from typing import Self

from attrs import frozen

from cfd_core.crypto import secp
from cfd_core.values import Timestamp


@frozen
class Tries:
    """What was tried in vain: when last, and how often in a row before that."""

    at: Timestamp
    before: int = 0

    def again(self, now: Timestamp) -> Self:
        """One more try in vain."""
        return type(self)(now, self.before + 1)

    def due(self, who: str, first: int, most: int) -> Timestamp:
        """When to try next: `first` seconds later, doubled with each try up to `most`, and up to half of that more.

        `who` spreads the tries of many, and of the two sides of one CFD.
        """
        wait = min(first << min(self.before, 32), most)
        return Timestamp(self.at + wait + spread(f"{who}:{self.before}", wait // 2))


def spread(who: str, width: int) -> int:
    """Always the same seconds for the same name, from 0 to `width`, both included; evenly over many names."""
    return int.from_bytes(secp.tagged_hash("cfd/spread", who.encode())[:8]) % (width + 1)
