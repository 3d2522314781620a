"""What a signature of ours is for: enough to derive the transaction anew, and to judge whether to sign it."""

from decimal import Decimal
from enum import Enum

from attrs import frozen

from cfd_core.contract.draft import Draft
from cfd_core.values import Sats


class Action(Enum):
    """Which of a contract's signatures."""

    COMMIT = "commit for the counterparty"
    REFUND = "refund"
    CETS = "CETs for the counterparty"
    CLOSE = "close"
    PUBLISH = "our commit, to be published"
    CET = "our CET, to be published"
    PUNISH = "punishment"


@frozen(kw_only=True)
class Purpose:
    """One signature, or all the CET signatures of a revision. `cfd_core.contract.derivation` says what it signs."""

    action: Action
    draft: Draft
    price: Decimal | None = None
    """Of a close."""
    sats: Sats | None = None
    """What a punishment pays us: its fee is the rest."""
