"""What the two parties tell each other while they set a contract up, in this order.

Order -> Accept or Reject -> Params both ways -> Agreement both ways -> Signatures both ways -> LockSignatures, the
taker's first. A Reject may come at any time and ends the run.
"""

from attrs import field, frozen

from cfd_core.inputs import Message, for_people, length
from cfd_core.values import OfferId, OutPoint, Position

PROTOCOL = "cfd-setup@1"


@frozen
class Order(Message):
    """The taker wants the offer: `position` is the taker's own."""

    offer: OfferId
    position: Position
    quantity: int
    leverage: int


@frozen
class Accept(Message):
    """The maker takes the order as it stands."""


@frozen
class Reject(Message):
    """Either side ends the run; `reason` is for the other's user."""

    reason: str = field(converter=for_people)


@frozen
class FundingInput:
    """A coin for the lock, with the transaction that made it: its hash proves script and amount."""

    outpoint: OutPoint
    previous: bytes = field(repr=False)


@frozen
class Params(Message):
    """One side's keys, coins and scripts."""

    identity: bytes = field(validator=length(33))
    publish: bytes = field(validator=length(33))
    revocation: bytes = field(validator=length(33))
    inputs: tuple[FundingInput, ...]
    change_script: bytes
    payout_script: bytes


@frozen
class Agreement(Message):
    """The fingerprint of the sender's draft: any difference shows before a signature leaves."""

    fingerprint: bytes = field(validator=length(32))


@frozen
class Signatures(Message):
    """Adaptor signature on the commit (162 bytes), DER signature on the refund, CET adaptor signatures packed."""

    commit: bytes = field(repr=False, validator=length(162))
    refund: bytes = field(repr=False)
    cets: bytes = field(repr=False)


@frozen
class LockSignatures(Message):
    """Witness stacks for the sender's inputs of the lock, in their order."""

    witnesses: tuple[tuple[bytes, ...], ...] = field(repr=False)


SetupMessage = Order | Accept | Reject | Params | Agreement | Signatures | LockSignatures
