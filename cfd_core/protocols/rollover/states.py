"""The phases of a rollover, and the law of their succession. It does not know which role we play."""

from decimal import Decimal
from typing import Final

from attrs import field, frozen

from cfd_core import inputs
from cfd_core.contract.dlc import Settleable
from cfd_core.contract.draft import Draft
from cfd_core.contract.scripts import RevisionPoints
from cfd_core.contract.terms import RevisionTerms
from cfd_core.crypto.signer import Signer
from cfd_core.oracle import Announcement
from cfd_core.protocols.rollover import messages as m
from cfd_core.values import CfdId, EventId, Role, RunId


@frozen
class Pinned:
    """An earlier run left our commit signature for the next revision with the counterparty.

    A second one, of other transactions or of other nonces, would be a commit that we neither know nor can punish.
    """

    fingerprint: bytes
    own_commit: bytes = field(repr=False)


@frozen(kw_only=True)
class Rollover:
    """What every phase knows."""

    run: RunId
    cfd_id: CfdId
    role: Role
    live: Draft = field(repr=False)
    """The revision that is rolled over."""
    old_keys: Signer
    """Ours of the live revision: its revocation secret leaves at the end."""
    keys: Signer
    """Ours of the new revision."""
    aux: bytes = field(repr=False)
    pinned: Pinned | None = None
    quoted: Decimal | None = None
    """The funding rate that our exits of the new revision are known to stand for already."""


@frozen
class EventsKnown:
    """All announcements the new revision relies on are here, in the order of its events."""

    announcements: tuple[Announcement, ...] = field(repr=False)


@frozen
class TermsAccepted:
    """Our policy or user agrees to the proposed terms (a maker's with its own funding rate)."""

    terms: m.Terms


@frozen
class TermsRefused:
    """Our policy or user does not agree."""

    reason: str


@frozen
class AwaitingAnswer:
    """Our proposal is out."""

    rollover: Rollover
    terms: m.Terms


@frozen
class CheckingAnswer:
    """The accepted terms are held against our limits."""

    rollover: Rollover
    terms: m.Terms


@frozen
class AwaitingDecision:
    """Their proposal is here; our limits or our user decide."""

    rollover: Rollover
    terms: m.Terms


@frozen
class AwaitingEvents:
    """The oracle's announcements are fetched."""

    rollover: Rollover
    revision: RevisionTerms

    @property
    def wanted(self) -> tuple[EventId, ...]:
        return self.revision.events


@frozen
class AwaitingPoints:
    """Our new points are out."""

    rollover: Rollover
    revision: RevisionTerms
    announcements: tuple[Announcement, ...] = field(repr=False)
    own: RevisionPoints


@frozen
class AwaitingAgreement:
    """Our fingerprint is out; nothing is signed before the other's is the same."""

    rollover: Rollover
    draft: Draft = field(repr=False)


@frozen
class SigningCets:
    """An executor signs our CETs."""

    rollover: Rollover
    draft: Draft = field(repr=False)


@frozen
class AwaitingExits:
    """Our exits are out."""

    rollover: Rollover
    draft: Draft = field(repr=False)


@frozen
class VerifyingCets:
    """An executor verifies the counterparty's."""

    rollover: Rollover
    dlc: Settleable = field(repr=False)
    cets: bytes = field(repr=False)


@frozen
class AwaitingFirstCommitSignature:
    """Maker: every exit is here; the taker signs the commit first."""

    rollover: Rollover
    dlc: Settleable = field(repr=False)
    cets: bytes = field(repr=False)


@frozen
class AwaitingCommitSignature:
    """Taker: the new revision is stored and our commit signature is out."""

    rollover: Rollover
    dlc: Settleable = field(repr=False)


@frozen
class AwaitingRevocation:
    """The new revision is ours; the old one is not revoked by the counterparty yet."""

    rollover: Rollover


@frozen
class Finished:
    """The old revision is revoked on both sides."""

    rollover: Rollover


@frozen
class Failed:
    """Ended early; the CFD stays as it is, or as `resume` completes it."""

    rollover: Rollover
    reason: str


State = (
    AwaitingAnswer
    | CheckingAnswer
    | AwaitingDecision
    | AwaitingEvents
    | AwaitingPoints
    | AwaitingAgreement
    | SigningCets
    | AwaitingExits
    | VerifyingCets
    | AwaitingFirstCommitSignature
    | AwaitingCommitSignature
    | AwaitingRevocation
    | Finished
    | Failed
)
Answer = EventsKnown | TermsAccepted | TermsRefused | inputs.CetsSigned | inputs.CetsVerified
BUSY: Final = (CheckingAnswer, AwaitingDecision, AwaitingEvents, SigningCets, VerifyingCets)
ENDED: Final = (Finished, Failed)

TRANSITIONS: Final[dict[tuple[type, type], tuple[type, ...]]] = {
    (AwaitingAnswer, m.Accept): (CheckingAnswer,),
    (CheckingAnswer, TermsAccepted): (AwaitingEvents,),
    (CheckingAnswer, TermsRefused): (Failed,),
    (AwaitingDecision, TermsAccepted): (AwaitingEvents,),
    (AwaitingDecision, TermsRefused): (Failed,),
    (AwaitingEvents, EventsKnown): (AwaitingPoints,),
    (AwaitingPoints, m.Points): (AwaitingAgreement,),
    (AwaitingAgreement, m.Agreement): (SigningCets,),
    (SigningCets, inputs.CetsSigned): (AwaitingExits,),
    (AwaitingExits, m.Exits): (VerifyingCets,),
    (VerifyingCets, inputs.CetsVerified): (AwaitingFirstCommitSignature, AwaitingCommitSignature, Failed),
    (AwaitingFirstCommitSignature, m.CommitSignature): (AwaitingRevocation,),
    (AwaitingCommitSignature, m.CommitSignature): (AwaitingRevocation,),
    (AwaitingRevocation, m.Revocation): (Finished,),
}
"""(phase, what arrives) -> the phases that may follow. A Reject ends every phase that has not ended."""
