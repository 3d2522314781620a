"""Chance without a source of chance: every draw follows from one seed."""

import hashlib
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Draws:
    """A stream of draws: SHA-256 of the seed and a counter. The same seed gives the same draws on every machine."""

    def __init__(self, seed: bytes) -> None:
        self._seed = hashlib.sha256(b"cfd/draws" + seed).digest()
        self._count = 0

    def entropy(self) -> bytes:
        """32 bytes, as commands and streams want them."""
        self._count += 1
        return hashlib.sha256(self._seed + self._count.to_bytes(8, "big")).digest()

    def below(self, bound: int) -> int:
        """A number from 0 to `bound - 1`."""
        return int.from_bytes(self.entropy(), "big") % bound

    def chance(self, permille: int) -> bool:
        """True so many times in a thousand. 0 draws nothing."""
        return permille > 0 and self.below(1000) < permille

    def pick(self, choices: Sequence[T]) -> T:
        """One of them."""
        return choices[self.below(len(choices))]

    def apart(self, name: str) -> "Draws":
        """A stream of its own for a part of the world: what others draw does not move it."""
        return Draws(self._seed + name.encode())

    def copy(self) -> "Draws":
        """At the same place of the same stream."""
        twin = Draws(b"")
        twin._seed, twin._count = self._seed, self._count
        return twin
