"""The error tree. Every error says whose fault it was; anything else that escapes is a bug of ours."""

from enum import Enum
from typing import Literal

Culprit = Literal["counterparty", "oracle", "chain"]


class Reaction(Enum):
    """What a `PeerViolation` asks of us."""

    REJECT = "reject"
    """Answer with the reason and end this run; nothing is at stake yet."""
    ABORT = "abort"
    """End the run; what is signed stays watched."""
    FORCE_CLOSE = "force close"
    """End the run and take the position to the chain."""


class CfdError(Exception):
    """Root of every error the core raises on purpose."""


class RuleViolation(CfdError):
    """Our own caller asked for something the rules do not allow. The state is unchanged."""


class PeerViolation(CfdError):
    """Somebody else (the counterparty, the oracle) broke the rules. The state is unchanged.

    `reaction` says what the engine does about it, `culprit` whom to name to the user.
    """

    def __init__(
        self,
        reason: str,
        *,
        reaction: Reaction = Reaction.REJECT,
        culprit: Culprit = "counterparty",
    ) -> None:
        super().__init__(reason)
        self.reaction = reaction
        self.culprit: Culprit = culprit


class DecodeError(CfdError):
    """Bytes or text that do not decode, wholly and exactly, to what was expected."""
