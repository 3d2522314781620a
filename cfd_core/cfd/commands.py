"""What the user (or the user's program) asks for. The engine may refuse with `RuleViolation`."""

from decimal import Decimal

from attrs import field, frozen

from cfd_core.cfd.offer import Offer
from cfd_core.values import CfdId, OfferId, PeerId, Position, kind


@frozen
class PublishOffer:
    """Maker: offer this to all takers."""

    offer: Offer


@frozen
class WithdrawOffer:
    """Maker: take no more orders on this offer."""

    offer: OfferId


@frozen
class LearnOffers:
    """Taker: a maker's present offers; they replace its earlier ones."""

    maker: PeerId
    offers: tuple[Offer, ...]


@frozen
class TakeOffer:
    """Taker: order `quantity` contracts of a maker's offer, going `position`."""

    maker: PeerId
    offer: OfferId
    position: Position = field(validator=kind(Position))
    quantity: int
    leverage: int
    entropy: bytes = field(repr=False)
    """32 fresh random bytes."""


@frozen
class AcceptOrder:
    """Maker: take an order that the policy left to a person."""

    cfd_id: CfdId


@frozen
class RejectOrder:
    """Maker: do not take it; the taker is told `reason`."""

    cfd_id: CfdId
    reason: str


@frozen
class ForceClose:
    """Publish the commit now; the CET follows after its timelock and the attestation."""

    cfd_id: CfdId


@frozen
class RollOver:
    """Propose to the counterparty to move the expiry a full contract term ahead."""

    cfd_id: CfdId
    entropy: bytes = field(repr=False)


@frozen
class ProposeSettlement:
    """Propose to the counterparty to close at exactly this price."""

    cfd_id: CfdId
    price: Decimal


@frozen
class AcceptSettlement:
    """Close at the price that the counterparty proposed."""

    cfd_id: CfdId


@frozen
class RejectSettlement:
    """Do not close at that price; the counterparty is told `reason`."""

    cfd_id: CfdId
    reason: str


@frozen
class ChooseOutcome:
    """The oracle signed two outcomes: settle on this one."""

    cfd_id: CfdId
    outcome: int


@frozen
class TrustBackup:
    """The CFD's books come from a backup, and the counterparty cannot be asked: rely on them all the same.

    If they are not current, publishing their revision gives the whole pool to the counterparty.
    """

    cfd_id: CfdId


Command = (
    PublishOffer
    | WithdrawOffer
    | LearnOffers
    | TakeOffer
    | AcceptOrder
    | RejectOrder
    | ForceClose
    | RollOver
    | ProposeSettlement
    | AcceptSettlement
    | RejectSettlement
    | ChooseOutcome
    | TrustBackup
)
