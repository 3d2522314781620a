"""Decisions: a CFD and what happened make events, or a refusal. Nothing here changes anything."""

from collections.abc import Iterator
from typing import Final

from cfd_core.bitcoin.transaction import Transaction
from cfd_core.cfd import events as e
from cfd_core.cfd import phases as p
from cfd_core.cfd.aggregate import Attested, Cfd, NotAttested
from cfd_core.contract.draft import Draft
from cfd_core.crypto.keys import CfdKeys
from cfd_core.errors import RuleViolation
from cfd_core.inputs import OutpointReport, Spend
from cfd_core.oracle import read_attestation
from cfd_core.values import Sats, Timestamp

EXIT_FINALITY: Final = 3
"""Confirmations after which a CET or refund is final."""


def force_close(cfd: Cfd, keys: CfdKeys, now: Timestamp) -> tuple[e.CfdEvent, ...]:
    """Publish the commit. Refused before there is one and after it is published."""
    if isinstance(cfd.phase, p.ON_CHAIN):
        raise RuleViolation("the commit is published already")
    if not isinstance(cfd.phase, p.LockPending | p.Open):
        raise RuleViolation(f"there is nothing to close while the CFD is {phase_name(cfd.phase)}")
    return (e.ForceCloseStarted(cfd.phase.held.dlc.sign_commit(keys).serialize(), now),)


def attest(cfd: Cfd, raw: bytes) -> tuple[e.CfdEvent, ...]:
    """Keep the oracle's word, once checked; `PeerViolation` or `DecodeError` when it does not hold."""
    if cfd.held is None or not isinstance(cfd.outcome, NotAttested):
        return ()
    return (e.OracleAttested(read_attestation(cfd.announcement, raw)),)


def sign_cet(cfd: Cfd, keys: CfdKeys, packed: bytes) -> tuple[e.CfdEvent, ...]:
    """Sign the CET of the attested outcome from the stored signatures."""
    if cfd.held is None or not isinstance(cfd.outcome, Attested):
        return ()
    cet, entry = cfd.held.dlc.sign_cet(keys, cfd.outcome.attestation, packed)
    maker, taker = cfd.held.dlc.draft.payouts(entry)
    return (e.CetSigned(cet.serialize(), maker, taker),)


def observe(cfd: Cfd, report: OutpointReport) -> tuple[e.CfdEvent, ...]:
    """What a report about one of our outpoints says that we did not know."""
    if cfd.held is None:
        return ()
    draft = cfd.held.dlc.draft
    if report.outpoint == draft.lock_outpoint:
        return tuple(_observe_lock(cfd.phase, draft, report))
    if report.outpoint == draft.commit_outpoint:
        return tuple(_observe_commit(cfd.phase, draft, report))
    return ()


def _observe_lock(phase: p.Phase, draft: Draft, report: OutpointReport) -> Iterator[e.CfdEvent]:
    if report.spend is not None and _txid(report.spend) == draft.commit.txid:
        if isinstance(phase, p.LockSignedUnseen):
            yield e.LockSeen(report.created or 0)
        if _commit_known(phase) != (report.spend.transaction, report.spend.height):
            yield e.CommitSeen(report.spend.transaction, report.spend.height)
    elif isinstance(phase, p.ON_CHAIN):
        # our own commit may be on its way: until it was in a block, its absence is no news
        if not isinstance(phase, p.CommitPending):
            yield e.CommitGone()
    elif report.created is None:
        if isinstance(phase, p.Open):
            yield e.LockGone()
    elif _lock_height(phase) != report.created:
        yield e.LockSeen(report.created)


def _observe_commit(phase: p.Phase, draft: Draft, report: OutpointReport) -> Iterator[e.CfdEvent]:
    if report.created is None or not isinstance(phase, p.ON_CHAIN):
        return
    if report.created and _commit_height(phase) != report.created:
        # reports come in any order: this one tells of the commit's block before the lock's spend was reported
        yield e.CommitSeen(phase.commit, report.created)
    elif isinstance(phase, p.CommitPending):
        return
    if report.spend is None:
        if isinstance(phase, p.ExitPending | p.ExitConfirmed):
            yield e.ExitGone()
    elif _exit_key(phase) != (_txid(report.spend), report.spend.height):
        yield _classify(draft, report.spend)


def _classify(draft: Draft, spend: Spend) -> e.ExitSeen:
    tx = Transaction.parse(spend.transaction)
    maker, taker = Sats(0), Sats(0)
    for out in tx.outputs:
        maker = Sats(maker + out.sats * (out.script == draft.maker.funder.payout_script))
        taker = Sats(taker + out.sats * (out.script == draft.taker.funder.payout_script))
    return e.ExitSeen(_kind(draft, tx), spend.transaction, maker, taker, spend.height)


def _kind(draft: Draft, tx: Transaction) -> e.ExitKind:
    if tx.txid == draft.refund.txid:
        return e.ExitKind.REFUND
    bare = tx.without_witnesses()
    if any(draft.cet(entry).outputs == bare.outputs for entry in draft.schedule) and (
        tx.inputs[0].sequence == draft.terms.cet_timelock
    ):
        return e.ExitKind.CET
    return e.ExitKind.UNKNOWN


def close_if_final(cfd: Cfd, tip: int) -> tuple[e.CfdEvent, ...]:
    """Close the books once the exit is deep enough."""
    phase = cfd.phase
    if not isinstance(phase, p.ExitConfirmed) or tip < phase.exit_height + EXIT_FINALITY - 1:
        return ()
    return (e.CfdClosed(phase.exit.kind, phase.exit.maker, phase.exit.taker, phase.exit_height),)


def phase_name(phase: p.Phase) -> str:
    """The phase in words, for messages to people."""
    name = "".join(" " + c.lower() if c.isupper() else c for c in type(phase).__name__)
    return name.strip()


def _txid(spend: Spend) -> str:
    return Transaction.parse(spend.transaction).txid


def _lock_height(phase: p.Phase) -> int | None:
    match phase:
        case p.Open():
            return phase.lock_height
        case p.LockPending():
            return 0
        case _:
            return None


def _commit_height(phase: p.Phase) -> int:
    return phase.commit_height if isinstance(phase, p.CommitConfirmed | p.ExitPending | p.ExitConfirmed) else 0


def _commit_known(phase: p.Phase) -> tuple[bytes, int] | None:
    """The witness counts: ours and the counterparty's commit have one txid, but reveal different secrets."""
    return (phase.commit, _commit_height(phase)) if isinstance(phase, p.ON_CHAIN) else None


def _exit_key(phase: p.Phase) -> tuple[str, int] | None:
    match phase:
        case p.ExitConfirmed():
            return Transaction.parse(phase.exit.transaction).txid, phase.exit_height
        case p.ExitPending():
            return Transaction.parse(phase.exit.transaction).txid, 0
        case _:
            return None
