"""The phases of a contract setup, each with exactly what is known then, and the law of their succession."""

from typing import Final

from attrs import field, frozen

from cfd_core import inputs
from cfd_core.contract.dlc import Dlc
from cfd_core.contract.draft import Draft, Party
from cfd_core.contract.terms import ContractTerms
from cfd_core.crypto.signer import Signer
from cfd_core.oracle import Announcement
from cfd_core.protocols.contract_setup import messages as m
from cfd_core.values import CfdId, Role, RunId


@frozen(kw_only=True)
class Setup:
    """What every phase knows."""

    run: RunId
    cfd_id: CfdId
    role: Role
    terms: ContractTerms
    announcements: tuple[Announcement, ...] = field(repr=False)
    """Of the settlement and the liquidations, in the order of the terms."""
    keys: Signer
    aux: bytes = field(repr=False)
    """32 bytes of randomness for signature nonces."""


@frozen
class AwaitingAnswer:
    """Taker: the order is out; the maker accepts or rejects it."""

    setup: Setup


@frozen
class AwaitingDecision:
    """Maker: the order is here; our policy or our user accepts or rejects it."""

    setup: Setup


@frozen
class ReservingCoins:
    """Our wallet picks the coins."""

    setup: Setup


@frozen
class AwaitingParams:
    """Our keys and coins are out."""

    setup: Setup
    own: Party
    previous: tuple[inputs.Coin, ...] = field(repr=False)


@frozen
class CheckingInputs:
    """The counterparty's coins are looked up on the chain."""

    setup: Setup
    draft: Draft = field(repr=False)
    previous: tuple[inputs.Coin, ...] = field(repr=False)


@frozen
class AwaitingAgreement:
    """Our fingerprint is out; nothing is signed before the other's is the same."""

    setup: Setup
    draft: Draft = field(repr=False)
    previous: tuple[inputs.Coin, ...] = field(repr=False)


@frozen
class SigningCets:
    """An executor signs our CETs."""

    setup: Setup
    draft: Draft = field(repr=False)
    previous: tuple[inputs.Coin, ...] = field(repr=False)


@frozen
class AwaitingSignatures:
    """Our signatures on commit, CETs and refund are out."""

    setup: Setup
    draft: Draft = field(repr=False)
    previous: tuple[inputs.Coin, ...] = field(repr=False)
    own_commit: bytes = field(repr=False)


@frozen
class VerifyingCets:
    """An executor verifies the counterparty's CET signatures."""

    setup: Setup
    dlc: Dlc = field(repr=False)
    cets: bytes = field(repr=False)
    previous: tuple[inputs.Coin, ...] = field(repr=False)


@frozen
class AwaitingFirstLockSignatures:
    """Maker: all but the lock is signed and verified; the taker signs the lock first."""

    setup: Setup
    dlc: Dlc = field(repr=False)
    cets: bytes = field(repr=False)
    previous: tuple[inputs.Coin, ...] = field(repr=False)


@frozen
class SigningLock:
    """Our wallet signs our inputs. The point of no return comes with its answer."""

    setup: Setup
    dlc: Dlc = field(repr=False)
    cets: bytes = field(repr=False)
    theirs: tuple[tuple[bytes, ...], ...] = field(repr=False)
    """The counterparty's lock witnesses: all of them for the maker, none yet for the taker."""


@frozen
class AwaitingLastLockSignatures:
    """Taker: our lock signature is stored and out; the maker's completes the lock."""

    setup: Setup
    dlc: Dlc = field(repr=False)
    own_witnesses: tuple[tuple[bytes, ...], ...] = field(repr=False)


@frozen
class Finished:
    """Nothing more to say: the lock is complete."""

    setup: Setup


@frozen
class Failed:
    """Ended early; `reason` is for people."""

    setup: Setup
    reason: str


State = (
    AwaitingAnswer
    | AwaitingDecision
    | ReservingCoins
    | AwaitingParams
    | CheckingInputs
    | AwaitingAgreement
    | SigningCets
    | AwaitingSignatures
    | VerifyingCets
    | AwaitingFirstLockSignatures
    | SigningLock
    | AwaitingLastLockSignatures
    | Finished
    | Failed
)


@frozen
class OrderApproved:
    """The maker's policy or user takes the order."""


@frozen
class OrderRefused:
    """The maker's policy or user does not take the order."""

    reason: str


Answer = inputs.SetupInput | OrderApproved | OrderRefused
"""What a busy phase waits for from our own side."""

BUSY: Final = (AwaitingDecision, ReservingCoins, CheckingInputs, SigningCets, VerifyingCets, SigningLock)
"""Phases that wait for our own side: messages of the counterparty are kept until they are over."""
ENDED: Final = (Finished, Failed)

TRANSITIONS: Final[dict[tuple[type, type], tuple[type, ...]]] = {
    (AwaitingAnswer, m.Accept): (ReservingCoins,),
    (AwaitingDecision, OrderApproved): (ReservingCoins,),
    (AwaitingDecision, OrderRefused): (Failed,),
    (ReservingCoins, inputs.CoinsReserved): (AwaitingParams,),
    (ReservingCoins, inputs.CoinsRefused): (Failed,),
    (AwaitingParams, m.Params): (CheckingInputs,),
    (CheckingInputs, inputs.InputsChecked): (AwaitingAgreement, Failed),
    (AwaitingAgreement, m.Agreement): (SigningCets,),
    (SigningCets, inputs.CetsSigned): (AwaitingSignatures,),
    (AwaitingSignatures, m.Signatures): (VerifyingCets,),
    (VerifyingCets, inputs.CetsVerified): (AwaitingFirstLockSignatures, SigningLock, Failed),
    (AwaitingFirstLockSignatures, m.LockSignatures): (SigningLock,),
    (SigningLock, inputs.LockInputsSigned): (AwaitingLastLockSignatures, Finished, Failed),
    (SigningLock, inputs.LockSigningFailed): (Failed,),
    (AwaitingLastLockSignatures, m.LockSignatures): (Finished,),
}
"""(phase, what arrives) -> the phases that may follow. A Reject ends every phase that has not ended."""
