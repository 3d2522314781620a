"""What the two parties tell each other to move the expiry forward.

Propose -> Accept or Reject -> Points both ways -> Agreement both ways -> Exits both ways (CETs and refund) ->
CommitSignature, the taker's first -> Revocation, the taker's first. Nobody signs the new commit before holding every
exit from it, so whichever commit appears, both can settle. CommitSignature and Revocation are also sent again on each
new connection (`cfd-resume@1`).
"""

from decimal import Decimal
from typing import Final

from attrs import field, frozen

from cfd_core.contract import terms
from cfd_core.errors import DecodeError, RuleViolation
from cfd_core.inputs import Message, for_people, length
from cfd_core.values import EventId, Txid

PROTOCOL: Final = "cfd-rollover@1"
RESUME_PROTOCOL: Final = "cfd-resume@1"
MAX_HOURS: Final = 48


@frozen(kw_only=True)
class Terms:
    """What the next revision settles on; the maker's word counts for the funding rate."""

    settlement: EventId
    liquidations: tuple[EventId, ...]
    funding_rate: Decimal
    """Per 24 h; positive: long pays short."""
    hours: int
    """Of funding to be charged."""

    def __attrs_post_init__(self) -> None:
        if len(self.liquidations) > terms.MAX_LIQUIDATIONS or not 0 <= self.hours <= MAX_HOURS:
            raise DecodeError("rollover terms out of range")
        try:
            terms.funding_rate(self.funding_rate)
        except RuleViolation as error:
            raise DecodeError(str(error)) from error


@frozen
class Propose(Message):
    """The sender wants to roll the CFD over, from the revision with this commit."""

    from_commit: Txid
    terms: Terms


@frozen
class Accept(Message):
    """The receiver agrees; `terms` are the proposed ones, but for a maker's own funding rate."""

    terms: Terms


@frozen
class Reject(Message):
    """Either side ends the run; the CFD stays as it is."""

    reason: str = field(converter=for_people)


@frozen
class Points(Message):
    """The sender's public points of the new revision."""

    publish: bytes = field(validator=length(33))
    revocation: bytes = field(validator=length(33))


@frozen
class Agreement(Message):
    """The fingerprint of the sender's draft."""

    fingerprint: bytes = field(validator=length(32))


@frozen
class Exits(Message):
    """DER signature on the refund, CET adaptor signatures packed."""

    refund: bytes = field(repr=False)
    cets: bytes = field(repr=False)


@frozen
class CommitSignature(Message):
    """Adaptor signature on the commit of this revision."""

    revision: int
    signature: bytes = field(repr=False, validator=length(162))


@frozen
class Revocation(Message):
    """The sender's revocation secret of this revision: it is bound to the next one."""

    revision: int
    secret: bytes = field(repr=False, validator=length(32))


RolloverMessage = Propose | Accept | Reject | Points | Agreement | Exits | CommitSignature | Revocation


@frozen
class Holding(Message):
    """After a restore from a backup: "my live revision is `number`, what is yours?", and the answer to it.

    An answer carries the asker's own revocation secret of the revision that it holds, if the asker gave it away since
    its backup: proof that publishing it would be punished.
    """

    number: int
    secret: bytes = field(repr=False)

    def __attrs_post_init__(self) -> None:
        if not 0 <= self.number < 2**31 or len(self.secret) not in (0, 32):
            raise DecodeError("a revision and a secret out of range")
