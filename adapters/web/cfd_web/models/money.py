"""The wallet: what is in it, and sending."""

import re
from enum import Enum
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, StrictBool, model_validator

from cfd_web.models.fields import Count, FeeRate, Model, Sats, SignedSats, SomeSats, Time, Txid

BitcoinAddress = Annotated[str, Field(pattern=r"^[0-9A-Za-z]{14,90}$")]
Word = Annotated[str, Field(pattern=r"^[a-z]{3,8}$")]
_POSITION: Final = r"^([1-9]|1[0-9]|2[0-4])$"


def _position(value: Any) -> Any:
    """The names of a JSON object are text."""
    return int(value) if isinstance(value, str) and re.fullmatch(_POSITION, value, re.ASCII) else value


WordPosition = Annotated[int, Field(strict=True, ge=1, le=24), BeforeValidator(_position)]
"""Counted from 1."""


class Wallet(Model):
    """What is in the wallet, as of `synced_at`."""

    confirmed: Sats
    reserved: Sats
    """The part of `confirmed` that is set aside for contracts under way."""
    spendable: Sats
    """`confirmed` without `reserved`."""
    pending: Sats
    """On its way in."""
    locked: Sats
    """This node's margins in open contracts; not part of the others."""
    synced_at: Time | None
    """None: not since the node started."""
    stale: bool
    """The last sync failed: the figures may be old."""


class Address(Model):
    """Where to pay to."""

    address: BitcoinAddress
    uri: str
    """`bitcoin:...`, for a QR code."""


class HistoryEntry(Model):
    """One transaction of the wallet."""

    txid: Txid
    net: SignedSats
    """What it brought the wallet, after its fee."""
    fee: Sats | None
    """Of the whole transaction; None: not known, because its inputs are not all ours."""
    height: Count | None
    """None: not in a block."""
    at: Time | None
    """Of the block, or when it was first seen."""
    label: str
    """For example `deposit`, `sent`, `lock of CFD 1f0a...`."""
    cfd: str
    """Which CFD it belongs to; empty: none."""
    can_bump: bool
    """Its fee can still be raised by replacing it."""


class History(Model):
    """The wallet's transactions, newest first."""

    entries: tuple[HistoryEntry, ...]


class FeeLevel(Enum):
    """How soon a transaction should be in a block."""

    SLOW = "slow"
    NORMAL = "normal"
    FAST = "fast"


class FeeChoice(Model):
    """What the network asks for now."""

    level: FeeLevel
    rate: FeeRate
    blocks: Count
    """About how many blocks it takes."""


class Fees(Model):
    """The choices, cheapest first."""

    choices: tuple[FeeChoice, ...]
    estimated: bool
    """False: the network gave no estimate; these are the configured fallback."""


class Send(Model):
    """Bitcoin to send away: `sats`, or everything (`drain`)."""

    address: BitcoinAddress
    sats: SomeSats | None = None
    """What arrives; the fee comes on top. Leave it out to drain."""
    drain: StrictBool = False
    """Everything that is not set aside, less the fee."""
    fee_rate: FeeRate | None = None
    """None: the normal level."""

    @model_validator(mode="after")
    def _one_amount(self) -> "Send":
        if (self.sats is not None) == self.drain:
            raise ValueError("give either sats, or drain")
        return self


class SendPreview(Model):
    """What sending would mean. Nothing has been signed."""

    address: BitcoinAddress
    sats: Sats
    """What would arrive."""
    fee: Sats
    fee_rate: FeeRate
    left: Sats
    """What would remain spendable or pending in the wallet."""
    warnings: tuple[str, ...]
    """For example that little is left for fees of open contracts."""
    obstacle: str
    """Why it would be refused now, in a sentence; empty: it would be sent."""


class Sent(Model):
    """A transaction that was signed and handed to the network."""

    txid: Txid
    sats: Sats
    fee: Sats


class Bump(Model):
    """Replace an unconfirmed transaction of ours by one that pays more."""

    txid: Txid
    fee_rate: FeeRate


class BackupQuestion(Model):
    """Whether the user has shown to have the backup words, and which ones to ask for."""

    confirmed_at: Time | None
    """None: never."""
    ask: tuple[WordPosition, ...]
    """Positions of words, counted from 1."""


class BackupAnswer(Model):
    """Some of the words, by position. They are compared and forgotten."""

    words: Annotated[
        dict[WordPosition, Word],
        Field(min_length=1, max_length=24, repr=False, json_schema_extra={"propertyNames": {"pattern": _POSITION}}),
    ]


class BackupResult(Model):
    """Whether all words were right; which one was not is not told."""

    right: bool


class WatchOnly(Model):
    """Output descriptors without private keys: whoever has them sees every payment, and can spend none."""

    external: str
    internal: str
