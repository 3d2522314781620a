"""Whether the books of a CFD can be relied on after a restore from a backup.

A revision made since the backup is unknown here, and the one we hold may be revoked: publishing it would give the
whole pool away. So nothing is published until the counterparty has told its revision, or the user has decided. That
the counterparty is *ahead* it can prove, with the revocation secret that we gave it; that it is *not* ahead nobody can
prove: there its word counts, for a person who wants to settle or to force the close, but not for what goes out by
itself. It will publish its own commit when that is due; if it does not, it may lie in wait for ours.

What a new revision would reuse (its keys come from its number) may be known to the counterparty already, and since the
backup we may have published what a rollover's end would revoke. So a restored CFD is never rolled over again, nor is a
rollover completed that the backup caught half-way.
"""

from enum import Enum
from typing import Final


class Standing(Enum):
    """Where a restored CFD stands."""

    UNSURE = "unsure"
    """The counterparty has not been heard yet."""
    CURRENT = "current"
    """It says that our revision is its live one, or newer: hearsay."""
    BEHIND = "behind"
    """It says that there is a newer revision, without proof."""
    REVOKED = "revoked"
    """It proved that our revision is revoked."""
    TRUSTED = "trusted"
    """The user says that nothing happened since the backup."""


RELIABLE: Final = (None, Standing.CURRENT, Standing.TRUSTED)
"""Our revision may be published if a person wants it; None: never restored."""
HEARSAY: Final = (
    "the books come from a backup, and only the counterparty says that they are current: it is to close this position; "
    "if it does not, it may lie. Force the close yourself only if nothing was rolled over since the backup"
)
"""What is shown once a position is due that nothing is published of by itself."""
DOUBTS: Final = {
    Standing.UNSURE: "the books come from a backup, and the counterparty has not told yet whether they are current",
    Standing.BEHIND: "the books come from a backup, and the counterparty says that there is a newer revision",
    Standing.REVOKED: "the books come from a backup, and their revision is revoked: to publish it is to lose all",
}
"""Why nothing may be published."""
