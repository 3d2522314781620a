"""Everything the engine may ask of the world.

Effects are level-triggered: what is owed follows from the state, so each may be run twice, and each says what a
replay does.
"""

from attrs import field, frozen

from cfd_core.bitcoin.transaction import TxOut
from cfd_core.contract.jobs import VerifyCetsJob
from cfd_core.crypto.signer import CetSigning
from cfd_core.inputs import Message
from cfd_core.values import CfdId, EventId, FeeRate, OutPoint, PeerId, RunId, Sats, Timestamp, Txid


@frozen
class OpenStream:
    """Open a stream to a peer. Answer: `StreamClosed` when it cannot be had. A replay opens nothing new."""

    run: RunId
    peer: PeerId
    protocol: str


@frozen
class SendMessage:
    """Send on a run's stream. Never replayed: after a restart the run is gone."""

    run: RunId
    message: Message


@frozen
class CloseStream:
    """Close a run's stream once what was sent has left. A replay finds it closed."""

    run: RunId


@frozen
class ReserveCoins:
    """Set aside coins worth `amount` plus the fees of their inputs and change. A replay gives the same coins."""

    cfd_id: CfdId
    amount: Sats
    fee_rate: FeeRate


@frozen
class ReleaseCoins:
    """Give back the coins of a setup that ended before our signature left. A replay does nothing."""

    cfd_id: CfdId


@frozen
class SignLock:
    """Sign our own inputs of the lock, and nothing else. A replay signs the same again."""

    cfd_id: CfdId
    psbt: bytes = field(repr=False)


@frozen
class SignCancel:
    """Sign the spend of one of our own inputs back to ourselves. A replay signs the same again."""

    cfd_id: CfdId
    psbt: bytes = field(repr=False)


@frozen
class BumpFee:
    """Make a child that spends output `vout` of `parent`, so that both together pay `rate` sat/vB.

    The output is a P2A anchor or our own payout; `parent_fee` is what the parent pays. A replay with the same rate
    gives the same child, one with a higher rate its replacement.
    """

    cfd_id: CfdId
    parent: bytes = field(repr=False)
    vout: int
    parent_fee: Sats
    rate: FeeRate


@frozen
class CheckInputs:
    """See on the chain that these outputs exist, are confirmed, unspent and worth what is said."""

    cfd_id: CfdId
    outputs: tuple[tuple[OutPoint, TxOut], ...]


@frozen
class SignCets:
    """Run `cfd_core.contract.jobs.sign_cets` on any executor. A replay signs the same again."""

    cfd_id: CfdId
    run: RunId
    job: CetSigning


@frozen
class VerifyCets:
    """Run `cfd_core.contract.jobs.verify_cets` on any executor. A replay checks the same again."""

    cfd_id: CfdId
    run: RunId
    job: VerifyCetsJob


@frozen
class DropRevision:
    """Delete the packed CET signatures of a revoked revision. A replay finds nothing."""

    cfd_id: CfdId
    revision: int


@frozen
class LoadRevision:
    """Read the packed CET signatures of a revision from the store. A replay reads them again."""

    cfd_id: CfdId
    revision: int


@frozen
class BroadcastTx:
    """Put a transaction on the network. A replay is refused as known, which is success."""

    cfd_id: CfdId
    kind: str
    """`lock`, `commit`, `CET`: for people."""
    txid: Txid
    transaction: bytes = field(repr=False)


@frozen
class WatchOutpoint:
    """Report now and after every change what became of this output. A replay reports once more."""

    outpoint: OutPoint
    script: bytes


@frozen
class FetchAnnouncement:
    """Ask the oracle for an event's announcement. A replay asks again."""

    event: EventId


@frozen
class FetchAttestation:
    """Ask the oracle from `not_before` on until it has attested. A replay does not ask twice as often."""

    event: EventId
    not_before: Timestamp


Effect = (
    OpenStream
    | SendMessage
    | CloseStream
    | ReserveCoins
    | ReleaseCoins
    | SignLock
    | SignCancel
    | BumpFee
    | CheckInputs
    | SignCets
    | VerifyCets
    | DropRevision
    | LoadRevision
    | BroadcastTx
    | WatchOutpoint
    | FetchAnnouncement
    | FetchAttestation
)
