"""The aggregate: one CFD as its events have made it."""

from attrs import field, frozen

from cfd_core.cfd.phases import ENDED, Held, Phase
from cfd_core.contract.terms import ContractTerms
from cfd_core.oracle import Announcement, Attestation
from cfd_core.values import CfdId, OfferId, PeerId, Position, Role, Sats, Timestamp


@frozen
class NotAttested:
    """The oracle has not spoken yet."""


@frozen
class Attested:
    """The outcome is known; the CET of it is not signed yet."""

    attestation: Attestation = field(repr=False)


@frozen
class CetReady:
    """The CET of the outcome is signed."""

    attestation: Attestation = field(repr=False)
    cet: bytes = field(repr=False)
    maker: Sats
    taker: Sats


Outcome = NotAttested | Attested | CetReady


@frozen(kw_only=True)
class Cfd:
    """One contract for difference, from our side."""

    id: CfdId
    role: Role
    peer: PeerId
    offer: OfferId
    terms: ContractTerms
    announcement: Announcement = field(repr=False)
    opened_at: Timestamp
    phase: Phase
    outcome: Outcome = NotAttested()
    version: int
    """Number of events so far."""

    @property
    def position(self) -> Position:
        return self.terms.position(self.role)

    @property
    def held(self) -> Held | None:
        """The enforceable contract, in the phases that have one."""
        return getattr(self.phase, "held", None)

    @property
    def ended(self) -> bool:
        return isinstance(self.phase, ENDED)
