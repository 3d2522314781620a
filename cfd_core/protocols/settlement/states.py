"""The phases of a collaborative settlement, and the law of their succession."""

from typing import Final

from attrs import field, frozen

from cfd_core.contract.close import Close
from cfd_core.contract.draft import Draft
from cfd_core.crypto.signer import Signer
from cfd_core.protocols.settlement import messages as m
from cfd_core.values import CfdId, Role, RunId


@frozen(kw_only=True)
class Settlement:
    """What every phase knows."""

    run: RunId
    cfd_id: CfdId
    role: Role
    draft: Draft = field(repr=False)
    close: Close = field(repr=False)
    keys: Signer


@frozen
class PriceAccepted:
    """Our policy or user takes the price."""


@frozen
class PriceRefused:
    """Our policy or user does not take the price."""

    reason: str


@frozen
class AwaitingAnswer:
    """Our proposal is out."""

    settlement: Settlement


@frozen
class AwaitingDecision:
    """Their proposal is here; our policy or user decides."""

    settlement: Settlement


@frozen
class AwaitingFirstSignature:
    """We accepted; the proposer signs first."""

    settlement: Settlement


@frozen
class AwaitingLastSignature:
    """Proposer: our signature is stored and out; the close may appear at any time."""

    settlement: Settlement
    own: bytes = field(repr=False)


@frozen
class Finished:
    """The close is complete on our side."""

    settlement: Settlement


@frozen
class Failed:
    """Ended early. If our signature was out, the close may still appear."""

    settlement: Settlement
    reason: str


State = AwaitingAnswer | AwaitingDecision | AwaitingFirstSignature | AwaitingLastSignature | Finished | Failed
Answer = PriceAccepted | PriceRefused
BUSY: Final = (AwaitingDecision,)
ENDED: Final = (Finished, Failed)

TRANSITIONS: Final[dict[tuple[type, type], tuple[type, ...]]] = {
    (AwaitingAnswer, m.Accept): (AwaitingLastSignature,),
    (AwaitingDecision, PriceAccepted): (AwaitingFirstSignature,),
    (AwaitingDecision, PriceRefused): (Failed,),
    (AwaitingFirstSignature, m.CloseSignature): (Finished,),
    (AwaitingLastSignature, m.CloseSignature): (Finished,),
}
"""(phase, what arrives) -> the phases that may follow. A Reject ends every phase that has not ended."""
