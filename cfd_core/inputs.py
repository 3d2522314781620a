"""Everything that can happen to the engine, besides the user's commands (`cfd_core.cfd.commands`).

Inputs that begin something carry `entropy` (32 fresh random bytes): the core has no randomness of its own.
"""

from collections.abc import Callable
from typing import Any

from attrs import field, frozen

from cfd_core.errors import DecodeError
from cfd_core.oracle import Announcement
from cfd_core.values import CfdId, EventId, OutPoint, PeerId, RunId, Txid

MAX_REASON = 500
"""Characters; a reason is shown to people and stored for ever."""


def for_people(reason: str) -> str:
    """Cut to size, on one line, without control characters: the counterparty chose the text."""
    return "".join(c if c.isprintable() else " " for c in reason[:MAX_REASON])


def length(expected: int) -> Callable[[Any, Any, bytes], None]:
    """An attrs validator for fields of so many bytes; `DecodeError` for others."""

    def check(_instance: Any, attribute: Any, value: bytes) -> None:
        if len(value) != expected:
            raise DecodeError(f"{attribute.name} must be {expected} bytes, not {len(value)}")

    return check


@frozen
class Message:
    """Root of all protocol messages. `cfd_id` is the session: a stream speaks about one CFD only."""

    cfd_id: CfdId


# --- the node ------------------------------------------------------------------------------------------------------


@frozen
class NodeStarted:
    """The process has loaded its store; protocol runs of before are gone."""


@frozen
class StoreRestored:
    """The store was put back from a backup, so it may lack what happened since. Given once, before anything else."""


@frozen
class TimerFired:
    """`Engine.deadline` has come (or nearly: the engine looks at `now`)."""


# --- the network ---------------------------------------------------------------------------------------------------


@frozen
class StreamOpened:
    """A peer opened a stream to us; the shell chose `run`."""

    run: RunId
    peer: PeerId
    protocol: str
    entropy: bytes = field(repr=False)


@frozen
class PeerConnected:
    """A link to this peer has come up: the engine sends what the peer may lack."""

    peer: PeerId
    entropy: bytes = field(repr=False)


@frozen
class MessageReceived:
    """One whole decoded message came in on a run's stream."""

    run: RunId
    message: Message


@frozen
class MessageUndecodable:
    """Bytes came in that are not a message; `reason` is fit to be told to the peer."""

    run: RunId
    reason: str


@frozen
class StreamClosed:
    """The stream is gone: closed by the peer, refused, timed out or cut."""

    run: RunId
    reason: str


# --- the wallet ----------------------------------------------------------------------------------------------------


@frozen
class Coin:
    """A coin of ours set aside, with the whole transaction that made it."""

    outpoint: OutPoint
    previous: bytes = field(repr=False)


@frozen
class CoinsReserved:
    """Answers `ReserveCoins`."""

    cfd_id: CfdId
    coins: tuple[Coin, ...]
    change_script: bytes
    payout_script: bytes


@frozen
class CoinsRefused:
    """Answers `ReserveCoins` when the wallet cannot: `reason` is fit for the user."""

    cfd_id: CfdId
    reason: str


@frozen
class LockInputsSigned:
    """Answers `SignLock`: the PSBT with final witnesses for our inputs."""

    cfd_id: CfdId
    psbt: bytes = field(repr=False)


@frozen
class LockSigningFailed:
    """Answers `SignLock` when the wallet cannot."""

    cfd_id: CfdId
    reason: str


@frozen
class CancelInputSigned:
    """Answers `SignCancel`: the PSBT with the final witness."""

    cfd_id: CfdId
    psbt: bytes = field(repr=False)


@frozen
class FeeBumpSigned:
    """Answers `BumpFee`: the signed child, and the rate that was asked for."""

    cfd_id: CfdId
    parent: Txid
    child: bytes = field(repr=False)
    rate: int


# --- the executor --------------------------------------------------------------------------------------------------


@frozen
class CetsSigned:
    """Answers `SignCets`: 162 bytes per CET, in schedule order."""

    cfd_id: CfdId
    run: RunId
    """The run that asked: an answer to an earlier one is not taken for it."""
    signatures: bytes = field(repr=False)


@frozen
class CetsVerified:
    """Answers `VerifyCets`."""

    cfd_id: CfdId
    run: RunId
    first_invalid: int | None


# --- the store -----------------------------------------------------------------------------------------------------


@frozen
class RevisionLoaded:
    """Answers `LoadRevision` with the packed CET signatures."""

    cfd_id: CfdId
    revision: int
    packed: bytes = field(repr=False)


# --- the chain -----------------------------------------------------------------------------------------------------


@frozen
class Spend:
    """The transaction that spends an outpoint; height 0 while it is unconfirmed."""

    transaction: bytes = field(repr=False)
    height: int


@frozen
class OutpointReport:
    """The present truth about a watched outpoint; a later report replaces an earlier one.

    `created` is the height at which the output came to be: 0 in the mempool, None when it does not exist (any more).
    """

    outpoint: OutPoint
    created: int | None
    spend: Spend | None


@frozen
class TipChanged:
    """The best chain has a new tip; lower than before after a reorg."""

    height: int


@frozen
class InputsChecked:
    """Answers `CheckInputs`: what is wrong with the counterparty's inputs; empty when all is well."""

    cfd_id: CfdId
    problems: tuple[str, ...]


# --- the oracle ----------------------------------------------------------------------------------------------------


@frozen
class AnnouncementReceived:
    """An announcement, read and verified by `cfd_core.oracle.read_announcement`."""

    announcement: Announcement


@frozen
class AttestationReceived:
    """Raw attestation bytes for an event; the engine verifies them against its announcement.

    A shell with thousands of CFDs gives it in portions, `Engine.concerned_by` says for whom. An omitted CFD is asked
    for again by `Engine.resume`.
    """

    event: EventId
    raw: bytes = field(repr=False)
    among: frozenset[CfdId] | None = None
    """Only these CFDs hear of it; None: all."""


Input = (
    NodeStarted
    | StoreRestored
    | TimerFired
    | StreamOpened
    | PeerConnected
    | MessageReceived
    | MessageUndecodable
    | StreamClosed
    | CoinsReserved
    | CoinsRefused
    | LockInputsSigned
    | LockSigningFailed
    | CancelInputSigned
    | FeeBumpSigned
    | CetsSigned
    | CetsVerified
    | RevisionLoaded
    | OutpointReport
    | TipChanged
    | InputsChecked
    | AnnouncementReceived
    | AttestationReceived
)

SetupInput = (
    CoinsReserved | CoinsRefused | LockInputsSigned | LockSigningFailed | CetsSigned | CetsVerified | InputsChecked
)
"""Answers of our own shells that a contract setup waits for."""
